"""What is drawn is where the boxes say, what is covered is not annotated, and poses can be seen."""

import cv2
import numpy as np
import pytest

from maskrcnn_benchmark.data.scenes.actors import Spot, add_person, add_vehicle, carrier, holder
from maskrcnn_benchmark.data.scenes.annotate import annotate
from maskrcnn_benchmark.data.scenes.groups import GROUPS
from maskrcnn_benchmark.data.scenes.layout import Setting
from maskrcnn_benchmark.data.scenes.render import render
from maskrcnn_benchmark.data.scenes.scene import Scene
from maskrcnn_benchmark.data.scenes.vocabulary import ATTRIBUTES, OBJECTS, PREDICATES

PLAIN = Setting(ground="sand", horizon=120, light=(0.2, 0.2), brightness=1.0, tint=(1.0, 1.0, 1.0), noise=0.0, blur=0.0)


def empty_scene() -> Scene:
    return Scene(400, 320)


def spot_in(scene: Scene, seed: int) -> Spot:
    return Spot(scene, np.random.default_rng(seed), 200.0, 250.0, 60.0, 1)


def picture(scene: Scene):
    return render(scene, PLAIN, np.random.default_rng(5))


def add(scene: Scene, name: str, seed: int) -> int:
    spot = spot_in(scene, seed)
    if name == "person":
        legs = ("standing", "sitting", "lying", "kicking")[seed % 4]
        return add_person(spot, spot.at(0), legs, "hug", dressed=False)
    if name in ("car", "bicycle"):
        return add_vehicle(spot, name, spot.at(0))
    return spot.add(name, spot.at(0), **{"umbrella": {"kind": "open"}, "wheel": {"kind": "car"}}.get(name, {}))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", OBJECTS)
def test_a_box_is_tight_around_the_pixels_that_its_object_changes(name, seed):
    scene = empty_scene()
    index = add(scene, name, seed)
    for thing in scene.things:
        thing.aloft = True  # without a shadow
    drawn = picture(scene)
    changed = (np.abs(drawn.image.astype(int) - picture(empty_scene()).image).sum(2) > 40).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(changed)
    assert width > 8 and height > 8
    assert np.abs(drawn.boxes[index] - (x, y, x + width - 1, y + height - 1)).max() <= 2


def test_the_box_of_a_whole_holds_its_parts():
    scene = empty_scene()
    car = add(scene, "car", 0)
    boxes = picture(scene).boxes
    wheels = [index for index, thing in enumerate(scene.things) if thing.name == "wheel"]
    assert len(wheels) == 2
    assert (boxes[wheels, :2] >= boxes[car, :2]).all() and (boxes[wheels, 2:] <= boxes[car, 2:]).all()


def test_what_is_covered_gets_neither_box_nor_relation():
    scene = empty_scene()
    spot = spot_in(scene, 0)
    ball = spot.add("ball", spot.at(0, 0.3))
    house = spot.add("house", spot.at(0), kind="cottage")
    scene.relate(ball, "near", house)
    drawn = picture(scene)
    annotation = annotate(scene, drawn, spot.rng)
    assert drawn.visible[ball] == 0 and annotation.things == [house] and annotation.relations == []


@pytest.mark.parametrize("seed", range(5))
def test_standing_sitting_and_lying_have_different_outlines(seed):
    ratios = {}
    for legs in ("standing", "sitting", "lying"):
        scene = empty_scene()
        spot = spot_in(scene, seed)
        person = add_person(spot, spot.at(0), legs, "rest", dressed=False)
        x1, y1, x2, y2 = picture(scene).boxes[person]
        ratios[legs] = (y2 - y1) / (x2 - x1)
    assert ratios["standing"] > 2.2 > ratios["sitting"] > 1 > 0.6 > ratios["lying"]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_held_is_farther_from_the_body_than_what_is_carried(seed):
    distance = {}
    for manner in (holder, carrier):
        scene = empty_scene()
        spot = spot_in(scene, seed)
        person = manner(spot, spot.at(0), "standing", "ball")
        ball = next(index for index, thing in enumerate(scene.things) if thing.name == "ball")
        boxes = picture(scene).boxes
        body_x = scene.things[person].x
        distance[manner] = (boxes[ball, 0] + boxes[ball, 2]) / 2 - body_x
        assert (person, "holding" if manner is holder else "carrying", ball) in scene.relations
    assert distance[holder] > distance[carrier] > 0


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.build.__name__)
def test_every_group_draws_and_speaks_the_vocabulary(group):
    for seed in range(30):
        scene = empty_scene()
        group.build(spot_in(scene, seed))
        assert scene.things
        assert all(subject != target and predicate in PREDICATES for subject, predicate, target in scene.relations)
        assert all(word in ATTRIBUTES for thing in scene.things for word in thing.attributes())
        strokes = {stroke[0] for stroke in scene.strokes if isinstance(stroke, tuple)}
        assert strokes == set(range(len(scene.things))), "a thing is never drawn"
    drawn = picture(scene)
    assert drawn.image.shape == (320, 400, 3) and np.isfinite(drawn.boxes).all()


def test_unknown_words_are_refused():
    scene = empty_scene()
    with pytest.raises(ValueError, match="zebra"):
        spot_in(scene, 0).add("zebra", (1, 1))
    with pytest.raises(ValueError, match="eating"):
        scene.relate(0, "eating", 1)
