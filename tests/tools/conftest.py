"""Calling a command line in this process."""

import importlib.util
import sys
from pathlib import Path

import pytest
from engine.conftest import trained, world  # noqa: F401 (fixtures of the engine's tests)

from maskrcnn_benchmark.utils.errors import run_tool

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def call(capsys):
    """call("relation_train_net", word, ...) -> (exit status, stdout and stderr)."""

    def run(tool, *words):
        spec = importlib.util.spec_from_file_location(tool, ROOT / "tools" / f"{tool}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[tool] = module
        spec.loader.exec_module(module)
        capsys.readouterr()
        status = run_tool(lambda: module.main([str(word) for word in words]))
        out, err = capsys.readouterr()
        return status, out + err

    return run
