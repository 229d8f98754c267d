"""Data sets on disk for a test."""

from pathlib import Path

import pytest
from vg_folders import OBJECTS, PREDICATES, random_images, write_images

from maskrcnn_benchmark.data.datasets.vg_layout import write_vg_layout


@pytest.fixture
def data_dir(tmp_path, monkeypatch) -> Path:
    """An empty DATA_DIR; the working directory, and with it the cache, is another temporary folder."""
    folder, work = tmp_path / "datasets", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    monkeypatch.setenv("DATA_DIR", str(folder))
    monkeypatch.chdir(work)
    return folder


@pytest.fixture
def toy(data_dir) -> Path:
    """DATA_DIR/toy: 24 images with JPEGs; catalog names toy_train, toy_val, toy_test."""
    folder, images = data_dir / "toy", random_images(24, splits=("train", "train", "val", "test"))
    write_vg_layout(folder, images, OBJECTS, PREDICATES)
    write_images(folder, images)
    return folder
