"""
tools/make_dataset.py: own annotations to the VG layout, and what --check finds in a data set that was damaged on
purpose.
"""

import json
import os
import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from vg_folders import OBJECTS, PREDICATES, random_images, write_images

from maskrcnn_benchmark.data.check import check_dataset
from maskrcnn_benchmark.data.custom import Vocabulary, make_dataset
from maskrcnn_benchmark.data.datasets import VGDataset
from maskrcnn_benchmark.data.datasets.vg_layout import write_vg_layout
from maskrcnn_benchmark.evaluation.saved import DatasetGroundTruth
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.visualization.dataset_page import write_page

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))


def entry(name="a.jpg", **changes):
    return {
        "file": name,
        "objects": [
            {"box": [5, 6, 30, 40], "label": "bird", "attributes": ["blue"]},
            {"box": [0, 20, 59, 39], "label": "branch"},
        ],
        "relations": [[0, "on", 1], [1, "under", 0], [0, "on", 1]],
        **changes,
    }


@pytest.fixture
def photos(tmp_path):
    """A folder of 60 x 50 JPEGs a.jpg, b.jpg, sub/c.jpg and a function that writes a list beside it."""
    folder = tmp_path / "photos"
    for name in ("a.jpg", "b.jpg", "sub/c.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 50), (10, 200, 30)).save(folder / name)

    def write(entries, name="list.json"):
        (tmp_path / name).write_text(json.dumps(entries))
        return tmp_path / name

    return folder, write


def arguments(folder):
    files = {
        "annotation_file": "VG-SGG-with-attri.h5",
        "dict_file": "VG-SGG-dicts-with-attri.json",
        "image_data_file": "image_data.json",
    }
    return {"image_dir": folder / "VG_100K", **{key: folder / name for key, name in files.items()}}


def test_own_annotations_come_back_as_a_data_set(photos, tmp_path):
    folder, write = photos
    first = write([entry("a.jpg", split="train"), entry("b.jpg", split="test", relations=[])])
    lists = [first, write([entry("sub/c.jpg", split="train")], "more.json")]
    made = make_dataset(lists, folder, tmp_path / "birds")
    assert made == {
        "images": 3,
        "for train": 2,
        "for val": 0,
        "for test": 1,
        "boxes": 6,
        "relations": 6,
        "objects": 2,
        "predicates": 2,
        "attributes": 1,
        "bad entries": 0,
    }
    train = VGDataset("train", **arguments(tmp_path / "birds"))
    assert train.meta.objects == ("__background__", "bird", "branch") and train.meta.predicates == (
        "__background__",
        "on",
        "under",
    )
    image, target, _ = train[0]
    assert image.shape == (3, 50, 60)
    assert target.get_field("labels").tolist() == [1, 2] and target.get_field("attributes")[:, 0].tolist() == [1, 0]
    assert target.get_field("relation_tuple").tolist() == [[0, 1, 1], [1, 0, 2], [0, 1, 1]]
    assert np.abs(target.bbox.numpy() - [[5, 6, 30, 40], [0, 20, 59, 39]]).max() < 0.05
    assert train.get_img_info(1)["file_name"] == "sub/c.jpg"
    assert len(VGDataset("test", **arguments(tmp_path / "birds"), with_relations=False)) == 1


def test_drawn_splits_do_not_move_when_images_are_added(photos, tmp_path):
    folder, write = photos
    for i in range(40):
        os.link(folder / "a.jpg", folder / f"{i}.jpg")

    def splits(count):
        make_dataset([write([entry(f"{i}.jpg") for i in range(count)])], folder, tmp_path / "out", val=0.3, test=0.2)
        with h5py.File(tmp_path / "out/VG-SGG-with-attri.h5") as file:
            return file["split"][()].tolist()

    first, second = splits(20), splits(40)
    assert second[:20] == first and [second.count(split) for split in (0, 1, 2)] == [20, 12, 8]


def test_other_shares_draw_all_splits_anew(photos, tmp_path):
    folder, write = photos
    for i in range(10):
        os.link(folder / "a.jpg", folder / f"{i}.jpg")
    listed = [write([entry(f"{i}.jpg") for i in range(10)])]
    assert make_dataset(listed, folder, tmp_path / "out", val=0, test=0)["for train"] == 10
    assert make_dataset(listed, folder, tmp_path / "out", val=0, test=0.5)["for test"] == 5


def test_a_folder_that_the_tool_did_not_make_is_never_written_to(photos, tmp_path):
    folder, write = photos
    listed = [write([entry(split="train")])]
    (tmp_path / "birds").mkdir()
    make_dataset(listed, folder, tmp_path / "birds")  # an empty folder is as good as none
    make_dataset(listed, folder, tmp_path / "birds")
    held = {path: path.stat().st_mtime_ns for path in (tmp_path / "birds").rglob("*") if path.is_file()}
    (tmp_path / "birds/make_dataset.json").unlink()
    with pytest.raises(UserError, match=r"birds: was not made by this tool .* holds VG-SGG-dicts-with-attri\.json"):
        make_dataset(listed, folder, tmp_path / "birds")
    assert {path: path.stat().st_mtime_ns for path in held if path.name != "make_dataset.json"} == {
        path: time for path, time in held.items() if path.name != "make_dataset.json"
    }


def test_a_vocabulary_fixes_names_and_order(photos, tmp_path):
    folder, write = photos
    names = {"objects": ["cat", "branch", "bird"], "predicates": ["under", "on"], "attributes": ["blue"]}
    (tmp_path / "names.json").write_text(json.dumps(names))
    vocabulary = Vocabulary.from_file(tmp_path / "names.json")
    make_dataset([write([entry(split="train")])], folder, tmp_path / "birds", vocabulary=vocabulary)
    assert VGDataset("train", **arguments(tmp_path / "birds")).get_groundtruth(0).get_field("labels").tolist() == [3, 2]
    with pytest.raises(UserError, match="1 bad entries"):
        make_dataset([write([entry(relations=[[0, "above", 1]])])], folder, tmp_path / "x", vocabulary=vocabulary)


OBJECT = {"box": [5, 6, 30, 40], "label": "bird"}
BAD = {
    "no object": ([], "expected an object"),
    "a path that leaves the folder": (entry("../a.jpg"), "must be relative"),
    "a file that is missing": (entry("none.jpg"), "none.jpg.*cannot be read"),
    "an unknown split": (entry(split="dev"), "train, val, test, found 'dev'"),
    "a box of three numbers": (
        entry(objects=[{**OBJECT, "box": [1, 2, 3]}], relations=[]),
        "object 0: .box. must be .x1, y1, x2, y2",
    ),
    "a box upside down": (entry(objects=[{**OBJECT, "box": [9, 9, 3, 20]}], relations=[]), "x2 > x1"),
    "a box that is not finite": (
        entry(objects=[{**OBJECT, "box": [1, 2, float("nan"), 4]}], relations=[]),
        'object 0: "box" must be',
    ),
    "a box outside": (
        entry(objects=[{**OBJECT, "box": [70, 2, 90, 4]}], relations=[]),
        "outside the image, which is 60 x 50",
    ),
    "parts of the image": (
        entry(objects=[{**OBJECT, "box": [0.1, 0.1, 0.4, 1]}], relations=[]),
        "in pixels, not in parts of the image",
    ),
    "the background": (entry(objects=[{**OBJECT, "label": "__background__"}], relations=[]), "name of class 0"),
    "a label with an escape": (entry(objects=[{**OBJECT, "label": "\x1b[31m"}], relations=[]), "no control characters"),
    "an empty label": (entry(objects=[{**OBJECT, "label": " "}], relations=[]), '"label"'),
    "too many attributes": (entry(objects=[{**OBJECT, "attributes": ["x"] * 11}], relations=[]), "at most 10"),
    "a relation to nowhere": (entry(relations=[[0, "on", 2]]), "relation 0: .*positions from 0 to 1"),
    "a predicate that is a number": (entry(relations=[[0, 1, 1]]), "predicate as text"),
    "subject, object, predicate": (entry(relations=[[0, 1, "on"]]), "predicate as text"),
}


@pytest.mark.parametrize("case", BAD)
def test_every_bad_entry_is_named_and_nothing_is_written(case, photos, tmp_path, caplog):
    folder, write = photos
    bad, message = BAD[case]
    with caplog.at_level("ERROR", logger="maskrcnn_benchmark"), pytest.raises(UserError, match="1 bad entries"):
        make_dataset([write([entry("b.jpg", split="train"), bad])], folder, tmp_path / "birds")
    assert "list.json, entry 1 (from 0)" in caplog.text
    assert re.search(message, caplog.text)
    assert not (tmp_path / "birds").exists()
    made = make_dataset([write([entry("b.jpg", split="train"), bad])], folder, tmp_path / "birds", skip_bad=True)
    assert made["images"] == 1 and made["bad entries"] == 1


def test_an_image_given_twice_is_bad(photos, tmp_path, caplog):
    folder, write = photos
    with caplog.at_level("ERROR", logger="maskrcnn_benchmark"), pytest.raises(UserError):
        make_dataset([write([entry(), entry()])], folder, tmp_path / "birds")
    assert "'a.jpg' was given before" in caplog.text


def test_lists_that_are_no_lists_and_shares_that_leave_nothing(photos, tmp_path):
    folder, write = photos
    with pytest.raises(UserError, match="expected a JSON list"):
        make_dataset([write({"file": "a.jpg"})], folder, tmp_path / "x")
    with pytest.raises(UserError, match="no usable entry"):
        make_dataset([write([])], folder, tmp_path / "x")
    with pytest.raises(UserError, match="0.5 and 0.5"):
        make_dataset([write([entry()])], folder, tmp_path / "x", val=0.5, test=0.5)


def findings(report):
    return {finding.what: finding for finding in report.findings}


def test_a_sound_data_set_has_no_errors(toy):
    for target in (str(toy), "toy", "toy_train"):
        report = check_dataset(target, thorough=True)
        assert report.errors == 0 and report.name == "toy"
    summary = check_dataset("toy").splits["train"]
    train = VGDataset("train", **arguments(toy), with_relations=False)
    assert summary.images == len(train) and summary.predicate_counts.sum() == summary.relations
    assert np.array_equal(summary.predicate_counts, VGDataset("train", **arguments(toy)).predicate_counts())


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


@pytest.mark.parametrize("name", ["vrd", "birds,cats", "scenes", "birds_train", "GQA_200", "my birds", ".birds"])
def test_a_folder_that_could_not_be_found_again_is_refused(photos, tmp_path, name):
    folder, write = photos
    with pytest.raises(UserError, match=re.escape(name)):
        make_dataset([write([entry()])], folder, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_names_in_two_spellings_are_one(photos, tmp_path):
    folder, write = photos
    objects = [{"box": [5, 6, 30, 40], "label": " caf\u00e9"}, {"box": [5, 6, 30, 40], "label": "cafe\u0301"}]
    entries = [entry(objects=objects, relations=[[0, "on ", 1], [1, "on", 0]])]
    made = make_dataset([write(entries)], folder, tmp_path / "birds", val=0, test=0)
    assert (made["objects"], made["predicates"]) == (1, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"objects": ["cup", "cup"], "predicates": ["on"]}, "objects: 'cup' stands there twice"),
        ({"objects": ["cup", 7], "predicates": ["on"]}, r"objects\[1\]: a name must be text, found 7"),
        ({"objects": [{"id": 1, "name": "cup"}], "predicates": ["on"]}, r"objects\[0\]: a name must be text"),
        ({"objects": ["__background__"], "predicates": ["on"]}, "name of class 0"),
        ({"objects": ["cup"]}, "has no 'predicates'"),
    ],
)
def test_a_vocabulary_that_is_none_is_named(tmp_path, content, message):
    (tmp_path / "words.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"words.json.*{message}"):
        Vocabulary.from_file(tmp_path / "words.json")


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


def test_the_command_line(photos, monkeypatch, data_dir, capsys):
    import make_dataset as tool

    from maskrcnn_benchmark.utils.errors import run_tool
    from maskrcnn_benchmark.utils.log import close_logging

    folder, write = photos
    listed = write([entry("a.jpg", split="train"), entry("b.jpg", split="test")])
    assert tool.main([str(listed), "--images", str(folder), "--folder", str(data_dir / "birds")]) == 0
    assert tool.main(["--check", "birds"]) == 0 and Path("output/check/birds.html").exists()
    (data_dir / "birds/VG_100K/a.jpg").unlink()
    assert tool.main(["--check", str(data_dir / "birds")]) == 1
    said = capsys.readouterr().err
    assert "next: python tools/make_dataset.py --config birds\n" in said
    monkeypatch.setattr(sys, "argv", ["make_dataset.py"])
    assert run_tool(lambda: tool.main([])) == 2
    assert "error: name a JSON file" in capsys.readouterr().err
    close_logging()


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
