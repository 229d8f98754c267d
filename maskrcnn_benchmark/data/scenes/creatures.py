"""Drawing of what lives: person, horse, dog, bird. Metres, y up, facing +x, origin at the point of contact."""

import math

from maskrcnn_benchmark.data.scenes.canvas import Pen, shade
from maskrcnn_benchmark.data.scenes.poses import HEAD
from maskrcnn_benchmark.data.scenes.scene import Thing
from maskrcnn_benchmark.data.scenes.vocabulary import COLORS

SKINS = ((244, 205, 170), (222, 172, 130), (176, 120, 82), (120, 78, 52))
HAIRS = ((45, 35, 30), (95, 60, 35), (200, 160, 80), (150, 145, 140))


def person(pen: Pen, thing: Thing, stage: str = "whole") -> None:
    """A person in the pose of thing.body. Stage "body" leaves out the near arm, "arm" draws only it."""
    body, rng = thing.body, thing.rng()
    skin, hair = SKINS[rng.integers(len(SKINS))], HAIRS[rng.integers(len(HAIRS))]
    shirt, trousers = thing.shade(0), thing.shade(1)
    long_hair, short_sleeves = rng.random() < 0.4, rng.random() < 0.5
    if stage != "arm":
        _arm(pen, body.far_arm, shade(shirt, 0.75), shade(skin, 0.85), short_sleeves)
        _leg(pen, body.far_leg, shade(trousers, 0.75))
        _leg(pen, body.near_leg, trousers)
        _torso(pen, thing, shirt)
        _head(pen, thing, skin, hair, long_hair)
    if stage != "body":
        _arm(pen, body.near_arm, shade(shirt, 0.88), skin, short_sleeves)


def _leg(pen: Pen, joints, color) -> None:
    pen.line(joints, shade(color, 0.6), 0.19)
    pen.line(joints, color, 0.165)
    (x0, y0), (x1, y1) = joints[1], joints[2]
    length = math.hypot(x1 - x0, y1 - y0)
    down = ((x1 - x0) / length, (y1 - y0) / length)
    toe = (-down[1], down[0])  # at a right angle to the shin, forward
    pen.line([joints[2], (x1 + 0.13 * toe[0], y1 + 0.13 * toe[1])], (50, 40, 38), 0.1)


def _arm(pen: Pen, joints, sleeve, skin, short: bool) -> None:
    pen.line(joints, shade(skin, 0.6), 0.13)
    pen.line(joints, skin, 0.105)
    pen.line(joints[:2] if short else joints, shade(sleeve, 0.6), 0.14)
    pen.line(joints[:2] if short else joints, sleeve, 0.115)
    pen.oval(*joints[2], 0.065, 0.065, skin)


def _torso(pen: Pen, thing: Thing, shirt) -> None:
    body = thing.body
    side = (body.up[1], -body.up[0])
    corners = ((body.pelvis, 0.13), (body.neck, 0.15), (body.neck, -0.13), (body.pelvis, -0.14))
    outline = [(x + width * side[0], y + width * side[1]) for (x, y), width in corners]
    pen.polygon(outline, shirt)
    if thing.pattern:
        pen.pattern(outline, shade(shirt, 1.5 if sum(shirt) < 380 else 0.6), thing.pattern, 0.11, 1.57)
    pen.line([body.neck, body.head], SKINS[1], 0.09)


def _head(pen: Pen, thing: Thing, skin, hair, long_hair: bool) -> None:
    (x, y), up = thing.body.head, thing.body.up
    ahead = (up[1], -up[0])

    def at(forward: float, above: float) -> tuple[float, float]:
        return x + forward * ahead[0] + above * up[0], y + forward * ahead[1] + above * up[1]

    if long_hair:
        pen.line([at(-0.1, 0.05), at(-0.14, -0.24)], hair, 0.16)
    pen.oval(*at(-0.03, 0.05), HEAD * 0.95, HEAD * 0.95, hair)
    pen.oval(*at(0.03, -0.02), HEAD * 0.82, HEAD * 0.86, skin)
    pen.line([at(0.09, 0.03), at(0.09, 0.05)], (30, 30, 30), 0.035)
    pen.line([at(0.15, -0.1), at(0.09, -0.11)], (140, 50, 50), 0.025)


def horse(pen: Pen, thing: Thing) -> None:
    """A horse; kind "grazing" has its head down, "walking" its legs apart. Its back is at (0, 1.1)."""
    coat, dark = thing.shade(0), shade(thing.shade(0), 0.55)
    stride = 0.16 if "walking" in thing.marks else 0.03
    for x, reach in ((0.5, stride), (-0.5, -stride)):
        pen.line([(x, 0.75), (x + reach + 0.05, 0.38), (x + reach, 0.04)], shade(coat, 0.7), 0.13)
    for x, reach in ((0.42, -stride), (-0.58, stride)):
        pen.line([(x, 0.75), (x + reach + 0.05, 0.38), (x + reach, 0.04)], coat, 0.15)
        pen.line([(x + reach, 0.05), (x + reach + 0.06, 0.05)], (40, 32, 30), 0.1)
    pen.line([(-0.68, 0.98), (-0.88, 0.82), (-0.9, 0.4)], dark, 0.13)
    back = [(-0.72, 0.78), (-0.7, 1.02), (-0.45, 1.13), (0.0, 1.07), (0.4, 1.14)]
    trunk = [*back, (0.62, 1.0), (0.66, 0.8), (0.45, 0.66), (-0.4, 0.64)]
    pen.polygon(trunk, coat)
    if thing.pattern:
        pen.pattern(trunk, thing.shade(1), "spotted", 0.3, 0.5)
    if thing.kind == "grazing":
        neck, head, jaw = (0.98, 0.52), (1.06, 0.36), (1.16, 0.1)
    else:
        neck, head, jaw = (0.82, 1.46), (0.92, 1.54), (1.2, 1.3)
    pen.polygon([(0.3, 1.1), neck, (neck[0] + 0.16, neck[1] - 0.08), (0.64, 0.82)], coat)
    pen.line([(0.28, 1.12), (0.55, 1.2 if thing.kind != "grazing" else 1.0), neck], dark, 0.11)
    pen.line([head, jaw], shade(coat, 0.6), 0.24)
    pen.line([head, jaw], coat, 0.21)
    ear = ((-0.1, 0.06), (-0.08, 0.27), (0.03, 0.1))
    pen.polygon([(head[0] + x, head[1] + y) for x, y in ear], dark)
    pen.oval(0.6 * head[0] + 0.4 * jaw[0], 0.6 * head[1] + 0.4 * jaw[1] + 0.03, 0.03, 0.03, (20, 20, 20))


HORSE_BACK = (-0.05, 1.08)
HORSE_MOUTH = (1.24, 1.26)


def dog(pen: Pen, thing: Thing) -> None:
    """A dog; kind "standing", "sitting" or "lying"."""
    coat, other = thing.shade(0), shade(thing.shade(0), 0.55)
    if thing.kind == "sitting":
        trunk = [(-0.3, 0.02), (-0.32, 0.2), (-0.1, 0.42), (0.12, 0.62), (0.24, 0.5), (0.18, 0.25), (0.1, 0.02)]
        head = (0.22, 0.72)
        legs = [[(0.16, 0.4), (0.18, 0.05), (0.26, 0.04)], [(-0.18, 0.12), (-0.02, 0.06), (0.06, 0.04)]]
        tail = [(-0.28, 0.08), (-0.46, 0.06), (-0.52, 0.2)]
    elif thing.kind == "lying":
        trunk = [(-0.44, 0.03), (-0.44, 0.2), (-0.2, 0.28), (0.22, 0.28), (0.36, 0.2), (0.34, 0.03)]
        head = (0.46, 0.3)
        legs = [[(0.26, 0.1), (0.4, 0.05), (0.56, 0.05)], [(-0.3, 0.12), (-0.16, 0.05), (-0.06, 0.05)]]
        tail = [(-0.42, 0.1), (-0.62, 0.05), (-0.72, 0.1)]
    else:
        back = [(-0.42, 0.3), (-0.42, 0.48), (-0.2, 0.54), (0.24, 0.55), (0.36, 0.46)]
        trunk = [*back, (0.32, 0.28), (0.1, 0.27), (-0.2, 0.3)]
        head = (0.46, 0.64)
        feet = ((-0.3, -0.05), (0.22, 0.05), (-0.36, 0.02), (0.28, -0.02))
        legs = [[(x, 0.35), (x + 0.02, 0.18), (x + reach, 0.04)] for x, reach in feet]
        tail = [(-0.4, 0.46), (-0.56, 0.58), (-0.6, 0.76)]
    pen.line(tail, other, 0.08)
    for leg in legs:
        pen.line(leg, shade(coat, 0.6), 0.125)
        pen.line(leg, coat, 0.1)
    pen.polygon(trunk, coat)
    if thing.pattern:
        pen.pattern(trunk, thing.shade(1), "spotted", 0.2, 0.4)
    x, y = head
    pen.line([(x - 0.16, y - 0.2), (x - 0.04, y)], coat, 0.19)
    pen.oval(x, y, 0.17, 0.15, coat)
    pen.oval(x + 0.17, y - 0.05, 0.12, 0.075, coat)
    pen.oval(x + 0.27, y - 0.03, 0.04, 0.04, (20, 18, 18))
    pen.polygon([(x - 0.12, y + 0.12), (x - 0.02, y + 0.13), (x - 0.07, y - 0.13), (x - 0.16, y - 0.1)], other)
    pen.oval(x + 0.06, y + 0.05, 0.026, 0.026, (15, 15, 15))


DOG_MOUTH = {"standing": (0.74, 0.58), "sitting": (0.5, 0.66)}
DOG_NECK = (0.34, 0.5)  # standing


def bird(pen: Pen, thing: Thing) -> None:
    """A bird; kind "perched", "pecking" or "flying"."""
    coat, wing = thing.shade(0), thing.shade(1)
    lift, tilt = {"perched": (0.26, 0.5), "pecking": (0.24, -0.35), "flying": (0.1, 0.1)}[thing.kind]
    cos, sin = math.cos(tilt), math.sin(tilt)

    def at(x: float, y: float) -> tuple[float, float]:
        return x * cos - y * sin, lift + x * sin + y * cos

    if thing.kind != "flying":
        pen.line([(-0.02, 0.2), (-0.02, 0.0), (0.06, 0.0)], (215, 120, 40), 0.035)
        pen.line([(0.06, 0.2), (0.06, 0.0), (0.14, 0.0)], (215, 120, 40), 0.035)
    else:
        pen.polygon([at(-0.1, 0.05), at(-0.3, 0.5), at(-0.08, 0.42), at(0.12, 0.08)], shade(wing, 0.7))
    pen.polygon([at(-0.2, 0.08), at(-0.5, 0.1), at(-0.48, -0.04), at(-0.18, -0.06)], wing)
    trunk = ((-0.26, 0.02), (-0.1, 0.15), (0.12, 0.15), (0.24, 0.02), (0.1, -0.12), (-0.12, -0.12))
    pen.polygon([at(*point) for point in trunk], coat)
    pen.oval(*at(0.26, 0.14), 0.115, 0.115, coat)
    pen.polygon([at(0.35, 0.18), at(0.52, 0.12), at(0.35, 0.07)], (240, 160, 40))
    pen.oval(*at(0.3, 0.18), 0.025, 0.025, (10, 10, 10))
    if thing.kind == "flying":
        pen.polygon([at(-0.12, 0.06), at(-0.05, 0.55), at(0.12, 0.4), at(0.14, 0.06)], wing)
    else:
        pen.polygon([at(-0.26, 0.0), at(-0.02, 0.12), at(0.12, 0.04), at(-0.04, -0.07)], wing)
    if thing.pattern:
        breast = [at(-0.1, 0.1), at(0.16, 0.1), at(0.1, -0.1), at(-0.1, -0.1)]
        pen.pattern(breast, COLORS["black"], "striped", 0.07, 0.3)


DRAW = {"horse": horse, "dog": dog, "bird": bird}
