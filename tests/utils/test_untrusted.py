"""The border that JSON and arrays from outside pass: what is taken, and that what is not is named."""

import json
import struct
import zipfile

import h5py
import numpy as np
import pytest

from maskrcnn_benchmark.utils.arrays import ArrayFile, check_array, number_table, read_h5, read_npy
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import IDENTIFIER, WHOLE, fields, read_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not valid JSON"),
        (b'{"name": "caf\xe9"}', "byte 13 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": 1, "b": {"cup": 1, "cup": 2}}', "the key 'cup' stands twice"),
        (b"[]", "expected a JSON object, found list"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "is not valid JSON"),
    ],
)
def test_what_is_no_json_is_named(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=f"a.json: .*{message}"):
        read_json(tmp_path / "a.json", dict)


def test_a_path_that_no_file_can_have_is_named():
    with pytest.raises(UserError, match="cannot be read.*null byte"):
        read_json("half\0name.json", dict)


def test_fields_have_their_kinds():
    assert fields({"id": 3.0, "file_name": "a", "rows": []}, "x", id=WHOLE, file_name=str, rows=list) == [3, "a", []]
    for entry, message in (
        ([1], r"x: expected an object with id, found \[1\]"),
        ({"file_name": "a\x1b[31m.jpg"}, r"x \(file_name 'a\\x1b\[31m.jpg'\): has no 'id'"),
        ({"id": True}, "'id' must be a whole number or text, found True"),
        ({"id": 1.5}, "'id' must be a whole number or text, found 1.5"),
        ({"id": None, "image_id": 7}, r"x \(image_id 7\): 'id' must be .*, found null"),
    ):
        with pytest.raises(UserError, match=message):
            fields(entry, "x", id=IDENTIFIER)


def test_tables_take_numbers_and_nothing_else():
    assert number_table([(1, 2), [3.5, 4]], 2, whole=False, where=str).tolist() == [[1, 2], [3.5, 4]]
    whole = number_table([[1, 2.0]], 2, whole=True, where=str)
    assert whole.dtype == np.int64 and whole.tolist() == [[1, 2]]
    assert number_table([], 4, whole=False, where=str).shape == (0, 4) and number_table(
        [], None, whole=True, where=str
    ).shape == (0,)
    for second in (None, "2", True, float("nan"), float("inf"), 10**400, [2]):
        with pytest.raises(UserError, match="0 must be a list of 2 finite numbers, found"):
            number_table([[1, second]], 2, whole=False, where=str)
    for bad in (None, "12", [1], [1, 2, 3], {"a": 1, "b": 2}):
        with pytest.raises(UserError, match="row 1 must be a list of 2 finite numbers, found"):
            number_table([[0, 0], bad, bad], 2, whole=False, where=lambda row: f"row {row}")
    for bad in (0.5, "1", None, 2**60, [1]):
        with pytest.raises(UserError, match="0 must be a whole number, found"):
            number_table([bad], None, whole=True, where=str)


def test_arrays_of_numbers_are_taken_as_they_are_or_named():
    assert check_array(np.array([[1.0], [2.0]]), "x", whole=True).tolist() == [1, 2]
    for array, message in (
        (np.zeros((2, 3)), r"x must be \(n, 4\), found \(2, 3\)"),
        (np.array([["a"] * 4]), "x must hold finite numbers, found <U1"),
        (np.array([[1, 2, np.nan, 3]]), "x must hold finite numbers, found nan in row 0"),
    ):
        with pytest.raises(UserError, match=message):
            check_array(array, "x", 4)
    for values in ([0.5], [np.inf], [1e300]):
        with pytest.raises(UserError, match="x must hold whole numbers"):
            check_array(np.array(values), "x", whole=True)


def bomb(shape):
    """An .npy that announces a large array and holds nothing."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def test_an_npz_says_its_sizes_before_memory_is_taken(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("large.npy", bomb((10**6, 10**6)))
        archive.writestr("short.npy", bomb((3,)))
        archive.writestr("long.npy", bomb((0,)) + b"12345678")
        archive.writestr("text.npy", b"no array")
    np.savez(tmp_path / "b.npz", objects=np.array([{}], dtype=object), good=np.arange(3))
    for name, message in (
        ("large", "8,000,000,000,000 bytes, more than.*DATA_MAX_ARRAY_BYTES"), ("short", "damaged"),
        ("long", "damaged"), ("text", "damaged"), ("none", "no array none; found large, short"),
    ):  # fmt: skip
        with (
            ArrayFile(tmp_path / "a.npz", "file a.npz") as file,
            pytest.raises(UserError, match=f"file a.npz: .*{message}"),
        ):
            file.read(name)
    with ArrayFile(tmp_path / "b.npz", "file b.npz") as file:
        assert file.read("good").tolist() == [0, 1, 2]
        with pytest.raises(UserError, match="array objects holds Python objects"):
            file.read("objects")
    (tmp_path / "c.npy").write_bytes(bomb((2**40,)))
    with pytest.raises(UserError, match=r"c: .*DATA_MAX_ARRAY_BYTES"):
        read_npy(tmp_path / "c.npy", "c")
    with pytest.raises(UserError, match="cannot be read as .npz"):
        ArrayFile(tmp_path / "c.npy", "c")


def test_an_h5_file_brings_arrays_of_its_own_alone(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["a"] = np.arange(3)
    (tmp_path / "raw").write_bytes(bytes(24))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.arange(3)
        file["link"] = h5py.ExternalLink("other.h5", "/a")
        file["through"] = h5py.SoftLink("/link")
        file.create_dataset("raw", (3,), np.int64, external=[(str(tmp_path / "raw"), 0, 24)])
        layout = h5py.VirtualLayout((3,), np.int64)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "a", (3,))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("large", (10**6, 10**6), np.int8, chunks=(1000, 1000))
        file.create_dataset("chunk", (3,), np.int8, chunks=(2**31 + 1,), maxshape=(None,))
        file["text"] = "words"
        file["group/a"] = 1
        file["dangling"] = h5py.SoftLink("/nowhere")
    assert read_h5(tmp_path / "a.h5", ["a"], ["b"])["a"].tolist() == [0, 1, 2]
    for name, message in (
        ("link", "another file.*DATA_ALLOW_OUTSIDE"), ("through", "another file"), ("raw", "another file"),
        ("virtual", "another file"), ("large", "DATA_MAX_ARRAY_BYTES"), ("chunk", "DATA_MAX_ARRAY_BYTES"),
        ("text", "must be an array of numbers"),
        ("group", "must be an array, found a group"), ("none", "no array none; found a, "), ("dangling", "readable"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"a.h5: .*{message}"):
            read_h5(tmp_path / "a.h5", [name])
    monkeypatch.setenv("DATA_ALLOW_OUTSIDE", "1")
    for name in ("link", "virtual"):
        assert read_h5(tmp_path / "a.h5", [name])[name].tolist() == [0, 1, 2]


def test_json_written_by_others_may_begin_with_a_mark(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": "\u00e9"}).encode())
    assert read_json(tmp_path / "a.json", dict) == {"a": "é"}
