"""The data set on disk: the same bytes from the same seed, readable by the loader, whole or not there."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from maskrcnn_benchmark.data.datasets import VGDataset
from maskrcnn_benchmark.data.scenes import write
from maskrcnn_benchmark.data.scenes.write import Sizes, read_truth, write_scenes
from maskrcnn_benchmark.utils.errors import UserError

SIZES = Sizes(train=30, val=4, test=26)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "scenes"
    assert write_scenes(path, SIZES, seed=3)
    return path


def dataset(folder: Path, split: str) -> VGDataset:
    names = {
        "annotation_file": "VG-SGG-with-attri.h5",
        "dict_file": "VG-SGG-dicts-with-attri.json",
        "image_data_file": "image_data.json",
    }
    return VGDataset(split, image_dir=folder / "VG_100K", **{key: folder / name for key, name in names.items()})


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_processes(folder, tmp_path):
    write_scenes(tmp_path / "again", SIZES, seed=3, workers=2)
    one, two = files(folder), files(tmp_path / "again")
    assert one.keys() == two.keys() and len(one) == sum(astuple(SIZES)) + 5
    assert [name for name in one if one[name] != two[name]] == []


def test_another_seed_gives_other_pictures_and_a_larger_set_begins_with_the_smaller_one(folder, tmp_path):
    write_scenes(tmp_path / "other", Sizes(1, 1, 1), seed=4)
    write_scenes(tmp_path / "less", Sizes(1, 4, 1), seed=3)
    first = (folder / "VG_100K/1.jpg").read_bytes()
    assert (tmp_path / "other/VG_100K/1.jpg").read_bytes() != first
    assert (tmp_path / "less/VG_100K/1.jpg").read_bytes() == first
    assert (tmp_path / "less/VG_100K/5.jpg").read_bytes() == (folder / "VG_100K/5.jpg").read_bytes()  # train begins


def test_the_loader_reads_it(folder):
    for split, count in (("train", 30), ("val", 4), ("test", 26)):
        data = dataset(folder, split)
        assert len(data) == count
        image, target, _ = data[0]
        assert image.shape[1:] == (target.size[1], target.size[0])
        assert len(target) >= 5 and len(target.get_field("relation_tuple")) > 0


def test_the_truth_lines_up_with_the_annotation(folder):
    truth, data = read_truth(folder), dataset(folder, "test")
    assert len(truth) == sum(astuple(SIZES))
    for index in range(len(data)):
        target = data.get_groundtruth(index)
        rows = truth[int(target.get_field("image_id"))]
        assert sorted(target.get_field("relation_tuple").tolist()) == sorted(
            rows[rows[:, 3] > 0][:, [0, 1, 3]].tolist()
        )
        assert rows[:, :2].max() < len(target)


def test_what_is_there_and_unchanged_is_not_made_again(folder):
    before = (folder / "image_data.json").stat().st_mtime_ns
    assert write_scenes(folder, SIZES, seed=3) is False
    assert (folder / "image_data.json").stat().st_mtime_ns == before
    (folder / "scenes.json").write_text("{ torn", encoding="utf-8")
    assert write_scenes(folder, SIZES, seed=3) is True


def test_a_failure_keeps_the_old_pictures_and_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "scenes"
    write_scenes(path, Sizes(1, 1, 1))
    before = files(path / "VG_100K")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(write, "_write_image", fail)
    with pytest.raises(OSError, match="disk full"):
        write_scenes(path, Sizes(2, 1, 1))
    assert files(path / "VG_100K") == before
    assert [entry.name for entry in path.iterdir() if entry.name.startswith(".")] == []
    assert not (path / "scenes.json").exists(), "an unfinished folder must not count as made"


def test_totals_are_split_ten_to_one_to_ten():
    assert Sizes.of_total(2100) == Sizes(1000, 100, 1000)
    assert all(sum(astuple(Sizes.of_total(n))) == n for n in range(3, 60))
    assert min(np.array([Sizes.of_total(n).val for n in range(3, 60)])) == 1
    with pytest.raises(UserError, match="at least 3"):
        Sizes.of_total(2)


def test_a_missing_truth_says_how_to_make_it(tmp_path):
    with pytest.raises(UserError, match="make_demo_dataset"):
        read_truth(tmp_path)
