"""The little groups a scene is made of: who does what with what. Each function adds one group at a spot."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from maskrcnn_benchmark.data.scenes import creatures, objects
from maskrcnn_benchmark.data.scenes.actors import CARRIED, HELD, Spot, add_person, add_vehicle, carrier, holder
from maskrcnn_benchmark.data.scenes.canvas import Point


def stroller(spot: Spot) -> None:
    """A person on foot, with something in hand as often as not."""
    someone(spot, spot.at(0), spot.pick("standing", "walking"))


def someone(spot: Spot, at: Point, legs: str) -> int:
    """A person who holds something, carries something or has free hands."""
    manner = spot.choose({"free": 0.45, "hold": 0.38, "carry": 0.17})
    if manner == "hold":
        return holder(spot, at, legs, spot.choose(HELD))
    if manner == "carry" and legs != "sitting":
        return carrier(spot, at, legs, spot.choose(CARRIED))
    idle = {"walking": ("swing",), "sitting": ("down", "lap")}.get(legs, ("down", "rest"))
    return add_person(spot, at, legs, spot.pick(*idle))


SEAT_POSES = {
    "bench": {"sitting": 0.5, "standing": 0.22, "lying": 0.28},
    "chair": {"sitting": 0.7, "standing": 0.3},
    "table": {"sitting": 0.4, "standing": 0.35, "lying": 0.25},
    "car": {"sitting": 0.35, "standing": 0.35, "lying": 0.3},
    "boat": {"sitting": 0.5, "standing": 0.4, "lying": 0.1},
}
BESIDE = {"bench": 1.25, "chair": 0.85, "table": 1.2, "car": 1.5, "boat": 1.55}
ON_WORD = {"sitting": "sitting on", "standing": "standing on", "lying": "lying on"}


def perch(spot: Spot) -> None:
    """A bench, chair, table, car or boat with a person, dog or bird on it, things beside them and beneath."""
    name = spot.choose({"bench": 0.34, "chair": 0.2, "table": 0.16, "car": 0.15, "boat": 0.15})
    support = add_vehicle(spot, name, spot.at(0)) if name == "car" else spot.add(name, spot.at(0))
    occupant = spot.choose({"person": 0.62, "dog": 0.26, "bird": 0.12})
    if occupant == "person":
        _person_on(spot, support, spot.choose(SEAT_POSES[name]))
    elif occupant == "dog":
        dog = spot.add("dog", _seat(spot, support, spot.between(-0.25, 0.2)))
        spot.scene.relate(dog, ON_WORD[spot.scene.things[dog].kind], support)
    else:
        bird = spot.add("bird", _seat(spot, support, spot.between(-0.3, 0.3)))
        spot.scene.relate(bird, "standing on", support)
    if name in ("bench", "table"):
        _put_on(spot, support, 0.45)
        _put_under(spot, support, 0.25)
    if spot.rng.random() < 0.3:
        someone(spot, spot.at(spot.pick(-1.0, 1.0) * BESIDE[name], -0.05), "standing")


def _seat(spot: Spot, support: int, offset: float) -> Point:
    """Pixels of a place on a support, offset metres ahead of its middle."""
    thing = spot.scene.things[support]
    if thing.name == "car":
        roof = objects.CAR_ROOF[thing.kind]
        return thing.at((roof[0] + 0.7 * offset, roof[1] - 0.02))
    if thing.name == "boat":
        deck = objects.BOAT_DECK[thing.kind]
        return thing.at((deck[0] + 0.7 * offset, deck[1]))
    height = {"bench": objects.BENCH_SEAT, "chair": objects.CHAIR_SEAT + 0.02, "table": objects.TABLE_TOP - 0.02}
    return thing.at((offset if thing.name != "chair" else 0.02, height[thing.name]))


def _person_on(spot: Spot, support: int, pose: str) -> None:
    thing = spot.scene.things[support]
    at = _seat(spot, support, 0.0 if pose == "lying" else spot.between(-0.3, 0.25))
    if thing.name == "car" and pose == "sitting":
        at = thing.at(objects.CAR_HOOD[thing.kind])
    if pose == "lying":
        person = add_person(spot, at, "lying", spot.pick("rest", "lap"), flip=spot.pick(-1, 1))
    else:
        person = someone(spot, at, pose)
    spot.scene.relate(person, ON_WORD[pose], support)


def _put_on(spot: Spot, support: int, chance: float) -> None:
    """Puts up to two small things at the ends of a bench or table."""
    for offset in (-0.58, 0.58):
        if spot.rng.random() < chance:
            item = spot.choose({"cup": 0.35, "bag": 0.25, "hat": 0.2, "ball": 0.2})
            put = spot.add(item, _seat(spot, support, offset + spot.between(-0.08, 0.08)))
            spot.scene.relate(put, "on", support)


def _put_under(spot: Spot, support: int, chance: float) -> None:
    if spot.rng.random() < chance:
        item = spot.choose({"dog": 0.35, "ball": 0.35, "bag": 0.3})
        looks = {"dog": {"kind": "lying"}, "bag": {"kind": "backpack"}}.get(item, {})
        put = spot.add(item, spot.at(spot.between(-0.3, 0.3), -0.02), **looks)
        spot.scene.relate(put, "under", support)


def rider(spot: Spot) -> None:
    """A person on a horse (riding; rarely standing or lying) or on a bicycle."""
    if spot.rng.random() < 0.5:
        mount = spot.add("horse", spot.at(0), kind="")
        pose = spot.choose({"riding": 0.72, "standing": 0.16, "lying": 0.12})
        at = spot.scene.things[mount].at(creatures.HORSE_BACK)
        person = add_person(spot, at, pose, {"riding": "grip", "standing": "wide", "lying": "lap"}[pose])
    else:
        mount, pose = add_vehicle(spot, "bicycle", spot.at(0)), "riding"
        saddle = spot.scene.things[mount].at((objects.BICYCLE_SADDLE[0], objects.BICYCLE_SADDLE[1] - 0.68))
        person = add_person(spot, saddle, "cycling", "grip")
    spot.scene.relate(person, ON_WORD.get(pose, pose), mount)


def handler(spot: Spot) -> None:
    """A person who leads, feeds, pushes or kicks something."""
    deed = spot.choose({"lead": 0.3, "feed": 0.25, "push": 0.28, "kick": 0.17})
    {"lead": _lead, "feed": _feed, "push": _push, "kick": _kick}[deed](spot)


def _lead(spot: Spot) -> None:
    person = add_person(spot, spot.at(0.9), "walking", "swing")
    hand = spot.scene.things[person].at(spot.scene.things[person].body.near_hand)
    if spot.rng.random() < 0.5:
        animal, collar = spot.add("horse", spot.at(-0.75), kind="", marks=("walking",)), creatures.HORSE_MOUTH
    else:
        animal, collar = spot.add("dog", spot.at(-0.2), kind="standing"), creatures.DOG_NECK
    spot.scene.cord(hand, spot.scene.things[animal].at(collar), 0.12, "red")
    spot.scene.relate(person, "leading", animal)


def _feed(spot: Spot) -> None:
    name = spot.choose({"horse": 0.4, "dog": 0.35, "bird": 0.25})
    legs, arms = ("standing", "reach") if name == "horse" else ("bending", "low")
    person = add_person(spot, spot.at(-0.55), legs, arms)
    thing = spot.scene.things[person]
    x, y = thing.body.near_hand
    if name == "horse":
        mouth, kind = creatures.HORSE_MOUTH, ""
    elif name == "dog":
        kind = spot.pick("standing", "sitting")
        mouth = creatures.DOG_MOUTH[kind]
    else:
        mouth, kind = (0.5, 0.2), "perched"
    foot = thing.at((x + mouth[0] + 0.06, 0))
    animal = spot.add(name, (foot[0], spot.y + 2), flip=-spot.flip, kind=kind)
    spot.scene.cord(thing.at((x, y)), thing.at((x + 0.12, y - (0.2 if name == "bird" else 0.02))), 0, "orange")
    spot.scene.relate(person, "feeding", animal)


def _push(spot: Spot) -> None:
    name = spot.choose({"bicycle": 0.4, "car": 0.35, "chair": 0.25})
    person = add_person(spot, spot.at(-1.15), "pushing", "grip", draw="")
    hand = spot.scene.things[person].body.near_hand[0] - 1.15
    if name == "car":
        kind = spot.pick("sedan", "van", "hatch")
        pushed = add_vehicle(spot, "car", spot.at(hand - objects.CAR_REAR[kind]), kind=kind)
    elif name == "bicycle":
        pushed = add_vehicle(spot, "bicycle", spot.at(hand + 0.1))
    else:
        pushed = spot.add("chair", spot.at(hand + 0.3))
    spot.scene.draw(person)
    spot.scene.relate(person, "pushing", pushed)


def _kick(spot: Spot) -> None:
    person = add_person(spot, spot.at(-0.4), "kicking", "wide")
    foot = spot.scene.things[person].body.near_leg[-1]
    ball = spot.add("ball", spot.scene.things[person].at((foot[0] + 0.3, max(0.0, foot[1] - 0.12))))
    spot.scene.relate(person, "kicking", ball)


def animals(spot: Spot) -> None:
    """One or two animals by themselves, a ball among them now and then."""
    spot.add(spot.choose({"horse": 0.36, "dog": 0.36, "bird": 0.28}), spot.at(-0.3))
    if spot.rng.random() < 0.5:
        other = spot.choose({"dog": 0.4, "bird": 0.3, "ball": 0.3})
        spot.add(other, spot.at(spot.between(0.8, 1.1), -0.06), flip=spot.pick(-1, 1))


def parked(spot: Spot) -> None:
    """A car or bicycle that nobody uses, perhaps with someone beside it or leaning on it."""
    name = spot.choose({"car": 0.6, "bicycle": 0.4})
    vehicle = add_vehicle(spot, name, spot.at(0))
    manner = spot.choose({"alone": 0.55, "beside": 0.25, "lean": 0.2})
    if manner == "beside" or (manner == "lean" and name == "bicycle"):
        someone(spot, spot.at(spot.pick(-1.0, 1.0) * (1.5 if name == "car" else 1.1), -0.05), "standing")
    elif manner == "lean":
        _lean(spot, vehicle, abs(objects.CAR_REAR[spot.scene.things[vehicle].kind]))


def _lean(spot: Spot, support: int, reach: float) -> None:
    """A person whose back leans on the rear of a support, `reach` metres behind its middle; feet away from it."""
    thing = spot.scene.things[support]
    at, arms = thing.at((-reach - 0.38, 0)), spot.pick("lap", "down")
    person = add_person(spot, at, "standing", arms, flip=-thing.flip, dressed=False)
    spot.scene.things[person].angle = 0.3
    spot.scene.relate(person, "leaning on", support)


def home(spot: Spot) -> None:
    """A house with one to three windows, perhaps with someone in front of it or a bicycle against it."""
    house = spot.add("house", spot.at(0))
    thing = spot.scene.things[house]
    half, wall, roof = objects.HOUSE_SIZES[thing.kind]
    places = [(-half * 0.6, wall - 0.78), (half * 0.6, wall - 0.78)]
    if thing.kind == "tall":
        places += [(0.0, wall - 0.78)]
    count = int(spot.rng.integers(1, len(places) + 1))
    colors = objects.colors_for("window", spot.rng)
    for place in sorted(spot.rng.choice(len(places), count, replace=False)):
        window = spot.add("window", thing.at(places[place]), owner=house, colors=colors, flip=1)
        spot.scene.relate(house, "has", window)
        spot.scene.relate(window, "part of", house)
    manner = spot.choose({"alone": 0.62, "front": 0.24, "bird": 0.06, "lean": 0.08})
    if manner == "front":
        near = replace(spot, y=spot.y + 0.3 * spot.unit)
        if spot.rng.random() < 0.4:
            add_vehicle(near, "bicycle", near.at(spot.between(-half, half)))
        else:
            someone(near, near.at(spot.between(-half, half)), "standing")
    elif manner == "bird":
        bird = spot.add("bird", thing.at((0, wall + roof)))
        spot.scene.relate(bird, "standing on", house)
    elif manner == "lean":
        _lean_bicycle(spot, house, spot.between(-0.5, 0.5) * half)


def _lean_bicycle(spot: Spot, support: int, offset: float) -> None:
    bicycle = add_vehicle(spot, "bicycle", spot.at(offset, -0.08), angle=spot.pick(-0.28, 0.28))
    spot.scene.relate(bicycle, "leaning on", support)


def grove(spot: Spot) -> None:
    """A tree, with something that hangs from it, leans on it or stands on or under it now and then."""
    manner = spot.choose({"alone": 0.42, "hang": 0.18, "lean": 0.16, "under": 0.18, "top": 0.06})
    kind = "round" if manner in ("hang", "under", "lean") else spot.pick("round", "conifer")
    tree = spot.add("tree", spot.at(0), kind=kind)
    thing = spot.scene.things[tree]
    if manner == "hang":
        item = spot.choose({"bag": 0.4, "hat": 0.25, "kite": 0.35})
        x, y = objects.TREE_BRANCH
        drop = {"bag": 0.58, "hat": 0.3, "kite": 1.0}[item]
        hung = spot.add(item, thing.at((x, y - drop)), **({"kind": "handbag"} if item == "bag" else {}))
        spot.scene.cord(thing.at((x, y)), thing.at((x, y - 0.08)), 0)
        spot.scene.relate(hung, "hanging from", tree)
    elif manner == "lean":
        if spot.rng.random() < 0.5:
            _lean(spot, tree, 0.12)
        else:
            _lean_bicycle(spot, tree, spot.pick(-0.3, 0.3))
    elif manner == "under":
        under = spot.choose({"person": 0.4, "dog": 0.2, "horse": 0.1, "bag": 0.3})
        at = spot.at(spot.pick(-0.55, 0.55))
        one = someone(spot, at, "standing") if under == "person" else spot.add(under, at)
        spot.scene.relate(one, "under", tree)
    elif manner == "top":
        bird = spot.add("bird", thing.at((0, 2.9 if kind == "conifer" else 2.85)), kind="perched")
        spot.scene.relate(bird, "standing on", tree)


def picnic(spot: Spot) -> None:
    """A table with cups and chairs, some under a parasol, and things that hang from a chair."""
    scene, parasol = spot.scene, None
    if spot.rng.random() < 0.4:
        parasol = spot.add("umbrella", spot.at(0, -0.01), kind="parasol")
    chairs = [(side, spot.rng.random()) for side in (-1, 1) if spot.rng.random() < 0.75]
    table = spot.add("table", spot.at(0))
    if parasol is not None:
        scene.relate(table, "under", parasol)
        scene.relate(parasol, "above", table)
    _put_on(spot, table, 0.8)
    for side, draw in chairs:
        seat = replace(spot, x=spot.x + side * spot.unit, y=spot.y + 2, flip=-side)
        chair = seat.add("chair", seat.at(0))
        if draw < 0.4:
            scene.relate(someone(seat, _seat(seat, chair, 0), "sitting"), "sitting on", chair)
        elif draw < 0.6:
            hung = seat.add("bag", scene.things[chair].at((-0.34, 0.5)), kind="handbag")
            scene.relate(hung, "hanging from", chair)


def sky(spot: Spot) -> None:
    """A bird or kite in the air."""
    at = spot.x, spot.between(0.1, 0.3) * spot.scene.height
    if spot.rng.random() < 0.7:
        spot.add("bird", at, kind="flying", aloft=True)
    else:
        spot.add("kite", at, angle=spot.between(-0.5, 0.5), aloft=True)


@dataclass(frozen=True)
class Group:
    """How to build a group, how often, half its width in metres, how near it stands (0 horizon, 1 front edge)."""

    build: Callable[[Spot], None]
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
