"""Drawing of what people wear, hold and play with: hat, bag, cup, ball, umbrella, kite. Metres, y up, facing +x."""

import math

from maskrcnn_benchmark.data.scenes.canvas import Pen, ring, shade
from maskrcnn_benchmark.data.scenes.scene import Thing


def hat(pen: Pen, thing: Thing) -> None:
    """A hat, its brim at y = 0: kind "brim", "cap" or "top"."""
    felt, band = thing.shade(0), thing.shade(1)
    if thing.kind == "cap":
        dome = [(0.2 * math.cos(a), 0.24 * math.sin(a)) for a in (2.6, 2.0, 1.57, 1.1, 0.5)]
        pen.polygon([(-0.2, 0), *dome, (0.2, 0)], felt)
        pen.line([(0.12, 0.02), (0.42, -0.01)], shade(felt, 0.75), 0.07)
        pen.oval(0, 0.24, 0.035, 0.035, band)
        return
    top, crown = (0.36, 0.17) if thing.kind == "top" else (0.24, 0.2)
    pen.polygon([(-crown, 0), (-crown * 0.9, top), (crown * 0.9, top), (crown, 0)], felt)
    pen.box(-crown, 0.02, crown, 0.09, band, outline=False)
    pen.oval(0, 0, 0.34 if thing.kind == "brim" else 0.28, 0.055, shade(felt, 0.85))


def bag(pen: Pen, thing: Thing) -> None:
    """A bag, its bottom at y = 0: kind "handbag" (handle up to 0.6), "case" or "backpack"."""
    leather, metal = thing.shade(0), thing.shade(1)
    if thing.kind == "handbag":
        pen.line([(-0.14, 0.34), (-0.1, 0.56), (0.1, 0.56), (0.14, 0.34)], shade(leather, 0.55), 0.05)
        outline = [(-0.28, 0), (0.28, 0), (0.2, 0.37), (-0.2, 0.37)]
        pen.polygon(outline, leather)
        pen.polygon([(-0.22, 0.37), (0.22, 0.37), (0.1, 0.2), (-0.1, 0.2)], shade(leather, 0.78))
        pen.oval(0, 0.2, 0.04, 0.04, metal)
    elif thing.kind == "case":
        pen.line([(-0.1, 0.44), (-0.1, 0.58), (0.1, 0.58), (0.1, 0.44)], (60, 55, 50), 0.05)
        outline = [(-0.34, 0), (0.34, 0), (0.34, 0.45), (-0.34, 0.45)]
        pen.polygon(outline, leather)
        for x in (-0.2, 0.2):
            pen.box(x - 0.04, 0, x + 0.04, 0.45, shade(leather, 0.6), outline=False)
        pen.oval(0, 0.36, 0.04, 0.04, metal)
    else:
        outline = [(-0.2, 0), (0.16, 0), (0.2, 0.2), (0.16, 0.46), (-0.08, 0.5), (-0.2, 0.34)]
        pen.polygon(outline, leather)
        pen.box(-0.16, 0.06, 0.1, 0.22, shade(leather, 0.75))
        pen.line([(0.16, 0.44), (0.3, 0.3), (0.18, 0.08)], shade(leather, 0.55), 0.05)
    if thing.pattern:
        pen.pattern(outline, shade(leather, 0.6), thing.pattern, 0.12, 0.8)


def cup(pen: Pen, thing: Thing) -> None:
    """A cup with a handle, 0.34 high."""
    china = thing.shade(0)
    pen.line(ring(0.17, 0.17, 0.1, steps=12), shade(china, 0.7), 0.045)
    pen.polygon([(-0.13, 0), (0.13, 0), (0.17, 0.32), (-0.17, 0.32)], china)
    pen.box(-0.15, 0.13, 0.15, 0.19, thing.shade(1), outline=False)
    pen.oval(0, 0.32, 0.17, 0.04, shade(china, 0.55))


BALL = 0.22


def ball(pen: Pen, thing: Thing) -> None:
    """A ball of radius 0.22 resting at y = 0: kind "soccer", "beach" or "basket"."""
    first, second, turn = thing.shade(0), thing.shade(1), thing.rng().uniform(0, 6)
    if thing.kind == "soccer":
        pen.oval(0, BALL, BALL, BALL, (240, 240, 238))
        for spot in range(6):
            reach, angle = (0, 0) if spot == 0 else (0.15, turn + spot * 2 * math.pi / 5)
            pen.oval(reach * math.cos(angle), BALL + reach * math.sin(angle), 0.055, 0.055, (30, 30, 34), outline=False)
    elif thing.kind == "beach":
        pen.oval(0, BALL, BALL, BALL, first)
        for wedge in range(3):
            angles = [turn + wedge * 2 * math.pi / 3 + step * math.pi / 12 for step in range(5)]
            arc = [(BALL * math.cos(a), BALL + BALL * math.sin(a)) for a in angles]
            pen.polygon([(0, BALL), *arc], second, outline=False)
    else:
        pen.oval(0, BALL, BALL, BALL, first)
        pen.line([(-BALL, BALL), (BALL, BALL)], shade(first, 0.4), 0.025)
        pen.line([(0, 0), (0, 2 * BALL)], shade(first, 0.4), 0.025)
        pen.line([(-0.15, 0.06), (-0.07, BALL), (-0.15, 0.38)], shade(first, 0.4), 0.025)
        pen.line([(0.15, 0.06), (0.07, BALL), (0.15, 0.38)], shade(first, 0.4), 0.025)


UMBRELLA_GRIP = 0.28


def umbrella(pen: Pen, thing: Thing) -> None:
    """An umbrella: kind "open" (canopy 0.9 to 1.4 above y = 0), "parasol" (twice as large) or "closed"."""
    cloth, other = thing.shade(0), thing.shade(1)
    if thing.kind == "closed":
        pen.line([(0.06, 0.02), (0, 0), (0, 0.3)], (70, 50, 40), 0.05)
        pen.polygon([(-0.1, 0.3), (0.1, 0.3), (0.05, 0.95), (0, 1.06), (-0.05, 0.95)], cloth)
        pen.line([(-0.06, 0.45), (0.07, 0.55)], other, 0.04)
        return
    size, pole = (1.55, 1.75) if thing.kind == "parasol" else (1.0, 1.0)
    pen.line([(0.1 if pole == 1 else 0, 0.04), (0, 0), (0, 1.3 * pole)], (80, 60, 45), 0.05 * pole)
    base, half, rise = 0.92 * pole, 0.72 * size, 0.46 * size
    for segment in range(6):
        left, right = math.pi * (1 - segment / 6), math.pi * (1 - (segment + 1) / 6)
        ends = half * math.cos(left), half * math.cos(right)
        rim = [(ends[0], base), (half * math.cos(0.5 * (left + right)), base + 0.06 * size), (ends[1], base)]
        top = [(ends[1] * 0.72, base + rise * 0.72), (0, base + rise), (ends[0] * 0.72, base + rise * 0.72)]
        pen.polygon([*rim, *top], cloth if segment % 2 else other)
    pen.line([(0, base + rise), (0, base + rise + 0.08)], (80, 60, 45), 0.04)


def kite(pen: Pen, thing: Thing) -> None:
    """A kite of four quarters with a tail, hanging down from its centre at (0, 0.55)."""
    first, second = thing.shade(0), thing.shade(1)
    top, bottom, left, right, centre = (0, 1.0), (0, 0.0), (-0.38, 0.6), (0.38, 0.6), (0, 0.6)
    tail = [(0, 0), (0.08, -0.14), (-0.08, -0.28), (0.06, -0.42)]
    pen.line(tail, (60, 60, 60), 0.025)
    for x, y in tail[1:]:
        bow = [(x - 0.09, y + 0.05), (x - 0.09, y - 0.05), (x + 0.09, y + 0.05), (x + 0.09, y - 0.05)]
        pen.polygon(bow, second, outline=False)
    pen.polygon([top, left, centre], first)
    pen.polygon([top, right, centre], second)
    pen.polygon([bottom, left, centre], second)
    pen.polygon([bottom, right, centre], first)
    pen.line([top, bottom], (70, 50, 40), 0.025)
    pen.line([left, right], (70, 50, 40), 0.025)


DRAW = {"hat": hat, "bag": bag, "cup": cup, "ball": ball, "umbrella": umbrella, "kite": kite}
