"""
The evaluator against published figures, against a plain evaluator on random scenes, and on cases worked out by hand.
"""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.evaluator_reference import PlainEvaluator
from maskrcnn_benchmark.evaluation import SceneGraphEvaluator
from maskrcnn_benchmark.utils.errors import UserError
from tests.evaluation.scenes import apart, predict, random_image, truth

MODES = ("predcls", "sgcls", "sgdet")
GOLDEN = [("evaluator", mode, "sgb") for mode in MODES] + [
    ("evaluator", "predcls", "penet"),
    ("evaluator_dup", "predcls", "sgb"),
    ("evaluator_dup", "predcls", "penet"),
    ("evaluator_edge", "predcls", "sgb"),
    ("evaluator_edge", "sgdet", "sgb"),
]


def summary_of(images, mode="predcls", num_predicates=5, **settings):
    evaluator = SceneGraphEvaluator(mode, num_predicates, **settings)
    for prediction, groundtruth in images:
        evaluator.update(prediction, groundtruth)
    return evaluator.summary()


def golden_images(folder, mode):
    columns = {
        "n_gt_boxes": ("gt_boxes", "gt_labels"),
        "n_gt_rels": ("gt_rels",),
        "n_pred_boxes": ("pred_boxes", "pred_labels", "pred_scores"),
        "n_pred_rels": ("rel_pair_idxs", "pred_rel_scores"),
    }
    with np.load(folder / f"{mode}_inputs.npz") as file:
        cut = {key: np.split(file[key], np.cumsum(file[n])[:-1]) for n, keys in columns.items() for key in keys}
    for i in range(len(cut["gt_boxes"])):
        prediction = {
            "boxes": cut["pred_boxes"][i],
            "labels": cut["pred_labels"][i],
            "scores": cut["pred_scores"][i],
            "pairs": cut["rel_pair_idxs"][i],
            "predicate_scores": cut["pred_rel_scores"][i],
        }
        yield prediction, {"boxes": cut["gt_boxes"][i], "labels": cut["gt_labels"][i], "relations": cut["gt_rels"][i]}


@pytest.mark.parametrize(("folder", "mode", "whose"), GOLDEN)
def test_published_figures(shared, folder, mode, whose):
    folder = shared / "golden" / folder
    want = json.loads((folder / f"{mode}_metrics_{whose}.json").read_text())
    zero_shot = np.load(folder / "zeroshot_triplets.npy")
    images = list(golden_images(folder, mode))
    texts = set()
    for shards in (1, 2, 7):
        parts = [
            SceneGraphEvaluator(mode, 51, zeroshot_triplets=zero_shot, rel_nms=whose == "penet") for _ in range(shards)
        ]
        for i, image in enumerate(images):
            parts[i % shards].update(*image)
        for other in parts[1:]:
            parts[0].merge(other)
        texts.add(json.dumps(parts[0].summary(), sort_keys=True))
    assert len(texts) == 1
    got = json.loads(texts.pop())
    names = {"R": "R", "ngR": "ng-R", "zR": "zR", "ng_zR": "ng-zR", "mR": "mR", "ng_mR": "ng-mR"} | (
        {"A": "A"} if whose == "sgb" else {}
    )
    for theirs, ours in names.items():
        for k, value in want.get(theirs, {}).items():
            assert got[ours][k] == pytest.approx(value, abs=1e-9), (ours, k)
    for theirs, ours in (("per_predicate_recall", "per_predicate"), ("ng_per_predicate_recall", "ng-per_predicate")):
        for k, row in want[theirs].items():
            assert [got[ours][str(predicate)][k] or 0.0 for predicate in range(1, 51)] == pytest.approx(row, abs=1e-9)


@st.composite
def random_images(draw, mode):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return [
        random_image(
            rng,
            mode,
            boxes=draw(st.integers(1, 6)),
            relations=draw(st.integers(0, 7)),
            found_boxes=draw(st.integers(1, 12)),
            keep=draw(st.sampled_from([0, 0.5, 1])),
            repeats=draw(st.sampled_from([1, 1, 9])),  # nine times the same pairs: more than 100 predictions
        )
        for _ in range(draw(st.integers(0, 4)))
    ]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), rel_nms=st.booleans())
def test_agrees_with_a_plain_evaluator(mode, rel_nms, data):
    images = data.draw(random_images(mode))
    rel_nms = (
        rel_nms and max((len(prediction["pairs"]) for prediction, _ in images), default=0) < 40
    )  # the plain form is quadratic
    zero_shot = [[1, 1, 1], [1, 2, 3], [3, 3, 2]]
    plain = PlainEvaluator(mode, 5, zeroshot_triplets=zero_shot, rel_nms=rel_nms)
    for image in images:
        plain.update(*image)
    got = summary_of(images, mode, zeroshot_triplets=zero_shot, rel_nms=rel_nms)
    want = plain.summary()
    assert got["confusion"] == want.pop("confusion")
    for table, figures in ((got, want), (got.get("phrdet"), want.pop("phrdet", {}))):
        for name, row in figures.items():
            for k, value in row.items():
                assert table[name][k] == (None if value is None else pytest.approx(value, abs=1e-12)), (name, k)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data(), shards=st.integers(1, 5))
def test_any_order_and_sharding_gives_the_same_bits(data, shards):
    images = data.draw(random_images("sgdet"))
    parts = [SceneGraphEvaluator("sgdet", 5) for _ in range(shards)]
    for image in data.draw(st.permutations(images)):
        parts[data.draw(st.integers(0, shards - 1))].update(*image)
    for other in parts[1:]:
        parts[0].merge(other)
    assert json.dumps(parts[0].summary()) == json.dumps(summary_of(images, "sgdet"))


def test_equal_scores_keep_the_order_of_the_prediction():
    scene = truth(apart(23), [1] * 23, [[0, 22, 1]])
    others = {(0, o): {2: 0.5} for o in range(1, 21)}
    last = summary_of([(predict(scene, {**others, (0, 22): {1: 0.5}}), scene)])
    first = summary_of([(predict(scene, {(0, 22): {1: 0.5}, **others}), scene)])
    assert (last["R"]["20"], last["R"]["50"]) == (0.0, 1.0)
    assert (first["R"]["20"], first["R"]["50"]) == (1.0, 1.0)


def test_equal_predicates_of_a_pair_give_the_lower_id():
    scene = truth(apart(2), [1, 2], [[0, 1, 3]])
    tied = summary_of([(predict(scene, {(0, 1): {2: 0.5, 3: 0.5}}), scene)])
    assert tied["R"]["20"] == 0.0
    assert tied["ng-R"]["20"] == 1.0
    assert tied["confusion"][3][2] == 1


def test_images_without_relations_are_skipped_and_images_without_predictions_count_as_zero():
    scene = truth(apart(2), [1, 2], [[0, 1, 3]])
    empty = truth(apart(2), [1, 2], [])
    found = predict(scene, {(0, 1): {3: 0.9}})
    nothing = predict(scene, {})
    summary = summary_of([(found, scene), (found, empty), (nothing, scene)])
    assert summary["images"] == 3
    assert summary["choices"]["images_without_relations"] == 1
    assert summary["R"]["20"] == summary["A"]["20"] == summary["accR"]["20"] == 0.5


def test_no_relations_at_all_give_null_and_are_valid_json():
    scene = truth([], [], [])
    for mode in MODES:
        summary = summary_of([(predict(scene, {}), scene)], mode, train_counts=[0, 4, 3, 2, 1])
        for name in ("R", "mR", "zR", "ng-R", "ng-mR", "ng-zR", "accR", "F", "mR-head"):
            assert summary[name] == {"20": None, "50": None, "100": None}
        json.dumps(summary, allow_nan=False)


def test_a_prediction_may_find_several_relations_and_a_relation_is_found_once():
    boxes = [[0, 0, 99, 99], [1, 1, 99, 99], [200, 0, 299, 99]]  # 0 and 1 overlap and share a label
    scene = truth(boxes, [1, 1, 2], [[0, 2, 4], [1, 2, 4]])
    one = summary_of([(predict(scene, {(0, 2): {4: 0.9}}), scene)])
    both = summary_of([(predict(scene, {(0, 2): {4: 0.9}, (1, 2): {4: 0.8}}), scene)])
    assert one["R"]["20"] == both["R"]["20"] == 1.0


def test_overlap_counts_from_exactly_the_threshold_with_pixels_as_areas():
    scene = truth([[0, 0, 9, 9], [50, 0, 59, 9]], [1, 2], [[0, 1, 1]])
    for right, met in ((4, 1.0), (3, 0.0)):  # 5 of 10 columns are an IoU of 0.5 only if a box is x2 - x1 + 1 wide
        prediction = predict(scene, {(0, 1): {1: 0.9}}, boxes=[[0, 0, right, 9], [50, 0, 59, 9]])
        assert summary_of([(prediction, scene)], "sgdet")["R"]["20"] == met


def test_k_cuts_the_ranked_list_of_annotated_pairs():
    """A@K ranks annotated pairs only: the 30 annotated pairs lie behind 90 others, yet 20 of them are within A@20."""
    scene = truth(apart(121), [1] * 121, [[0, o, 1] for o in range(1, 31)])
    others = {(0, o): {2: 0.9} for o in range(31, 121)}
    annotated = {(0, o): {1: 0.5 - o / 1000} for o in range(1, 31)}
    summary = summary_of([(predict(scene, {**others, **annotated}), scene)])
    assert summary["A"] == {"20": 20 / 30, "50": 1.0, "100": 1.0}
    assert summary["R"] == {"20": 0.0, "50": 0.0, "100": 10 / 30}


def test_a_pools_the_set_and_recall_averages_images():
    small = truth(apart(2), [1, 2], [[0, 1, 1]])
    large = truth(apart(4), [1, 2, 3, 4], [[0, 1, 1], [0, 2, 1], [0, 3, 1]])
    images = [(predict(small, {(0, 1): {1: 0.9}}), small), (predict(large, {(0, 1): {2: 0.9}}), large)]
    summary = summary_of(images)
    assert summary["R"]["20"] == 0.5
    assert summary["A"]["20"] == summary["accR"]["20"] == 0.25


def test_duplicates_and_self_relations_stay_in_the_denominator():
    scene = truth(apart(2), [1, 2], [[0, 1, 1], [0, 1, 1], [0, 1, 2], [0, 0, 1]])
    summary = summary_of([(predict(scene, {(0, 1): {1: 0.9, 2: 0.8}, (1, 0): {1: 0.1}}), scene)])
    assert (
        summary["R"]["20"] == 0.5
    )  # both copies of one annotation; the other predicate and the self-relation cannot be met
    assert summary["ng-R"]["20"] == 0.75
    assert summary["per_predicate"]["1"]["20"] == 2 / 3


def test_mean_recall_counts_absent_predicates_and_says_how_many():
    scene = truth(apart(3), [1, 2, 3], [[0, 1, 1], [0, 2, 2]])
    summary = summary_of([(predict(scene, {(0, 1): {1: 0.9}}), scene)], train_counts=[0, 10, 2, 30, 3])
    assert summary["mR"]["20"] == 0.25
    assert summary["mR-present"]["20"] == 0.5
    assert summary["F"]["20"] == pytest.approx(2 * 0.5 * 0.25 / 0.75)
    assert summary["per_predicate"]["3"]["20"] is None
    assert summary["choices"]["predicates_absent"] == 2
    assert summary["choices"]["groups"] == {"head": ["3", "1"], "body": ["4"], "tail": ["2"]}
    assert (summary["mR-head"]["20"], summary["mR-body"]["20"], summary["mR-tail"]["20"]) == (0.5, None, 0.0)


def test_zero_shot_recall_reads_only_unseen_triplets():
    scene = truth(apart(3), [1, 2, 3], [[0, 1, 1], [0, 2, 1]])
    prediction = predict(scene, {(0, 1): {1: 0.9}})
    none = truth(apart(2), [5, 6], [[0, 1, 1]])
    images = [(prediction, scene), (predict(none, {}), none)]
    assert summary_of(images, zeroshot_triplets=[[1, 2, 1]])["zR"]["20"] == 1.0
    assert summary_of(images, zeroshot_triplets=[[1, 3, 1]])["zR"]["20"] == 0.0
    assert summary_of(images, zeroshot_triplets=[[1, 2, 2]])["zR"]["20"] is None
    assert summary_of(images)["choices"]["zeroshot_triplets"] is None


def test_phrase_detection_needs_only_the_union_box():
    scene = truth([[0, 0, 49, 99], [50, 0, 99, 99]], [1, 2], [[0, 1, 1]])
    swapped = [[0, 0, 99, 49], [0, 50, 99, 99]]  # neither box fits, the union is the same
    summary = summary_of([(predict(scene, {(0, 1): {1: 0.9}}, boxes=swapped), scene)], "sgdet")
    assert summary["R"]["20"] == 0.0
    phrases = summary["phrdet"]
    assert phrases["R"]["20"] == phrases["ng-R"]["20"] == 1.0
    assert phrases["mR"]["20"] == 0.25


def test_object_scores_rank_relations_in_sgdet_and_not_in_predcls():
    scene = truth(apart(22), [1] * 22, [[0, 21, 1]])
    pairs = {(0, 21): {1: 0.5}, **{(0, o): {2: 0.4} for o in range(1, 21)}}
    prediction = predict(scene, pairs, scores=[1.0] * 21 + [0.5])
    assert summary_of([(prediction, scene)], "predcls")["R"]["20"] == 1.0
    assert summary_of([(prediction, scene)], "sgdet")["R"]["20"] == 0.0


def test_confusion_counts_annotated_pairs_that_the_prediction_holds():
    scene = truth(apart(4), [1, 2, 3, 4], [[0, 1, 1], [0, 2, 3], [0, 3, 2]])
    prediction = predict(scene, {(0, 1): {2: 0.9}, (0, 2): {3: 0.9}, (0, 3): {2: 0.9}}, labels=[1, 2, 3, 1])
    confusion = np.array(summary_of([(prediction, scene)], "sgcls")["confusion"])
    assert confusion[1, 2] == confusion[3, 3] == 1
    assert confusion[2, 0] == 1  # its object has the wrong label
    assert confusion.sum() == 3


def test_rel_nms_gives_a_suppressed_pair_its_next_predicate_at_the_original_score():
    boxes = [[0, 0, 99, 99], [200, 0, 299, 99], [0, 0, 99, 95]]
    scene = truth(boxes, [1, 2, 1], [[0, 1, 1], [2, 1, 2]])
    scores = {(0, 1): {1: 0.9, 2: 0.05}, (2, 1): {1: 0.8, 2: 0.15}}
    assert summary_of([(predict(scene, scores), scene)])["R"]["20"] == 0.5
    with_it = summary_of([(predict(scene, scores), scene)], rel_nms=True)
    assert with_it["R"]["20"] == 1.0
    assert with_it["choices"]["rel_nms"] == 0.6


def test_numpy_torch_and_lists_are_alike():
    scene = truth(apart(3), [1, 2, 3], [[0, 1, 1], [0, 2, 2]])
    prediction = predict(scene, {(0, 1): {1: 0.9}, (2, 1): {1: 0.8}}, scores=[0.5, 0.25, 1])
    forms = [lambda x: x, torch.from_numpy, lambda x: x.tolist()]
    texts = {
        json.dumps(
            summary_of([({k: form(v) for k, v in prediction.items()}, {k: form(v) for k, v in scene.items()})], "sgdet")
        )
        for form in forms
    }
    assert len(texts) == 1


def test_state_survives_a_file(tmp_path):
    scene = truth(apart(3), [1, 2, 3], [[0, 1, 1], [0, 2, 2]])
    evaluator = SceneGraphEvaluator("predcls", 5, zeroshot_triplets=[[1, 2, 1]], train_counts=[0, 1, 2, 3, 4])
    evaluator.update(predict(scene, {(0, 1): {1: 0.9}}), scene, image_id=17)
    torch.save(evaluator.state_dict(), tmp_path / "state.pth")
    other = SceneGraphEvaluator.from_state(torch.load(tmp_path / "state.pth", weights_only=True))
    assert other.summary() == evaluator.summary()
    assert other.image_ids == [17]


def test_merge_refuses_other_settings():
    with pytest.raises(UserError, match="rel_nms"):
        SceneGraphEvaluator("predcls", 5).merge(SceneGraphEvaluator("predcls", 5, rel_nms=True))


def test_split_hash_names_the_ground_truth_whatever_its_order():
    scenes_ = [truth(apart(2), [1, 2], [[0, 1, p]]) for p in (1, 2, 3)]
    hashes = [
        summary_of([(predict(s, {}), s) for s in order])["choices"]["split_hash"]
        for order in (scenes_, scenes_[::-1], scenes_[:2])
    ]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pairs": np.array([[0, 7]])}, "points at boxes 0 to 7, there are 2"),
        ({"predicate_scores": np.zeros((1, 4), np.float32)}, r"must be \(n, 5\), got \(1, 4\)"),
        ({"predicate_scores": np.full((1, 5), np.nan, np.float32)}, "finite"),
        ({"predicate_scores": np.full((1, 5), -1, np.float32)}, "not logits"),
        ({"predicate_scores": np.array([[0, 2.5, -1, -1, -1]], np.float32)}, "not logits"),
        ({"labels": np.array([-1, 2])}, "prediction labels run from -1 to 2"),
        ({"pairs": np.zeros((2, 2), int)}, "pairs 2, predicate_scores 1"),
        ({"scores": np.ones(3, np.float32)}, "scores 3"),
        ({"labels": np.array([1, 1.5], np.float32)}, "whole numbers"),
        ({"labels": ["man", "hat"]}, "whole numbers"),
        ({"boxes": np.full((2, 4), np.inf)}, "finite numbers"),
        ({"predicate_scores": [[0, 1], [1]]}, "array of numbers"),
    ],
)
def test_bad_predictions_are_named_and_leave_no_trace(change, words):
    scene = truth(apart(2), [1, 2], [[0, 1, 3]])
    evaluator = SceneGraphEvaluator("sgdet", 5)
    with pytest.raises(UserError, match=words):
        evaluator.update(predict(scene, {(0, 1): {1: 0.5}}) | change, scene)
    assert evaluator.summary()["images"] == 0


@pytest.mark.parametrize("relation", [[0, 1, 0], [0, 1, 5], [0, 2, 1], [-1, 1, 1]])
def test_bad_annotations_are_named(relation):
    scene = truth(apart(2), [1, 2], [relation])
    with pytest.raises(UserError, match="relations"):
        SceneGraphEvaluator("predcls", 5).update(predict(scene, {}), scene)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="predcls, sgcls, sgdet"):
        SceneGraphEvaluator("relations", 5)
    with pytest.raises(UserError, match="predicate_names has 4"):
        SceneGraphEvaluator("predcls", 5, predicate_names=["a", "b", "c", "d"])
    with pytest.raises(UserError, match="1 to 100"):
        SceneGraphEvaluator("predcls", 5).tally().counts("rank", 101)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"zeroshot_triplets": [[1, 2, 5]]}, "zeroshot_triplets names predicates 5 to 5, they must lie in 1 to 4"),
        ({"zeroshot_triplets": [[1, -2, 1]]}, "zeroshot_triplets' labels run from -2 to 1"),
        ({"zeroshot_triplets": [[1, 2.5, 1]]}, "zeroshot_triplets must hold whole numbers, found 2.5"),
        ({"zeroshot_triplets": [[1, 2]]}, r"zeroshot_triplets must be \(n, 3\)"),
        ({"train_counts": [0, 1, 2, 3, -4]}, "train_counts must not be negative, got -4"),
        ({"train_counts": [0, 1, 2, 3, math.nan]}, "train_counts must hold whole numbers, found nan"),
    ],
)
def test_knowledge_of_training_that_cannot_be_is_refused(settings, words):
    with pytest.raises(UserError, match=words):
        SceneGraphEvaluator("predcls", 5, **settings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lengths": torch.tensor([3])}, "2 relations are counted, the images have 3"),
        ({"relations": torch.zeros(2, 7)}, r"must be \(n, 8\)"),
        ({"relations": torch.full((2, 8), 9)}, "names predicates 9 to 9"),
        ({"relations": torch.tensor([[1, 0, -1, 0, 0, 0, 0, 0]] * 2)}, "out of range"),
        ({"image_ids": [1, 2]}, "counts of 1 images, but ids of 2"),
    ],
)
def test_a_state_whose_parts_do_not_fit_is_refused(change, words):
    scene = truth(apart(3), [1, 2, 3], [[0, 1, 1], [0, 2, 2]])
    evaluator = SceneGraphEvaluator("predcls", 5)
    evaluator.update(predict(scene, {(0, 1): {1: 0.9}}), scene)
    with pytest.raises(UserError, match=words):
        SceneGraphEvaluator.from_state(evaluator.state_dict() | change)


def test_the_background_column_is_not_read():
    scene = truth(apart(2), [1, 2], [[0, 1, 3]])
    prediction = predict(scene, {(0, 1): {3: 0.5}})
    prediction["predicate_scores"][:, 0] = -np.inf
    assert summary_of([(prediction, scene)])["R"]["20"] == 1.0


def test_degenerate_boxes_do_not_disturb():
    scene = truth([[5, 5, 4, 4], [0, 0, 9, 9]], [1, 2], [[0, 1, 1], [1, 1, 1]])
    summary = summary_of([(predict(scene, {(0, 1): {1: 0.9}, (1, 0): {1: 0.5}}), scene)], "sgdet")
    assert math.isfinite(summary["R"]["20"])
