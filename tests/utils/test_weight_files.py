"""Files that cannot be trusted or read, and those of older code that can."""

import argparse
import os
import random
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.model_files import write_model
from maskrcnn_benchmark.utils.weight_files import read_file, read_weights


def error(path):
    with pytest.raises(UserError) as caught:
        read_weights(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


class Runs:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_a_pickle_with_code_is_not_run_and_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"a": torch.ones(1)}, "more": Runs()}, tmp_path / "w.pth")
    assert "posix.mkdir" in error(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "what"), [(nn.Linear(1, 1), "Linear"), ({"args": argparse.Namespace(lr=1)}, "Namespace")]
)
def test_python_objects_are_refused_with_a_cure(tmp_path, content, what):
    torch.save(content, tmp_path / "w.pth")
    message = error(tmp_path / "w.pth")
    assert what in message
    assert "state_dict" in message


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", bytes(1000)])
def test_what_is_no_weight_file_says_so(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert "damaged" in error(tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_a_cut_file_says_so(tmp_path, zipped, part):
    path = tmp_path / "w.pth"
    torch.save({"a": torch.randn(500)}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    assert "damaged" in error(path)


def test_a_missing_file_and_a_pickle_are_errors(tmp_path):
    assert "is not there" in error(tmp_path / "none.pth")
    assert f"file {tmp_path} is a folder: name a file" in error(tmp_path)
    (tmp_path / "R-50.pkl").touch()
    assert "tools/convert_weights.py" in error(tmp_path / "R-50.pkl")


@pytest.mark.parametrize("content", [torch.ones(3), [1, 2], {"iteration": 3}, {}])
def test_a_file_without_named_weights_says_so(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    assert "weights" in error(tmp_path / "w.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_an_older_checkpoint_with_numpy_in_its_schedule_opens(tmp_path, zipped):
    schedule = {"best": np.float64(0.25), "steps": np.arange(3), "count": np.int64(4), "milestones": Counter([5])}
    torch.save(
        {"model": {"a": torch.ones(2)}, "scheduler": schedule},
        tmp_path / "w.pth",
        _use_new_zipfile_serialization=zipped,
    )
    content = read_file(tmp_path / "w.pth")
    assert content["scheduler"]["best"] == 0.25
    assert content["scheduler"]["steps"].tolist() == [0, 1, 2]
    assert list(read_weights(tmp_path / "w.pth")) == ["a"]


@pytest.mark.parametrize(
    "wrap", [lambda w: {"state_dict": {"model": w}}, lambda w: {"ema": {"weights": w}, "iteration": 3}]
)
def test_weights_are_found_where_they_alone_are(tmp_path, wrap):
    torch.save(wrap({"model.backbone.x": torch.ones(1)}), tmp_path / "w.pth")
    assert list(read_weights(tmp_path / "w.pth")) == ["backbone.x"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"student": {"a": torch.ones(1)}, "teacher": {"a": torch.ones(1)}}, "under student, teacher"),
        ({"a.backbone.x": torch.ones(1), "b.backbone.x": torch.ones(1)}, "both a.backbone.x and b.backbone.x"),
    ],
)
def test_two_sets_of_weights_are_an_error(tmp_path, content, said):
    torch.save(content, tmp_path / "w.pth")
    assert said in error(tmp_path / "w.pth")


def test_one_changed_bit_anywhere_in_the_numbers_is_noticed(tmp_path):
    path = tmp_path / "w.pth"
    numbers = torch.arange(4000.0)
    torch.save({"a": numbers}, path)
    whole = path.read_bytes()
    first = whole.index(numbers.numpy().tobytes())
    for place in (first, first + 8000, first + 15999):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert "checksum" in error(path)
    path.write_bytes(whole)
    assert len(read_weights(path)["a"]) == 4000


def test_a_file_written_without_checksums_opens(tmp_path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(2)}, tmp_path / "w.pth")
    finally:
        torch.serialization.set_crc32_options(before)
    assert list(read_weights(tmp_path / "w.pth")) == ["a"]


@pytest.mark.parametrize("zipped", [True, False])
def test_bytes_changed_anywhere_are_an_error_or_change_no_number_that_has_a_checksum(tmp_path, zipped):
    path, draw = tmp_path / "w.pth", random.Random(3)
    content = {
        "model": {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)},
        "iteration": 4,
        "note": "text",
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    whole, errors = path.read_bytes(), 0
    for _ in range(150):
        changed = bytearray(whole)
        for _ in range(draw.choice((1, 1, 4))):
            changed[draw.randrange(len(whole))] = draw.randrange(256)
        path.write_bytes(changed[: draw.choice((len(whole), len(whole), draw.randrange(len(whole))))])
        try:
            found = read_weights(path)
        except UserError:
            errors += 1
            continue
        assert not zipped or (
            found.keys() == {"a.weight", "b"} and torch.equal(found["a.weight"], content["model"]["a.weight"])
        )
    assert errors > 20


def test_a_flipped_bit_in_an_exported_model_is_told(tmp_path):
    content = {"config": "", "meta": {"objects": ["cup"], "fg_matrix": torch.ones(3)}}
    path = write_model(tmp_path / "m.safetensors", {"backbone.a": torch.ones(4)}, content, detector=False)
    assert read_file(path)["model"]["backbone.a"].tolist() == [1, 1, 1, 1]
    raw = bytearray(path.read_bytes())
    raw[-2] ^= 1
    path.write_bytes(raw)
    assert "damaged (its tensors are not what their checksum says)" in error(path)
