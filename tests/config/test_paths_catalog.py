"""Where weights lie by name."""

from pathlib import Path

import pytest

from maskrcnn_benchmark.config import paths_catalog
from maskrcnn_benchmark.config.paths_catalog import weights_path
from maskrcnn_benchmark.utils.errors import UserError


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
