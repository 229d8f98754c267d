"""Fixtures of the engine's tests."""

import pytest
import torch

from maskrcnn_benchmark.utils.log import close_logging

from .tiny import (
    detector_keys,
    mode_overrides,
    relation_keys,
    spln_overrides,
    write_checkpoint,
    write_config,
    write_data,
    write_word_vectors,
)
from .toys import ToyModel


@pytest.fixture
def toy_model():
    torch.manual_seed(3)
    return ToyModel()


@pytest.fixture
def world(tmp_path, monkeypatch):
    """
    A folder with the data set `tiny`, word vectors, relation.yaml and detector.yaml; it is DATA_DIR and the working
    directory.
    """
    write_data(tmp_path)
    write_word_vectors(tmp_path)
    write_config(tmp_path / "relation.yaml", relation_keys())
    write_config(tmp_path / "detector.yaml", detector_keys())
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    close_logging()


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """
    A folder with the pictures `photos/`, and the checkpoints spln.pth (PredCls), penet.pth (SGDet), alone.pth (PredCls,
    no detector).
    """
    folder = tmp_path_factory.mktemp("trained")
    (write_data(folder, "data") / "VG_100K").rename(folder / "photos")
    write_checkpoint(folder, "spln", [*mode_overrides("predcls"), *spln_overrides()], detector=True)
    write_checkpoint(folder, "penet", mode_overrides("sgdet"), detector=True)
    write_checkpoint(folder, "alone", mode_overrides("predcls"), detector=False)
    return folder
