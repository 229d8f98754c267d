"""--check: what is odd about a data set is found, counted and named."""

import json

import h5py
import numpy as np
import pytest
from PIL import Image
from vg_folders import OBJECTS, PREDICATES, random_images, vg_files, write_images

from maskrcnn_benchmark.data.check import check_dataset
from maskrcnn_benchmark.data.datasets import VGDataset
from maskrcnn_benchmark.data.datasets.vg_layout import write_vg_layout
from maskrcnn_benchmark.evaluation.saved import DatasetGroundTruth
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.visualization.dataset_page import write_page


def findings(report):
    return {finding.what: finding for finding in report.findings}


def test_a_sound_data_set_has_no_errors(toy):
    for target in (str(toy), "toy", "toy_train"):
        report = check_dataset(target, thorough=True)
        assert report.errors == 0 and report.name == "toy"
    summary = check_dataset("toy").splits["train"]
    train = VGDataset("train", **vg_files(toy), with_relations=False)
    assert summary.images == len(train) and summary.predicate_counts.sum() == summary.relations
    assert np.array_equal(summary.predicate_counts, VGDataset("train", **vg_files(toy)).predicate_counts())


def test_pictures_in_linked_folders_are_found(toy):
    (toy / "VG_100K").rename(toy.parent.parent / "disk")
    (toy / "VG_100K").mkdir()
    (toy / "VG_100K/disk").symlink_to(toy.parent.parent / "disk")
    entries = json.loads((toy / "image_data.json").read_text())
    for each in entries:
        each["file_name"] = f"disk/{each['image_id']}.jpg"
    (toy / "image_data.json").write_text(json.dumps(entries))
    assert check_dataset("toy").errors == 0


def test_everything_odd_is_found(data_dir):
    width, height = 60, 50
    odd = {
        "width": width, "height": height, "split": "train", "image_id": 1,
        "boxes": [[0, 0, 20, 20], [0, 0, 20, 20], [30, 30, 90, 40], [80, 10, 90, 20], [5, 5, 5, 20]],
        "labels": [1, 1, 2, 2, 1], "relations": [[0, 0, 1], [0, 1, 2], [0, 1, 1], [2, 0, 1]],
    }  # fmt: skip
    other = {**odd, "boxes": [[0, 0, 9, 9]], "labels": [3], "relations": [], "image_id": 2, "split": "test"}
    images = [
        odd,
        other,
        *[{**other, "image_id": i} for i in (3, 4, 5)],
        {**other, "image_id": 6, "boxes": [], "labels": []},
    ]
    folder = data_dir / "odd"
    write_vg_layout(folder, images, OBJECTS, PREDICATES)
    write_images(folder, [image for image in images if image["image_id"] != 5])
    Image.new("RGB", (10, 10)).save(folder / "VG_100K/3.jpg")
    whole = (folder / "VG_100K/4.jpg").read_bytes()
    (folder / "VG_100K/4.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "VG_100K/extra.jpg").write_bytes(whole)
    report = check_dataset("odd")
    found = findings(report)
    expected = {
        "images without a box, in no split": 1,
        "images without a relation, used for the detector only": 4,
        "boxes that reach beyond their image and are clipped": 2,
        "boxes of no width or height": 1,
        "boxes that are empty once clipped, left out in training": 1,
        "repeated boxes, of the same class in the same image": 1,
        "relations of a box with itself, which no model predicts": 1,
        "further relations of an ordered pair, of which training keeps one": 1,
        "images whose file is missing": 1,
        "image files that the annotations do not name": 1,
        "image files that are truncated or do not decode": 1,
        "images of another size than annotated": 1,
        "classes without a training example": 1,
        "classes of split 'test' that training never shows": 1,
        "predicates without a training example": 1,
    }
    assert {what: found[what].count for what in expected} == expected
    assert found["images whose file is missing"].examples == ("5.jpg",)
    assert "1.jpg (0, on, 0)" in found["relations of a box with itself, which no model predicts"].examples
    assert report.errors == 3

    write_page(report, data_dir / "page.html")
    page = (data_dir / "page.html").read_text()
    assert "<svg" in page and "5.jpg" in page and "head" in page and "Errors: 3" in page


def test_turned_pictures_films_behind_them_and_animations_are_told_apart_from_damage(data_dir):
    images = [{"image_id": i, "width": 60, "height": 50, "split": "train", "boxes": [[0, 0, 9, 9]], "labels": [1],
    "relations": [[0, 0, 1]]}
              for i in range(1, 6)]  # fmt: skip
    images[0] |= {"width": 50, "height": 60}
    images[4]["file_name"] = "5.gif"
    folder = data_dir / "phone"
    write_vg_layout(folder, images, OBJECTS, PREDICATES)
    write_images(folder, [{**image, "width": 60, "height": 50} for image in images])
    exif, pictures = Image.Exif(), folder / "VG_100K"
    exif[0x0112] = 6
    for name in ("1.jpg", "2.jpg"):  # annotated upright, and as stored
        Image.new("RGB", (60, 50)).save(pictures / name, exif=exif)
    whole = (pictures / "3.jpg").read_bytes()
    (pictures / "3.jpg").write_bytes(whole + b"MotionPhoto" + bytes(500))
    preview = Image.Exif()
    preview[0x010E] = "\xff\xd9"  # an end inside the header
    Image.new("RGB", (60, 50)).save(pictures / "4.jpg", exif=preview)
    (pictures / "4.jpg").write_bytes((pictures / "4.jpg").read_bytes()[:-60])
    Image.new("RGB", (60, 50)).save(
        pictures / "5.gif", save_all=True, append_images=[Image.new("RGB", (60, 50), "red")]
    )
    for thorough in (False, True):
        found = {
            what: finding.examples for what, finding in findings(check_dataset("phone", thorough=thorough)).items()
        }
        assert found["images that their EXIF orientation turns or mirrors; they are read upright"] == ("1.jpg",)
        assert found["images with an EXIF orientation that are annotated as stored, and are read so"] == ("2.jpg",)
        assert found["image files that are truncated or do not decode"] == ("4.jpg",)
        assert found["images of several frames, of which the first is read"] == ("5.gif",)
        assert "images of another size than annotated" not in found
    # A report's pictures are in the frame of their boxes, too.
    shown = DatasetGroundTruth("phone_train")
    assert [shown.image(i).shape for i in (1, 2)] == [(60, 50, 3), (50, 60, 3)]


def test_what_cannot_be_read_is_a_finding(toy):
    with h5py.File(toy / "VG-SGG-with-attri.h5", "r+") as file:
        file["labels"][0] = 77
    report = check_dataset("toy")
    assert report.errors == 1 and "found 77" in report.findings[0].what
    (toy / "image_data.json").unlink()
    assert any("missing files" in finding.what for finding in check_dataset("toy").findings)
    write_page(report, toy / "page.html")
    with pytest.raises(UserError, match="nowhere"):
        check_dataset("nowhere")


def test_real_gqa_annotations_are_summed_up(shared, data_dir):
    (data_dir / "gqa").symlink_to(shared / "data/gqa200")
    found = findings(check_dataset("GQA_200_test"))
    assert found["boxes that reach beyond their image and are clipped"].count == 1193
    assert found["boxes of no width or height"].count == 6
    assert found["relations of a box with itself, which no model predicts"].count == 207
    assert found["further relations of an ordered pair, of which training keeps one"].count == 2676


def test_a_training_split_without_images_is_an_error_of_the_check(data_dir):
    images = [image for image in random_images(12, seed=11) if len(image["labels"])]
    write_vg_layout(data_dir / "empty", [{**image, "split": "test"} for image in images], OBJECTS, PREDICATES)
    write_images(data_dir / "empty", images)
    report = check_dataset("empty")
    assert report.errors == 1
    assert "split 'train' has no image with a box, so there is nothing to train on" in findings(report)
    assert findings(report)["split 'val' has no image with a box"].level == "note"


def test_random_sets_pass_the_check(data_dir):
    images = random_images(12, seed=11)
    write_vg_layout(data_dir / "random", images, OBJECTS, PREDICATES)
    write_images(data_dir / "random", images)
    assert check_dataset("random").errors == 0


def test_an_image_that_is_both_trained_on_and_tested_is_told(data_dir):
    box = {"image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 9]}
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 60, "height": 50}],
        "annotations": [{**box, "id": 1}, {**box, "id": 2}],
        "categories": [{"id": 1, "name": "cup"}],
        "rel_annotations": [{"image_id": 7, "subject_id": 1, "object_id": 2, "predicate_id": 1}],
        "rel_categories": [{"id": 1, "name": "on"}],
    }
    (data_dir / "mine").mkdir()
    for split in ("train", "test"):
        (data_dir / f"mine/{split}.json").write_text(json.dumps(content))
    finding = findings(check_dataset("mine"))["images that train.json and test.json both have"]
    assert (finding.level, finding.examples) == ("warning", ("a.jpg",))
