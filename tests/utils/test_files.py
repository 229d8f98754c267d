"""Files that are there whole or not at all."""

import json

import pytest

from maskrcnn_benchmark.utils.files import atomic_path, write_json, write_text


def test_the_file_appears_when_the_block_succeeds(tmp_path):
    target = tmp_path / "new" / "a.json"
    with atomic_path(target) as temporary:
        assert (temporary.parent, temporary.suffix) == (target.parent, ".json")
        temporary.write_text("x")
        assert not target.exists()
    assert [file.name for file in target.parent.iterdir()] == ["a.json"]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_json_and_text_read_back(tmp_path):
    write_json(tmp_path / "a.json", {"bögen": [1, None, 0.5]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"bögen": [1, None, 0.5]}
    write_text(tmp_path / "a.txt", "ü\n")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "ü\n"


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())
