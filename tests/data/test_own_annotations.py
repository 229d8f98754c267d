"""Own annotations in the forms of Label Studio, COCO and YOLO; what is wrong with them is named."""

import json
import re

import pytest
from PIL import Image

from maskrcnn_benchmark.data.custom.readers import read_annotations
from maskrcnn_benchmark.utils.errors import UserError

WIDTH, HEIGHT = 100, 50


@pytest.fixture
def photos(tmp_path):
    """A folder with a.jpg and sub/b.png, both 100 x 50."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "sub/b.png"):
        Image.new("RGB", (WIDTH, HEIGHT)).save(folder / name)
    return folder


def read(source, photos, **options):
    """Of each image its entry, or the error that kept the reader from it."""
    return [entry for _, entry in read_annotations(source, photos, **options)]


# -- Label Studio -----------------------------------------------------------------------------------------------------


def rectangle(name="r1", label="bird", **changes):
    value = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": [label]}
    result = {"id": name, "type": "rectanglelabels", "original_width": WIDTH, "original_height": HEIGHT, "value": value}
    value.update({key: changes.pop(key) for key in list(changes) if key in value})
    return {**result, **changes}


def relation(subject="r1", object_="r2", direction="right", **changes):
    result = {"type": "relation", "from_id": subject, "to_id": object_, "direction": direction, "labels": ["on"]}
    return {**result, **changes}


def task(*results, image="/data/upload/1/12ab34cd-a.jpg", **annotation):
    return {"id": 7, "data": {"image": image}, "annotations": [{"id": 1, "result": list(results), **annotation}]}


def exported(photos, *tasks):
    file = photos.parent / "export.json"
    file.write_text(json.dumps(tasks))
    return read(file, photos)


def test_rectangles_and_relations_of_label_studio_come_over(photos):
    blue = {"id": "r1", "type": "choices", "value": {"choices": ["blue", "small"]}}
    sharp = {"id": "q", "type": "choices", "value": {"choices": ["sharp"]}}  # of the whole picture
    (given,) = exported(photos, task(rectangle(), relation(), rectangle("r2", "branch", x=0), blue, sharp))
    assert given["file"] == "a.jpg"
    first, second = given["objects"]
    assert first == {"box": [10, 10, 39, 29], "label": "bird", "attributes": ["blue", "small"]}
    assert second == {"box": [0, 10, 29, 29], "label": "branch"}
    assert given["relations"] == [[0, "on", 1]]


def test_a_relation_s_direction_says_which_end_is_the_subject(photos):
    both = [rectangle(), rectangle("r2", "branch")]
    given = exported(
        photos,
        *(
            task(*both, relation(**words))
            for words in ({"direction": "left"}, {"direction": "bi"}, {"labels": ["on", "near"]})
        ),
    )
    assert [each["relations"] for each in given] == [
        [[1, "on", 0]],
        [[0, "on", 1], [1, "on", 0]],
        [[0, "on", 1], [0, "near", 1]],
    ]


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/12ab34cd-a.jpg",
        "/data/local-files/?d=my/photos/a.jpg",
        "https://x.org/y/a.jpg?z=1",
        "s3://b/a.jpg",
    ],
)
def test_pictures_are_found_however_label_studio_was_given_them(photos, image):
    (given,) = exported(photos, task(rectangle(), image=image))
    assert given["file"] == "a.jpg"


def test_boxes_of_a_turned_photograph_are_in_its_upright_frame(photos):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (WIDTH, HEIGHT)).save(photos / "a.jpg", exif=exif)
    upright = rectangle(original_width=HEIGHT, original_height=WIDTH)
    shown_upright, shown_as_stored = exported(photos, task(upright), task(rectangle()))
    assert shown_upright["objects"][0]["box"] == [5, 20, 19, 59]
    assert "was drawn on a picture of 100 x 50, but the file is 50 x 100 as it stands upright" in str(shown_as_stored)


def test_only_the_annotation_that_counts_is_taken(photos, caplog):
    other = {"id": 2, "result": [rectangle(label="cat")], "ground_truth": True}
    two = task(rectangle())
    two["annotations"].append(other)
    (given,) = exported(photos, two)
    assert [item["label"] for item in given["objects"]] == ["cat"]
    skipped = task(rectangle(), was_cancelled=True)
    with caplog.at_level("WARNING", logger="maskrcnn_benchmark"):
        assert exported(photos, skipped, {**skipped, "annotations": []}) == []
    assert "2 tasks without an annotation are left out" in caplog.text


TWO = [rectangle(), rectangle("r2", "branch")]
WRONG = {
    "an undecided task": ({**task(), "annotations": [{"result": []}, {"result": []}]}, "has 2 annotations and none"),
    "a turned rectangle": (task(rectangle(rotation=5)), r"result\[0\]: the rectangle is turned by 5 degrees"),
    "a polygon": (task({"id": "p", "type": "polygonlabels", "value": {}}), "must be rectangles with a label"),
    "two labels": (task(rectangle(rectanglelabels=["a", "b"])), "must have one label"),
    "an id that is a list": (task({**rectangle(), "id": ["r"]}), "'id' must be text"),
    "a number that is text": (task(rectangle(x="10")), "'x' must be a finite number, found '10'"),
    "a relation without a label": (task(*TWO, relation(labels=[])), r"result\[2\]: the relation has no label"),
    "a relation to nowhere": (task(*TWO, relation(object_="r9")), "end 'r9' is no rectangle"),
    "an unknown direction": (task(*TWO, relation(direction="up")), "must be right, left or bi"),
    "another picture": (task(rectangle(original_width=50, original_height=100)), "50 x 100, but the file is 100 x 50"),
    "a picture of a size that is none": (task(rectangle(original_width="100")), "'original_width' must be a finite"),
    "a picture of a size beyond any float": (task(rectangle(original_width=10**300)), "but the file is 100 x 50"),
    "a picture that is missing": (task(rectangle(), image="/data/upload/12ab34cd-z.jpg"), "looked for .*z.jpg"),
    "no picture and no path": (task(rectangle(), image="http://["), "neither a path nor a URL"),
    "a name that no file can have": (task(rectangle(), image="a" * 5000), "is not in .*photos"),
    "no annotations": ({"data": {}, "annotations": None}, "'annotations' must be a list"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_in_a_label_studio_task_is_named_and_the_others_are_read(case, photos):
    wrong, message = WRONG[case]
    good, bad = exported(photos, task(*TWO), wrong)
    assert good["file"] == "a.jpg"
    assert re.search(message, str(bad)), bad
    where = [where for where, _ in read_annotations(photos.parent / "export.json", photos)]
    assert "export.json, task 1 (from 0" in where[1]


# -- COCO -------------------------------------------------------------------------------------------------------------


def test_coco_with_relations_comes_over_and_its_name_says_the_split(photos):
    content = {
        "images": [{"id": 5, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 3, "bbox": [10, 10, 30, 20]},
            {"id": 2, "image_id": 5, "category_id": 1, "bbox": [0, 10, 30, 20]},
        ],
        "categories": [{"id": 1, "name": "branch"}, {"id": 3, "name": "bird"}],
        "rel_annotations": [{"subject_id": 1, "object_id": 2, "predicate_id": 0}],
        "rel_categories": [{"id": 0, "name": "on"}],
    }
    objects = [{"box": [10, 10, 39, 29], "label": "bird"}, {"box": [0, 10, 29, 29], "label": "branch"}]
    for name, split in (("all.json", None), ("val.json", "val")):
        (photos.parent / name).write_text(json.dumps(content))
        (given,) = read(photos.parent / name, photos)
        entry = {"file": "a.jpg", "image_id": 5, "objects": objects, "relations": [[0, "on", 1]], "split": split}
        assert given == entry


@pytest.mark.parametrize("content", [{"images": []}, 7, None])
def test_json_of_no_known_form_is_refused_with_what_is_known(photos, content):
    (photos.parent / "odd.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"odd\.json: expected a JSON list of images, or COCO's object"):
        read(photos.parent / "odd.json", photos)


# -- YOLO -------------------------------------------------------------------------------------------------------------

BOX = "1 0.25 0.4 0.3 0.4"


@pytest.fixture
def yolo(photos):
    folder = photos.parent / "yolo"
    folder.mkdir()
    (folder / "classes.txt").write_text("branch\nbird\n")
    (folder / "a.txt").write_text(f"{BOX}\n0 0.15 0.4 0.3 0.4\n")
    return folder


def test_yolo_boxes_and_a_table_of_relations_come_over(photos, yolo):
    (yolo / "relations.csv").write_text("file,subject,predicate,object\na.jpg,0,sitting on,1\na,1,under,0\n")
    (given,) = read(yolo, photos)
    objects = [{"box": [10, 10, 39, 29], "label": "bird"}, {"box": [0, 10, 29, 29], "label": "branch"}]
    assert given["file"] == "a.jpg" and given["relations"] == [[0, "sitting on", 1], [1, "under", 0]]
    for item, expected in zip(given["objects"], objects, strict=True):
        assert item["label"] == expected["label"] and item["box"] == pytest.approx(expected["box"])
    (yolo / "relations.csv").rename(photos.parent / "mine.csv")
    assert read(yolo, photos)[0]["relations"] == []
    assert len(read(yolo, photos, relations=photos.parent / "mine.csv")[0]["relations"]) == 2


def test_yolo_folders_say_splits_and_data_yaml_names_classes(photos, yolo):
    (yolo / "classes.txt").unlink()
    (yolo / "data.yaml").write_text("names: {0: branch, 1: bird}\n")
    (yolo / "labels/val").mkdir(parents=True)
    (photos / "val").mkdir()
    (photos / "a.jpg").rename(photos / "val/a.jpg")
    (yolo / "a.txt").rename(yolo / "labels/val/a.txt")
    (given,) = read(yolo, photos)
    assert (given["file"], given["split"]) == ("val/a.jpg", "val")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0.2 0.4 0.3", r"line 1 \(from 0\): expected class, x, y, width and height, found 4 numbers"),
        (f"{BOX} 0.9", "found 6 numbers"),
        ("2 0.2 0.4 0.3 0.4", "class 2 has no name; there are names for 2 classes"),
        ("1 25 20 30 20", "parts of the image"),
        ("1 nan 0.4 0.3 0.4", "parts of the image"),
        ("bird 0.2 0.4 0.3 0.4", "expected numbers, found 'bird"),
        (f"\n{BOX}", r"line 1 \(from 0\) is blank, but lines are known by their numbers"),
    ],
)
def test_what_is_wrong_in_a_yolo_file_is_named(photos, yolo, line, message):
    (yolo / "a.txt").write_text(f"{BOX}\n{line}\n")
    ((where, given),) = read_annotations(yolo, photos)
    assert where.endswith("a.txt")
    with pytest.raises(UserError, match=message):
        raise given


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,subject\na,0\n", "first line must name file, subject, predicate, object"),
        ("file,subject,predicate,object\nz.jpg,0,on,1\n", r"relations\.csv, line 2: there is no text file .* 'z.jpg'"),
        ("file,subject,predicate,object\na.jpg,bird,on,1\n", "line 2: subject and object are lines"),
        (f"file,subject,predicate,object\na.jpg,{'9' * 5000},on,1\n", "line 2: subject and object are lines"),
        ("file,subject,predicate,object\na.jpg,0,on,1,1\n", "line 2: has more cells than the first line"),
        ("file,subject,predicate,object\n.,0,on,1\n", "no text file of boxes for '.'"),
        ("file,subject,predicate,object,object\na.jpg,0,on,1,0\n", "first line must name file"),
    ],
)
def test_what_is_wrong_in_the_table_of_relations_is_named(photos, yolo, table, message):
    (yolo / "relations.csv").write_text(table)
    with pytest.raises(UserError, match=message):
        read(yolo, photos)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("branch\nbranch\n", r"classes\.txt: 'branch' stands there twice"),
        ("branch\n\nbird\n", r"classes\.txt: line 1 \(from 0\) is blank"),
    ],
)
def test_names_of_classes_that_could_be_mistaken_are_refused(photos, yolo, names, message):
    (yolo / "classes.txt").write_text(names)
    with pytest.raises(UserError, match=message):
        read(yolo, photos)


def test_what_other_systems_leave_beside_yolo_s_files_does_no_harm(photos, yolo):
    (yolo / "classes.txt").write_text("branch\r\nbird\r\n", encoding="utf-8-sig")
    (yolo / "a.txt").write_text(f"{BOX}\n\n", encoding="utf-8-sig")
    (yolo / "._a.txt").write_bytes(b"\0\5\x16\7")
    (photos / "._a.jpg").write_bytes(b"\0\5\x16\7")
    (given,) = read(yolo, photos)
    assert [item["label"] for item in given["objects"]] == ["bird"]
    Image.new("RGB", (WIDTH, HEIGHT)).save(photos / "a.png")
    assert "has several images of that name: 'a.jpg', 'a.png'" in str(read(yolo, photos)[0])


def test_yolo_without_names_boxes_or_pictures_says_so(photos, yolo):
    (yolo / "z.txt").write_text(BOX)
    assert "has no image z" in str(read(yolo, photos)[1])
    for file in ("a.txt", "z.txt"):
        (yolo / file).unlink()
    with pytest.raises(UserError, match="no text files of boxes"):
        read(yolo, photos)
    (yolo / "classes.txt").unlink()
    with pytest.raises(UserError, match=r"has no classes\.txt or data\.yaml"):
        read(yolo, photos)
