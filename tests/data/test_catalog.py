"""Where data sets lie by name, and that a new format is one file."""

import subprocess
import sys
from pathlib import Path

import pytest

from maskrcnn_benchmark.data import datasets
from maskrcnn_benchmark.data.custom.make import check_folder_name, environment
from maskrcnn_benchmark.data.datasets.catalog import (
    FORMATS,
    RESERVED_NAMES,
    dataset_entry,
    find_entries,
    folder_entries,
)
from maskrcnn_benchmark.utils.errors import UserError


def test_visual_genome_leaves_out_its_corrupt_images_and_keeps_5000_for_val(data_dir):
    entry = dataset_entry("VG_stanford_filtered_with_attribute_val")
    assert (entry.format.name, entry.split, entry.num_val) == ("vg", "val", 5000)
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
    assert (entry.format.name, entry.split, entry.exclude_images, entry.num_val) == ("vg", "train", (), None)
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


def test_every_reader_beside_the_catalog_is_in_it():
    readers = {path.stem for path in Path(datasets.__file__).parent.glob("*.py") if "\nFORMAT = " in path.read_text()}
    assert len(FORMATS) == len(readers) > 5
    assert len({each.name for each in FORMATS}) == len(FORMATS)


def test_names_and_folders_of_published_data_sets_are_no_one_else_s():
    assert {"VG_stanford_filtered", "vg", "openimages", "open_image_v6", "GQA_200", "gqa", "scenes"} <= RESERVED_NAMES


@pytest.mark.parametrize(
    ("folder", "name"),
    [("vg", "VG_stanford_filtered_with_attribute"), ("openimages/open_image_v6", "openimage_v6"), ("birds", "birds")],
)
def test_a_folder_outside_of_data_dir_says_which_data_set_it_is(tmp_path, folder, name):
    (tmp_path / "elsewhere" / folder).mkdir(parents=True)
    entries = folder_entries(tmp_path / "elsewhere" / folder)
    assert [entry.name for entry in entries.values()] == [f"{name}_{split}" for split in ("train", "val", "test")]
    assert all(path.is_relative_to(tmp_path / "elsewhere") for path in entries["train"].files.values())


def test_a_linked_folder_is_the_data_set_of_the_link_s_name(data_dir, tmp_path):
    (tmp_path / "disk/visual_genome").mkdir(parents=True)
    (data_dir / "vg").symlink_to(tmp_path / "disk/visual_genome")
    (data_dir / "mine").symlink_to(tmp_path / "disk/visual_genome")
    vg, mine = find_entries(str(data_dir / "vg")), find_entries("mine")
    assert (vg["train"].name, vg["train"].num_val) == ("VG_stanford_filtered_with_attribute_train", 5000)
    assert mine["train"].name == "mine_train" and environment(data_dir / "mine") == ""
    check_folder_name(data_dir / "mine")


_LINES_FORMAT = """
from maskrcnn_benchmark.data.datasets.format import Format, Published
from maskrcnn_benchmark.data.datasets.records import ImageRecord, source_from_records
from maskrcnn_benchmark.data.datasets.source import TRAIN


def read_entry(entry, statistics_only):
    file = entry.files["annotations"]
    names = file.read_text().split()
    records = [ImageRecord(name, 9, 9, [[0, 0, 4, 4]], [1], [[0, 0, 1]], TRAIN) for name in names]
    return source_from_records(file, records, objects=("__background__", "dot"), predicates=("__background__", "is"))


FORMAT = Format(
    name="lines",
    files=lambda folder, split: {"images": folder, "annotations": folder / "names.txt"},
    read=read_entry,
    published=(Published(stem="dots", folder="dots"),),
    is_own_folder=lambda folder: (folder / "names.txt").exists(),
)
"""
_USE_OF_IT = """
import sys
from maskrcnn_benchmark.data import datasets
datasets.__path__.append(sys.argv[1])
from maskrcnn_benchmark.data.build import read_source, training_statistics
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
for name in ("dots_train", "mine_train"):
    source = read_source(dataset_entry(name))
    print(name, len(source.image_ids), training_statistics(name).meta.predicate_counts().tolist())
"""


def test_a_new_format_is_one_file_beside_the_others(data_dir, tmp_path):
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/lines.py").write_text(_LINES_FORMAT)
    for name in ("dots", "mine"):
        (data_dir / name).mkdir()
        (data_dir / name / "names.txt").write_text("a.jpg\nb.jpg\n")
    done = subprocess.run(
        [sys.executable, "-c", _USE_OF_IT, tmp_path / "beside"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["dots_train 2 [0, 2]", "mine_train 2 [0, 2]"]
