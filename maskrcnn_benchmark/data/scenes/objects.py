"""Drawing of things that stand in the open: vehicles, furniture, tree, house. Metres, y up, facing +x."""

import math

import numpy as np

from maskrcnn_benchmark.data.scenes.canvas import Pen, ring, shade
from maskrcnn_benchmark.data.scenes.scene import Thing
from maskrcnn_benchmark.data.scenes.vocabulary import COLORS

GLASS, RUBBER, STEEL = (165, 205, 225), (38, 38, 42), (120, 124, 130)

CAR_SHAPES = {
    "sedan": ([(-1.2, 0.2), (-1.22, 0.56), (-0.85, 0.66), (-0.5, 1.02), (0.35, 1.02), (0.72, 0.66), (1.18, 0.56),
               (1.22, 0.2)],
              [(-0.72, 0.66), (-0.44, 0.95), (0.3, 0.95), (0.58, 0.66)]),
    "van": ([(-1.2, 0.2), (-1.2, 1.2), (-1.1, 1.3), (0.6, 1.3), (0.95, 0.78), (1.2, 0.7), (1.22, 0.2)],
            [(-0.95, 0.78), (-0.95, 1.18), (0.52, 1.18), (0.8, 0.78)]),
    "hatch": ([(-1.0, 0.2), (-1.06, 0.7), (-0.85, 1.06), (0.2, 1.06), (0.58, 0.7), (1.05, 0.6), (1.1, 0.2)],
              [(-0.86, 0.7), (-0.74, 0.98), (0.16, 0.98), (0.44, 0.7)]),
}  # fmt: skip
CAR_ROOF = {"sedan": (-0.08, 1.02), "van": (-0.2, 1.3), "hatch": (-0.3, 1.06)}
CAR_HOOD = {"sedan": (0.95, 0.62), "van": (1.1, 0.72), "hatch": (0.85, 0.64)}
CAR_REAR = {"sedan": -1.22, "van": -1.2, "hatch": -1.06}
CAR_WHEELS = {"sedan": (-0.7, 0.74), "van": (-0.72, 0.76), "hatch": (-0.62, 0.66)}


def car(pen: Pen, thing: Thing) -> None:
    """A car in profile without its wheels (they are things of their own)."""
    paint = thing.shade(0)
    shape, glass = CAR_SHAPES[thing.kind]
    pen.polygon(shape, paint)
    pen.polygon(glass, GLASS)
    middle = 0.5 * (glass[1][0] + glass[2][0])
    pen.line([(middle, glass[0][1]), (middle, glass[1][1])], shade(paint, 0.8), 0.07)
    front, rear = shape[-1][0], shape[0][0]
    pen.box(rear, 0.3, front, 0.36, shade(paint, 0.65), outline=False)
    pen.oval(front - 0.08, 0.46, 0.07, 0.06, (250, 240, 180))
    pen.box(rear, 0.42, rear + 0.08, 0.54, (200, 40, 40))
    pen.line([(middle + 0.2, 0.58), (middle + 0.34, 0.58)], shade(paint, 0.5), 0.04)


def wheel(pen: Pen, thing: Thing) -> None:
    """A wheel of radius 0.27 (car) or 0.36 (bicycle), centre above the contact point."""
    turn = thing.rng().uniform(0, 1)
    if thing.kind == "bicycle":
        pen.line([*ring(0, 0.36, 0.33, steps=26), (0.33, 0.36)], RUBBER, 0.07)
        for spoke in range(5):
            angle = turn + spoke * math.pi / 5
            x, y = 0.3 * math.cos(angle), 0.3 * math.sin(angle)
            pen.line([(-x, 0.36 - y), (x, 0.36 + y)], STEEL, 0.015)
        pen.oval(0, 0.36, 0.05, 0.05, STEEL)
        return
    pen.oval(0, 0.27, 0.27, 0.27, RUBBER)
    pen.oval(0, 0.27, 0.16, 0.16, (185, 188, 195))
    for spoke in range(5):
        angle = turn + spoke * 2 * math.pi / 5
        pen.line([(0, 0.27), (0.14 * math.cos(angle), 0.27 + 0.14 * math.sin(angle))], (80, 82, 90), 0.04)
    pen.oval(0, 0.27, 0.05, 0.05, (60, 60, 66))


BICYCLE_WHEELS = (-0.5, 0.52)
BICYCLE_SADDLE = (-0.18, 0.92)


def bicycle(pen: Pen, thing: Thing) -> None:
    """A bicycle's frame, saddle and handlebar; wheels are things of their own."""
    paint = thing.shade(0)
    rear, front = ((x, 0.36) for x in BICYCLE_WHEELS)
    crank, seat, head = (-0.04, 0.34), (-0.16, 0.8), (0.38, 0.84)
    for tube in ([rear, crank, head, seat, rear], [seat, crank], [front, head, (0.34, 1.0)]):
        pen.line(tube, shade(paint, 0.6), 0.075)
        pen.line(tube, paint, 0.05)
    pen.line([seat, BICYCLE_SADDLE], STEEL, 0.04)
    pen.line([(-0.3, 0.91), (-0.06, 0.92)], (40, 34, 30), 0.08)
    pen.line([(0.26, 1.02), (0.4, 1.03), (0.48, 0.96)], (40, 34, 30), 0.06)
    pen.oval(*crank, 0.08, 0.08, STEEL)
    pen.line([(crank[0] + 0.04, crank[1] - 0.15), crank, (crank[0] - 0.04, crank[1] + 0.15)], RUBBER, 0.035)


TABLE_TOP, CHAIR_SEAT, BENCH_SEAT = 0.76, 0.46, 0.46


def table(pen: Pen, thing: Thing) -> None:
    """A table: kind "plain" (four legs), "pedestal" or "cloth"."""
    paint = thing.shade(0)
    if thing.kind == "pedestal":
        pen.line([(0, 0.05), (0, 0.7)], shade(paint, 0.7), 0.12)
        pen.polygon([(-0.34, 0), (0.34, 0), (0.08, 0.14), (-0.08, 0.14)], shade(paint, 0.7))
    else:
        for x, tone in ((-0.5, 0.55), (0.5, 0.55), (-0.66, 0.8), (0.66, 0.8)):
            pen.box(x - 0.045, 0.06 if tone < 0.6 else 0, x + 0.045, 0.7, shade(paint, tone))
    pen.polygon([(-0.78, 0.68), (-0.66, TABLE_TOP + 0.04), (0.66, TABLE_TOP + 0.04), (0.78, 0.68)], paint)
    pen.box(-0.78, 0.6, 0.78, 0.68, shade(paint, 0.75))
    if thing.kind == "cloth":
        cloth = [(-0.42, 0.5), (-0.4, 0.79), (0.4, 0.79), (0.42, 0.5), (0.21, 0.56), (0, 0.5), (-0.21, 0.56)]
        pen.polygon(cloth, thing.shade(1))
        pen.pattern(cloth, shade(thing.shade(1), 0.6), "striped", 0.16)


def chair(pen: Pen, thing: Thing) -> None:
    """A chair in profile, its back at -x."""
    paint = thing.shade(0)
    for x, tone in ((0.14, 0.6), (-0.14, 0.6), (0.24, 0.85), (-0.24, 0.85)):
        pen.box(x - 0.035, 0, x + 0.035, 0.44, shade(paint, tone))
    pen.polygon([(-0.3, 0.38), (-0.22, CHAIR_SEAT + 0.05), (0.3, CHAIR_SEAT + 0.05), (0.3, 0.38)], shade(paint, 0.9))
    pen.polygon([(-0.3, 0.4), (-0.38, 1.05), (-0.28, 1.07), (-0.2, 0.42)], paint)
    pen.polygon([(-0.3, 0.8), (-0.36, 1.05), (-0.16, 1.1), (-0.1, 0.85)], shade(paint, 1.1))


def bench(pen: Pen, thing: Thing) -> None:
    """A bench from the front: slatted back, seat, two feet. 1.7 m wide."""
    paint = thing.shade(0)
    for x in (-0.68, 0.68):
        pen.box(x - 0.05, 0, x + 0.05, 0.95, (70, 72, 78))
    for y in (0.58, 0.74, 0.9):
        pen.box(-0.85, y, 0.85, y + 0.11, paint)
    pen.polygon([(-0.9, 0.36), (-0.82, BENCH_SEAT + 0.02), (0.82, BENCH_SEAT + 0.02), (0.9, 0.36)], shade(paint, 1.1))
    pen.box(-0.9, 0.3, 0.9, 0.36, shade(paint, 0.7))
    for x in (-0.78, 0.78):
        pen.box(x - 0.05, 0, x + 0.05, 0.3, (60, 62, 68))


TREE_BRANCH = (0.62, 1.36)


def tree(pen: Pen, thing: Thing) -> None:
    """A tree: kind "round" (with a low branch at TREE_BRANCH) or "conifer"."""
    rng, leaves, bark = thing.rng(), thing.shade(0), (105, 75, 50)
    pen.polygon([(-0.17, 0), (0.17, 0), (0.1, 1.5), (-0.1, 1.5)], bark)
    pen.pattern([(-0.17, 0), (0.17, 0), (0.1, 1.5), (-0.1, 1.5)], shade(bark, 0.7), "striped", 0.09, 0.1)
    if thing.kind == "conifer":
        for level, half in ((0.75, 0.85), (1.4, 0.66), (2.0, 0.46)):
            tone = shade(leaves, rng.uniform(0.85, 1.1))
            spikes = [(-half + 2 * half * step / 8, level - (0.08 if step % 2 else 0)) for step in range(9)]
            pen.polygon([*spikes, (0.0, level + 0.95)], tone)
        return
    pen.line([(0.02, 1.2), (0.4, 1.38), (0.74, 1.36)], bark, 0.08)
    for _ in range(11):
        angle, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 0.55)
        x, y = 1.15 * reach * math.cos(angle), 2.15 + 0.85 * reach * math.sin(angle)
        tone = shade(leaves, 0.75 + 0.25 * (y - 1.6))
        pen.oval(x, y, rng.uniform(0.34, 0.5), rng.uniform(0.3, 0.42), tone, outline=False)
    for _ in range(26):
        angle, reach = rng.uniform(0, 2 * math.pi), 0.8 * math.sqrt(rng.uniform())
        x, y = reach * math.cos(angle), 2.15 + 0.8 * reach * math.sin(angle)
        pen.oval(x, y, 0.09, 0.06, shade(leaves, rng.uniform(0.7, 1.25)), rng.uniform(0, 3), outline=False)


# Half width, wall, roof.
HOUSE_SIZES = {"cottage": (1.25, 1.35, 0.85), "tall": (1.0, 2.0, 0.75), "wide": (1.7, 1.3, 0.6)}


def house(pen: Pen, thing: Thing) -> None:
    """A house with a gable roof, door and chimney; windows are things of their own."""
    wall, roof = thing.shade(0), thing.shade(1)
    half, height, peak = HOUSE_SIZES[thing.kind]
    front = [(-half, 0), (half, 0), (half, height), (-half, height)]
    pen.box(half * 0.45, height, half * 0.45 + 0.24, height + peak, shade(wall, 0.6))
    pen.polygon(front, wall)
    if thing.pattern:
        pen.pattern(front, shade(wall, 0.8), thing.pattern, 0.2, 1.57 if thing.pattern == "striped" else 0)
    top = [(-half - 0.18, height), (half + 0.18, height), (half * 0.35, height + peak), (-half * 0.35, height + peak)]
    pen.polygon(top, roof)
    pen.pattern(top, shade(roof, 0.8), "bricks", 0.17)
    pen.box(-0.2, 0, 0.2, 0.75, shade(roof, 0.7))
    pen.oval(0.12, 0.36, 0.03, 0.03, (230, 200, 90))


def window(pen: Pen, thing: Thing) -> None:
    """A window of four panes, 0.5 wide, with a frame and a sill."""
    frame = thing.shade(0)
    pen.box(-0.27, 0, 0.27, 0.56, frame)
    for x in (-0.21, 0.025):
        for y in (0.06, 0.305):
            pen.box(x, y, x + 0.185, y + 0.19, thing.shade(1))
            pen.line([(x + 0.04, y + 0.04), (x + 0.11, y + 0.14)], (245, 250, 255), 0.025)
    pen.box(-0.32, -0.05, 0.32, 0.02, shade(frame, 0.85))


BOAT_DECK = {"sail": (0.45, 0.4), "rowing": (0.0, 0.34)}


def boat(pen: Pen, thing: Thing) -> None:
    """A boat: kind "sail" has a mast behind the middle, "rowing" none."""
    paint = thing.shade(0)
    if thing.kind == "sail":
        pen.line([(-0.2, 0.4), (-0.2, 2.1)], (110, 80, 55), 0.07)
        pen.polygon([(-0.12, 0.62), (-0.12, 2.05), (0.1, 1.5), (0.16, 0.66)], thing.shade(1))
        pen.polygon([(-0.28, 0.62), (-0.28, 1.95), (-1.05, 0.66)], shade(thing.shade(1), 0.92))
    pen.polygon([(-1.2, 0.46), (1.35, 0.56), (0.95, 0.0), (-0.9, 0.0)], paint)
    pen.polygon([(-1.2, 0.46), (1.35, 0.56), (1.24, 0.42), (-1.12, 0.34)], shade(paint, 1.35))
    pen.polygon([(-0.96, 0.1), (1.0, 0.1), (0.95, 0.0), (-0.9, 0.0)], shade(paint, 0.6))


def colors_for(name: str, rng: np.random.Generator) -> tuple[str, str]:
    """Two colour names that suit a class: leaves are green to orange, wood is brown, the rest is free."""
    choices = {
        "tree": (("green", "green", "green", "orange", "yellow"), ("brown",)),
        "horse": (("brown", "brown", "black", "white", "tan", "gray"), ("white", "black")),
        "dog": (("brown", "tan", "black", "white", "orange", "gray"), ("black", "white", "brown")),
        "bench": (("brown", "tan", "green", "red", "blue"), ("gray",)),
        "table": (("brown", "tan", "white", "gray", "orange"), ("red", "blue", "white", "green")),
        "house": (
            ("white", "tan", "yellow", "red", "gray", "blue", "orange"),
            ("red", "brown", "gray", "black", "purple"),
        ),
        "window": (("white", "brown", "white"), ("blue", "gray", "yellow")),
        "wheel": (("black",), ("gray",)),
    }
    first, second = choices.get(name, (tuple(COLORS), tuple(COLORS)))
    one = str(rng.choice(first))
    others = [color for color in second if color != one] or list(second)
    return one, str(rng.choice(others))


DRAW = {
    "car": car, "wheel": wheel, "bicycle": bicycle, "table": table, "chair": chair, "bench": bench, "tree": tree,
    "house": house, "window": window, "boat": boat,
}  # fmt: skip
