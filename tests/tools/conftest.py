"""Calling a command line, or a shell block of the docs, in this process."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from engine.conftest import trained, world  # noqa: F401 (fixtures of the engine's tests)

from maskrcnn_benchmark.utils.errors import run_tool

ROOT = Path(__file__).resolve().parents[2]
# Instead of running Python, the shell prints the words that it would give it.
WORDS = r"""python() { printf '%s\0' "$@"; echo; }
"""


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


@pytest.fixture
def run_block(call):
    """
    run_block(text, **environment) -> what the tools say that a shell block starts, each of which has to succeed.

    The shell reads the block as it stands; the tools run in this process, which saves their imports.
    """

    def run(text, **environment):
        script = ["bash", "-euo", "pipefail", "-c", WORDS + text]
        lines = subprocess.run(script, env=os.environ | environment, capture_output=True, text=True, check=True).stdout
        all_said = []
        for line in lines.split("\0\n")[:-1]:
            tool, *words = line.split("\0")
            status, said = call(Path(tool).relative_to("tools").stem, *words)
            assert status == 0, f"{line}\n{said}"
            all_said.append(said)
        assert len(all_said) == len(re.findall("^python ", text, re.MULTILINE)) > 0
        return "\n".join(all_said)

    return run
