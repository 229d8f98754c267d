"""Files that are there whole or not at all."""

import errno
import json
import os
import shutil
import subprocess
import sys

import pytest

from maskrcnn_benchmark.utils import files
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path, sweep, temporary_folder, write_json, write_text


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


def test_what_a_killed_process_left_is_removed_at_the_next_start_and_nothing_else(tmp_path, monkeypatch):
    code = "import os, signal, sys\nfrom maskrcnn_benchmark.utils.files import atomic_path\n"
    code += "with atomic_path(sys.argv[1]) as t:\n t.write_text('half')\n os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / "model.pth"])
    assert killed.returncode == -9 and len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".hidden.txt").write_text("somebody's")
    # Of a machine that cannot be asked.
    old, new = (tmp_path / f".model.tmp-00000{digit}-17-0123abcd.pth" for digit in "ab")
    dated = tmp_path / ".notes.20240131"
    dated.write_text("somebody's, and old")
    os.utime(dated, (0, 0))
    for path, hours in ((old, 25), (new, 1)):
        path.write_text("half")
        os.utime(path, (path.stat().st_mtime - 3600 * hours,) * 2)
    monkeypatch.setattr(files, "_swept", set())
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("being written")
        assert sweep(tmp_path) == []
        assert {path.name for path in tmp_path.iterdir()} == {".hidden.txt", dated.name, new.name, temporary.name}


def test_a_folder_that_a_killed_process_left_is_removed_at_the_next_start(tmp_path, monkeypatch):
    code = "import os, signal, sys\nfrom pathlib import Path\n"
    code += "from maskrcnn_benchmark.utils.files import temporary_folder\n"
    code += "with temporary_folder(Path(sys.argv[1])) as t:\n"
    code += " Path(t, 'model.onnx').write_text('half')\n os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / "model.onnx"])
    (left,) = tmp_path.iterdir()
    assert killed.returncode == -9 and left.is_dir() and left.name.startswith(".model.")
    monkeypatch.setattr(files, "_swept", set())
    with temporary_folder(tmp_path / "model.onnx") as folder:
        assert [path.name for path in tmp_path.iterdir()] == [os.path.basename(folder)]
    assert not list(tmp_path.iterdir())


def test_what_a_sweep_may_not_remove_keeps_nobody_from_writing(tmp_path, monkeypatch):
    left = tmp_path / f".model.tmp-{files._HOST}-{2**22}-0123abcd.pth"  # of no process: numbers end below
    left.write_text("half")
    unlink = os.unlink

    def refuse(path, **options):
        if os.fspath(path) == str(left):
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    write_text(tmp_path / "a.txt", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [left.name, "a.txt"]


@pytest.mark.parametrize("letter", ["n", "é", "名"])
def test_a_name_as_long_as_names_can_be_is_written(tmp_path, letter):
    longest = letter * (250 // len(letter.encode())) + ".json"
    write_json(tmp_path / longest, 1)
    assert [path.name for path in tmp_path.iterdir()] == [longest]


def test_a_file_name_that_is_no_utf8_can_be_written_down(tmp_path):
    write_json(tmp_path / "a.json", {"file": os.fsdecode(b"p\xff.npz")})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"file": "p\udcff.npz"}


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Disk quota exceeded")]
)
def test_a_full_disk_is_one_line_with_the_file_and_the_size(tmp_path, error):
    said = r"no space left for .*a\.bin: at least 3.00 MiB are wanted"
    with pytest.raises(UserError, match=said), atomic_path(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(bytes(3 << 20))
        raise error
    assert not list(tmp_path.iterdir())


def test_a_size_that_does_not_fit_is_refused_before_anything_is_written(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    with (
        pytest.raises(UserError, match=r"no space left for .*a\.bin"),
        atomic_path(tmp_path / "a.bin", wanted=2 * free),
    ):
        pytest.fail("the block must not run")


def test_a_limit_that_stops_pytorch_s_writer_is_the_same_line(tmp_path):
    code = "import resource, sys, torch\nfrom maskrcnn_benchmark.utils.checkpoint import Checkpointer\n"
    code += (
        "from maskrcnn_benchmark.utils.errors import run_tool\nresource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 <<"
        " 20))\n"
    )
    code += "sys.exit(run_tool(lambda: Checkpointer(sys.argv[1]).save('m', {'a': torch.zeros(1 << 20)}) and 0))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith(
        f"error: no space left for {tmp_path / 'm.pth'}: at least 4.00 MiB"
    )
    assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())


def test_other_errors_of_a_block_pass_as_they_are(tmp_path):
    for error in (OSError(errno.EACCES, "Permission denied"), RuntimeError("shape")):
        with pytest.raises(type(error)), atomic_path(tmp_path / "a"):
            raise error
