"""GQA-200, Open Images, VRD, PSG and COCO files with relations: real annotations to the count, small ones by hand."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from maskrcnn_benchmark.config import Task, load_config
from maskrcnn_benchmark.data.build import build_dataset, read_source, training_statistics
from maskrcnn_benchmark.data.datasets import SceneGraphDataset
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.image_files import image_size, read_image
from maskrcnn_benchmark.utils.errors import UserError


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def dataset(name, **options):
    entry = dataset_entry(name)
    return SceneGraphDataset(
        read_source(entry), entry.split, image_dir=entry.files["images"], num_val=entry.num_val, **options
    )


@pytest.fixture(scope="module")
def gqa(shared):
    """What the reader makes of the real test file."""
    folder = shared / "data/gqa200"
    entry = dataset_entry("GQA_200_test")
    files = {"images": folder, "info": folder / "GQA_200_ID_Info.json", "annotations": folder / "GQA_200_Test.json"}
    from dataclasses import replace

    return read_source(replace(entry, files=files))


def test_gqas_real_test_file_has_the_published_counts(gqa):
    annotations = gqa.annotations
    assert annotations.num_images == 8208 and len(annotations.boxes) == 121082 and len(annotations.relations) == 38144
    assert (
        len(gqa.objects) == 201
        and len(gqa.predicates) == 101
        and gqa.objects[0] == gqa.predicates[0] == "__background__"
    )
    assert b"2315749.jpg" not in gqa.file_names
    relations = annotations.relations.astype(np.int64)
    assert (relations[:, 0] == relations[:, 1]).sum() == 207
    pairs = (annotations.image_of_relation() * 1000 + relations[:, 0]) * 1000 + relations[:, 1]
    assert len(pairs) - len(np.unique(pairs)) == 2676


def test_gqas_real_boxes_are_clipped_counted_and_survive(gqa, tmp_path, caplog):
    boxes = gqa.annotations.boxes
    assert (boxes[:, 2:] <= boxes[:, :2]).any(axis=1).sum() == 6
    with caplog.at_level("INFO", logger="maskrcnn_benchmark"):
        evaluation = SceneGraphDataset(gqa, "test", image_dir=tmp_path, with_relations=False)
    assert "1193 boxes reach beyond" in caplog.text
    clipped = evaluation._annotations.boxes
    assert (clipped[:, 2:] <= clipped[:, :2]).any(axis=1).sum() == 22 and len(clipped) == 121082
    training = SceneGraphDataset(gqa, "test", image_dir=tmp_path, with_relations=False, training=True)
    assert len(training._annotations.boxes) == 121082 - 22
    relation_work = SceneGraphDataset(gqa, "test", image_dir=tmp_path)
    assert (
        sum(len(relation_work.get_groundtruth(i).get_field("relation_tuple")) for i in range(len(relation_work)))
        == 38144
    )


def gqa_lists(count=4):
    return {
        "filenames_all": [f"{i}.jpg" for i in range(count)],
        "img_info_all": [{"width": 50, "height": 40}] * count,
        "gt_boxes_all": [[[0, 0, 9, 9], [30, 30, 60, 39]]] * count,
        "gt_classes_all": [[1, 2]] * count,
        "relationships_all": [[[0, 1, 1], [1, 0, 2], [1, 1, 1]]] * count,
    }


@pytest.fixture
def small_gqa(data_dir):
    names = {"ind_to_classes": ["__background__", "a", "b"], "ind_to_predicates": ["__background__", "p", "q"]}
    write(data_dir / "gqa/GQA_200_ID_Info.json", names)
    write(data_dir / "gqa/GQA_200_Train.json", gqa_lists(5003))
    write(data_dir / "gqa/GQA_200_Test.json", gqa_lists(4))
    return data_dir / "gqa"


@pytest.mark.usefixtures("small_gqa")
def test_gqas_val_is_cut_from_training_and_every_training_relation_counts():
    assert [len(dataset(f"GQA_200_{split}")) for split in ("train", "val", "test")] == [3, 5000, 4]
    statistics = training_statistics("GQA_200_train").meta
    assert (
        statistics.fg_matrix[1, 2, 1] == statistics.fg_matrix[2, 1, 2] == statistics.fg_matrix[2, 2, 1] == 3
    )  # far apart, self-relation
    assert statistics.bg_matrix.tolist() == [[0, 0, 0], [0, 0, 3], [0, 3, 0]]


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("gt_classes_all", [[1, 3]] * 4, "image 0.jpg: label must lie between 1 and 2, found 3"),
        ("gt_classes_all", [[1]] * 4, "image 0.jpg: 2 boxes but 1 labels"),
        ("gt_boxes_all", [[[0, 0, 9, 9], [1, 2, 3]]] * 4, r"image 0.jpg: each of boxes must be a list of 4 finite"),
        (
            "relationships_all",
            [[[0, 2, 1]]] * 4,
            "image 0.jpg: box row of a relation's object must lie between 0 and 1, found 2",
        ),
        ("relationships_all", [[[0, 1, 0]]] * 4, "image 0.jpg: predicate must lie between 1 and 2, found 0"),
        ("filenames_all", ["0.jpg"], "equally long"),
        ("gt_boxes_all", [[[None] * 4] * 2] * 4, "image 0.jpg: each of boxes must be a list of 4 finite"),
        ("img_info_all", [{"width": 5}] * 4, "img_info_all.0. of image '0.jpg': has no 'height'"),
        ("img_info_all", [{"width": 5, "height": 0}] * 4, "image 0.jpg: width and height must be above 0, found 5 x 0"),
    ],
)
def test_damage_in_a_gqa_file_names_the_image(small_gqa, key, value, message):
    write(small_gqa / "GQA_200_Test.json", {**gqa_lists(4), key: value})
    with pytest.raises(UserError, match=f"GQA_200_Test.json.*{message}"):
        dataset("GQA_200_test")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"obj_name_to_id": {"dog": 1}}, "ind_to_classes gives 'a' the id 1, obj_name_to_id says that 1 is 'dog'"),
        ({"rel_id_to_name": {"9": "on"}}, "ind_to_predicates has no such id, rel_id_to_name says that '9' is 'on'"),
        ({"rel_id_to_name": []}, "'rel_id_to_name' must be an object"),
    ],
)
def test_gqas_tables_of_names_must_not_contradict_each_other(small_gqa, tables, message):
    info = json.loads((small_gqa / "GQA_200_ID_Info.json").read_text())
    write(small_gqa / "GQA_200_ID_Info.json", info | tables)
    with pytest.raises(UserError, match=f"GQA_200_ID_Info.json.*{message}"):
        dataset("GQA_200_test")


def test_open_images_counts_from_zero_in_the_file_and_from_one_here(data_dir):
    folder = data_dir / "openimages/open_image_v6"
    write(folder / "annotations/categories_dict.json", {"obj": ["Cat", "Dog"], "rel": ["at", "on"]})
    image = {
        "img_fn": "abc",
        "img_size": [64, 48],
        "det_labels": [0, 1],
        "bbox": [[1, 2, 30, 40], [5.5, 6, 20, 21]],
        "rel": [[1, 0, 1]],
    }
    for split in ("train", "val", "test"):
        write(folder / f"annotations/vrd-{split}-anno.json", [image, {**image, "img_fn": "none", "rel": []}])
    test = dataset("openimage_v6_test")
    truth = test.get_groundtruth(0)
    assert len(test) == 1 and test.meta.objects == ("__background__", "Cat", "Dog")
    assert truth.size == (64, 48) and truth.get_field("labels").tolist() == [1, 2]
    assert truth.get_field("relation_tuple").tolist() == [[1, 0, 2]] and truth.bbox[1].tolist() == [5.5, 6, 20, 21]
    assert test.get_img_info(0)["file_name"] == "abc.jpg"
    assert len(dataset("openimage_v6_val", with_relations=False)) == 2
    write(folder / "annotations/vrd-test-anno.json", [image, {"img_fn": "x"}])
    with pytest.raises(UserError, match="vrd-test-anno.json, entry 1 .*img_size"):
        dataset("openimage_v6_test")


@pytest.fixture
def vrd(shared, data_dir):
    (data_dir / "vrd").symlink_to(shared / "data/vrd")
    return data_dir / "vrd"


@pytest.mark.usefixtures("vrd")
def test_vrds_real_annotations_have_the_published_counts():
    for split, images, relations, without in (("train", 4000, 30355, 220), ("test", 1000, 7638, 45)):
        source = read_source(dataset_entry(f"vrd_{split}"))
        counts = source.annotations.rel_counts
        assert len(counts) == images and counts.sum() == relations and (counts == 0).sum() == without
        assert len(source.objects) == 101 and len(source.predicates) == 71


def test_vrds_photographs_pass_the_whole_way(vrd):
    photographs = sorted((vrd / "images").iterdir())
    for path in photographs[:5]:
        image = read_image(path)
        assert image_size(path) == (image.size(2), image.size(1))
    size = ["INPUT.MIN_SIZE_TRAIN", (60,), "INPUT.MIN_SIZE_TEST", 60]
    cfg = load_config(None, ["DATASETS.TEST", ("vrd_test",), "DATASETS.SKIP_MISSING_IMAGES", True, *size])
    test = build_dataset(cfg, "vrd_test", training=True, task=Task.PREDCLS)
    assert len(test) == len(photographs) == 70
    assert sum(len(test.get_groundtruth(i).get_field("relation_tuple")) for i in range(70)) == 678
    image, target, _ = test[0]
    assert min(image.shape[1:]) == 60 and target.size == (image.shape[2], image.shape[1])
    # A box of the file, [ymin, ymax, xmin, xmax], stands where it was drawn.
    name = test.get_img_info(0)["file_name"]
    subject = json.loads((vrd / "annotations_test.json").read_text())[name][0]["subject"]
    y1, y2, x1, x2 = subject["bbox"]
    truth = test.get_groundtruth(0)
    width, height = truth.size
    expected = torch.tensor([x1, y1, min(x2, width - 1), min(y2, height - 1)], dtype=torch.float32)
    row = (truth.bbox - expected).abs().sum(dim=1).argmin()
    assert (truth.bbox[row] == expected).all() and truth.get_field("labels")[row] == subject["category"] + 1


def test_psg_is_split_by_its_list_of_test_images(data_dir):
    image = {
        "file_name": "val2017/1.jpg", "image_id": "7", "width": 64, "height": 48,
        "annotations": [{"bbox": [0, 0, 9, 9], "category_id": 0}, {"bbox": [5, 5, 20, 20], "category_id": 2}],
        "relations": [[0, 1, 0], [1, 0, 1]],
    }  # fmt: skip
    content = {
        "data": [image, *[{**image, "file_name": f"train2017/{i}.jpg", "image_id": f"{i}"} for i in range(10, 1015)]],
        "thing_classes": ["man", "dog"], "stuff_classes": ["sky"], "predicate_classes": ["over", "beside"],
        "test_image_ids": [7],
    }  # fmt: skip
    write(data_dir / "psg/psg.json", content)
    assert [len(dataset(f"psg_{split}")) for split in ("train", "val", "test")] == [5, 1000, 1]
    truth = dataset("psg_test").get_groundtruth(0)
    assert truth.get_field("labels").tolist() == [1, 3] and truth.get_field("relation_tuple").tolist() == [
        [0, 1, 1],
        [1, 0, 2],
    ]
    assert dataset("psg_test").image_path(0) == data_dir / "coco/val2017/1.jpg"
    write(data_dir / "psg/psg.json", {**content, "test_image_ids": ["0007", 5]})
    (finding,) = read_source(dataset_entry("psg_test")).findings
    assert finding.sentence() == "1 test_image_ids of images that the file does not have: 5"
    write(data_dir / "psg/psg.json", {key: value for key, value in content.items() if key != "stuff_classes"})
    with pytest.raises(UserError, match="psg.json: has no 'stuff_classes'"):
        dataset("psg_test")


def coco(**more):
    return {
        "images": [
            {"id": 5, "file_name": "a.jpg", "width": 40, "height": 30},
            {"id": 2, "file_name": "b.jpg", "width": 40, "height": 30},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 9, "bbox": [1, 2, 10, 20]},
            {"id": 4, "image_id": 2, "category_id": 3, "bbox": [0, 0, 5, 5]},
            {"id": 6, "image_id": 5, "category_id": 3, "bbox": [3, 3, 4, 4]},
        ],
        **more,
    }


def test_coco_files_with_relations_of_either_kind(data_dir):
    inside = {
        "rel_annotations": [{"id": 1, "image_id": 5, "subject_id": 6, "object_id": 1, "predicate_id": 8}],
        "rel_categories": [{"id": 8, "name": "on"}, {"id": 4, "name": "near"}],
    }
    write(data_dir / "mine/train.json", coco(**inside))
    beside = {"train": {"5": [[1, 0, 2]]}, "rel_categories": ["__background__", "near", "on"]}
    write(data_dir / "theirs/train.json", coco())
    write(data_dir / "theirs/rel.json", beside)
    for name in ("mine_train", "theirs_train"):
        train = dataset(name)
        assert train.meta.objects == ("__background__", "cat", "dog") and train.meta.predicates == (
            "__background__",
            "near",
            "on",
        )
        truth = train.get_groundtruth(0)
        assert len(train) == 1 and train.get_img_info(0)["file_name"] == "a.jpg"
        assert truth.bbox.tolist() == [[1, 2, 10, 21], [3, 3, 6, 6]] and truth.get_field("labels").tolist() == [2, 1]
        assert truth.get_field("relation_tuple").tolist() == [[1, 0, 2]]
        assert len(dataset(name, with_relations=False)) == 2
    (data_dir / "theirs/rel.json").unlink()
    with pytest.raises(UserError, match="train.json: holds no rel_annotations.*rel.json"):
        dataset("theirs_train")
    inside["rel_annotations"][0]["subject_id"] = 77
    write(data_dir / "mine/train.json", coco(**inside))
    with pytest.raises(UserError, match="mine/train.json.*77"):
        dataset("mine_train")


def test_image_sizes_come_from_the_header(tmp_path):
    for size, name, options in (
        ((31, 17), "a.jpg", {}),
        ((17, 31), "b.jpg", {"progressive": True}),
        ((9, 8), "c.png", {}),
    ):
        Image.new("RGB", size).save(tmp_path / name, **options)
        assert image_size(tmp_path / name) == size
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:30])
    for name in ("cut.jpg", "none.jpg"):
        with pytest.raises(UserError, match=name):
            image_size(tmp_path / name)
