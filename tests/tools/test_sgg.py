"""The command `sgg` and the scripts beside it: one main each, quick help, faults in one line."""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

from maskrcnn_benchmark import __version__
from maskrcnn_benchmark.commands import sgg
from maskrcnn_benchmark.utils.errors import UserError, run_tool

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py"))
# Each of these alone takes a good part of a second to import.
HEAVY = ("torch", "torchvision", "numpy", "h5py", "cv2", "PIL", "matplotlib", "networkx", "rich", "tensorboard")
HELP = f"""
import contextlib, io, runpy, sys
sys.path.insert(0, {str(ROOT)!r})

def helps(name, run):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        run()
    heavy = [module for module in {HEAVY!r} if module in sys.modules]
    assert not heavy, f"{{name}} --help imports {{heavy}}"
    start = name if name.startswith("sgg") else f"python {{name}}"
    text = said.getvalue()
    assert text.startswith(f"usage: {{start}} ") and f"Example: {{start}}" in text, text

for tool in {TOOLS!r}:
    sys.argv = [f"tools/{{tool}}.py", "--help"]
    helps(f"tools/{{tool}}.py", lambda: runpy.run_path(f"{ROOT}/tools/{{tool}}.py", run_name="__main__"))
from maskrcnn_benchmark.commands import sgg
for words in ["", *sgg.COMMANDS]:
    helps(f"sgg {{words}}".strip(), lambda: sgg.main([*words.split(), "--help"]))
"""


def test_help_of_every_tool_and_command_has_an_example_and_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert len(TOOLS) >= 14


def test_every_tool_is_a_thin_script_on_the_main_of_a_command():
    mains = {pkgutil.resolve_name(f"maskrcnn_benchmark.commands.{place}") for place, _ in sgg.COMMANDS.values()}
    for tool in TOOLS:
        text = (ROOT / f"tools/{tool}.py").read_text(encoding="utf-8")
        imported = re.search(r"^from (maskrcnn_benchmark\.commands\.\w+) import (\w+)(?: as main)?$", text, re.M)
        module, name = imported.groups()
        assert pkgutil.resolve_name(f"{module}:{name}") in mains, tool
        assert len(text.splitlines()) < 20


def test_the_package_names_the_command():
    tomllib = pytest.importorskip("tomllib")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"sgg": "maskrcnn_benchmark.commands.sgg:run"} and callable(pkgutil.resolve_name(scripts["sgg"]))


def test_the_words_after_a_command_are_its_own(world):
    words = ["--config-file", "relation.yaml", "SOLVER.MAX_ITER", "1", "SOLVER.TO_VAL", "False", "--skip-test"]
    assert run_tool(lambda: sgg.main(["train", *words])) == 0
    assert (world / "out/model_final.pth").is_file()
    assert run_tool(lambda: sgg.main(["test", *words[:2]])) == 0
    assert (world / "out/inference/tiny_test/metrics.json").is_file()
    assert sgg.main(["data", "check", "tiny"]) == 0 and (world / "output/check/tiny.html").is_file()


@pytest.mark.parametrize("words", [["data"], ["detector", "--help"], []])
def test_a_group_shows_its_commands(words, capsys):
    assert sgg.main(words) == 0
    said = capsys.readouterr().out
    for name in sgg.COMMANDS:
        assert (f"  {name} " in said or f"  {name}\n" in said) == (not words or name.startswith(words[0])), name


def test_the_version_is_the_package_s(capsys):
    assert sgg.main(["--version"]) == 0 and capsys.readouterr().out == f"sgg {__version__}\n"


@pytest.mark.parametrize(
    "words, said",
    [
        (["tain"], "no command 'tain'; did you mean train?"),
        (["data", "mke", "x"], "sgg data: no command 'mke'; did you mean make?"),
        (["train"], "the following arguments are required: --config-file; sgg train --help"),
        (["predict", "--chekpoint", "x"], "sgg predict --help"),
        (["test", "--config-file", "relation.yaml", "OUTPUT_DIR", "none"], "OUTPUT_DIR none holds no trained run"),
    ],
)
@pytest.mark.usefixtures("world")
def test_what_cannot_be_run_is_one_line(words, said):
    with pytest.raises(UserError, match=re.escape(said)):
        sgg.main(words)


def test_benchmarks_need_a_clone(tmp_path, monkeypatch):
    monkeypatch.setattr("maskrcnn_benchmark.__file__", str(tmp_path / "maskrcnn_benchmark/__init__.py"))
    with pytest.raises(UserError, match=r"no folder benchmarks/ there; .* run from a clone"):
        sgg.main(["bench", "ops"])
