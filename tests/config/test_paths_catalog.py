"""Where data sets and weights lie by name."""

from pathlib import Path

import pytest

from maskrcnn_benchmark.config import paths_catalog
from maskrcnn_benchmark.config.paths_catalog import dataset_entry, weights_path
from maskrcnn_benchmark.utils.errors import UserError


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return tmp_path


def test_visual_genome_leaves_out_its_corrupt_images_and_keeps_5000_for_val(data_dir):
    entry = dataset_entry("VG_stanford_filtered_with_attribute_val")
    assert (entry.kind, entry.split, entry.num_val) == ("vg", "val", 5000)
    assert entry.exclude_images == (1592, 1722, 4616, 4617)
    assert entry.files["annotations"] == data_dir / "vg/VG-SGG-with-attri.h5"
    assert entry.files["dicts"] == data_dir / "vg/VG-SGG-dicts-with-attri.json"
    assert dataset_entry("VG_stanford_filtered_test").files["annotations"] == data_dir / "vg/VG-SGG.h5"


def test_gqa_cuts_val_from_its_training_file():
    files = {split: dataset_entry(f"GQA_200_{split}").files["annotations"].name for split in ("train", "val", "test")}
    assert files == {"train": "GQA_200_Train.json", "val": "GQA_200_Train.json", "test": "GQA_200_Test.json"}


def test_open_images_has_a_file_a_split(data_dir):
    entry = dataset_entry("openimage_v6_val")
    assert entry.files["annotations"] == data_dir / "openimages/open_image_v6/annotations/vrd-val-anno.json"
    assert entry.num_val is None


def test_any_folder_in_the_vg_layout_is_a_data_set_by_its_name(data_dir):
    (data_dir / "my_birds").mkdir()
    entry = dataset_entry("my_birds_train")
    assert (entry.kind, entry.split, entry.exclude_images, entry.num_val) == ("vg", "train", (), None)
    assert entry.files["images"] == data_dir / "my_birds/VG_100K"
    with pytest.raises(UserError, match=r"image_data\.json.*DATASET\.md"):
        entry.require_files()


def test_the_demo_s_data_set_says_how_it_is_made(data_dir):
    with pytest.raises(UserError, match=r"tools/make_demo_dataset\.py"):
        dataset_entry("scenes_train")
    (data_dir / "scenes").mkdir()
    assert dataset_entry("scenes_train").num_val == 100


@pytest.mark.parametrize("name", ["VG", "scenes", "_train", "nothing_train", "../x_train", "GQA_200_all", ""])
def test_an_unknown_name_lists_what_there_is(data_dir, name):
    (data_dir / "mine").mkdir()
    (data_dir / "mine/image_data.json").write_text("[]")
    with pytest.raises(UserError, match=r"GQA_200_\*.*mine_\*"):
        dataset_entry(name)


def test_without_the_variable_data_sets_lie_in_datasets(monkeypatch):
    monkeypatch.delenv("DATA_DIR", raising=False)
    assert dataset_entry("VG_stanford_filtered_train").files["images"] == Path("datasets/vg/VG_100K")


def test_a_catalog_name_is_a_file_under_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(paths_catalog, "WEIGHTS_DIR", tmp_path)
    name = "catalog://ImageNetPretrained/FAIR/20171220/X-101-32x8d"
    with pytest.raises(UserError, match=r"https://.*X-101-32x8d\.pkl at .*convert_weights\.py"):
        weights_path(name)
    (tmp_path / "X-101-32x8d.pth").touch()
    assert weights_path(name) == tmp_path / "X-101-32x8d.pth"
    (tmp_path / "X-101-32x8d.safetensors").touch()
    assert weights_path(name) == tmp_path / "X-101-32x8d.safetensors"


def test_an_unknown_catalog_name_is_an_error_and_a_path_is_itself():
    with pytest.raises(UserError, match="MSRA/R-50"):
        weights_path("catalog://ImageNetPretrained/nothing")
    assert weights_path("a/b.pth") == Path("a/b.pth")
