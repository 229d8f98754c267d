"""Boxes from a file: what an image gets of it, what is written, what is refused."""

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.data.image_ids import image_number
from maskrcnn_benchmark.data.proposals import ProposalCollector, ProposalFile
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError

CLASSES = 5


def arrays(**changes):
    """Two boxes in image 7, none in 8, one in 3."""
    table = {
        "image_ids": np.array([7, 8, 3]),
        "sizes": np.array([[100, 50], [10, 10], [40, 40]]),
        "counts": np.array([2, 0, 1]),
        "boxes": np.array([[10, 10, 49, 39], [0, 0, 99, 49], [5, 6, 20, 30]], np.float64),
        "labels": np.array([2, 4, 1]),
        "scores": np.array([0.9, 0.3, 1.0]),
    }
    return {name: value for name, value in {**table, **changes}.items() if value is not None}


def target(image_id, size, boxes=(), labels=()):
    annotation = BoxList(torch.tensor(boxes).reshape(-1, 4), size)
    annotation.add_field("labels", torch.tensor(labels, dtype=torch.int64))
    annotation.add_field("image_id", image_id)
    return annotation


def opened(**changes):
    return ProposalFile(arrays(**changes), num_classes=CLASSES)


def test_boxes_are_scaled_into_the_frame_of_the_image():
    entities = opened().entities(target(7, (200, 200)))
    assert entities.size == (200, 200)
    assert entities.bbox.tolist() == [[20, 40, 98, 156], [0, 0, 198, 196]]


def test_a_score_is_spread_so_that_its_label_has_it():
    entities = opened().entities(target(7, (100, 50)))
    probabilities = entities.get_field("predict_logits").softmax(dim=1)
    torch.testing.assert_close(probabilities[0], torch.tensor([0.025, 0.025, 0.9, 0.025, 0.025]))
    assert entities.get_field("pred_labels").tolist() == [2, 4]
    torch.testing.assert_close(entities.get_field("pred_scores"), torch.tensor([0.9, 0.3]))
    assert entities.get_field("boxes_per_cls").shape == (2, CLASSES, 4)


@pytest.mark.parametrize("score", [0.0, 0.1, 0.2, 0.9999, 1.0])
def test_a_label_stays_the_best_class_whatever_its_score(score):
    entities = opened(scores=np.full(3, score)).entities(target(7, (100, 50)))
    assert entities.get_field("pred_labels").tolist() == [2, 4]
    assert torch.isfinite(entities.get_field("predict_logits")).all()


def test_logits_take_the_place_of_labels():
    logits = np.random.default_rng(0).normal(size=(3, CLASSES)).astype(np.float32)
    entities = opened(labels=None, scores=None, logits=logits).entities(target(7, (100, 50)))
    torch.testing.assert_close(entities.get_field("predict_logits"), torch.from_numpy(logits[:2]))
    assert entities.get_field("pred_labels").tolist() == (logits[:2, 1:].argmax(axis=1) + 1).tolist()


def test_an_image_without_boxes_has_every_field():
    entities = opened(features=np.ones((3, 6))).entities(target(8, (10, 10)), training=True)
    shapes = {name: tuple(entities.get_field(name).shape) for name in entities.fields()}
    assert shapes == {
        "pred_labels": (0,),
        "pred_scores": (0,),
        "predict_logits": (0, CLASSES),
        "boxes_per_cls": (0, CLASSES, 4),
        "features": (0, 6),
        "labels": (0,),
    }


def test_in_training_a_box_has_the_label_of_what_it_overlaps():
    annotation = target(7, (100, 50), boxes=[[10.0, 10, 49, 35], [80, 0, 99, 9]], labels=[3, 1])
    assert opened().entities(annotation, training=True).get_field("labels").tolist() == [3, 0]
    assert opened().entities(target(7, (100, 50)), training=True).get_field("labels").tolist() == [0, 0]


def test_features_come_with_their_boxes():
    features = np.arange(12).reshape(3, 4)
    assert opened(features=features).entities(target(3, (40, 40))).get_field("features").tolist() == [[8, 9, 10, 11]]


def detections(boxes, labels, scores, size):
    found = BoxList(torch.tensor(boxes).reshape(-1, 4), size)
    found.add_field("pred_labels", torch.tensor(labels, dtype=torch.int64))
    found.add_field("pred_scores", torch.tensor(scores))
    return found


def test_what_is_collected_comes_back(tmp_path):
    first, second = ProposalCollector(), ProposalCollector()
    first.add(4, detections([[1.0, 2, 30, 40], [0, 0, 9, 9]], [3, 1], [0.75, 0.5], (60, 50)))
    second.add(9, detections([], [], [], (20, 30)))
    second.add(2, detections([[5.0, 5, 10, 12]], [4], [0.9], (20, 30)))
    first.merge(second)
    first.write(tmp_path / "proposals.npz")
    file = ProposalFile.open(tmp_path / "proposals.npz", num_classes=CLASSES)
    entities = file.entities(target(4, (60, 50)))
    assert entities.bbox.tolist() == [[1, 2, 30, 40], [0, 0, 9, 9]] and entities.get_field("pred_labels").tolist() == [
        3,
        1,
    ]
    torch.testing.assert_close(entities.get_field("pred_scores"), torch.tensor([0.75, 0.5]))
    assert len(file.entities(target(9, (20, 30)))) == 0
    assert file.entities(target(2, (40, 60))).bbox.tolist() == [[10, 10, 20, 24]]


def test_nothing_collected_is_a_file_of_no_image(tmp_path):
    ProposalCollector().write(tmp_path / "proposals.npz")
    assert not ProposalFile.open(tmp_path / "proposals.npz", num_classes=CLASSES).row


def test_a_folder_of_arrays_is_read_alike(tmp_path):
    for name, values in arrays().items():
        np.save(tmp_path / f"{name}.npy", values)
    from_folder = ProposalFile.open(tmp_path, num_classes=CLASSES).entities(target(3, (40, 40)))
    torch.testing.assert_close(from_folder.bbox, opened().entities(target(3, (40, 40))).bbox)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"boxes": None}, "no array boxes"),
        ({"labels": None}, "no array logits"),
        ({"boxes": np.zeros((3, 5))}, r"boxes is \(3, 5\), expected \(3, 4\)"),
        ({"labels": None, "logits": np.zeros((3, 4))}, r"logits is \(3, 4\), expected \(3, 5\)"),
        ({"features": np.zeros((2, 4))}, r"features is \(2, 4\)"),
        ({"counts": np.array([2, 0, 2])}, "add up to 4, but there are 3 boxes"),
        ({"counts": np.array([4, -2, 1])}, "counts add up"),
        ({"counts": np.array([2**62, 2**62, 2**63 - 1])}, "counts add up"),
        (
            {"counts": np.array([2**62] * 3 + [2**62 + 3]), "image_ids": np.arange(4), "sizes": np.ones((4, 2))},
            "counts add up to 18446744073709551619, but there are 3 boxes",
        ),
        ({"image_ids": np.array([7, 7, 3])}, "names an image twice"),
        ({"sizes": np.array([[100, 50], [0, 10], [40, 40]])}, "sizes must be above 0"),
        ({"labels": np.array([2, 5, 1])}, "labels must lie in 1 … 4, found 1 … 5"),
        ({"labels": np.array([0, 4, 1])}, "labels must lie in 1 … 4, found 0 … 4"),
        ({"labels": np.array([2, 1.5, 1])}, "labels must hold whole numbers, found 1.5"),
        ({"image_ids": np.array([7, 8.5, 3])}, "image_ids must be a whole number from 0 or text, found 8.5"),
        ({"image_ids": np.array(["7", "07", "3"])}, "names an image twice"),
        ({"boxes": np.full((3, 4), np.nan)}, "boxes must hold finite numbers"),
        (
            {"boxes": np.array([[0, 0, 9, 9], [20, 5, 10, 9], [0, 0, 1, 1]])},
            r"found \[20, 5, 10, 9\] in image 7 and 0 more",
        ),
        ({"boxes": np.array("boxes")}, r"boxes is \(\), expected \(0, 4\)"),
        ({"scores": np.array([0.5, 7, 0.1])}, "scores must lie in 0 … 1, found 0.1 … 7"),
        ({"scores": np.array([0.5, np.inf, 0.1])}, "scores must hold finite numbers"),
        ({"features": np.array([["a"]] * 3)}, "features must hold numbers, found <U1"),
    ],
)
def test_arrays_that_do_not_fit_are_named(changes, said):
    with pytest.raises(UserError, match=said):
        opened(**changes)


@pytest.mark.parametrize(
    "changes", [{"features": np.full((3, 2), np.nan)}, {"labels": None, "logits": np.full((3, CLASSES), np.inf)}]
)
def test_features_and_logits_that_are_not_finite_are_named_with_their_image(changes):
    with pytest.raises(UserError, match=f"{list(changes)[-1]} of image 7 must be finite"):
        opened(**changes).entities(target(7, (100, 50)))


def test_boxes_in_parts_of_the_image_are_told(caplog):
    opened(boxes=np.full((3, 4), 0.5))
    assert "3 of 3 boxes (100.0 %) lie between 0 and 1, first in image 7" in caplog.text


def test_images_may_be_named_by_text():
    ids = np.array(["7", "street", "3"])
    assert len(opened(image_ids=ids).entities(target(image_number("street"), (10, 10)))) == 0
    assert len(opened(image_ids=ids).entities(target(7, (100, 50)))) == 2


def test_width_and_height_that_are_exchanged_are_told():
    with pytest.raises(UserError, match="image 7 as 100 x 50, but it is 100 x 200: width comes first"):
        opened().entities(target(7, (100, 200)))


def test_an_image_that_the_file_does_not_know_is_named():
    with pytest.raises(UserError, match="no image 5 among its 3"):
        opened().entities(target(5, (10, 10)))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    for name in ("broken.npz", "missing.npz"):
        with pytest.raises(UserError, match=f"{name}: cannot be read"):
            ProposalFile.open(tmp_path / name, num_classes=CLASSES)


def test_an_array_whose_name_nobody_knows_is_named(tmp_path):
    given = {**arrays(), "faetures": np.zeros((3, 4), np.float32)}
    np.savez(tmp_path / "proposals.npz", **given)
    folder = tmp_path / "proposals"
    folder.mkdir()
    for name, values in given.items():
        np.save(folder / f"{name}.npy", values)
    for path in (tmp_path / "proposals.npz", folder):
        with pytest.raises(UserError, match="array 'faetures' is not known .* features"):
            ProposalFile.open(path, num_classes=CLASSES)
