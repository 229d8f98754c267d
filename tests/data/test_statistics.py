"""Training statistics against a plain loop in float64, and their cache."""

import numpy as np
import pytest
import torch
from vg_folders import OBJECTS, PREDICATES, random_images

from benchmarks.statistics import plain_counts
from benchmarks.synthetic_annotations import write_synthetic_vg
from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.annotations import Annotations, offsets
from maskrcnn_benchmark.data.build import load_dataset_meta, read_source, training_statistics
from maskrcnn_benchmark.data.datasets import split_rows
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.datasets.vg_layout import write_vg_layout
from maskrcnn_benchmark.data.datasets.visual_genome import read_vg
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.data.statistics import count_relations
from maskrcnn_benchmark.data.zeroshot import read_triplets, unseen_triplets
from maskrcnn_benchmark.utils.errors import UserError

NUM_OBJECTS, NUM_PREDICATES = len(OBJECTS) + 1, len(PREDICATES) + 1
SHAPE = (NUM_OBJECTS, NUM_OBJECTS, NUM_PREDICATES)


def flat(images, dtype=np.int32):
    boxes = [np.asarray(image["boxes"]).reshape(-1, 4) for image in images]
    relations = [np.asarray(image["relations"]).reshape(-1, 3) for image in images]
    return Annotations(
        boxes=np.concatenate(boxes).astype(dtype),
        labels=np.concatenate([image["labels"] for image in images]).astype(np.int32),
        box_start=offsets(np.array([len(b) for b in boxes])),
        relations=np.concatenate(relations).astype(np.int32),
        rel_start=offsets(np.array([len(r) for r in relations])),
    )


def counted_by_hand(annotations, overlapping):
    """The definition, image by image and pair by pair."""
    fg, bg = np.zeros(SHAPE, dtype=np.int64), np.zeros((NUM_OBJECTS, NUM_OBJECTS), dtype=np.int64)
    for image in range(annotations.num_images):
        rows = slice(annotations.box_start[image], annotations.box_start[image + 1])
        boxes, labels = annotations.boxes[rows].astype(np.float64), annotations.labels[rows]
        relations = annotations.relations[annotations.rel_start[image] : annotations.rel_start[image + 1]]

        def shared(i, j, extra, boxes=boxes):
            x = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0]) + extra
            y = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1]) + extra
            return max(x, 0.0) * max(y, 0.0)

        counted = [r for r in relations if not overlapping or shared(r[0], r[1], 1) > 0]
        if not counted:
            continue
        for subject, object_, predicate in counted:
            fg[labels[subject], labels[object_], predicate] += 1
        pairs = [(i, j) for i in range(len(boxes)) for j in range(len(boxes)) if i != j]
        meeting = [(i, j) for i, j in pairs if shared(i, j, 0) > 0]
        for i, j in meeting or pairs:
            bg[labels[i], labels[j]] += 1
    return fg, bg


@pytest.mark.parametrize("overlapping", [True, False])
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_counts_are_those_of_the_definition(overlapping, dtype):
    annotations = flat(random_images(150, seed=4), dtype)
    fg, bg = count_relations(annotations, NUM_OBJECTS, NUM_PREDICATES, overlapping=overlapping)
    expected_fg, expected_bg = counted_by_hand(annotations, overlapping)
    assert np.array_equal(fg, expected_fg) and np.array_equal(bg, expected_bg)
    assert fg.sum() > 100 and bg.sum() > 500


def test_touching_boxes_carry_a_relation_but_do_not_intersect():
    # 10 and 10 share a column of pixels (+1 convention), 10 and 11 do not; neither pair intersects strictly.
    for first, expected in ((10, 1), (11, 0)):
        image = {"boxes": [[0, 0, 10, 10], [first, 0, 20, 10]], "labels": [1, 2], "relations": [[0, 1, 3]]}
        fg, bg = count_relations(flat([image]), NUM_OBJECTS, NUM_PREDICATES, overlapping=True)
        assert fg[1, 2, 3] == expected
        assert bg[1, 2] == bg[2, 1] == expected  # nothing intersects: all pairs, of an image that counts


def test_boxes_too_large_for_int16_are_counted_alike():
    images = random_images(20, seed=6)
    large = [{**image, "boxes": np.rint(image["boxes"]) * 1000} for image in images]
    small = [{**image, "boxes": np.rint(image["boxes"])} for image in images]
    counted = [
        count_relations(flat(images), NUM_OBJECTS, NUM_PREDICATES, overlapping=False) for images in (large, small)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(*counted, strict=True))


def test_the_benchmarks_plain_loop_counts_the_same(tmp_path):
    files = write_synthetic_vg(tmp_path, images=300)
    source = read_vg(files / "VG-SGG-with-attri.h5", files / "VG-SGG-dicts-with-attri.json", files / "image_data.json")
    sizes = len(source.objects), len(source.predicates)
    own, plain = count_relations(source.annotations, *sizes, overlapping=True), plain_counts(source.annotations, *sizes)
    assert all(np.array_equal(a, b) for a, b in zip(own, plain, strict=True)) and own[0].sum() > 300


def test_a_table_that_would_not_fit_into_memory_is_refused():
    none = Annotations(np.zeros((0, 4)), np.zeros(0, int), np.zeros(1, int), np.zeros((0, 3), int), np.zeros(1, int))
    with pytest.raises(UserError, match="counts of 9000 x 9000 classes and 50 predicates.*DATA_MAX_ARRAY_BYTES"):
        count_relations(none, 9000, 50, overlapping=False)


def test_nothing_to_count_is_zero():
    image = {"boxes": [[0, 0, 5, 5]], "labels": [1], "relations": []}
    fg, bg = count_relations(flat([image]), NUM_OBJECTS, NUM_PREDICATES, overlapping=True)
    assert fg.sum() == 0 and bg.sum() == 0 and fg.shape == SHAPE


def test_the_frequency_table_is_the_log_of_relative_counts():
    fg, bg = counted_by_hand(flat(random_images(60, seed=1)), True)
    table = DatasetMeta(("__background__", *OBJECTS), ("__background__", *PREDICATES), (), fg, bg).frequency_table()
    for s in range(NUM_OBJECTS):
        for o in range(NUM_OBJECTS):
            counts = [bg[s, o] + 1.0, *fg[s, o, 1:]]
            for k in range(NUM_PREDICATES):
                assert table[s, o, k] == pytest.approx(np.log(counts[k] / sum(counts) + 1e-3), abs=1e-6)


def test_meta_survives_a_checkpoint_and_checks_shapes():
    fg, bg = counted_by_hand(flat(random_images(60, seed=1)), True)
    meta = DatasetMeta(("__background__", *OBJECTS), ("__background__", *PREDICATES), ("__background__", "red"), fg, bg)
    back = DatasetMeta.from_state(meta.to_state())
    assert back.objects == meta.objects and back.attributes == meta.attributes
    assert np.array_equal(back.fg_matrix, fg) and np.array_equal(back.bg_matrix, bg)
    assert np.array_equal(meta.predicate_counts(), fg.sum((0, 1)))
    empty = DatasetMeta.from_state(DatasetMeta(meta.objects, meta.predicates).to_state())
    assert (
        empty.fg_matrix is None and empty.frequency_table().abs().sum() == 0 and empty.frequency_table().shape == SHAPE
    )
    with pytest.raises(ValueError, match=r"\(4, 4, 4\).*\(3, 4, 4\)"):
        DatasetMeta(meta.objects, meta.predicates, (), fg[:3], bg)
    with pytest.raises(ValueError, match="come together"):
        DatasetMeta(meta.objects, meta.predicates, (), fg)
    for key, value in (("fg_cells", [[-1, 1, 1, 1]]), ("bg_matrix", np.full((4, 4), np.nan))):
        with pytest.raises(ValueError, match=f"{key} must hold whole numbers from 0"):
            DatasetMeta.from_state(meta.to_state() | {key: torch.as_tensor(value)})


@pytest.fixture
def annotated(data_dir):
    write_vg_layout(
        data_dir / "toy", random_images(60, seed=8, splits=("train", "val", "train", "test")), OBJECTS, PREDICATES
    )
    return data_dir / "toy"


@pytest.mark.usefixtures("annotated")
def test_statistics_are_of_the_training_split_alone():
    entry = dataset_entry("toy_train")
    source = read_source(entry)
    annotations = source.annotations.take(np.flatnonzero(source.marks == 0))
    expected_fg, expected_bg = counted_by_hand(annotations, True)
    statistics = training_statistics("toy_train")
    assert np.array_equal(statistics.meta.fg_matrix, expected_fg) and np.array_equal(
        statistics.meta.bg_matrix, expected_bg
    )
    assert set(map(tuple, statistics.triplets.tolist())) == set(map(tuple, annotations.triplets().tolist()))
    rows = split_rows(source, "train", num_val=None, with_relations=True)
    assert set(rows) <= set(np.flatnonzero(source.marks == 0))


def equal(a, b):
    return (
        a.meta.objects == b.meta.objects and np.array_equal(a.meta.fg_matrix, b.meta.fg_matrix)
        and np.array_equal(a.meta.bg_matrix, b.meta.bg_matrix) and np.array_equal(a.triplets, b.triplets)
    )  # fmt: skip


def test_the_cache_is_used_renewed_and_repaired(annotated, caplog, monkeypatch):
    first = training_statistics("toy_train")
    (cache,) = (annotated.parent.parent / "work/output/cache").iterdir()

    with monkeypatch.context() as patch:
        patch.setattr(
            "maskrcnn_benchmark.data.build.read_source", lambda *_, **__: pytest.fail("the annotations were read again")
        )
        assert equal(training_statistics("toy_train"), first)

    for damage in (cache.read_bytes()[: cache.stat().st_size // 2], b"", b"not a zip file"):
        cache.write_bytes(damage)
        caplog.clear()
        with caplog.at_level("WARNING", logger="maskrcnn_benchmark"):
            assert equal(training_statistics("toy_train"), first)
        assert cache.name in caplog.text and "counted again" in caplog.text

    write_vg_layout(annotated, random_images(61, seed=9, splits=("train",)), OBJECTS, PREDICATES)
    assert not equal(training_statistics("toy_train"), first)


def test_a_cache_that_cannot_be_written_is_a_warning(annotated, caplog):
    (annotated.parent.parent / "work/output").write_text("a file where the folder should be")
    with caplog.at_level("WARNING", logger="maskrcnn_benchmark"):
        assert training_statistics("toy_train").meta.fg_matrix.sum() > 0
    assert "cannot be written" in caplog.text


def config(*more):
    return load_config(None, ["DATASETS.TRAIN", ("toy_train",), "MODEL.RELATION_ON", True,
    "MODEL.ROI_BOX_HEAD.NUM_CLASSES", NUM_OBJECTS,
                              "MODEL.ROI_RELATION_HEAD.NUM_CLASSES", NUM_PREDICATES, *more])  # fmt: skip


def test_missing_files_are_one_error_that_names_them(annotated):
    (annotated / "VG-SGG-with-attri.h5").unlink()
    with pytest.raises(UserError, match="toy_train.*VG-SGG-with-attri.h5"):
        load_dataset_meta(config())
    with pytest.raises(UserError, match="DATASETS.TRAIN must name one"):
        load_dataset_meta(load_config(None, []))


def test_unseen_triplets_are_those_that_training_lacks():
    test, training = [(1, 2, 1), (1, 2, 3), (1, 2, 1), (2, 1, 1)], [(2, 1, 1), (3, 3, 3), (2, 1, 1)]
    assert unseen_triplets(test, training).tolist() == [[1, 2, 1], [1, 2, 3]]
    assert unseen_triplets(test, []).tolist() == [[1, 2, 1], [1, 2, 3], [2, 1, 1]]
    assert unseen_triplets([], training).shape == (0, 3)


def test_published_zero_shot_triplets_are_read(shared):
    triplets = read_triplets(shared / "data/vg150/zeroshot_triplet.pytorch", num_classes=151, num_predicates=51)
    assert triplets.shape == (5971, 3) and triplets.dtype == np.int64
    assert triplets[:, :2].max() <= 150 and triplets[:, 2].max() <= 50 and triplets.min() >= 1


def test_triplet_files_that_do_not_fit_are_named(tmp_path):
    np.save(tmp_path / "good.npy", np.array([[1, 2, 3]]))
    assert read_triplets(tmp_path / "good.npy", num_classes=3, num_predicates=4).tolist() == [[1, 2, 3]]
    for numbers in ((2, 4), (3, 3)):
        with pytest.raises(UserError, match=r"good.npy: .*go up to \[1, 2, 3\], but the vocabulary's to"):
            read_triplets(tmp_path / "good.npy", num_classes=numbers[0], num_predicates=numbers[1])
    np.save(tmp_path / "wide.npy", np.zeros((3, 4), dtype=np.int64))
    (tmp_path / "text.pytorch").write_text("nothing")
    np.save(tmp_path / "zero.npy", np.array([[1, 0, 3]]))
    for name in ("wide.npy", "text.pytorch", "none.npy", "zero.npy"):
        with pytest.raises(UserError, match=name):
            read_triplets(tmp_path / name, num_classes=9, num_predicates=9)
