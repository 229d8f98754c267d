"""Adds people with what they wear, hold or carry, animals and vehicles to a scene, and their relations."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.scenes import belongings, objects
from maskrcnn_benchmark.data.scenes.canvas import Point
from maskrcnn_benchmark.data.scenes.poses import Body, pose_body
from maskrcnn_benchmark.data.scenes.scene import Scene, Thing
from maskrcnn_benchmark.data.scenes.vocabulary import OBJECTS

KINDS = {
    "hat": ("brim", "cap", "top"),
    "bag": ("handbag", "case", "backpack"),
    "ball": ("soccer", "beach", "basket"),
    "car": ("sedan", "van", "hatch"),
    "table": ("plain", "pedestal", "cloth"),
    "tree": ("round", "round", "conifer"),
    "house": ("cottage", "tall", "wide"),
    "boat": ("sail", "rowing"),
    "dog": ("standing", "sitting", "lying"),
    "bird": ("perched", "pecking"),
    "horse": ("", "", "grazing"),
}
PATTERNS = {"person": 0.35, "bag": 0.35, "horse": 0.3, "dog": 0.3, "bird": 0.3, "house": 0.7}
MARKS = {
    "standing": ("standing",), "bending": ("standing",), "kicking": ("standing",), "pushing": ("walking",),
    "walking": ("walking",), "sitting": ("sitting",), "riding": ("sitting",), "cycling": ("sitting",),
    "lying": ("lying",),
}  # fmt: skip


@dataclass(frozen=True)
class Spot:
    """
    Where a group is added to a scene, and the source of its draws: pixels of its middle on the ground, pixels a metre,
    and the side it faces (1 right, -1 left).
    """

    scene: Scene
    rng: np.random.Generator
    x: float
    y: float
    unit: float
    flip: int

    def at(self, ahead: float, up: float = 0.0) -> Point:
        """Metres ahead of and above the middle -> pixels."""
        return self.x + self.flip * ahead * self.unit, self.y - up * self.unit

    def pick(self, *options: Any) -> Any:
        """One of them, all equally likely."""
        return self.rng.choice(options).item()

    def choose(self, weights: dict[str, float]) -> str:
        """One key, with probability proportional to its weight."""
        values = np.array(list(weights.values()))
        return str(self.rng.choice(list(weights), p=values / values.sum()))

    def between(self, low: float, high: float) -> float:
        """A number, all equally likely."""
        return float(self.rng.uniform(low, high))

    def add(self, name: str, at: Point, *, draw: str = "whole", **looks) -> int:
        """
        Adds any class with a kind, colours and a pattern that suit it (what is given in `looks` stays) and, if `draw`,
        its stroke; returns its index.
        """
        if name not in OBJECTS:
            raise ValueError(f"scene: '{name}' is not a class of the demo data set")
        if name in KINDS and "kind" not in looks:
            looks["kind"] = self.pick(*KINDS[name])
        if "colors" not in looks:
            looks["colors"] = objects.colors_for(name, self.rng)
        if "pattern" not in looks and self.rng.random() < PATTERNS.get(name, 0):
            wall = self.pick("bricks", "striped")
            patterns = {"person": "striped", "bag": "striped", "bird": "striped", "house": wall}
            looks["pattern"] = patterns.get(name, "spotted")
        if name == "dog":
            looks.setdefault("marks", (looks["kind"],))
        if name in ("bird", "kite") and looks.get("aloft"):
            looks["marks"] = ("flying",)
        if name == "horse" and "marks" not in looks:
            looks["marks"] = (self.pick("standing", "walking"),)
        if name == "umbrella":
            looks.setdefault("marks", ("closed" if looks["kind"] == "closed" else "open",))
        looks.setdefault("flip", self.flip)
        self.scene.things.append(Thing(name, *at, self.unit, self.y, seed=int(self.rng.integers(2**31)), **looks))
        index = len(self.scene.things) - 1
        if draw:
            self.scene.draw(index, draw)
        return index


def add_vehicle(spot: Spot, name: str, at: Point, **looks) -> int:
    """Adds a car (wheels over the body) or a bicycle (frame over the wheels); the wheels are parts of it."""
    scene, bicycle = spot.scene, name == "bicycle"
    index = spot.add(name, at, draw="" if bicycle else "whole", **looks)
    vehicle = scene.things[index]
    kind = {"kind": name, "owner": index, "flip": vehicle.flip, "angle": vehicle.angle}
    for offset in objects.BICYCLE_WHEELS if bicycle else objects.CAR_WHEELS[vehicle.kind]:
        wheel = spot.add("wheel", vehicle.at((offset, 0)), **kind)
        scene.relate(index, "has", wheel)
        scene.relate(wheel, "part of", index)
    if bicycle:
        scene.draw(index)
    return index


def add_person(
    spot: Spot, at: Point, legs: str, arms: str, *, flip: int | None = None, draw: str = "whole", dressed: bool = True
) -> int:
    """Adds a person in a pose, perhaps with a hat and a backpack on (poses.py names the poses)."""
    scene, rng, flip = spot.scene, spot.rng, spot.flip if flip is None else flip
    body = pose_body(rng, legs, arms)
    colors = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "gray", "black", "tan")
    shirt, trousers = (str(color) for color in rng.choice(colors, 2, replace=False))
    backpack = dressed and legs not in ("lying", "riding") and rng.random() < 0.1
    person = spot.add("person", at, draw="", colors=(shirt, trousers), body=body, flip=flip, marks=MARKS[legs])
    if backpack:
        back = scene.things[person].at(_below(body, body.chest(-0.3), 0.25))
        scene.relate(person, "wearing", spot.add("bag", back, kind="backpack", flip=-flip))
    scene.draw(person, draw)
    if dressed and rng.random() < 0.38:
        _wear_hat(spot, person)
    return person


def _wear_hat(spot: Spot, person: int) -> None:
    thing = spot.scene.things[person]
    head, up = thing.body.head, thing.body.up
    at = thing.at((head[0] + 0.1 * up[0], head[1] + 0.1 * up[1]))
    hat = spot.add("hat", at, flip=thing.flip, angle=math.atan2(-up[0], up[1]))
    spot.scene.relate(person, "wearing", hat)
    spot.scene.relate(hat, "on", person)


HELD = {"bag": 0.3, "cup": 0.2, "ball": 0.12, "umbrella": 0.2, "hat": 0.06, "kite": 0.06, "bird": 0.06}
CARRIED = {"bag": 0.34, "ball": 0.2, "dog": 0.16, "umbrella": 0.1, "kite": 0.06, "hat": 0.07, "bird": 0.07}
HOLDING_ARMS = {
    "bag": "low", "cup": "front", "ball": "front", "umbrella": "front", "hat": "low", "kite": "high", "bird": "reach",
}  # fmt: skip


def holder(spot: Spot, at: Point, legs: str, item: str) -> int:
    """Adds a person who holds an item in an outstretched near hand."""
    scene = spot.scene
    person = add_person(spot, at, legs, HOLDING_ARMS[item], dressed=item != "hat")
    thing = scene.things[person]
    x, y = thing.body.near_hand
    if item == "bag":
        held = spot.add("bag", thing.at((x, y - 0.57)), kind=spot.pick("handbag", "case"))
    elif item == "umbrella":
        held = spot.add("umbrella", thing.at((x - 0.02, y - belongings.UMBRELLA_GRIP)), kind="open")
    elif item == "kite":
        ahead = spot.x + spot.flip * spot.between(0.5, 1.2) * spot.unit
        kite = (
            float(np.clip(ahead, 0.08 * scene.width, 0.92 * scene.width)),
            spot.between(0.03, 0.12) * scene.height + spot.unit,
        )
        held = spot.add("kite", kite, angle=spot.between(-0.5, 0.5), aloft=True)
        scene.cord(thing.at((x, y)), scene.things[held].at((0, 0.6)), 0.08, "white")
    elif item == "bird":
        held = spot.add("bird", thing.at((x + 0.02, y + 0.05)), kind="perched", flip=-thing.flip)
        scene.relate(held, "standing on", person)
    else:
        right, up = {"cup": (0.05, -0.1), "ball": (0.08, 0.02), "hat": (0.12, -0.08)}[item]
        held = spot.add(item, thing.at((x + right, y + up)))
    scene.relate(person, "holding", held)
    return person


def carrier(spot: Spot, at: Point, legs: str, item: str) -> int:
    """Adds a person who carries an item before the chest in both arms."""
    scene = spot.scene
    person = add_person(spot, at, legs, "hug", draw="body", dressed=item != "hat")
    thing = scene.things[person]
    drop, ahead = {
        "bag": (0.2, 0.3), "ball": (0.22, 0.3), "dog": (0.16, 0.26), "hat": (0.1, 0.3), "kite": (0.55, 0.32),
        "bird": (0.18, 0.28), "umbrella": (0.3, -0.2),
    }[item]  # fmt: skip
    looks = {"dog": {"kind": "lying"}, "umbrella": {"kind": "closed", "angle": -1.1}}.get(item, {})
    held = spot.add(item, thing.at(_below(thing.body, thing.body.chest(ahead), drop)), **looks)
    scene.draw(person, "arm")
    scene.relate(person, "carrying", held)
    return person


def _below(body: Body, point: Point, distance: float) -> Point:
    return point[0] - distance * body.up[0], point[1] - distance * body.up[1]
