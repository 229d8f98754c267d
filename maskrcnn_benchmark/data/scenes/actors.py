"""
Adds people with what they wear, hold or carry, and animals, to a scene, together with the relations this makes true.
"""

import math
from dataclasses import dataclass

import numpy as np

from maskrcnn_benchmark.data.scenes import belongings, objects
from maskrcnn_benchmark.data.scenes.canvas import Point
from maskrcnn_benchmark.data.scenes.poses import Body, pose_body
from maskrcnn_benchmark.data.scenes.scene import Scene

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
    Where a group stands: pixels of its middle on the ground, pixels a metre, and the side it faces (1 right, -1 left).
    """

    x: float
    y: float
    unit: float
    flip: int

    def at(self, ahead: float, up: float = 0.0) -> Point:
        """Metres ahead of and above the middle -> pixels."""
        return self.x + self.flip * ahead * self.unit, self.y - up * self.unit


def add_thing(scene: Scene, rng: np.random.Generator, name: str, at: Point, spot: Spot, **looks) -> int:
    """Adds any class with a kind, colours and a pattern that suit it; what is given in `looks` stays."""
    if name in KINDS and "kind" not in looks:
        looks["kind"] = str(rng.choice(KINDS[name]))
    if "colors" not in looks:
        looks["colors"] = objects.colors_for(name, rng)
    if "pattern" not in looks and rng.random() < PATTERNS.get(name, 0):
        patterns = {
            "person": "striped",
            "bag": "striped",
            "bird": "striped",
            "house": str(rng.choice(("bricks", "striped"))),
        }
        looks["pattern"] = patterns.get(name, "spotted")
    if name == "dog" and "marks" not in looks:
        looks["marks"] = (looks["kind"],)
    if name in ("bird", "kite") and looks.get("aloft"):
        looks["marks"] = ("flying",)
    if name == "horse" and "marks" not in looks:
        looks["marks"] = (str(rng.choice(("standing", "walking"))),)
    if name == "umbrella" and "marks" not in looks:
        looks["marks"] = ("closed" if looks["kind"] == "closed" else "open",)
    looks.setdefault("flip", spot.flip)
    return scene.add(rng, name, at, spot.unit, spot.y, **looks)


def add_wheels(scene: Scene, rng: np.random.Generator, owner: int, spot: Spot) -> list[int]:
    """Adds the two wheels of a car or bicycle as parts of it."""
    vehicle = scene.things[owner]
    offsets = objects.BICYCLE_WHEELS if vehicle.name == "bicycle" else objects.CAR_WHEELS[vehicle.kind]
    wheels = []
    for offset in offsets:
        kind = "bicycle" if vehicle.name == "bicycle" else "car"
        looks = {"kind": kind, "owner": owner, "flip": vehicle.flip, "angle": vehicle.angle}
        wheel = add_thing(scene, rng, "wheel", vehicle.at((offset, 0)), spot, **looks)
        scene.relate(owner, "has", wheel)
        scene.relate(wheel, "part of", owner)
        wheels.append(wheel)
    return wheels


def add_vehicle(scene: Scene, rng: np.random.Generator, name: str, at: Point, spot: Spot, **looks) -> int:
    """Adds a car (wheels over the body) or a bicycle (frame over the wheels)."""
    vehicle = add_thing(scene, rng, name, at, spot, draw="" if name == "bicycle" else "whole", **looks)
    add_wheels(scene, rng, vehicle, spot)
    if name == "bicycle":
        scene.draw(vehicle)
    return vehicle


def add_person(
    scene: Scene, rng: np.random.Generator, at: Point, spot: Spot, legs: str, arms: str, *,
    flip: int | None = None, draw: str = "whole", dressed: bool = True,
) -> int:  # fmt: skip
    """Adds a person in a pose, perhaps with a hat and a backpack on (poses.py names the poses)."""
    flip = spot.flip if flip is None else flip
    body = pose_body(rng, legs, arms)
    colors = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "gray", "black", "tan")
    shirt, trousers = (str(color) for color in rng.choice(colors, 2, replace=False))
    backpack = dressed and legs not in ("lying", "riding") and rng.random() < 0.1
    looks = {"colors": (shirt, trousers), "body": body, "flip": flip, "marks": MARKS[legs]}
    person = add_thing(scene, rng, "person", at, spot, draw="", **looks)
    if backpack:
        back = scene.things[person].at(_below(body, body.chest(-0.3), 0.25))
        worn = add_thing(scene, rng, "bag", back, spot, kind="backpack", flip=-flip)
        scene.relate(person, "wearing", worn)
    scene.draw(person, draw)
    if dressed and rng.random() < 0.38:
        wear_hat(scene, rng, person, spot)
    return person


def wear_hat(scene: Scene, rng: np.random.Generator, person: int, spot: Spot) -> int:
    """Puts a hat on a person's head."""
    thing = scene.things[person]
    head, up = thing.body.head, thing.body.up
    at = thing.at((head[0] + 0.1 * up[0], head[1] + 0.1 * up[1]))
    hat = add_thing(scene, rng, "hat", at, spot, flip=thing.flip, angle=math.atan2(-up[0], up[1]))
    scene.relate(person, "wearing", hat)
    scene.relate(hat, "on", person)
    return hat


HELD = {"bag": 0.3, "cup": 0.2, "ball": 0.12, "umbrella": 0.2, "hat": 0.06, "kite": 0.06, "bird": 0.06}
CARRIED = {"bag": 0.34, "ball": 0.2, "dog": 0.16, "umbrella": 0.1, "kite": 0.06, "hat": 0.07, "bird": 0.07}
HOLDING_ARMS = {
    "bag": "low",
    "cup": "front",
    "ball": "front",
    "umbrella": "front",
    "hat": "low",
    "kite": "high",
    "bird": "reach",
}


def holder(scene: Scene, rng: np.random.Generator, at: Point, spot: Spot, legs: str, item: str) -> int:
    """Adds a person who holds an item in an outstretched near hand."""
    person = add_person(scene, rng, at, spot, legs, HOLDING_ARMS[item], dressed=item != "hat")
    thing = scene.things[person]
    hand_x, hand_y = thing.body.near_hand
    if item == "bag":
        held = add_thing(
            scene, rng, "bag", thing.at((hand_x, hand_y - 0.57)), spot, kind=str(rng.choice(("handbag", "case")))
        )
    elif item == "umbrella":
        held = add_thing(
            scene, rng, "umbrella", thing.at((hand_x - 0.02, hand_y - belongings.UMBRELLA_GRIP)), spot, kind="open"
        )
    elif item == "kite":
        x = float(
            np.clip(spot.x + spot.flip * rng.uniform(0.5, 1.2) * spot.unit, 0.08 * scene.width, 0.92 * scene.width)
        )
        y = rng.uniform(0.03, 0.12) * scene.height + spot.unit
        held = add_thing(scene, rng, "kite", (x, y), spot, angle=rng.uniform(-0.5, 0.5), aloft=True)
        scene.cord(thing.at((hand_x, hand_y)), scene.things[held].at((0, 0.6)), 0.08, "white")
    elif item == "bird":
        held = add_thing(
            scene, rng, "bird", thing.at((hand_x + 0.02, hand_y + 0.05)), spot, kind="perched", flip=-thing.flip
        )
        scene.relate(held, "standing on", person)
    else:
        offset = {"cup": (0.05, -0.1), "ball": (0.08, 0.02), "hat": (0.12, -0.08)}[item]
        held = add_thing(scene, rng, item, thing.at((hand_x + offset[0], hand_y + offset[1])), spot)
    scene.relate(person, "holding", held)
    return person


def carrier(scene: Scene, rng: np.random.Generator, at: Point, spot: Spot, legs: str, item: str) -> int:
    """Adds a person who carries an item before the chest in both arms."""
    person = add_person(scene, rng, at, spot, legs, "hug", draw="body", dressed=item != "hat")
    thing = scene.things[person]
    body = thing.body
    looks = {}
    drop, ahead = {
        "bag": (0.2, 0.3), "ball": (0.22, 0.3), "dog": (0.16, 0.26), "hat": (0.1, 0.3), "kite": (0.55, 0.32),
        "bird": (0.18, 0.28), "umbrella": (0.3, -0.2),
    }[item]  # fmt: skip
    if item == "dog":
        looks = {"kind": "lying"}
    elif item == "umbrella":
        looks = {"kind": "closed", "angle": -1.1}
    held = add_thing(scene, rng, item, thing.at(_below(body, body.chest(ahead), drop)), spot, **looks)
    scene.draw(person, "arm")
    scene.relate(person, "carrying", held)
    return person


def choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """One key, with probability proportional to its weight."""
    values = np.array(list(weights.values()))
    return str(rng.choice(list(weights), p=values / values.sum()))


def _below(body: Body, point: Point, distance: float) -> Point:
    return point[0] - distance * body.up[0], point[1] - distance * body.up[1]
