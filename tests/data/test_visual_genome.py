"""VGDataset: what the files say, what training leaves out, and one readable error for each kind of bad input."""

import fcntl
import json

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from vg_folders import OBJECTS, PREDICATES, random_images, vg_files, write_images

from maskrcnn_benchmark.data.datasets import VGDataset
from maskrcnn_benchmark.data.datasets.vg_layout import encode_boxes, write_vg_layout
from maskrcnn_benchmark.data.datasets.visual_genome import decode_boxes
from maskrcnn_benchmark.data.image_files import ImageFileError
from maskrcnn_benchmark.utils.errors import UserError


def layout(folder, images, **changes):
    write_vg_layout(folder, images, OBJECTS, PREDICATES)
    return {**vg_files(folder), **changes}


def image(boxes, relations=(), labels=None, width=100, height=50, split="train", **more):
    labels = [1] * len(boxes) if labels is None else labels
    return {
        "width": width,
        "height": height,
        "boxes": boxes,
        "labels": labels,
        "relations": list(relations),
        "split": split,
        **more,
    }


def edit(file, **arrays):
    with h5py.File(file, "r+") as content:
        for name, value in arrays.items():
            del content[name]
            if value is not None:
                content[name] = value


def read(file, name):
    with h5py.File(file) as content:
        return content[name][()]


def test_boxes_are_decoded_as_published():
    assert decode_boxes(np.array([[101, 57, 33, 21]])).tolist() == [[84, 46, 117, 67]]
    # Truncation is towards zero on both sides of it.
    assert decode_boxes(np.array([[3, 3, 9, 8]])).tolist() == [[-1, -1, 8, 7]]


def test_writing_keeps_rounded_corners():
    draw = np.random.default_rng(0)
    for width, height in ((640, 480), (333, 1000), (1024, 7)):
        boxes = np.sort(draw.random((500, 2, 2)) * [width, height], axis=1).reshape(-1, 4)
        expected = np.rint(boxes * 1024 / max(width, height))
        assert np.array_equal(decode_boxes(encode_boxes(boxes, width, height, 1024)), expected)


def test_boxes_come_back_in_pixels(tmp_path):
    # 1024 pixels wide, so that the scale of the file is that of the image.
    files = layout(
        tmp_path, [image([[84, 46, 117, 67], [0, 0, 1023, 511]], [(1, 0, 2)], labels=[2, 3], width=1024, height=512)]
    )
    dataset = VGDataset("train", **files)
    truth = dataset.get_groundtruth(0)
    assert truth.bbox.tolist() == [[84, 46, 117, 67], [0, 0, 1023, 511]] and truth.size == (1024, 512)
    assert truth.get_field("labels").tolist() == [2, 3]
    assert truth.get_field("relation_tuple").tolist() == [[1, 0, 2]]
    assert truth.get_field("image_id") == 1
    assert dataset.meta.objects == ("__background__", *OBJECTS)
    assert dataset.get_img_info(0) == {"image_id": 1, "width": 1024, "height": 512, "file_name": "1.jpg"}


def test_boxes_beyond_the_image_are_clipped_and_counted(tmp_path, caplog):
    files = layout(tmp_path, [image([[10, 10, 140, 40], [10, 10, 20, 70], [0, 0, 100, 50]], [(0, 1, 1)])])
    with caplog.at_level("INFO", logger="maskrcnn_benchmark"):
        dataset = VGDataset("train", **files)
    assert dataset.get_groundtruth(0).bbox[:, 2:].max(dim=0).values.tolist() == [99, 49]
    assert "2 boxes reach beyond" in caplog.text


def test_val_is_the_first_of_training_or_what_the_file_marks(tmp_path):
    plain = [
        image([[0, 0, 9, 9]], [(0, 0, 1)]),
        image([[0, 0, 9, 9]]),
        *[image([[0, 0, 9, 9]], [(0, 0, 1)]) for _ in range(4)],
    ]
    files = layout(tmp_path, plain)

    def ids(split, **options):
        dataset = VGDataset(split, **files, **options)
        return [dataset.get_img_info(i)["image_id"] for i in range(len(dataset))]

    assert ids("val", num_val=2) == [1, 3] and ids("train", num_val=2) == [4, 5, 6]  # image 2 has no relation
    assert ids("val", num_val=2, with_relations=False) == [1, 2] and ids("train", num_val=2, with_relations=False) == [
        3,
        4,
        5,
        6,
    ]
    assert ids("train") == [1, 3, 4, 5, 6]
    plain[4]["split"] = "val"
    layout(tmp_path, plain)
    assert ids("val", num_val=2) == [5] and ids("train", num_val=2) == [1, 3, 4, 6]
    with pytest.raises(UserError, match="VG-SGG-with-attri.h5.*split 'test'"):
        ids("test")


def test_excluded_images_line_the_rest_up(tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)], image_id=i) for i in (5, 9)])
    entries = json.loads((tmp_path / "image_data.json").read_text())
    entries.insert(1, {"image_id": 7, "width": 1, "height": 1})
    (tmp_path / "image_data.json").write_text(json.dumps(entries))
    dataset = VGDataset("train", **files, exclude_images=(7,))
    assert [dataset.get_img_info(i)["image_id"] for i in range(2)] == [5, 9]
    with pytest.raises(UserError, match="image_data.json has 3 images.*with-attri.h5 has 2"):
        VGDataset("train", **files)


def test_training_leaves_out_what_clipping_empties_and_evaluation_keeps_it(tmp_path):
    boxes = [[0, 0, 9, 9], [120, 10, 130, 20], [20, 20, 40, 40]]
    relations = [(0, 2, 1), (0, 1, 1), (2, 0, 3)]
    files = layout(tmp_path, [image(boxes, relations, labels=[1, 2, 3]), image([[120, 10, 130, 20]], [(0, 0, 1)])])
    evaluation = VGDataset("train", **files)
    assert [len(evaluation.get_groundtruth(i)) for i in range(2)] == [3, 1]
    training = VGDataset("train", **files, training=True)
    truth = training.get_groundtruth(0)
    assert len(training) == 1
    assert truth.get_field("labels").tolist() == [1, 3] and truth.get_field("relation_tuple").tolist() == [
        [0, 1, 1],
        [1, 0, 3],
    ]


def test_overlap_is_asked_for_in_training_with_the_plus_one_convention(tmp_path):
    boxes, size = [[0, 0, 10, 10], [10, 0, 20, 10], [11, 0, 20, 10]], {"width": 1024, "height": 512}
    files = layout(tmp_path, [image(boxes, [(0, 1, 1), (0, 2, 1)], **size), image(boxes, [(0, 2, 1)], **size)])
    dataset = VGDataset("train", **files, training=True, require_overlap=True)
    assert len(dataset) == 1 and dataset.get_groundtruth(0).get_field("relation_tuple").tolist() == [[0, 1, 1]]
    assert len(VGDataset("train", **files, require_overlap=True)) == 2


def test_training_keeps_one_relation_per_pair_and_evaluation_all(tmp_path):
    relations = [(1, 0, 1), (0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 3)]
    images = [image([[0, 0, 9, 9], [0, 0, 20, 20]], relations, width=30, height=30)]
    files = layout(tmp_path, images)
    write_images(tmp_path, [{**images[0], "image_id": 1}])
    evaluation = VGDataset("train", **files)
    assert evaluation[0][1].get_field("relation_tuple").tolist() == [list(r) for r in relations]
    training = VGDataset("train", **files, training=True, seed=3)
    drawn = [training[epoch, 0][1].get_field("relation_tuple").tolist() for epoch in range(200)]
    assert all(d[0] == [1, 0, 1] and d[1][:2] == [0, 1] and len(d) == 2 for d in drawn)
    twos = sum(d[1][2] == 2 for d in drawn)
    assert 125 < twos < 175  # three of four say 2
    again = VGDataset("train", **files, training=True, seed=3)
    assert [again[epoch, 0][1].get_field("relation_tuple").tolist() for epoch in range(200)] == drawn
    other = VGDataset("train", **files, training=True, seed=4)
    assert [other[epoch, 0][1].get_field("relation_tuple").tolist() for epoch in range(200)] != drawn


def test_a_random_set_is_read_as_it_was_written(tmp_path):
    images = random_images(30, seed=5)
    files = layout(tmp_path, images)
    for split in ("train", "test"):
        dataset = VGDataset(split, **files, with_relations=False)
        kept = [i for i in images if i["split"] == split and len(i["boxes"])]
        assert len(dataset) == len(kept)
        for index, written in enumerate(kept):
            truth = dataset.get_groundtruth(index)
            assert truth.get_field("image_id") == written["image_id"] and truth.size == (
                written["width"],
                written["height"],
            )
            assert np.allclose(truth.bbox.numpy(), np.clip(written["boxes"], 0, np.array(truth.size * 2) - 1), atol=0.1)
            assert truth.get_field("labels").tolist() == written["labels"].tolist()
            assert truth.get_field("relation_tuple").tolist() == written["relations"].tolist()


def test_rows_need_not_lie_in_the_order_of_the_images(tmp_path):
    images = [
        image([[0, 0, 9, 9]], [(0, 0, 1)], labels=[1]),
        image([[5, 5, 20, 20], [1, 1, 4, 4]], [(1, 0, 2)], labels=[2, 3]),
    ]
    files = layout(tmp_path, images)
    before = [VGDataset("train", **files).get_groundtruth(i) for i in range(2)]
    h5 = files["annotation_file"]
    order = [1, 2, 0]  # boxes of image 1, then image 0
    edit(h5, **{name: read(h5, name)[order] for name in ("labels", "boxes_1024", "attributes")},
         img_to_first_box=np.array([2, 0]), img_to_last_box=np.array([2, 1]), relationships=np.array([[2, 2], [1,
         0]]))  # fmt: skip
    for index, old in enumerate(before):
        new = VGDataset("train", **files).get_groundtruth(index)
        assert torch.equal(new.bbox, old.bbox) and torch.equal(
            new.get_field("relation_tuple"), old.get_field("relation_tuple")
        )
        assert torch.equal(new.get_field("labels"), old.get_field("labels"))


def test_attributes_are_read_where_there_are_any(tmp_path):
    images = [image([[0, 0, 9, 9], [1, 1, 5, 5]], [(0, 1, 1)], attributes=[[2, 1], []])]
    write_vg_layout(tmp_path, images, OBJECTS, PREDICATES, ["red", "big"])
    attributes = VGDataset("train", **vg_files(tmp_path)).get_groundtruth(0).get_field("attributes")
    assert attributes.tolist() == [[2, 1] + [0] * 8, [0] * 10]
    layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)])])
    assert not VGDataset("train", **vg_files(tmp_path)).get_groundtruth(0).has_field("attributes")


BAD = {
    "a relation that leaves its image": ({"relationships": [[0, 1], [2, 0]]}, r"relationship 1 joins boxes \[2, 0\]"),
    "box rows beyond the table": ({"img_to_last_box": [1, 7]}, r"image 1 .* rows 2 to 7, but there are 3 rows"),
    "a range that ends before it starts": ({"img_to_last_rel": [-1, 1]}, "image 0 .* rel rows 0 to -1"),
    "a label without a name": (
        {"labels": [[1], [9], [1]]},
        "labels must lie between 1 and 3 .*dicts.*found 9 in row 1",
    ),
    "a predicate without a name": (
        {"predicates": [[1], [0]]},
        "predicates must lie between 1 and 3 .*found 0 in row 1",
    ),
    "fewer labels than boxes": ({"labels": [[1], [1]]}, "'labels' has 2 rows, expected 3"),
    "an array that is missing": ({"predicates": None}, "no array predicates"),
    "ranges for another number of images": ({"img_to_first_rel": [0]}, "must have 2 rows"),
    "labels with a fraction": (
        {"labels": [[1.0], [1.5], [1.0]]},
        "'labels' must hold whole numbers, found 1.5 in row 1",
    ),
    "a label that no small number holds": ({"labels": [[1], [2**32 + 1], [1]]}, "'labels' must hold numbers up to"),
    "boxes of three numbers": ({"boxes_1024": [[1, 2, 3]] * 4}, r"'boxes_1024' must be \(n, 4\), found \(4, 3\)"),
    "boxes that are not finite": (
        {"boxes_1024": [[1, 2, np.nan, 3]] * 3},
        "'boxes_1024' must hold whole numbers, found nan",
    ),
    "names for labels": ({"labels": [[b"man"]] * 3}, "'labels' must hold whole numbers, found .S3"),
    "a split that is none": ({"split": [0, 3]}, r"'split' must be 0 .* found 3 at image 1"),
    "a range below none": ({"img_to_first_box": [-5, 2], "img_to_last_box": [-7, 2]}, "image 0 .* rows -5 to -7"),
    "an attribute without a name": ({"attributes": [[5]] * 3}, "attribute 5 found, but .*dicts.* names 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_damage_in_the_h5_is_named(case, tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9], [1, 1, 5, 5]], [(0, 1, 1)]), image([[0, 0, 9, 9]], [(0, 0, 1)])])
    arrays, message = BAD[case]
    edit(
        files["annotation_file"], **{name: None if value is None else np.array(value) for name, value in arrays.items()}
    )
    with pytest.raises(UserError, match=f"VG-SGG-with-attri.h5.*{message}|{message}"):
        VGDataset("train", **files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_to_idx": ["man"]}, "'label_to_idx' must be an object"),
        ({"label_to_idx": {"man": 1, "hat": 1}}, "ids in 'label_to_idx' must run from 1 to 2 without gaps"),
        ({"label_to_idx": {"man": 1, "man ": 2}}, "label_to_idx: 'man' and 'man ' differ by blanks"),
        ({"label_to_idx": {"man": "1"}}, "the id of 'man' must be a whole number, found '1'"),
        (
            {"idx_to_label": {"1": "hat", "2": "man", "3": "horse"}},
            "label_to_idx gives 'man' the id 1, idx_to_label says that 1 is 'hat'",
        ),
        (
            {"predicate_count": {"on": 1}},
            "'predicate_count' must give every predicate a whole number, found null for 'near'",
        ),
        ({"predicate_count": [1]}, "'predicate_count' must be an object"),
    ],
)
def test_dictionaries_that_cannot_be_are_named(change, message, tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)])])
    tables = json.loads(files["dict_file"].read_text()) | change
    files["dict_file"].write_text(json.dumps(tables))
    with pytest.raises(UserError, match=f"dicts.*{message}"):
        VGDataset("train", **files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 1.5}, "entry 0 .from 0. .image_id 1.5.: 'image_id' must be a whole number or text"),
        ({"image_id": 2}, "the image 2 is listed twice"),
        ({"width": None}, "image 1: width and height must be a list of 2 whole numbers"),
        ({"file_name": "/etc/1.jpg"}, "file_name: must be relative to the folder of images"),
        ({"file_name": 7}, "file_name: the name of the image file must be text"),
    ],
)
def test_image_data_that_cannot_be_is_named(change, message, tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)])] * 2)
    entries = json.loads(files["image_data_file"].read_text())
    files["image_data_file"].write_text(json.dumps([entries[0] | change, entries[1]]))
    with pytest.raises(UserError, match=f"image_data.json.*{message}"):
        VGDataset("train", **files)


def test_a_file_name_of_null_is_none(tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)])])
    files["image_data_file"].write_text(json.dumps([{"image_id": "1", "width": 100, "height": 50, "file_name": None}]))
    assert VGDataset("train", **files).get_img_info(0) == {
        "image_id": 1,
        "width": 100,
        "height": 50,
        "file_name": "1.jpg",
    }


def test_a_locked_h5_says_so(tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)])])
    with open(files["annotation_file"], "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="with-attri.h5: is locked .*HDF5_USE_FILE_LOCKING"):
            VGDataset("train", **files)


@pytest.mark.parametrize("stored", [False, True])
def test_boxes_meet_turned_photographs_as_they_were_annotated(stored, tmp_path):
    """
    A photograph that EXIF turns is read upright, or, where its annotated size is that of the stored pixels, as it is
    stored.
    """
    upright = np.full((40, 30, 3), 90, np.uint8)
    upright[5:20, 3:12] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    box, (width, height) = ([5, 17, 20, 26], (40, 30)) if stored else ([3, 5, 12, 20], (30, 40))
    files = layout(tmp_path, [image([box], [(0, 0, 1)], width=width, height=height)])
    files["image_dir"].mkdir()
    Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90).save(
        files["image_dir"] / "1.jpg", exif=exif, quality=95
    )
    pixels, target, _ = VGDataset("train", **files)[0]
    x1, y1, x2, y2 = (int(value) for value in target.bbox[0])
    red, green, _ = pixels[:, y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].float().mean((1, 2)).tolist()
    assert target.size == (width, height) and red > 200 and green < 60


def test_missing_and_broken_files_are_named(tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)])])
    for key, name in (
        ("annotation_file", "VG-SGG-with-attri.h5"),
        ("dict_file", "VG-SGG-dicts"),
        ("image_data_file", "image_data.json"),
    ):
        with pytest.raises(UserError, match="none_such"):
            VGDataset("train", **{**files, key: tmp_path / "none_such"})
        broken = tmp_path / f"broken-{name}"
        broken.write_bytes(files[key].read_bytes()[:20])
        with pytest.raises(UserError, match=f"broken-{name}.*fetch it again"):
            VGDataset("train", **{**files, key: broken})
    (tmp_path / "image_data.json").write_text('[{"image_id": 1, "width": 0, "height": 4}]')
    with pytest.raises(UserError, match=r"image_data.json, image 1: .*0 x 4"):
        VGDataset("train", **files)
    (tmp_path / "image_data.json").write_text('[{"id": 1}]')
    with pytest.raises(UserError, match="image_data.json.*image_id"):
        VGDataset("train", **files)


def test_image_files_that_are_missing_or_damaged(tmp_path, caplog):
    images = random_images(6, splits=("train",), seed=2)
    files = layout(tmp_path, images)
    write_images(tmp_path, images)
    whole = VGDataset("train", **files)
    paths = [whole.image_path(i) for i in range(len(whole))]
    whole.require_image_files()
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-30])
    with pytest.raises(ImageFileError, match=f"{paths[0].name}.*0 more of the {len(paths)}"):
        whole.require_image_files()
    with pytest.raises(ImageFileError, match=f"{paths[0].name}.*SKIP_MISSING_IMAGES"):
        whole[0]
    with pytest.raises(ImageFileError, match=f"{paths[1].name}.*truncated"):
        whole[1]
    with caplog.at_level("WARNING", logger="maskrcnn_benchmark"):
        lenient = VGDataset("train", **files, skip_missing=True)
        assert lenient[0] is None
    assert f"1 of {len(paths)} images left out, the image file missing" in caplog.text and paths[1].name in caplog.text
    assert len(lenient) == len(whole) - 1
    for index in range(1, len(lenient)):  # nothing is shifted
        assert lenient[index][1].get_field("image_id") == whole[index + 1][1].get_field("image_id")
        assert torch.equal(lenient[index][0], whole[index + 1][0])


def test_an_image_of_another_size_than_annotated_is_an_error(tmp_path):
    images = [image([[0, 0, 9, 9]], [(0, 0, 1)], width=30, height=20)]
    files = layout(tmp_path, images)
    write_images(tmp_path, [{**images[0], "image_id": 1, "width": 20, "height": 30}])
    with pytest.raises(ImageFileError, match="1.jpg: is 20 x 30, but the annotations say 30 x 20"):
        VGDataset("train", **files)[0]


def test_nothing_left_to_train_on_is_an_error(tmp_path):
    files = layout(tmp_path, [image([[120, 10, 130, 20]], [(0, 0, 1)])])
    with pytest.raises(UserError, match="all 1 images are left out"):
        VGDataset("train", **files, training=True)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": [4]}, "label must lie between 1 and 3, found 4"),
        ({"relations": [(0, 1, 1)]}, "box row must lie between 0 and 0, found 1"),
        ({"relations": [(0, 0, 0)]}, "predicate must lie between 1 and 3, found 0"),
        ({"labels": [1, 1]}, "1 boxes but 2 labels"),
        ({"split": "dev"}, "split must be one of train, val, test, found 'dev'"),
        ({"width": 0}, "above 0, found 0 x 50"),
    ],
)
def test_the_writer_refuses_what_cannot_be_read_back_and_writes_nothing(change, message, tmp_path):
    with pytest.raises(UserError, match=message):
        layout(tmp_path, [{**image([[0, 0, 9, 9]]), **change}])
    assert not list(tmp_path.iterdir())
