"""The little groups a scene is made of: who does what with what. Each function adds one group at a spot."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from maskrcnn_benchmark.data.scenes import creatures, objects
from maskrcnn_benchmark.data.scenes.actors import (
    CARRIED,
    HELD,
    Spot,
    add_person,
    add_thing,
    add_vehicle,
    carrier,
    choose,
    holder,
)
from maskrcnn_benchmark.data.scenes.canvas import Point
from maskrcnn_benchmark.data.scenes.scene import Scene

Random = np.random.Generator


def stroller(scene: Scene, rng: Random, spot: Spot) -> None:
    """A person on foot, with something in hand as often as not."""
    someone(scene, rng, spot.at(0), spot, str(rng.choice(("standing", "walking"))))


def someone(scene: Scene, rng: Random, at: Point, spot: Spot, legs: str) -> int:
    """A person who holds something, carries something or has free hands."""
    manner = choose(rng, {"free": 0.45, "hold": 0.38, "carry": 0.17})
    if manner == "hold":
        return holder(scene, rng, at, spot, legs, choose(rng, HELD))
    if manner == "carry" and legs != "sitting":
        return carrier(scene, rng, at, spot, legs, choose(rng, CARRIED))
    idle = {"walking": ("swing",), "sitting": ("down", "lap")}.get(legs, ("down", "rest"))
    return add_person(scene, rng, at, spot, legs, str(rng.choice(idle)))


SEAT_POSES = {
    "bench": {"sitting": 0.5, "standing": 0.22, "lying": 0.28},
    "chair": {"sitting": 0.7, "standing": 0.3},
    "table": {"sitting": 0.4, "standing": 0.35, "lying": 0.25},
    "car": {"sitting": 0.35, "standing": 0.35, "lying": 0.3},
    "boat": {"sitting": 0.5, "standing": 0.4, "lying": 0.1},
}
ON_WORD = {"sitting": "sitting on", "standing": "standing on", "lying": "lying on"}


def perch(scene: Scene, rng: Random, spot: Spot) -> None:
    """A bench, chair, table, car or boat with a person, dog or bird on it, things beside them and beneath."""
    name = choose(rng, {"bench": 0.34, "chair": 0.2, "table": 0.16, "car": 0.15, "boat": 0.15})
    support = (
        add_vehicle(scene, rng, "car", spot.at(0), spot)
        if name == "car"
        else add_thing(scene, rng, name, spot.at(0), spot)
    )
    occupant = choose(rng, {"person": 0.62, "dog": 0.26, "bird": 0.12})
    if occupant == "person":
        _person_on(scene, rng, spot, support, choose(rng, SEAT_POSES[name]))
    elif occupant == "dog":
        dog = add_thing(scene, rng, "dog", _seat(scene, support, float(rng.uniform(-0.25, 0.2))), spot)
        scene.relate(dog, ON_WORD[scene.things[dog].kind], support)
    else:
        bird = add_thing(scene, rng, "bird", _seat(scene, support, float(rng.uniform(-0.3, 0.3))), spot)
        scene.relate(bird, "standing on", support)
    if name in ("bench", "table"):
        _put_on(scene, rng, spot, support, 0.45)
        _put_under(scene, rng, spot, support, 0.25)
    if rng.random() < 0.3:
        side = (
            float(rng.choice((-1.0, 1.0)))
            * {"bench": 1.25, "chair": 0.85, "table": 1.2, "car": 1.5, "boat": 1.55}[name]
        )
        someone(scene, rng, spot.at(side, -0.05), spot, "standing")


def _seat(scene: Scene, support: int, offset: float) -> Point:
    """Pixels of a place on a support, offset metres ahead of its middle."""
    thing = scene.things[support]
    height = {"bench": objects.BENCH_SEAT, "chair": objects.CHAIR_SEAT + 0.02, "table": objects.TABLE_TOP - 0.02}
    if thing.name == "car":
        roof = objects.CAR_ROOF[thing.kind]
        return thing.at((roof[0] + 0.7 * offset, roof[1] - 0.02))
    if thing.name == "boat":
        deck = objects.BOAT_DECK[thing.kind]
        return thing.at((deck[0] + 0.7 * offset, deck[1]))
    return thing.at((offset if thing.name != "chair" else 0.02, height[thing.name]))


def _person_on(scene: Scene, rng: Random, spot: Spot, support: int, pose: str) -> None:
    thing = scene.things[support]
    at = _seat(scene, support, 0.0 if pose == "lying" else float(rng.uniform(-0.3, 0.25)))
    if thing.name == "car" and pose == "sitting":
        at = thing.at(objects.CAR_HOOD[thing.kind])
    if pose == "lying":
        person = add_person(
            scene, rng, at, spot, "lying", str(rng.choice(("rest", "lap"))), flip=int(rng.choice((-1, 1)))
        )
    else:
        person = someone(scene, rng, at, spot, pose)
    scene.relate(person, ON_WORD[pose], support)


def _put_on(scene: Scene, rng: Random, spot: Spot, support: int, chance: float) -> None:
    """Puts up to two small things at the ends of a bench or table."""
    for offset in (-0.58, 0.58):
        if rng.random() < chance:
            item = choose(rng, {"cup": 0.35, "bag": 0.25, "hat": 0.2, "ball": 0.2})
            put = add_thing(scene, rng, item, _seat(scene, support, offset + float(rng.uniform(-0.08, 0.08))), spot)
            scene.relate(put, "on", support)


def _put_under(scene: Scene, rng: Random, spot: Spot, support: int, chance: float) -> None:
    if rng.random() < chance:
        item = choose(rng, {"dog": 0.35, "ball": 0.35, "bag": 0.3})
        looks = {"kind": "lying"} if item == "dog" else {"kind": "backpack"} if item == "bag" else {}
        put = add_thing(scene, rng, item, spot.at(float(rng.uniform(-0.3, 0.3)), -0.02), spot, **looks)
        scene.relate(put, "under", support)


def rider(scene: Scene, rng: Random, spot: Spot) -> None:
    """A person on a horse (riding; rarely standing or lying) or on a bicycle."""
    if rng.random() < 0.5:
        horse = add_thing(scene, rng, "horse", spot.at(0), spot, kind="")
        pose = choose(rng, {"riding": 0.72, "standing": 0.16, "lying": 0.12})
        at = scene.things[horse].at(creatures.HORSE_BACK)
        person = add_person(scene, rng, at, spot, pose, {"riding": "grip", "standing": "wide", "lying": "lap"}[pose])
        scene.relate(person, "riding" if pose == "riding" else ON_WORD[pose], horse)
    else:
        bicycle = add_vehicle(scene, rng, "bicycle", spot.at(0), spot)
        saddle = scene.things[bicycle].at((objects.BICYCLE_SADDLE[0], objects.BICYCLE_SADDLE[1] - 0.68))
        person = add_person(scene, rng, saddle, spot, "cycling", "grip")
        scene.relate(person, "riding", bicycle)


def handler(scene: Scene, rng: Random, spot: Spot) -> None:
    """A person who leads, feeds, pushes or kicks something."""
    deed = choose(rng, {"lead": 0.3, "feed": 0.25, "push": 0.28, "kick": 0.17})
    {"lead": _lead, "feed": _feed, "push": _push, "kick": _kick}[deed](scene, rng, spot)


def _lead(scene: Scene, rng: Random, spot: Spot) -> None:
    person = add_person(scene, rng, spot.at(0.9), spot, "walking", "swing")
    hand = scene.things[person].at(scene.things[person].body.near_hand)
    if rng.random() < 0.5:
        animal = add_thing(scene, rng, "horse", spot.at(-0.75), spot, kind="", marks=("walking",))
        collar = creatures.HORSE_MOUTH[""]
    else:
        animal = add_thing(scene, rng, "dog", spot.at(-0.2), spot, kind="standing")
        collar = creatures.DOG_NECK["standing"]
    scene.cord(hand, scene.things[animal].at(collar), 0.12, "red")
    scene.relate(person, "leading", animal)


def _feed(scene: Scene, rng: Random, spot: Spot) -> None:
    name = choose(rng, {"horse": 0.4, "dog": 0.35, "bird": 0.25})
    low = name != "horse"
    person = add_person(
        scene, rng, spot.at(-0.55), spot, "bending" if low else "standing", "reach" if not low else "low"
    )
    thing = scene.things[person]
    hand = thing.body.near_hand
    if name == "horse":
        mouth, looks = creatures.HORSE_MOUTH[""], {"kind": ""}
    elif name == "dog":
        kind = str(rng.choice(("standing", "sitting")))
        mouth, looks = creatures.DOG_MOUTH[kind], {"kind": kind}
    else:
        mouth, looks = (0.5, 0.2), {"kind": "perched"}
    foot = thing.at((hand[0] + mouth[0] + 0.06, 0))
    animal = add_thing(scene, rng, name, (foot[0], spot.y + 2), spot, flip=-spot.flip, **looks)
    scene.cord(thing.at(hand), thing.at((hand[0] + 0.12, hand[1] - (0.2 if name == "bird" else 0.02))), 0, "orange")
    scene.relate(person, "feeding", animal)


def _push(scene: Scene, rng: Random, spot: Spot) -> None:
    name = choose(rng, {"bicycle": 0.4, "car": 0.35, "chair": 0.25})
    person = add_person(scene, rng, spot.at(-1.15), spot, "pushing", "grip", draw="")
    hand = scene.things[person].body.near_hand[0] - 1.15
    back = {"bicycle": 0.1, "chair": 0.3}
    if name == "car":
        kind = str(rng.choice(("sedan", "van", "hatch")))
        pushed = add_vehicle(scene, rng, "car", spot.at(hand - objects.CAR_REAR[kind]), spot, kind=kind)
    elif name == "bicycle":
        pushed = add_vehicle(scene, rng, "bicycle", spot.at(hand + back[name]), spot)
    else:
        pushed = add_thing(scene, rng, "chair", spot.at(hand + back[name]), spot)
    scene.draw(person)
    scene.relate(person, "pushing", pushed)


def _kick(scene: Scene, rng: Random, spot: Spot) -> None:
    person = add_person(scene, rng, spot.at(-0.4), spot, "kicking", "wide")
    foot = scene.things[person].body.near_leg[-1]
    ball = add_thing(scene, rng, "ball", scene.things[person].at((foot[0] + 0.3, max(0.0, foot[1] - 0.12))), spot)
    scene.relate(person, "kicking", ball)


def animals(scene: Scene, rng: Random, spot: Spot) -> None:
    """One or two animals by themselves, a ball among them now and then."""
    name = choose(rng, {"horse": 0.36, "dog": 0.36, "bird": 0.28})
    add_thing(scene, rng, name, spot.at(-0.3), spot)
    if rng.random() < 0.5:
        other = choose(rng, {"dog": 0.4, "bird": 0.3, "ball": 0.3})
        add_thing(scene, rng, other, spot.at(float(rng.uniform(0.8, 1.1)), -0.06), spot, flip=int(rng.choice((-1, 1))))


def parked(scene: Scene, rng: Random, spot: Spot) -> None:
    """A car or bicycle that nobody uses, perhaps with someone beside it or leaning on it."""
    name = choose(rng, {"car": 0.6, "bicycle": 0.4})
    vehicle = add_vehicle(scene, rng, name, spot.at(0), spot)
    manner = choose(rng, {"alone": 0.55, "beside": 0.25, "lean": 0.2})
    if manner == "beside" or (manner == "lean" and name == "bicycle"):
        someone(
            scene,
            rng,
            spot.at(float(rng.choice((-1.0, 1.0))) * (1.5 if name == "car" else 1.1), -0.05),
            spot,
            "standing",
        )
    elif manner == "lean":
        _lean(scene, rng, spot, vehicle, abs(objects.CAR_REAR[scene.things[vehicle].kind]))


def _lean(scene: Scene, rng: Random, spot: Spot, support: int, reach: float) -> None:
    """A person whose back leans on the rear of a support, `reach` metres behind its middle; feet away from it."""
    thing = scene.things[support]
    at, arms = thing.at((-reach - 0.38, 0)), str(rng.choice(("lap", "down")))
    person = add_person(scene, rng, at, spot, "standing", arms, flip=-thing.flip, dressed=False)
    scene.things[person].angle = 0.3
    scene.relate(person, "leaning on", support)


def home(scene: Scene, rng: Random, spot: Spot) -> None:
    """A house with one to three windows, perhaps with someone in front of it or a bicycle against it."""
    house = add_thing(scene, rng, "house", spot.at(0), spot)
    thing = scene.things[house]
    half, wall, _ = objects.HOUSE_SIZES[thing.kind]
    places = [(-half * 0.6, wall - 0.78), (half * 0.6, wall - 0.78)]
    if thing.kind == "tall":
        places += [(0.0, wall - 0.78)]
    count = int(rng.integers(1, len(places) + 1))
    colors = objects.colors_for("window", rng)
    for place in sorted(rng.choice(len(places), count, replace=False)):
        window = add_thing(scene, rng, "window", thing.at(places[place]), spot, owner=house, colors=colors, flip=1)
        scene.relate(house, "has", window)
        scene.relate(window, "part of", house)
    manner = choose(rng, {"alone": 0.62, "front": 0.24, "bird": 0.06, "lean": 0.08})
    if manner == "front":
        near = Spot(spot.x, spot.y + 0.3 * spot.unit, spot.unit, spot.flip)
        if rng.random() < 0.4:
            add_vehicle(scene, rng, "bicycle", near.at(float(rng.uniform(-half, half))), near)
        else:
            someone(scene, rng, near.at(float(rng.uniform(-half, half))), near, "standing")
    elif manner == "bird":
        bird = add_thing(scene, rng, "bird", thing.at((0, wall + objects.HOUSE_SIZES[thing.kind][2])), spot)
        scene.relate(bird, "standing on", house)
    elif manner == "lean":
        _lean_bicycle(scene, rng, spot, house, float(rng.uniform(-0.5, 0.5)) * half)


def _lean_bicycle(scene: Scene, rng: Random, spot: Spot, support: int, offset: float) -> None:
    bicycle = add_vehicle(scene, rng, "bicycle", spot.at(offset, -0.08), spot, angle=float(rng.choice((-0.28, 0.28))))
    scene.relate(bicycle, "leaning on", support)


def grove(scene: Scene, rng: Random, spot: Spot) -> None:
    """A tree, with something that hangs from it, leans on it or stands on or under it now and then."""
    manner = choose(rng, {"alone": 0.42, "hang": 0.18, "lean": 0.16, "under": 0.18, "top": 0.06})
    kind = "round" if manner in ("hang", "under", "lean") else str(rng.choice(("round", "conifer")))
    tree = add_thing(scene, rng, "tree", spot.at(0), spot, kind=kind)
    thing = scene.things[tree]
    if manner == "hang":
        item = choose(rng, {"bag": 0.4, "hat": 0.25, "kite": 0.35})
        x, y = objects.TREE_BRANCH
        drop = {"bag": 0.58, "hat": 0.3, "kite": 1.0}[item]
        looks = {"kind": "handbag"} if item == "bag" else {}
        hung = add_thing(scene, rng, item, thing.at((x, y - drop)), spot, **looks)
        scene.cord(thing.at((x, y)), thing.at((x, y - 0.08)), 0)
        scene.relate(hung, "hanging from", tree)
    elif manner == "lean":
        if rng.random() < 0.5:
            _lean(scene, rng, spot, tree, 0.12)
        else:
            _lean_bicycle(scene, rng, spot, tree, float(rng.choice((-0.3, 0.3))))
    elif manner == "under":
        under = choose(rng, {"person": 0.4, "dog": 0.2, "horse": 0.1, "bag": 0.3})
        at = spot.at(float(rng.choice((-0.55, 0.55))))
        one = someone(scene, rng, at, spot, "standing") if under == "person" else add_thing(scene, rng, under, at, spot)
        scene.relate(one, "under", tree)
    elif manner == "top":
        top = 2.9 if kind == "conifer" else 2.85
        bird = add_thing(scene, rng, "bird", thing.at((0, top)), spot, kind="perched")
        scene.relate(bird, "standing on", tree)


def picnic(scene: Scene, rng: Random, spot: Spot) -> None:
    """A table with cups and chairs, some under a parasol, and things that hang from a chair."""
    parasol = None
    if rng.random() < 0.4:
        parasol = add_thing(scene, rng, "umbrella", spot.at(0, -0.01), spot, kind="parasol")
    chairs = [(side, rng.random()) for side in (-1.0, 1.0) if rng.random() < 0.75]
    table = add_thing(scene, rng, "table", spot.at(0), spot)
    if parasol is not None:
        scene.relate(table, "under", parasol)
        scene.relate(parasol, "above", table)
    _put_on(scene, rng, spot, table, 0.8)
    for side, draw in chairs:
        at = spot.x + side * 1.0 * spot.unit, spot.y + 2
        facing = -int(side)
        seat = Spot(at[0], at[1], spot.unit, facing)
        chair = add_thing(scene, rng, "chair", at, seat)
        if draw < 0.4:
            person = someone(scene, rng, _seat(scene, chair, 0), seat, "sitting")
            scene.relate(person, "sitting on", chair)
        elif draw < 0.6:
            hung = add_thing(scene, rng, "bag", scene.things[chair].at((-0.34, 0.5)), seat, kind="handbag")
            scene.relate(hung, "hanging from", chair)


def sky(scene: Scene, rng: Random, spot: Spot) -> None:
    """A bird or kite in the air."""
    at = (spot.x, float(rng.uniform(0.1, 0.3)) * scene.height)
    if rng.random() < 0.7:
        add_thing(scene, rng, "bird", at, spot, kind="flying", aloft=True)
    else:
        add_thing(scene, rng, "kite", at, spot, angle=float(rng.uniform(-0.5, 0.5)), aloft=True)


@dataclass(frozen=True)
class Group:
    """
    A kind of group: how to build it, how often, half its width in metres, and how near it stands (0 horizon, 1 front
    edge).
    """

    build: Callable[[Scene, Random, Spot], None]
    weight: float
    half_width: float
    near: tuple[float, float]


GROUPS = (
    Group(stroller, 26, 0.5, (0.1, 1.0)),
    Group(perch, 20, 1.1, (0.25, 1.0)),
    Group(rider, 10, 0.9, (0.15, 0.9)),
    Group(handler, 5, 1.3, (0.3, 1.0)),
    Group(animals, 11, 0.9, (0.15, 1.0)),
    Group(parked, 12, 1.3, (0.15, 0.9)),
    Group(home, 13, 1.6, (0.0, 0.15)),
    Group(grove, 12, 0.9, (0.0, 0.6)),
    Group(picnic, 7, 1.3, (0.3, 1.0)),
    Group(sky, 7, 0.5, (0.1, 0.8)),
)
