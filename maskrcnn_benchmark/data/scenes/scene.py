"""What a scene holds: things with a place and looks, and the relations that are true of them."""

import math
from dataclasses import dataclass, field

import numpy as np

from maskrcnn_benchmark.data.scenes.canvas import Canvas, Pen, Point
from maskrcnn_benchmark.data.scenes.poses import Body
from maskrcnn_benchmark.data.scenes.vocabulary import COLORS, PREDICATES

Relation = tuple[int, str, int]


@dataclass
class Thing:
    """An object. x, y: contact point in pixels; unit: pixels a metre; depth: its ground line, larger is nearer."""

    name: str
    x: float
    y: float
    unit: float
    depth: float
    flip: int = 1
    angle: float = 0.0
    kind: str = ""
    colors: tuple[str, str] = ("gray", "white")
    pattern: str = ""
    body: Body | None = None
    owner: int | None = None
    aloft: bool = False
    marks: tuple[str, ...] = ()
    seed: int = 0

    def pen(self, canvas: Canvas) -> Pen:
        return Pen(canvas, self.x, self.y, self.unit, self.flip, self.angle)

    def at(self, point: Point) -> Point:
        """Metres in this thing's frame -> pixels."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = point[0] * cos - point[1] * sin, point[0] * sin + point[1] * cos
        return self.x + self.flip * x * self.unit, self.y - y * self.unit

    def shade(self, index: int) -> tuple[int, int, int]:
        """The RGB value of one of its two colours, with this thing's own small deviation."""
        deviation = np.random.default_rng((self.seed, index)).integers(-18, 19, 3)
        return tuple(int(value) for value in np.clip(np.array(COLORS[self.colors[index]]) + deviation, 0, 255))

    def rng(self) -> np.random.Generator:
        """A generator for the details of its drawing."""
        return np.random.default_rng(self.seed)

    def attributes(self) -> list[str]:
        """Words of the attribute vocabulary that hold for it."""
        pattern = [self.pattern] if self.pattern in ("striped", "spotted") else []
        return [self.colors[0], *pattern, *self.marks]


@dataclass
class Cord:
    """A thin line of no object (leash, string) between two pixel positions, hanging by a share of its length."""

    start: Point
    end: Point
    sag: float = 0.1
    color: str = "black"


@dataclass
class Scene:
    """Things, their true relations, and the order of drawing: (index, stage) or a Cord."""

    width: int
    height: int
    things: list[Thing] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    strokes: list[tuple[int, str] | Cord] = field(default_factory=list)

    def draw(self, index: int, stage: str = "whole") -> None:
        """Appends a stroke: the whole thing, or a person's "body" or near "arm"."""
        self.strokes.append((index, stage))

    def cord(self, start: Point, end: Point, sag: float = 0.1, color: str = "black") -> None:
        """Appends a leash or string."""
        self.strokes.append(Cord(start, end, sag, color))

    def relate(self, subject: int, predicate: str, target: int) -> None:
        """States a true relation."""
        if predicate not in PREDICATES:
            raise ValueError(f"scene: '{predicate}' is not a predicate of the demo data set")
        self.relations.append((subject, predicate, target))
