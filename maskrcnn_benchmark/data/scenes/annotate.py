"""What annotators make of a scene: the geometry they notice, what they leave out, and coarse words for fine ones."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from maskrcnn_benchmark.data.scenes.render import Picture
from maskrcnn_benchmark.data.scenes.scene import Relation, Scene
from maskrcnn_benchmark.data.scenes.vocabulary import COARSE

MIN_VISIBLE, MIN_AREA, MIN_SIDE = 0.25, 24, 5

# Share of the true relations that gets annotated.
KEPT = {
    "part of": 0.58, "has": 0.6, "near": 0.28, "left of": 0.36, "behind": 0.5, "in front of": 0.5, "above": 0.6,
    "under": 0.7,
}  # fmt: skip
KEPT_OTHER = 0.88
KEPT_WORN = 0.3  # "hat on person", beside "person wearing hat"
ATTACHED = ("wheel", "window", "hat", "cup")  # not worth a word about where they are


@dataclass(frozen=True)
class Annotation:
    """
    things: indices of the annotated things, in the order of the boxes. relations: every true relation as (subject row,
    object row, true predicate, annotated predicate or "" where annotators left it out).
    """

    things: list[int]
    relations: list[tuple[int, int, str, str]]


def annotate(scene: Scene, picture: Picture, rng: np.random.Generator) -> Annotation:
    """Draws an annotation: objects that hardly show have no box; an ordered pair has at most one true predicate."""
    sides = picture.boxes[:, 2:] - picture.boxes[:, :2]
    shown = (picture.visible >= MIN_VISIBLE) & (picture.area >= MIN_AREA) & (sides >= MIN_SIDE).all(1)
    things = [int(index) for index in np.flatnonzero(shown)]
    row = {index: position for position, index in enumerate(things)}
    true = [relation for relation in scene.relations if shown[relation[0]] and shown[relation[2]]]
    true += geometric_relations(scene, picture, things, true)
    relations = []
    for subject, predicate, target in true:
        worn = predicate == "on" and scene.things[target].name == "person"
        chance = KEPT_WORN if worn else KEPT.get(predicate, KEPT_OTHER)
        word = ""
        if rng.random() < chance:
            coarse, share = COARSE.get(predicate, ("", 0.0))
            word = coarse if rng.random() < share else predicate
        relations.append((row[subject], row[target], predicate, word))
    return Annotation(things, relations)


def geometric_relations(scene: Scene, picture: Picture, things: list[int], known: list[Relation]) -> list[Relation]:
    """
    Where things are, for pairs of which nothing finer is true.

    above: aloft, over it. behind, in front of: overlapping at clearly different depth; the nearer is the subject of "in
    front of" if it is the smaller one, else the farther that of "behind". left of: side by side at like depth. near:
    close by in another way.
    """
    related = {frozenset((subject, target)) for subject, _, target in known}
    pairs = combinations([index for index in things if scene.things[index].name not in ATTACHED], 2)
    found = [_geometry(scene, picture.boxes, *pair) for pair in pairs if frozenset(pair) not in related]
    return [relation for relation in found if relation is not None]


def _geometry(scene: Scene, boxes: np.ndarray, one: int, other: int) -> Relation | None:
    far, near = sorted((one, other), key=lambda index: scene.things[index].depth)
    a, b = scene.things[far], scene.things[near]
    box_a, box_b = boxes[far], boxes[near]
    width = min(box_a[2] - box_a[0], box_b[2] - box_b[0])
    height = min(box_a[3] - box_a[1], box_b[3] - box_b[1])
    shared_x = min(box_a[2], box_b[2]) - max(box_a[0], box_b[0])
    shared_y = min(box_a[3], box_b[3]) - max(box_a[1], box_b[1])
    if a.aloft != b.aloft:
        high, low = (far, near) if a.aloft else (near, far)
        over = shared_x > 0.5 * width and boxes[high][3] <= boxes[low][1] + 0.2 * height
        return (high, "above", low) if over else None
    unit = 0.5 * (a.unit + b.unit)
    apart = (b.depth - a.depth) / unit
    if shared_x > 0.25 * width and shared_y > 0.1 * height and apart > 0.35:
        size_a, size_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (box_a, box_b))
        return (near, "in front of", far) if size_b < size_a else (far, "behind", near)
    gap = -shared_x / unit
    if apart < 0.8 and shared_y > 0.35 * height and -0.15 < gap < 0.9:
        left, right = (far, near) if box_a[0] + box_a[2] < box_b[0] + box_b[2] else (near, far)
        return (left, "left of", right)
    distance = np.hypot(max(0.0, gap), max(0.0, -shared_y / unit))
    if apart < 1.6 and distance < 0.55:
        small, large = sorted((far, near), key=lambda index: np.prod(boxes[index][2:] - boxes[index][:2]))
        return (small, "near", large)
    return None
