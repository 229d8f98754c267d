"""The Dockerfile names what is there: files, extras, scripts, build arguments; CUDA of image and PyTorch agree."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

from docs.commands import project

ROOT = Path(__file__).resolve().parents[1]
TEXT = re.sub(r" *\\\n *", " ", (ROOT / "Dockerfile").read_text())
STEPS = [line.split(" ", 1) for line in TEXT.splitlines() if line and not line.startswith("#")]
DEFAULTS = dict(re.findall(r"^ARG (\w+)=(\S+)", TEXT, re.MULTILINE))


def copied():
    return [source for step, rest in STEPS if step == "COPY" for source in rest.split()[:-1]]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path at the root out of the build; the last line that fits decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#") and fnmatch(path, line.lstrip("!")):
            out = not line.startswith("!")
    return out


def test_every_instruction_is_one_that_dockerfiles_have():
    assert {step for step, _ in STEPS} == {"ARG", "FROM", "ENV", "RUN", "WORKDIR", "COPY", "CMD"}
    assert STEPS[0][0] == "ARG"


def test_what_is_copied_is_there_and_not_ignored():
    assert len(copied()) == 8
    for source in copied():
        assert (ROOT / source).exists() and not ignored(source), source


def test_what_a_run_leaves_stays_outside():
    assert all(ignored(name) for name in ("datasets", "output", "checkpoints", ".git", ".venv", "tests"))


def test_the_package_finds_in_the_image_what_its_build_reads():
    assert {"pyproject.toml", "setup.py", "maskrcnn_benchmark"} <= set(copied())
    assert project("project")["readme"].strip('"') in copied()
    assert "LICENSE" in copied() and "LICENSE" in project("project")["license-files"]


def test_extras_and_command_are_there():
    extras = project("project.optional-dependencies")
    assert DEFAULTS["EXTRAS"] in extras
    assert '--editable ".[$EXTRAS]"' in TEXT
    command = json.loads(next(rest for step, rest in STEPS if step == "CMD"))
    assert command[0] == "python" and (ROOT / command[1]).is_file()
    assert all(
        name in TEXT for name in re.findall(r'"([\w>=]+)"', project("build-system")["requires"]) if name != "torch"
    )


def test_there_is_a_stage_for_each_variant_and_every_argument_is_used():
    stages = re.findall(r"^FROM \S+ AS (\S+)$", TEXT, re.MULTILINE)
    assert stages == ["base-cpu", "base-cuda"] and DEFAULTS["VARIANT"] == "cpu"
    assert re.search(r"^FROM base-\$\{VARIANT\}$", TEXT, re.MULTILINE)
    for name in set(re.findall(r"^ARG (\w+)", TEXT, re.MULTILINE)) - {"TORCH_CUDA_ARCH_LIST"}:
        assert re.search(rf"\$\{{?{name}\b", TEXT), name
    assert "TORCH_CUDA_ARCH_LIST" in (ROOT / "setup.py").read_text(), "read from the environment by the build"


def test_the_cuda_of_the_image_is_that_of_pytorch():
    major = re.search(r"cuda:(\d+)\.", DEFAULTS["CUDA_IMAGE"])[1]
    assert re.search(rf"/cu{major}\d$", DEFAULTS["TORCH_INDEX_CUDA"])
    assert "-devel-" in DEFAULTS["CUDA_IMAGE"], "nvcc is only in development images"
