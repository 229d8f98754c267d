"""Prototype files: what is read, and what each wrong file is told."""

import os
import pickle

import pytest
import torch

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import (
    PrototypeSource,
    read_prototypes,
    write_prototypes,
)
from maskrcnn_benchmark.utils.errors import UserError

NAMES = ("__background__", "on", "has", "under")
ROWS = torch.arange(16.0).reshape(4, 4)


@pytest.fixture
def read(tmp_path):
    """read(content): saves it and reads it as visual prototypes, 4 wide."""

    def save_and_read(content, dim=4):
        path = tmp_path / "protos.pt"
        torch.save(content, path)
        return read_prototypes(source(path, dim), NAMES)

    return save_and_read


def source(path, dim=4):
    tool = "tools/extract_visual_prototypes.py"
    return PrototypeSource(key="VIS_PRO_PATH", path=str(path), dim_key="VIS_PRO_DIM", dim=dim, tool=tool)


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        ROWS.half().requires_grad_(),
        {"prototypes": ROWS, "predicates": list(NAMES)},
        {name: ROWS[i] for i, name in enumerate(NAMES)},
        dict(enumerate(ROWS)),
        {str(i): ROWS[i].tolist() for i in (2, 0, 3, 1)},
    ],
    ids=["tensor", "half", "dict", "by name", "by index", "by index as text"],
)
def test_every_layout_gives_the_same_bank(read, content):
    found = read(content)
    assert torch.equal(found, ROWS) and found.dtype == torch.float32 and not found.requires_grad


def test_what_is_written_is_read_and_says_where_it_comes_from(tmp_path):
    path, counts = tmp_path / "made" / "protos.pt", torch.tensor([0, 3, 1, 2])
    write_prototypes(path, ROWS, NAMES, counts=counts, source="a test")
    assert torch.equal(read_prototypes(source(path), NAMES), ROWS)
    content = torch.load(path, weights_only=True)
    assert set(content) == {"prototypes", "predicates", "counts", "source"} and torch.equal(content["counts"], counts)
    assert [p.name for p in path.parent.iterdir()] == ["protos.pt"]


@pytest.mark.parametrize(
    "content, said",
    [
        (
            torch.rand(4, 5),
            "prototypes are 5 wide, VIS_PRO_DIM is 4; set the key, or rerun tools/extract_visual_prototypes.py",
        ),
        (torch.rand(7, 4), r"expected 4 rows, the background's first, found a tensor \(7, 4\)"),
        (ROWS[1:], r"expected 4 rows, the background's first, found a tensor \(3, 4\)"),
        (torch.rand(4), r"found a tensor \(4,\)"),
        (
            {"prototypes": ROWS, "predicates": ["__background__", "on", "wearing", "under"]},
            "no row for 'has'.*another data set",
        ),
        ({"prototypes": ROWS, "predicates": ["__background__", "has", "on", "under"]}, "another order"),
        ({"prototypes": ROWS, "predicates": [*NAMES[1:], NAMES[0]]}, "another order"),
        ({"prototypes": ROWS[1:], "predicates": list(NAMES[1:])}, "no row for '__background__'"),
        (dict.fromkeys(NAMES[:3], ROWS[0]), "no row for 'under'"),
        (dict(enumerate(ROWS[1:], start=1)), "no row for '__background__'"),
        (dict(enumerate([*ROWS, ROWS[0]])), "expected 4 rows by index, the background's first, found 5"),
        ({**dict(enumerate(ROWS)), "on": ROWS[0]}, "no row for '__background__'"),
        ({**dict.fromkeys(NAMES[:3], ROWS[0]), "under": torch.rand(3)}, r"different widths: \[3, 4\]"),
        (dict.fromkeys(NAMES, "text"), "the row of '__background__' is no vector but str"),
        ({"prototypes": ROWS, "predicates": 7}, "its predicates must be a list of names, found 7"),
        ({"prototypes": ROWS, "predicates": [["on"]]}, "its predicates must be a list of names"),
        (ROWS.to(torch.complex64), "expected numbers in single or half precision, found torch.complex64"),
        ({"prototypes": "rows"}, "expected a tensor or a dict of vectors, found str"),
        ([1, 2], "expected a tensor or a dict of vectors, found list"),
        (ROWS.clone().fill_(float("nan")), "not finite"),
    ],
)
def test_a_wrong_file_is_named_with_what_was_expected(read, content, said):
    with pytest.raises(UserError, match=said) as error:
        read(content)
    assert "VIS_PRO_PATH" in str(error.value) and "protos.pt" in str(error.value)


def test_a_missing_file_names_the_tool_that_makes_it(tmp_path):
    with pytest.raises(UserError, match="no such file; make it with tools/extract_visual_prototypes.py"):
        read_prototypes(source(tmp_path / "none.pt"), NAMES)


class Harmful:
    """Unpickled by the book, this would make a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_one_changed_bit_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "protos.pt"
    write_prototypes(path, ROWS, NAMES, counts=torch.ones(4), source="a test")
    content = bytearray(path.read_bytes())
    content[content.index(ROWS.numpy().tobytes()) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"protos\.pt.*checksum"):
        read_prototypes(source(path), NAMES)


@pytest.mark.parametrize(
    "save", [torch.save, lambda obj, path: path.write_bytes(pickle.dumps(obj))], ids=["torch", "pickle"]
)
def test_code_in_a_file_is_not_run(tmp_path, save):
    path = tmp_path / "protos.pt"
    save({"prototypes": Harmful(tmp_path / "made")}, path)
    with pytest.raises(UserError, match="holds Python objects|damaged or no PyTorch file"):
        read_prototypes(source(path), NAMES)
    assert not (tmp_path / "made").exists()


def test_a_file_of_noise_is_one_error(tmp_path):
    path = tmp_path / "protos.pt"
    path.write_bytes(b"not a file of torch")
    with pytest.raises(
        UserError, match="VIS_PRO_PATH: .*protos.pt is damaged.*tools/extract_visual_prototypes.py makes such files"
    ):
        read_prototypes(source(path), NAMES)
