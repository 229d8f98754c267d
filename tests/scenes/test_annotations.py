"""
The demo data set is a benchmark in small: many objects, a long tail, coarse words for fine ones, labels that leave much
open.
"""

import time
from collections import Counter, defaultdict

import numpy as np

from maskrcnn_benchmark.data.scenes.vocabulary import COARSE, OBJECTS, PREDICATES
from maskrcnn_benchmark.data.scenes.write import make_image

FINE = [word for word in COARSE if word not in ("left of", "behind", "in front of", "under")]


def annotated(drawn) -> Counter:
    return Counter(PREDICATES[row[3] - 1] for _, truth in drawn for row in truth if row[3])


def test_scenes_are_full(drawn):
    counts = np.array([len(record["labels"]) for record, _ in drawn])
    assert (counts >= 9).mean() > 0.95 and 11 < counts.mean() < 16 and counts.max() < 30


def test_sizes_are_as_promised(drawn):
    sides = np.array([(record["width"], record["height"]) for record, _ in drawn])
    assert sides.min() >= 320 and sides.max() <= 512
    boxes = np.concatenate([record["boxes"] for record, _ in drawn])
    limits = np.concatenate(
        [np.tile((record["width"] - 1, record["height"] - 1), (len(record["boxes"]), 1)) for record, _ in drawn]
    )
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= limits).all() and (boxes[:, 2:] > boxes[:, :2]).all()
    root = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)) * 256 / 360
    assert (root < 16).mean() < 0.1, "few objects may be tiny at the demo's resolution"


def test_every_class_occurs_and_none_is_most_of_them(drawn):
    counts = Counter(OBJECTS[label - 1] for record, _ in drawn for label in record["labels"])
    assert set(counts) == set(OBJECTS)
    assert max(counts.values()) < 0.35 * sum(counts.values()) and min(counts.values()) > 0.005 * sum(counts.values())


def test_predicates_have_a_long_tail_with_every_predicate_in_it(drawn):
    counts = annotated(drawn)
    assert set(counts) == set(PREDICATES)
    ranked = [number for _, number in counts.most_common()]
    assert ranked[0] >= 80 * ranked[-1] and ranked[0] > 500
    assert {word for word, _ in counts.most_common(3)} == {"on", "has", "near"}
    assert sum(ranked[-4:]) >= 4 * len(drawn) / 1000 * 15, "the tail can be learned"


def test_annotators_write_the_true_word_or_its_coarse_one(drawn):
    words = defaultdict(Counter)
    for _, truth in drawn:
        for _, _, true, word in truth:
            words[PREDICATES[true - 1]][PREDICATES[word - 1] if word else ""] += 1
    for true, written in words.items():
        allowed = {"", true, *([COARSE[true][0]] if true in COARSE else [])}
        assert set(written) <= allowed, true
        assert written[""] > 0 or sum(written.values()) < 40, f"{true}: nothing was left out"
    blurred = Counter()
    for true in FINE:
        blurred["coarse"] += words[true][COARSE[true][0]]
        blurred["fine"] += words[true][true]
    assert 0.35 < blurred["coarse"] / (blurred["coarse"] + blurred["fine"]) < 0.6
    for true in ("part of", "sitting on", "holding", "wearing"):
        coarse, share = COARSE[true]
        found = words[true][coarse] / (words[true][coarse] + words[true][true])
        assert abs(found - share) < 0.15, true


def test_a_pair_has_one_true_predicate_and_nothing_relates_to_itself(drawn):
    for record, truth in drawn:
        pairs = [(s, o) for s, o, _, _ in truth]
        assert len(set(pairs)) == len(pairs) and all(s != o for s, o in pairs)
        assert record["relations"].tolist() == [[s, o, word] for s, o, _, word in truth.tolist() if word]


def test_labels_alone_leave_the_predicate_open(drawn):
    table = defaultdict(Counter)
    for record, truth in drawn:
        for s, o, _, word in truth:
            if word:
                table[record["labels"][s], record["labels"][o]][word] += 1
    total = sum(sum(row.values()) for row in table.values())
    assert sum(max(row.values()) for row in table.values()) < 0.7 * total, (
        "the commonest predicate of a label pair is often wrong"
    )
    entropy = -sum(n * np.log2(n / sum(row.values())) for row in table.values() for n in row.values()) / total
    assert entropy > 0.9
    person = OBJECTS.index("person") + 1
    for other in ("bench", "horse", "bag", "car"):
        assert len(table[person, OBJECTS.index(other) + 1]) >= 4, f"person and {other} stand in too few relations"


def test_labels_alone_do_not_say_which_pairs_are_related(drawn):
    """Of the pairs whose labels are those of some relation of the image, most are not related: geometry must tell."""
    related, alike = 0, 0
    for record, truth in drawn:
        labels = np.array(record["labels"])
        pairs = {(labels[s], labels[o]) for s, o, _, _ in truth}
        related += len(truth)
        alike += sum(int((labels == s).sum() * (labels == o).sum()) for s, o in pairs)
    assert alike > 1.5 * related


def test_fine_words_can_be_told_from_boxes_alone_where_pose_decides(drawn):
    """
    Standing, sitting and lying people on a bench differ in the shape of their boxes: a stump of one split beats chance
    clearly.
    """
    ratios = defaultdict(list)
    person, bench = OBJECTS.index("person") + 1, OBJECTS.index("bench") + 1
    for record, truth in drawn:
        for s, o, true, _ in truth:
            if (
                record["labels"][s] == person
                and record["labels"][o] == bench
                and PREDICATES[true - 1] in ("lying on", "standing on")
            ):
                x1, y1, x2, y2 = record["boxes"][s]
                ratios[PREDICATES[true - 1]].append((y2 - y1) / (x2 - x1))
    right = sum(ratio < 1 for ratio in ratios["lying on"]) + sum(ratio > 1 for ratio in ratios["standing on"])
    total = len(ratios["lying on"]) + len(ratios["standing on"])
    assert total >= 8 and right >= 0.9 * total


def test_an_image_costs_little_enough_for_the_whole_set_in_a_minute_on_two_cores():
    make_image(0, "test", 0)
    start = time.process_time()
    for index in range(20):
        make_image(0, "test", index)
    assert (time.process_time() - start) / 20 < 0.057
