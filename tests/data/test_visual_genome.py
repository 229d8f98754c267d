"""VGDataset: what the files say, what training leaves out."""

import json

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from vg_folders import OBJECTS, PREDICATES, edit, image, layout, random_images, vg_files, write_images

from maskrcnn_benchmark.data.datasets import VGDataset
from maskrcnn_benchmark.data.datasets.vg_layout import encode_boxes, write_vg_layout
from maskrcnn_benchmark.data.datasets.visual_genome import decode_boxes
from maskrcnn_benchmark.utils.errors import UserError


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


def test_a_file_name_of_null_is_none(tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)])])
    files["image_data_file"].write_text(json.dumps([{"image_id": "1", "width": 100, "height": 50, "file_name": None}]))
    assert VGDataset("train", **files).get_img_info(0) == {
        "image_id": 1,
        "width": 100,
        "height": 50,
        "file_name": "1.jpg",
    }


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


def test_nothing_left_to_train_on_is_an_error(tmp_path):
    files = layout(tmp_path, [image([[120, 10, 130, 20]], [(0, 0, 1)])])
    with pytest.raises(UserError, match="all 1 images are left out"):
        VGDataset("train", **files, training=True)
