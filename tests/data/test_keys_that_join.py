"""Ids and names of annotation files: what belongs together meets, what does not is named."""

import json

import numpy as np
import pytest

from maskrcnn_benchmark.data.build import read_source
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.image_ids import ids_from_names, image_number
from maskrcnn_benchmark.data.names import clean_name, vocabulary
from maskrcnn_benchmark.utils.errors import UserError

BOXES = {11: [0, 0, 10, 10], 12: [5, 5, 20, 20], 21: [1, 1, 8, 8], 22: [4, 4, 9, 9]}


def content():
    """Image 7 with annotations 11 and 12, image 3 with 21 and 22."""
    return {
        "images": [
            {"id": i, "file_name": f"{name}.jpg", "width": 60, "height": 40} for i, name in ((7, "a"), (3, "b"))
        ],
        "categories": [{"id": 5, "name": "cup"}, {"id": 9, "name": "table"}],
        "annotations": [
            {"id": i, "image_id": 7 if i < 20 else 3, "category_id": 5 if i % 10 == 1 else 9, "bbox": box}
            for i, box in BOXES.items()
        ],
        "rel_categories": [{"id": 1, "name": "on"}, {"id": 2, "name": "under"}],
        "rel_annotations": [
            {"id": 90, "image_id": 7, "subject_id": 11, "predicate_id": 1, "object_id": 12},
            {"id": 91, "image_id": 3, "subject_id": 22, "predicate_id": 2, "object_id": 21},
        ],
    }


@pytest.fixture
def read(data_dir):
    """Reads such content as a data set, after a change to it."""

    def go(change=dict, relations=None):
        given = content()
        change(given)
        folder = data_dir / "mine"
        folder.mkdir(exist_ok=True)
        if relations is not None:
            (folder / "rel.json").write_text(json.dumps(relations))
        (folder / "train.json").write_text(json.dumps(given))
        return read_source(dataset_entry("mine_train"))

    return go


def plain(source):
    """What a source says, by image id: boxes, labels, relations."""
    flat, found = source.annotations, {}
    for i, image in enumerate(source.image_ids.tolist()):
        boxes, rels = slice(*flat.box_start[i : i + 2]), slice(*flat.rel_start[i : i + 2])
        found[image] = flat.boxes[boxes].tolist(), flat.labels[boxes].tolist(), flat.relations[rels].tolist()
    return found


def expected():
    corners = {i: [x, y, x + w - 1, y + h - 1] for i, (x, y, w, h) in BOXES.items()}
    return {7: ([corners[11], corners[12]], [1, 2], [[0, 1, 1]]), 3: ([corners[21], corners[22]], [1, 2], [[1, 0, 2]])}


def restart(c):
    for item in (*c["annotations"], *c["rel_annotations"]):
        for key in ("id", "subject_id", "object_id"):
            if item.get(key, 0) < 90 and key in item:
                item[key] %= 10


def as_text(c):
    for item in (*c["annotations"], *c["rel_annotations"]):
        item["image_id"] = str(item["image_id"])
    c["rel_annotations"][0]["subject_id"] = "11"


def without_image(c):
    for item in c["rel_annotations"]:
        del item["image_id"]


def whole_floats(c):
    for item in c["annotations"]:
        item["image_id"], item["category_id"] = float(item["image_id"]), float(item["category_id"])


@pytest.mark.parametrize("change", [dict, restart, as_text, without_image, whole_floats])
def test_relations_meet_their_boxes(read, change):
    assert plain(read(change)) == expected()


def beside(c):
    del c["rel_annotations"], c["rel_categories"]


def test_a_rel_json_meets_images_by_id_whatever_its_type(read):
    tables = {"train": {"7": [[0, 1, 1]], "3": [[1, 0, 2.0]]}, "rel_categories": ["__background__", "on", "under"]}
    assert plain(read(beside, tables)) == expected()

    def texts(c):
        beside(c)
        for item in c["images"]:
            item["id"] = str(item["id"])

    assert plain(read(texts, tables)) == expected()
    for change, message in (
        ({"training": tables["train"]}, "rel.json: its splits must be named train, val, test, found 'training'"),
        ({"train": {"7": [[0, 1, 9]]}}, "rel.json, train, image '7': predicate 9 is not in"),
        ({"train": {"7": [[0, 1, 0]]}}, "rel.json, train, image '7': predicate 0"),
        ({"train": {"7": [[0, 1]]}}, "rel.json, train, image '7': relation 0 must be a list of 3 whole numbers"),
        ({"train": {"7": [], "07": []}}, "image '07': the image is there twice"),
        ({"train": []}, "'train' must be an object"),
    ):
        with pytest.raises(UserError, match=message):
            read(beside, {k: v for k, v in tables.items() if k != "train"} | change)
    assert (
        "1 images of rel.json that the annotations do not have"
        in read(beside, {**tables, "train": {**tables["train"], "99": [[0, 1, 1]]}}).findings[0].sentence()
    )


def put(*path_and_value):
    *path, key, value = path_and_value

    def change(c):
        for step in path:
            c = c[step]
        c[key] = value

    return change


def more(key, item):
    return lambda c: c[key].append(item)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            put("rel_annotations", 0, "subject_id", 21),
            r"rel_annotations\[0\] \(id 90\), image 7: annotation 21 .* is a box of image 3",
        ),
        (put("rel_annotations", 0, "object_id", 77), r"\(id 90\), image 7: annotation 77 .* no such annotation"),
        (put("rel_annotations", 0, "predicate_id", 3), r"\(id 90\), image 7: predicate 3"),
        (put("annotations", 1, "id", 11), "2 annotations of image 7 have the id 11"),
        (put("annotations", 1, "category_id", 6), "annotation 12 of image 7 is of category 6"),
        (
            put("annotations", 1, "category_id", 5.5),
            r"annotations\[1\] \(id 12, image_id 7\): 'category_id' must be a whole number",
        ),
        (put("annotations", 1, "bbox", [1, 2, None, 4]), "annotation 12 of image 7: 'bbox' must be a list of 4 finite"),
        (put("annotations", 1, "image_id", -1), r"annotations\[1\]: its image id must be a whole number from 0"),
        (put("images", 0, "file_name", None), "image 0 .from 0, id 7.: the name of the image file"),
        (put("images", 0, "file_name", "../a.jpg"), "must be relative.*DATA_ALLOW_OUTSIDE"),
        (
            put("images", 0, "width", None),
            "image a.jpg: width and height must be a list of 2 whole numbers, found .None, 40.",
        ),
        (put("images", 0, "width", 3.5), "image a.jpg: width and height"),
        (put("images", 0, "id", 3), "train.json: the image 3 is listed twice"),
        (put("images", 0, "file_name", "b.jpg"), "train.json: the image file 'b.jpg' is listed twice"),
        (put("categories", 0, "name", "table "), "'table ' and 'table' differ by blanks"),
        (put("categories", 0, "name", "table"), "'table' stands there twice"),
        (put("categories", 0, "name", None), r"categories\[0\] \(id 5\): 'name' must be text, found null"),
        (put("categories", 0, "id", 9), "the id 9 is there twice"),
        (put("categories", 0, "name", "__background__"), "annotation 11 of image 7 is of the category __background__"),
        (put("categories", {}), "'categories' must be a list"),
        (put("annotations", 1, "iscrowd", "0"), r"annotations\[1\] .id 12.: 'iscrowd' must be 0 or 1, found '0'"),
        (put("annotations", 1, "ignore", float("nan")), "'ignore' must be 0 or 1, found nan"),
        (put("rel_annotations", 0, "object_id", "9" * 5000), "annotation '999.* no such annotation"),
        (put("images", 0, "file_name", "./b.jpg"), "train.json: the image file 'b.jpg' is listed twice"),
        (put("images", 0, "width", 2**31), "width and height must be above 0 and at most 1073741824"),
        (put("rel_annotations", None), "'rel_annotations' must be a list"),
        (
            lambda c: c["rel_annotations"][0].update(object_id=21) or c["rel_annotations"][0].pop("image_id"),
            "do not lie in one image",
        ),
    ],
)
def test_what_does_not_join_is_named(read, change, message):
    with pytest.raises(UserError, match=message):
        read(change)


def test_what_is_left_out_is_counted(read, caplog):
    def change(c):
        c["annotations"] += [{"id": 50 + i, "image_id": 99, "category_id": 5, "bbox": [0, 0, 5, 5]} for i in range(4)]
        c["rel_annotations"].append({"id": 95, "image_id": 99, "subject_id": 50, "predicate_id": 1, "object_id": 51})
        c["annotations"].insert(1, {"id": 60, "image_id": 7, "category_id": 5, "bbox": [0, 0, 59, 39], "iscrowd": 1})
        c["annotations"].append({"id": 61, "image_id": 3, "category_id": 9, "bbox": [0, 0, 5, 5], "ignore": 1})
        c["rel_annotations"].append({"id": 96, "image_id": 7, "subject_id": 60, "predicate_id": 1, "object_id": 12})

    assert plain(read(change)) == expected()
    for said in (
        "4 annotations of images that the file does not have, left out: 50 of image 99",
        "1 relations of images",
        "2 boxes marked iscrowd or ignore, left out with 1 relations: annotation 60, annotation 61",
    ):
        assert said in caplog.text


def test_boxes_of_negative_size_and_parts_of_the_image_are_told(read):
    def change(c):
        c["annotations"][0]["bbox"] = [30, 20, -10, 5]
        c["annotations"][1]["bbox"] = [0.1, 0.2, 0.5, 0.5]

    said = [finding.sentence() for finding in read(change).findings]
    assert said == [
        "1 boxes of negative width or height: a.jpg [30.0, 20.0, -10.0, 5.0]",
        (
            "1 of 4 boxes (25.0 %) lie between 0 and 1: pixels are expected, not parts of the image: a.jpg [0.1, 0.2,"
            " 0.5, 0.5]"
        ),
    ]


def test_ids_of_images():
    assert [image_number(value) for value in (7, 7.0, "7", "007", np.int64(7), np.str_("7"))] == [7] * 6
    assert image_number("a") == image_number(np.str_("a")) != image_number("b") and 0 <= image_number("a") < 2**62
    for bad in (-1, 1.5, True, None, 2**63, [1]):
        with pytest.raises(ValueError, match="found"):
            image_number(bad)
    assert ids_from_names(["x/3.jpg", "x/2.jpg"]).tolist() == [3, 2]
    assert len(set(ids_from_names(["train/1.jpg", "val/1.jpg"]).tolist())) == 2
    assert ids_from_names(["a.jpg"]).tolist() == [image_number("a")]


def test_names_have_one_spelling():
    assert clean_name("  hot\u00a0dog\n", "x") == "hot dog" and clean_name("cafe\u0301", "x") == "caf\u00e9"
    assert (
        vocabulary(["__background__", "a"], "x", with_background=True)
        == vocabulary(["a"], "x")
        == ("__background__", "a")
    )
    for names, message in (
        (["a", 7], r"x\[1\]: a name must be text, found 7"), ([" "], r"x\[0\]: a name must have a letter"),
        (["a\x1b[31m"], r"control characters or invisible marks, found 'a\\x1b\[31m'"),
        (["dog", "\uff44og"], "'dog' and '\uff44og' differ by blanks or Unicode form"),
        (["cup", "cup\u200b"], r"invisible marks, found 'cup\\u200b'"), (["\ufeffcup"], "invisible marks"),
        (["a\u202eb"], "invisible marks"), (["a" * 300], "at most 256 letters, found 300"),
        (["e\u0301", "\u00e9"], "differ by blanks or Unicode form"), (["__background__"], "name of class 0"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=message):
            vocabulary(names, "x")
    with pytest.raises(UserError, match="first name must be __background__"):
        vocabulary(["a"], "x", with_background=True)
