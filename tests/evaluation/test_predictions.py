"""Prediction files: what is written comes back, anybody's plain npz is read, and what is wrong is named."""

import json
import warnings
import zipfile

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.evaluation.predictions import PredictionFile, PredictionWriter
from maskrcnn_benchmark.utils.errors import UserError
from tests.evaluation.scenes import apart, predict, random_image, truth


def some_images(count, mode="sgdet"):
    rng = np.random.default_rng(0)
    images = [
        random_image(rng, mode, int(rng.integers(1, 6)), int(rng.integers(0, 5)), found_boxes=4) for _ in range(count)
    ]
    empty = truth([], [], [])
    return [*images, (predict(empty, {}), empty)]


def write(path, images, with_truth=True, first=100, **header):
    with PredictionWriter(path, **({"mode": "sgdet"} | header)) as writer:
        for i, (prediction, groundtruth) in enumerate(images):
            writer.add(
                first + i, {k: torch.from_numpy(v) for k, v in prediction.items()}, groundtruth if with_truth else None
            )


def same(got, want):
    return got.keys() == want.keys() and all(
        np.array_equal(got[key], want[key]) and got[key].shape == want[key].shape for key in want
    )


def test_what_is_written_comes_back(tmp_path):
    images = some_images(150)  # more than two groups
    names = {
        "predicates": ["__background__", *"abcd"],
        "objects": ["__background__", *"wxyz"],
        "dataset": "scenes_test",
    }
    write(tmp_path / "p.npz", images, **names, zeroshot_triplets=[[1, 2, 3]], train_counts=[0, 4, 3, 2, 1])
    file = PredictionFile(tmp_path / "p.npz")
    assert (file.mode, file.dataset, file.num_predicates, file.has_groundtruth) == ("sgdet", "scenes_test", 5, True)
    assert list(file.predicates) == names["predicates"] and list(file.objects) == names["objects"]
    assert file.zeroshot_triplets.tolist() == [[1, 2, 3]] and file.train_counts.tolist() == [0, 4, 3, 2, 1]
    read = list(file)
    assert [image.image_id for image in read] == list(range(100, 251))
    for image, (prediction, groundtruth) in zip(read, images, strict=True):
        assert same(image.prediction, prediction) and same(image.groundtruth, groundtruth)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.npz"]


def test_terms_come_back_with_their_names_and_misfits_are_named(tmp_path):
    images = [
        (prediction | {"terms": np.float32(np.arange(2 * len(prediction["pairs"])).reshape(-1, 2))}, groundtruth)
        for prediction, groundtruth in some_images(70)
    ]
    write(tmp_path / "told.npz", images, terms=["base", "visual"])
    file = PredictionFile(tmp_path / "told.npz")
    assert file.terms == ("base", "visual")
    assert all(same(read.prediction, prediction) for read, (prediction, _) in zip(file, images, strict=True))
    write(tmp_path / "misfit.npz", images, terms=["base"])
    with pytest.raises(UserError, match="misfit.npz: image 0 .*2 columns, the header 1 terms"):
        PredictionFile(tmp_path / "misfit.npz")
    write(tmp_path / "silent.npz", some_images(3))
    silent = PredictionFile(tmp_path / "silent.npz")
    assert silent.terms == () and all("terms" not in image.prediction for image in silent)


def test_a_folder_of_parts_is_one_file(tmp_path):
    images = some_images(9)
    write(tmp_path / "rank0.npz", images[:4], with_truth=False)
    write(tmp_path / "rank1.npz", images[4:], with_truth=False, first=104)
    (tmp_path / "._rank0.npz").write_bytes(b"a file that macOS puts beside others")
    read = list(PredictionFile(tmp_path))
    assert len(read) == 10
    assert all(
        image.groundtruth is None and same(image.prediction, want)
        for image, (want, _) in zip(read, images, strict=True)
    )
    assert not PredictionFile(tmp_path).has_groundtruth


def test_a_folder_whose_parts_contradict_each_other_is_refused(tmp_path):
    names = ["__background__", *"abcd"]
    write(tmp_path / "0.npz", some_images(2), predicates=names)
    write(tmp_path / "1.npz", some_images(2), first=200, predicates=[names[0], *reversed(names[1:])])
    with pytest.raises(UserError, match=r"1\.npz: its 'predicates' is not that of the files before it"):
        PredictionFile(tmp_path)
    write(tmp_path / "1.npz", some_images(2), first=200)  # says nothing of predicates
    with pytest.raises(UserError, match=r"1\.npz: its 'predicates' is not that of the files before it"):
        PredictionFile(tmp_path)


def test_a_folder_of_parts_of_which_one_has_no_header_is_refused(tmp_path):
    write(tmp_path / "0.npz", some_images(2))
    np.savez(tmp_path / "1.npz", **arrays())
    with pytest.raises(UserError, match=r"1\.npz: its 'mode' is not that of the files before it"):
        PredictionFile(tmp_path)
    np.savez(tmp_path / "0.npz", **arrays(image_ids=np.array([8, 9])))
    assert [image.image_id for image in PredictionFile(tmp_path)] == [8, 9, 3, 4]


def test_no_group_of_images_and_no_second_array_of_a_name_is_lost(tmp_path):
    write(tmp_path / "whole.npz", some_images(70))
    with zipfile.ZipFile(tmp_path / "whole.npz") as file:
        members = [(name, file.read(name)) for name in file.namelist()]
    kept = [member for member in members if member[0] != "00001/n_pred_boxes.npy"]
    for name, content in (("lacking", kept), ("twice", [*members, members[0]])):
        with zipfile.ZipFile(tmp_path / f"{name}.npz", "w") as file, warnings.catch_warnings(action="ignore"):
            for member in content:
                file.writestr(*member)
    with pytest.raises(UserError, match="lacking.npz: no array 00001/n_pred_boxes"):
        PredictionFile(tmp_path / "lacking.npz")
    with pytest.raises(UserError, match="twice.npz: array header is there twice"):
        PredictionFile(tmp_path / "twice.npz")


def test_a_file_of_no_image_has_none(tmp_path):
    flat = {name: np.zeros((0, 4)) for name in ("pred_boxes", "rel_pair_idxs", "pred_rel_scores")}
    none = dict.fromkeys(("n_pred_boxes", "n_pred_rels", "pred_labels", "pred_scores"), np.zeros(0, int))
    np.savez(tmp_path / "none.npz", **flat, **none)
    assert list(PredictionFile(tmp_path / "none.npz")) == []


def test_the_first_image_may_have_no_pair(tmp_path):
    bare = an_image(image_id=7, pairs=[], predicate_scores=[])
    (tmp_path / "p.json").write_text(json.dumps({"mode": "sgdet", "images": [bare, an_image()]}))
    file = PredictionFile(tmp_path / "p.json")
    assert file.num_predicates == 5 and [len(image.prediction["pairs"]) for image in file] == [0, 1]


def test_a_plain_savez_and_a_json_are_read_alike(tmp_path):
    scene = truth(apart(3), [1, 2, 3], [[0, 1, 1]])
    images = [(predict(scene, {(0, 1): {1: 0.5}, (1, 2): {2: 0.25}}), scene), (predict(scene, {}), truth([], [], []))]
    flat = {
        "n_pred_boxes": [3, 3], "pred_boxes": np.concatenate([p["boxes"] for p, _ in images]),
        "pred_labels": [1, 2, 3] * 2, "pred_scores": np.ones(6, np.float32), "n_pred_rels": [2, 0],
        "rel_pair_idxs": images[0][0]["pairs"], "pred_rel_scores": images[0][0]["predicate_scores"],
        "n_gt_boxes": [3, 0], "gt_boxes": scene["boxes"], "gt_labels": [1, 2, 3], "n_gt_rels": [1, 0],
        "gt_rels": scene["relations"],
    }  # fmt: skip
    np.savez_compressed(tmp_path / "plain.npz", **flat)
    listed = [
        {k: v.tolist() for k, v in p.items()} | {"groundtruth": {k: v.tolist() for k, v in g.items()}}
        for p, g in images
    ]
    document = {"mode": "sgdet", "predicates": ["__background__", *"abcd"], "images": listed}
    (tmp_path / "same.json").write_text(json.dumps(document))
    for name in ("plain.npz", "same.json"):
        file = PredictionFile(tmp_path / name)
        read = list(file)
        assert [image.image_id for image in read] == [0, 1] and file.num_predicates == 5
        for image, (prediction, groundtruth) in zip(read, images, strict=True):
            assert same(image.prediction, prediction) and same(image.groundtruth, groundtruth)


def test_a_failure_leaves_the_old_file(tmp_path):
    images = some_images(3)
    write(tmp_path / "p.npz", images)
    with pytest.raises(KeyError), PredictionWriter(tmp_path / "p.npz", mode="sgdet") as writer:
        writer.add(0, *images[0])
        raise KeyError
    assert len(list(PredictionFile(tmp_path / "p.npz"))) == 4
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"not a zip", "cannot be read as .npz"),
        ({"boxes": np.zeros(3)}, "no array n_pred_boxes; found boxes"),
        ({"n_pred_boxes": [1]}, "no array pred_boxes"),
        ({"n_pred_boxes": [2], "pred_boxes": np.zeros((1, 4))}, "pred_boxes has 1 rows, n_pred_boxes adds up to 2"),
    ],
)
def test_bad_npz_files_are_named(tmp_path, content, words):
    path = tmp_path / "bad.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(UserError, match=f"bad.npz.*{words}"):
        list(PredictionFile(path))


def test_a_truncated_file_is_named(tmp_path):
    write(tmp_path / "p.npz", some_images(20))
    whole = (tmp_path / "p.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"half.npz"):
        list(PredictionFile(tmp_path / "half.npz"))
    middle = len(whole) // 3
    (tmp_path / "flipped.npz").write_bytes(
        whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 64]) + whole[middle + 64 :]
    )
    with pytest.raises(UserError, match=r"flipped.npz.*damaged"):
        list(PredictionFile(tmp_path / "flipped.npz"))


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "not valid JSON"), ("[]", "a JSON object"), ("{}", 'a list "images"')],
)
def test_bad_json_files_are_named(tmp_path, text, words):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(UserError, match=words):
        list(PredictionFile(tmp_path / "bad.json"))


def test_an_empty_folder_and_another_ending_are_named(tmp_path):
    with pytest.raises(UserError, match="without .npz"):
        PredictionFile(tmp_path)
    with pytest.raises(UserError, match="must end in .npz"):
        PredictionWriter(tmp_path / "p.zip", mode="sgdet")


def an_image(**change):
    """One image of the JSON form."""
    scene = truth(apart(2), [1, 2], [[0, 1, 3]])
    prediction = predict(scene, {(0, 1): {1: 0.5}})
    image = {key: value.tolist() for key, value in prediction.items()} | {
        "groundtruth": {k: v.tolist() for k, v in scene.items()}
    }
    return {"image_id": 8} | image | change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": [1.5, 2]}, "prediction 'labels', row 0, must be a whole number, found 1.5"),
        ({"labels": ["man", "hat"]}, "'labels', row 0, must be a whole number, found 'man'"),
        ({"labels": 3}, "'labels' must be a list, found 3"),
        ({"scores": [None, 1]}, "'scores', row 0, must be a finite number, found null"),
        ({"boxes": [[0, 0, 9, 9], [0, 0, 9]]}, "'boxes', row 1, must be a list of 4 finite numbers"),
        (
            {"predicate_scores": [[0, float("nan"), 0, 0, 0]]},
            "'predicate_scores', row 0, must be a list of 5 finite numbers",
        ),
        (
            {"pairs": [[0, 1], [1, 0]], "predicate_scores": [[0, 1], [1]]},
            "'predicate_scores', row 1, must be a list of 2",
        ),
        ({"groundtruth": None}, "has no groundtruth, unlike the images before it"),
        ({"groundtruth": []}, "'groundtruth' must be an object"),
        ({"groundtruth": {"boxes": []}}, "groundtruth: has no 'labels'"),
        ({"image_id": 7}, "image 7 is there twice, at 0 and 1"),
        ({"image_id": "07"}, "image '07' is there twice"),
        ({"image_id": None}, "image 1 .from 0.: image_id must be a whole number from 0 or text"),
        ({"image_id": 1.5}, "image_id must be a whole number from 0 or text, found 1.5"),
    ],
)
def test_a_bad_image_of_a_json_file_is_named(tmp_path, change, words):
    document = {"mode": "sgdet", "images": [an_image(image_id=7), an_image(**change)]}
    (tmp_path / "bad.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=f"bad.json: .*{words}"):
        list(PredictionFile(tmp_path / "bad.json"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"predicates": ["on", "has"]}, "predicates: the first name must be __background__"),
        ({"predicates": ["__background__", "on", "on"]}, "'on' stands there twice"),
        ({"objects": "man"}, "'objects' must be a list of names, __background__ first, found 'man'"),
        ({"mode": 3}, "'mode' must be text"),
        ({"train_counts": [1, "2"]}, "'train_counts', row 1, must be a whole number"),
        ({"train_counts": [1, 2]}, "'train_counts' has 2 entries, there are 5 predicates"),
        ({"zeroshot_triplets": [[1, 2]]}, "'zeroshot_triplets', row 0, must be a list of 3"),
        ({"images": [[1, 2]]}, "image 0 .from 0. must be an object, found"),
        ({"predicate": ["__background__"]}, "key 'predicate' is not known .*predicates"),
    ],
)
def test_a_bad_header_is_named(tmp_path, change, words):
    (tmp_path / "bad.json").write_text(json.dumps({"mode": "sgdet", "images": [an_image()]} | change))
    with pytest.raises(UserError, match=f"bad.json.*{words}"):
        list(PredictionFile(tmp_path / "bad.json"))


def arrays(**change):
    """Two images of the npz form."""
    images = [an_image(), an_image()]
    flat = {
        "image_ids": np.array([3, 4]), "n_pred_boxes": np.array([2, 2]),
        "n_pred_rels": np.array([len(i["pairs"]) for i in images]),
        "pred_boxes": np.concatenate([i["boxes"] for i in images]), "pred_labels": np.array([1.0, 2.0, 1.0, 2.0]),
        "pred_scores": np.ones(4), "rel_pair_idxs": np.concatenate([i["pairs"] for i in images]),
        "pred_rel_scores": np.concatenate([i["predicate_scores"] for i in images]),
    }  # fmt: skip
    return flat | change


def test_whole_numbers_may_come_as_floats(tmp_path):
    np.savez(tmp_path / "p.npz", **arrays())
    assert [image.prediction["labels"].tolist() for image in PredictionFile(tmp_path / "p.npz")] == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_ids": np.array([3])}, r"image_ids is \(1,\), expected one for each of 2 images"),
        ({"image_ids": np.array([3, 3])}, "image 3 is there twice"),
        ({"image_ids": np.array([3, 4.5])}, "image_id must be a whole number from 0 or text, found 4.5"),
        ({"header": np.array('["sgdet"]')}, "header: expected a JSON object, found list"),
        ({"header": np.array("{")}, "header: is not valid JSON"),
        (
            {"pred_labels": np.array([1, 2, 1, 2.5])},
            "image 1 .from 0., id 4: prediction 'labels' must hold whole numbers, found 2.5",
        ),
        ({"pred_boxes": np.full((4, 4), np.nan)}, "id 3: prediction 'boxes' must hold finite numbers"),
        ({"pred_boxes": np.zeros((4, 3))}, r"'boxes' must be \(n, 4\)"),
        ({"pred_scores": np.array(["high"] * 4)}, "'scores' must hold numbers, found <U4"),
        ({"n_pred_boxes": np.array([-1, 5])}, "n_pred_boxes must hold numbers from 0"),
        ({"n_pred_rels": np.array([0.5, 2])}, "n_pred_rels must hold whole numbers"),
        ({"n_pred_rels": np.array([2])}, "must have one entry per image, found n_pred_boxes 2, n_pred_rels 1"),
        ({"image_ies": np.array([3, 4])}, "array 'image_ies' is not known .*known are header, .*image_ids"),
        ({"00000/header": np.array("{}")}, "array '00000/header' is not known"),
        (
            {"header": np.array('{"mode": "sgdet", "predicate": []}')},
            "header: key 'predicate' is not known .*predicates",
        ),
    ],
)
def test_a_bad_array_is_named(tmp_path, change, words):
    np.savez(tmp_path / "bad.npz", **arrays(**change))
    with pytest.raises(UserError, match=f"bad.npz: .*{words}"):
        list(PredictionFile(tmp_path / "bad.npz"))
