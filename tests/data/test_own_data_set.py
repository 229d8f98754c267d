"""tools/make_dataset.py: own annotations to the VG layout, and what is refused of them."""

import json
import os
import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from vg_folders import vg_files

from maskrcnn_benchmark.data.custom import Vocabulary, make_dataset
from maskrcnn_benchmark.data.datasets import VGDataset
from maskrcnn_benchmark.utils.errors import UserError

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
    train = VGDataset("train", **vg_files(tmp_path / "birds"))
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
    assert len(VGDataset("test", **vg_files(tmp_path / "birds"), with_relations=False)) == 1


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
    assert VGDataset("train", **vg_files(tmp_path / "birds")).get_groundtruth(0).get_field("labels").tolist() == [3, 2]
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
    "a box beyond any picture": (
        entry(objects=[{**OBJECT, "box": [5, 6, 1e300, 40]}], relations=[]),
        "up to 1048576",
    ),
    "an empty label": (entry(objects=[{**OBJECT, "label": " "}], relations=[]), '"label"'),
    "too many attributes": (entry(objects=[{**OBJECT, "attributes": ["x"] * 11}], relations=[]), "at most 10"),
    "attributes that are text": (entry(objects=[{**OBJECT, "attributes": ""}], relations=[]), "must be a list"),
    "relations that are no list": (entry(relations={}), '"relations" must be a list'),
    "an id that is none": (entry(image_id=1.5), '"image_id" must be a whole number from 0 or text, found 1.5'),
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
    with pytest.raises(UserError, match="leave something to train on, found nan"):
        make_dataset([write([entry()])], folder, tmp_path / "x", val=float("nan"))


def test_images_keep_their_ids_where_each_has_its_own(photos, tmp_path, caplog):
    folder, write = photos
    listed = [("a.jpg", 2), ("b.jpg", "1"), ("sub/c.jpg", None)]
    entries = [entry(name, image_id=number, split="train") for name, number in listed]
    make_dataset([write(entries[:2])], folder, tmp_path / "own")
    own = VGDataset("train", **vg_files(tmp_path / "own"))
    assert [(own.get_img_info(i)["image_id"], own.get_img_info(i)["file_name"]) for i in (0, 1)] == [
        (2, "a.jpg"),
        (1, "b.jpg"),
    ]
    make_dataset([write(entries)], folder, tmp_path / "some")
    some = VGDataset("train", **vg_files(tmp_path / "some"))
    assert [some.get_img_info(i)["image_id"] for i in range(3)] == [1, 2, 3]
    assert "ids of images are not kept, for 2 of 3 images have one" in caplog.text


def test_linked_folders_and_pictures_are_read_where_they_lead(photos, tmp_path):
    folder, write = photos
    made = tmp_path / "disk/birds"
    make_dataset([write([entry(split="train"), entry("b.jpg", split="train")])], folder, made)
    (made / "VG_100K").rename(tmp_path / "pictures")
    (made / "VG_100K").symlink_to(tmp_path / "pictures")
    (tmp_path / "pictures/a.jpg").rename(tmp_path / "elsewhere.jpg")
    (tmp_path / "pictures/a.jpg").symlink_to("../elsewhere.jpg")
    (tmp_path / "linked").symlink_to(made)
    dataset = VGDataset("train", **vg_files(tmp_path / "linked"))
    dataset.require_image_files()
    assert [dataset[i][0].shape for i in range(2)] == [(3, 50, 60)] * 2


def test_pictures_that_are_links_come_along(photos, tmp_path):
    folder, write = photos
    (folder / "a.jpg").rename(tmp_path / "elsewhere.jpg")
    (folder / "a.jpg").symlink_to("../elsewhere.jpg")
    make_dataset([write([entry(split="train")])], folder, tmp_path / "birds")
    assert VGDataset("train", **vg_files(tmp_path / "birds"))[0][0].shape == (3, 50, 60)


def test_names_that_look_alike_are_told_before_anything_is_written(photos, tmp_path):
    folder, write = photos
    given = [entry(split="train"), entry("b.jpg", split="train", relations=[[0, "\uff4fn", 1]])]
    with pytest.raises(UserError, match="predicates: 'on' and .* differ by blanks or Unicode form alone"):
        make_dataset([write(given)], folder, tmp_path / "birds")
    assert not (tmp_path / "birds").exists()


def test_keys_that_nobody_reads_are_named(photos, tmp_path, caplog):
    folder, write = photos
    given = entry(split="train", rels=[[0, "on", 1]])
    given["objects"][0]["attribute"] = "blue"
    make_dataset([write([given])], folder, tmp_path / "birds")
    assert "keys that are not read: 'rels', 'attribute'" in caplog.text


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
