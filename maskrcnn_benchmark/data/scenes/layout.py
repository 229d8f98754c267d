"""Samples a scene: its size and light, and groups placed side by side and one behind the other."""

from dataclasses import dataclass

import numpy as np

from maskrcnn_benchmark.data.scenes.actors import Spot
from maskrcnn_benchmark.data.scenes.groups import GROUPS, Group
from maskrcnn_benchmark.data.scenes.scene import Scene


@dataclass(frozen=True)
class Setting:
    """What of a picture is no object: ground, horizon (pixels), direction of light, brightness, tint, grain, blur."""

    ground: str
    horizon: int
    light: tuple[float, float]
    brightness: float
    tint: tuple[float, float, float]
    noise: float
    blur: float


GROUNDS = ("grass", "grass", "pavement", "sand", "snow")
PLACE_TRIES = 14
Placed = list[tuple[float, float, float]]  # left, right, nearness


def sample_scene(rng: np.random.Generator) -> tuple[Scene, Setting]:
    """Draws a scene of ten to sixteen objects or a few more, and its setting."""
    if rng.random() < 0.85:
        width, height = int(rng.integers(416, 513)), int(rng.integers(320, 401))
    else:
        width, height = int(rng.integers(340, 401)), int(rng.integers(400, 481))
    setting = _setting(rng, height)
    scene = Scene(width, height)
    wanted = int(rng.integers(10, 15))
    placed: Placed = []
    groups: list[tuple[float, list]] = []
    weights = np.array([group.weight for group in GROUPS])
    scale = float(rng.uniform(0.9, 1.12)) * (1.0 if width > height else 0.8)
    while len(scene.things) < wanted:
        group = GROUPS[rng.choice(len(GROUPS), p=weights / weights.sum())]
        spot = _place(rng, scene, setting.horizon, group, placed, scale)
        scene.strokes = []
        group.build(spot)
        groups.append((spot.y, scene.strokes))
    scene.strokes = [stroke for _, strokes in sorted(groups, key=lambda entry: entry[0]) for stroke in strokes]
    return scene, setting


def _setting(rng: np.random.Generator, height: int) -> Setting:
    warm = rng.normal(0, 0.05)
    return Setting(
        ground=str(rng.choice(GROUNDS)),
        horizon=int(rng.uniform(0.34, 0.46) * height),
        light=(float(rng.uniform(-0.35, 0.35)), float(rng.uniform(0.1, 0.45))),
        brightness=float(rng.choice((rng.uniform(0.85, 1.1), rng.uniform(0.55, 0.85)), p=(0.8, 0.2))),
        tint=(1 + warm, 1.0, 1 - warm),
        noise=float(rng.uniform(1.5, 5)),
        blur=float(rng.choice((0.0, rng.uniform(0.4, 0.9)), p=(0.6, 0.4))),
    )


def _place(rng: np.random.Generator, scene: Scene, horizon: int, group: Group, placed: Placed, scale: float) -> Spot:
    """The least crowded of a few random spots; it is entered in `placed`."""
    first, last = horizon + 0.06 * scene.height, 0.965 * scene.height
    best, best_cost = None, np.inf
    for _ in range(PLACE_TRIES):
        near = float(rng.uniform(*group.near))
        unit = scene.height * (0.125 + 0.095 * near) * scale
        half = min(group.half_width * unit, 0.48 * scene.width)
        x = float(rng.uniform(half, scene.width - half))
        cost = 0.0
        for left, right, other in placed:
            shared = min(x + half, right) - max(x - half, left)
            cost += max(0.0, shared / min(2 * half, right - left)) * np.exp(-3 * abs(near - other))
        if cost < best_cost:
            best, best_cost = (x, half, near, unit), cost
    x, half, near, unit = best
    placed.append((x - half, x + half, near))
    return Spot(scene, rng, x, first + near * (last - first), unit, int(rng.choice((-1, 1))))
