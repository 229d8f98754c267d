"""What setup.py compiles for, and what is run before a commit."""

import importlib.util
import os
import runpy
from pathlib import Path

import pytest
import setuptools
import torch
import yaml

SETUP = Path(__file__).resolve().parents[1] / "setup.py"


@pytest.fixture
def setup(monkeypatch):
    """setup.py's functions, without a build."""
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    monkeypatch.chdir(SETUP.parent)
    return runpy.run_path(str(SETUP))


@pytest.mark.parametrize(
    ("given", "gpu", "chosen"), [(None, False, "7.5;8.0;8.6;8.9;9.0+PTX"), (None, True, None), ("8.9", False, "8.9")]
)
def test_a_visible_gpu_and_the_users_list_go_before_the_default(setup, monkeypatch, given, gpu, chosen):
    monkeypatch.delenv("TORCH_CUDA_ARCH_LIST", raising=False)
    if given is not None:
        monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", given)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    setup["choose_architectures"]()
    assert os.environ.get("TORCH_CUDA_ARCH_LIST") == chosen


def test_what_runs_before_a_commit_is_what_lint_runs_and_fetches_nothing():
    repos = yaml.safe_load((SETUP.parent / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    hooks = [hook["entry"].split() for hook in repos[0]["hooks"]]
    assert all(words[:2] == [".venv/bin/python", "-m"] and importlib.util.find_spec(words[2]) for words in hooks)
    lint = (SETUP.parent / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert {words[2] for words in hooks} == {line.split()[2] for line in lint.splitlines()[1:]}
