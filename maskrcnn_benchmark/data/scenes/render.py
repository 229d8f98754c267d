"""Draws a scene, objects from far to near: the picture, and what is visible of each object."""

from dataclasses import dataclass

import cv2
import numpy as np

from maskrcnn_benchmark.data.scenes import belongings, creatures, objects
from maskrcnn_benchmark.data.scenes.canvas import Canvas, shade
from maskrcnn_benchmark.data.scenes.layout import Setting
from maskrcnn_benchmark.data.scenes.scene import Cord, Scene
from maskrcnn_benchmark.data.scenes.vocabulary import COLORS

DRAW = {**creatures.DRAW, **objects.DRAW, **belongings.DRAW}
GROUND_COLORS = {"grass": (112, 156, 84), "pavement": (158, 156, 152), "sand": (222, 202, 158), "snow": (228, 232, 238)}


@dataclass(frozen=True)
class Picture:
    """
    image: (height, width, 3) uint8 RGB. boxes: (n, 4) float xyxy of the visible pixels of each thing and its parts, the
    last pixel included; zero where nothing is visible. visible: (n,) share of its drawn pixels that nothing covers.
    area: (n,) pixels seen.
    """

    image: np.ndarray
    boxes: np.ndarray
    visible: np.ndarray
    area: np.ndarray


def render(scene: Scene, setting: Setting, rng: np.random.Generator) -> Picture:
    """Draws everything, in the order of scene.strokes."""
    image = _background(scene, setting, rng)
    _shadows(image, scene, setting)
    canvas = Canvas(image, len(scene.things))
    last_stroke = {stroke[0]: position for position, stroke in enumerate(scene.strokes) if not isinstance(stroke, Cord)}
    covering: list[int] = []
    for position, stroke in enumerate(scene.strokes):
        if isinstance(stroke, Cord):
            _draw_cord(canvas, stroke)
            continue
        index, stage = stroke
        thing = scene.things[index]
        canvas.owner = index
        if thing.name == "person":
            creatures.person(thing.pen(canvas), thing, stage)
        else:
            DRAW[thing.name](thing.pen(canvas), thing)
        if last_stroke[index] == position:
            canvas.light(index, *setting.light)
            covering.append(index)
    boxes, visible, area = _visible(scene, canvas.masks, covering)
    return Picture(_expose(image, setting, rng), boxes, visible, area)


def _background(scene: Scene, setting: Setting, rng: np.random.Generator) -> np.ndarray:
    width, height, horizon = scene.width, scene.height, setting.horizon
    image = np.empty((height, width, 3), np.uint8)
    zenith, haze = rng.integers((70, 120, 185), (150, 180, 240)), rng.integers((190, 205, 215), (240, 236, 240))
    image[:horizon] = np.linspace(zenith, haze, horizon)[:, None]
    for _ in range(rng.integers(0, 4)):
        x, y, tone = rng.uniform(0, width), rng.uniform(0, 0.7 * horizon), int(rng.integers(225, 250))
        for _ in range(4):
            centre = int(x + rng.normal(0, 22)), int(y + rng.normal(0, 4))
            size = int(rng.integers(12, 34)), int(rng.integers(6, 13))
            cv2.ellipse(image[:horizon], centre, size, 0, 0, 360, (tone,) * 3, -1, cv2.LINE_AA)
    for _ in range(rng.integers(0, 3)):
        tone = rng.integers((90, 115, 105), (150, 165, 160)).tolist()
        points = np.stack([np.linspace(-20, width + 20, 9), horizon - rng.uniform(0.02, 0.16, 9) * height], 1)
        outline = np.vstack([points, [(width + 20, horizon), (-20, horizon)]]).astype(np.int32)
        cv2.fillPoly(image, [outline], tone, cv2.LINE_AA)
    base = np.array(GROUND_COLORS[setting.ground]) + rng.integers(-14, 15, 3)
    image[horizon:] = np.clip(np.linspace(base * 1.06, base * 0.86, height - horizon), 0, 255)[:, None]
    _ground_details(image, scene, setting, rng, base)
    return image


def _ground_details(
    image: np.ndarray, scene: Scene, setting: Setting, rng: np.random.Generator, base: np.ndarray
) -> None:
    """Clutter that is no object: tufts, stones, cracks, flowers, a path or a strip of water."""
    width, height, horizon = scene.width, scene.height, setting.horizon
    if rng.random() < 0.35:
        depth = int(rng.uniform(0.05, 0.12) * height)
        image[horizon : horizon + depth] = np.linspace((120, 165, 200), (90, 140, 185), depth)[:, None]
    if rng.random() < 0.4:
        x, tilt, tone = rng.uniform(0, width), rng.normal(0, 0.5 * width), (base * 0.9 + 14).clip(0, 255).tolist()
        path = np.array([(x, horizon), (x + 12, horizon), (x + tilt + 110, height), (x + tilt - 30, height)], np.int32)
        cv2.fillPoly(image, [path], tone, cv2.LINE_AA)
    for _ in range(int(rng.integers(30, 90))):
        y = rng.uniform(horizon + 4, height)
        size = 1 + 5 * (y - horizon) / (height - horizon)
        x, tone = rng.uniform(0, width), (base * rng.uniform(0.75, 1.2)).clip(0, 255).tolist()
        if setting.ground == "grass":
            for lean in (-0.6, 0, 0.6):
                cv2.line(image, (int(x), int(y)), (int(x + lean * size), int(y - 1.4 * size)), tone, 1, cv2.LINE_AA)
        else:
            cv2.ellipse(image, (int(x), int(y)), (int(size), int(size * 0.45)), 0, 0, 360, tone, -1, cv2.LINE_AA)
    if setting.ground == "grass" and rng.random() < 0.5:
        petals = COLORS[str(rng.choice(("red", "yellow", "white", "purple", "pink")))]
        for _ in range(int(rng.integers(10, 30))):
            y = rng.uniform(horizon + 8, height)
            size = int(1 + 2 * (y - horizon) / (height - horizon))
            cv2.circle(image, (int(rng.uniform(0, width)), int(y)), size, petals, -1, cv2.LINE_AA)


SHADOW_HALF = {
    "horse": 0.8, "dog": 0.45, "bird": 0.2, "car": 1.2, "bicycle": 0.8, "table": 0.75, "chair": 0.32, "bench": 0.85,
    "tree": 0.8, "house": 1.3, "boat": 1.1, "person": 0.3, "ball": 0.22, "bag": 0.3, "cup": 0.15, "hat": 0.3,
    "umbrella": 0.3,
}  # fmt: skip


def _shadows(image: np.ndarray, scene: Scene, setting: Setting) -> None:
    """Darkens the ground below what stands on it, a little to the side away from the light."""
    dark = np.zeros(image.shape[:2], np.uint8)
    for thing in scene.things:
        if thing.aloft or abs(thing.y - thing.depth) > 0.25 * thing.unit or thing.name not in SHADOW_HALF:
            continue
        half = SHADOW_HALF[thing.name] * thing.unit
        centre = int(thing.x - setting.light[0] * 0.8 * half), int(thing.y)
        cv2.ellipse(dark, centre, (max(2, int(half)), max(2, int(0.16 * half + 2))), 0, 0, 360, 90, -1, cv2.LINE_AA)
    dark = cv2.GaussianBlur(dark, (0, 0), 2)
    gain = 1 - dark.astype(np.float32) / 255
    image[:] = cv2.multiply(image, cv2.merge([gain, gain, gain]), dtype=cv2.CV_8U)


def _draw_cord(canvas: Canvas, cord: Cord) -> None:
    start, end = np.array(cord.start), np.array(cord.end)
    steps = np.linspace(0, 1, 9)[:, None]
    points = start + steps * (end - start)
    points[:, 1] += cord.sag * np.linalg.norm(end - start) * 4 * (steps * (1 - steps))[:, 0]
    canvas.owner = None
    canvas.polyline(points, shade(COLORS[cord.color], 0.9), 2.5 if cord.color == "orange" else 1.5)


def _visible(scene: Scene, masks: np.ndarray, order: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, visible shares and visible areas from the masks; a part's pixels count as its owner's too."""
    count = len(scene.things)
    top = np.full(masks.shape[1:], 255, np.uint8)
    for index in order:
        top[masks[index] > 0] = index
    boxes, visible, area = np.zeros((count, 4)), np.zeros(count), np.zeros(count)
    for index in range(count):
        seen, drawn = (top == index).view(np.uint8), masks[index]
        for part, thing in enumerate(scene.things):
            if thing.owner == index:
                seen, drawn = seen | (top == part), drawn | masks[part]
        area[index] = cv2.countNonZero(seen)
        visible[index] = area[index] / max(1, cv2.countNonZero(drawn))
        if area[index]:
            x, y, width, height = cv2.boundingRect(seen)
            boxes[index] = (x, y, x + width - 1, y + height - 1)
    return boxes, visible, area


def _expose(image: np.ndarray, setting: Setting, rng: np.random.Generator) -> np.ndarray:
    """Brightness, tint, blur and grain."""
    if setting.blur:
        image = cv2.GaussianBlur(image, (0, 0), setting.blur)
    gain = np.array(setting.tint) * setting.brightness
    table = np.clip(np.arange(256)[:, None] * gain, 0, 255).astype(np.uint8)
    grain = (rng.standard_normal(image.shape[:2], np.float32) * setting.noise).astype(np.int16)
    return cv2.add(cv2.LUT(image, table[None]), cv2.merge([grain] * 3), dtype=cv2.CV_8U)
