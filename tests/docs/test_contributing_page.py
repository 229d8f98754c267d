"""The examples of CONTRIBUTING.md: their files are written, their changes made, their commands run, in a copy."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from docs.commands import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_FILE = re.compile(r"^`(?P<path>[\w/]+\.py)`[^\n]*:\n\n```python\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_CHANGE = re.compile(r"^```diff\n\+\+\+ (?P<path>\S+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```sh\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def changed(text: str, change: str, path: str) -> str:
    """A text with the lines of a change: ' ' and '-' stand in it, once; '-' go and '+' come."""
    lines = change.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    assert text.count(before) == 1, f"{path} has these lines {text.count(before)} times:\n{before}"
    return text.replace(before, after)


@pytest.fixture
def copy(tmp_path):
    """A copy of what the examples change or run; the rest of the repository beside it."""
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("maskrcnn_benchmark", "tests", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skipped)
    for name in ("pyproject.toml", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_every_block_of_the_page_belongs_to_one_of_the_three_examples():
    found = [pattern.findall(SECTIONS[name]) for name in SECTIONS for pattern in (_FILE, _CHANGE, _COMMANDS)]
    assert list(SECTIONS) == ["A predictor", "A data set format", "A metric"]
    assert TEXT.count("```") == 2 * sum(map(len, found))


@pytest.mark.parametrize("name", ["A predictor", "A data set format", "A metric"])
def test_an_example_is_whole(copy, name):
    section = SECTIONS[name]
    for file in _FILE.finditer(section):
        assert not (copy / file["path"]).exists()
        (copy / file["path"]).write_text(file["text"], encoding="utf-8")
    for change in _CHANGE.finditer(section):
        path = copy / change["path"]
        path.write_text(changed(path.read_text(encoding="utf-8"), change["text"], change["path"]), encoding="utf-8")
    (command,) = _COMMANDS.findall(section)
    words = shlex.split(command)
    assert words[0] == "python"
    run = {"cwd": copy, "env": os.environ | {"PYTHONPATH": str(copy)}, "text": True}
    done = subprocess.run([sys.executable, *words[1:]], capture_output=True, timeout=600, check=False, **run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 4, done.stdout
    paths = [*(file["path"] for file in _FILE.finditer(section)), *(c["path"] for c in _CHANGE.finditer(section))]
    linted = [path for path in paths if path.endswith(".py")]
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *check, *linted], capture_output=True, check=False, **run)
        assert done.returncode == 0, done.stdout + done.stderr
