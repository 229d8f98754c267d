"""Detectron's pickled weights, read without unpickling, and the tool that converts them."""

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from maskrcnn_benchmark.commands.convert import main
from maskrcnn_benchmark.utils.detectron_pickle import read_arrays
from maskrcnn_benchmark.utils.errors import UserError, run_tool


def blobs():
    rng = np.random.default_rng(0)
    return {
        "conv1_w": rng.normal(size=(4, 3, 7, 7)).astype(np.float32),
        "res_conv1_bn_s": np.asfortranarray(rng.normal(size=(4, 5))),
        "big_endian": rng.normal(size=3).astype(">f4"),
        "counts": np.arange(5),
    }


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("wrapped", [True, False])
def test_arrays_come_out_as_they_went_in(tmp_path, protocol, wrapped):
    arrays = blobs()
    content = {**arrays, "conv1_w_momentum": np.ones(3), "lr": np.float32(0.1), "cfg": "TEXT: 1\n"}
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"blobs": content} if wrapped else content, protocol))
    found = read_arrays(tmp_path / "w.pkl")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_a_file_that_python_2_wrote_is_read(tmp_path):
    """Python 2 wrote names and array contents as byte strings; the instructions are put together by hand."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    array = np.array([[1.5, -2.0], [3.25, 4.0]], dtype="<f4")
    dtype = (
        b"cnumpy\ndtype\n"
        + text(b"f4")
        + b"K\x00K\x01\x87R(K\x03"
        + text(b"<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    content = b"T" + struct.pack("<i", array.nbytes) + array.tobytes()
    filled = start + b"(K\x01K\x02K\x02\x86" + dtype + b"\x89" + content + b"tb"
    data = b"\x80\x02}q\x00" + text(b"blobs") + b"}q\x01" + text(b"conv1_w") + filled + b"ss."
    assert pickle.loads(data, encoding="latin1")["blobs"]["conv1_w"].tolist() == array.tolist()  # noqa: S301 (the oracle)
    (tmp_path / "w.pkl").write_bytes(data)
    np.testing.assert_array_equal(read_arrays(tmp_path / "w.pkl")["conv1_w"], array)


class Runs:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_code_is_named_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"blobs": {"a": Runs()}}, 2))
    with pytest.raises(UserError, match=r"mkdir"):
        read_arrays(tmp_path / "w.pkl")
    assert not (tmp_path / "ran").exists()


CUT, LIST, OBJECTS = (
    pickle.dumps(content, 2) for content in ({"blobs": {"a": np.ones(9)}}, [1, 2], {"a": np.array([{}])})
)


@pytest.mark.parametrize("data", [b"", b"<html>", CUT[:-20], LIST, OBJECTS, b"\x80\x02R."])
def test_what_holds_no_arrays_is_an_error_that_names_the_file(tmp_path, data):
    (tmp_path / "w.pkl").write_bytes(data)
    with pytest.raises(UserError, match=r"w\.pkl"):
        read_arrays(tmp_path / "w.pkl")


def test_the_tool_writes_safetensors_or_pth(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("R-50.pkl").write_bytes(pickle.dumps({"blobs": blobs()}, 2))
    assert run_tool(lambda: main(["R-50.pkl"])) == 0
    assert run_tool(lambda: main(["R-50.pkl", "x.pth"])) == 0
    for found in (load_file("R-50.safetensors"), torch.load("x.pth", weights_only=True)):
        assert found["conv1_w"].dtype == torch.float32
        for name, array in blobs().items():
            np.testing.assert_array_equal(found[name].numpy(), array.astype(np.float32))
    capsys.readouterr()
    assert run_tool(lambda: main(["none.pkl"])) == 2
    assert capsys.readouterr().err == "error: file none.pkl is not there\n"
