"""Files in Visual Genome's layout that cannot be: one readable error for each kind."""

import fcntl
import json

import numpy as np
import pytest
import torch
from vg_folders import edit, image, layout, random_images, write_images

from maskrcnn_benchmark.data.datasets import VGDataset, vg_layout
from maskrcnn_benchmark.data.datasets.visual_genome import read_vg
from maskrcnn_benchmark.data.image_files import ImageFileError
from maskrcnn_benchmark.utils.errors import UserError

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
    "a box of two images": (
        {"img_to_last_box": [2, 2], "img_to_first_rel": [-1, -1], "img_to_last_rel": [-1, -1]},
        "give box row 2 to more than one image",
    ),
    "a relation of two images": (
        {
            "img_to_first_box": [0, -1],
            "img_to_last_box": [1, -1],
            "img_to_first_rel": [0, 0],
            "img_to_last_rel": [0, 0],
        },
        "give rel row 0 to more than one image",
    ),
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


def test_rows_that_are_no_image_s_are_counted(tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9], [1, 1, 5, 5]], [(0, 1, 1)]), image([[0, 0, 9, 9]], [(0, 0, 1)])])
    edit(files["annotation_file"], img_to_first_rel=np.array([0, -1]), img_to_last_rel=np.array([0, -1]))
    (finding,) = read_vg(files["annotation_file"], files["dict_file"], files["image_data_file"]).findings
    assert finding.sentence() == "1 relations that are no image's, left out: row 1"


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
        (
            {"predicate_count": {"on": 1, "on ": 2, "near": 0, "left of": 0}},
            "must have every predicate once and nothing",
        ),
        ({"predicate_count": {"on": 1, "near": 0, "left of": 0, "under": 3}}, "must have every predicate once"),
        ({"idx_to_label": {"4": "cat"}}, "label_to_idx has no such id, idx_to_label says that '4' is 'cat'"),
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
        ({"file_name": ""}, "file_name: the name of the image file must be text"),
        ({"file_name": "./2.jpg"}, "the image file '2.jpg' is listed twice"),
        ({"file_name": "a" * 3000}, "must have at most 2048 bytes"),
    ],
)
def test_image_data_that_cannot_be_is_named(change, message, tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)])] * 2)
    entries = json.loads(files["image_data_file"].read_text())
    files["image_data_file"].write_text(json.dumps([entries[0] | change, entries[1]]))
    with pytest.raises(UserError, match=f"image_data.json.*{message}"):
        VGDataset("train", **files)


def test_a_locked_h5_says_so(tmp_path):
    files = layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)])])
    with open(files["annotation_file"], "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="with-attri.h5: is locked .*HDF5_USE_FILE_LOCKING"):
            VGDataset("train", **files)


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


def test_a_folder_written_half_anew_is_no_data_set(tmp_path, monkeypatch):
    files = layout(tmp_path, [image([[0, 0, 9, 9]], [(0, 0, 1)])])
    monkeypatch.setattr(vg_layout, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        layout(tmp_path, [image([[0, 0, 5, 5]], [(0, 0, 2)], labels=[2])])
    with pytest.raises(UserError, match=r"image_data\.json: cannot be read"):
        VGDataset("train", **files)
