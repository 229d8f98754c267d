"""The commands of the documentation: the blocks of its pages, and what each command's own parser says to its words."""

import argparse
import importlib
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from maskrcnn_benchmark.config import load_config

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r" *```(?P<language>\w*)")
_MARKER = re.compile(r" *<!-- (?P<kind>needs|run by): (?P<what>\S.*) -->")
_SHELL = ("sh", "bash", "shell", "console")


def project(section: str) -> dict[str, str]:
    """The entries of a section of pyproject.toml, each the text on its line: Python 3.10 has no parser for it."""
    text = ("\n" + (ROOT / "pyproject.toml").read_text()).partition(f"\n[{section}]\n")[2].partition("\n[")[0]
    return dict(re.findall(r"^([\w-]+) = (.+)$", text, re.MULTILINE))


def pages() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md"))]


@dataclass(frozen=True)
class Block:
    """
    A fenced block of shell commands.

    Attributes:
        needs: what has to be there before it can run; run_by: a test that runs it, relative to the repository. Both
            stand in a comment on the line before the block, `<!-- needs: a GPU -->`. Without one, a page X.md whose
            blocks tests/.../test_X_page.py runs has that test; any other block can run anywhere.
    """

    page: Path
    line: int
    text: str
    needs: str = ""
    run_by: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Blocks named as shell, and those without a name that hold a command."""
    lines = page.read_text(encoding="utf-8").splitlines()
    own_tests = [str(path.relative_to(ROOT)) for path in ROOT.glob(f"tests/**/test_{page.stem.lower()}_page.py")]
    start = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if not fence:
            continue
        if start is None:
            start, language = number, fence["language"]
            continue
        text = "\n".join(lines[start + 1 : number])
        if language in _SHELL or (not language and any(words[0] in PROGRAMS for words in commands(text, lenient=True))):
            marker = _MARKER.fullmatch(lines[start - 1]) if start else None
            kind = {"run_by": own_tests[0]} if own_tests else {}
            if marker:
                kind = {marker["kind"].replace(" ", "_"): marker["what"]}
            yield Block(page, start + 1, text, **kind)
        start = None


def spans(page: Path) -> list[str]:
    """Commands within the text, `make test`; those with a gap (`...`, N, FILE) are forms and no commands."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    starts = tuple(f"{program} " for program in PROGRAMS)
    return [span for span in found if span.startswith(starts) and not re.search(r"\.\.\.|…|\b(N|FILE)\b|<", span)]


def commands(text: str, *, lenient: bool = False) -> Iterator[list[str]]:
    """The words of each command, variables left out; `lenient`: lines that are no shell have none."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        command: list[str] = []
        try:
            for word in [*words, ";"]:
                if set(word) <= set("();<>|&"):
                    if command and not re.fullmatch(r"[\w.-]+\.\w+", command[0]):
                        yield command
                    command = []
                elif re.fullmatch(r"\$[A-Z]+", word) is None and (command or not re.match(r"[A-Z_]+=", word)):
                    command.append(word)
        except ValueError:
            if not lenient:
                raise


class _Parsed(Exception):
    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments


def arguments_of(main: Callable, words: Sequence[str]) -> argparse.Namespace:
    """What a command line's own parser makes of the words; nothing else of the command is run."""

    def stop(method):
        def parse(self, args=None, namespace=None):
            raise _Parsed(method(self, args, namespace))

        return parse

    parser = argparse.ArgumentParser
    with (
        mock.patch.object(parser, "parse_args", stop(parser.parse_args)),
        mock.patch.object(parser, "parse_intermixed_args", stop(parser.parse_intermixed_args)),
    ):
        try:
            main(list(words))
        except _Parsed as parsed:
            return parsed.arguments
    raise AssertionError(f"no parser was asked for {shlex.join(words)}")


def check(words: Sequence[str]) -> None:
    """Raises what the command's own parser, or the configuration, says against the words."""
    program = words[0].removeprefix("./").removeprefix(".venv/bin/")
    assert program in PROGRAMS, f"{program}: not a command that the docs use; there are: {', '.join(PROGRAMS)}"
    PROGRAMS[program](list(words[1:]))


def _check_make(words: list[str]) -> None:
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _check_python(words: list[str]) -> None:
    if words[0] == "-c":
        compile(words[1], "command", "exec")
    elif words[0] == "-m" and words[1].startswith("torch.distributed."):
        _check_launched(words[2:])
    elif words[0] == "-m" and words[1].split(".")[0] in ("maskrcnn_benchmark", "benchmarks"):
        name = words[1]
        if importlib.util.find_spec(name).submodule_search_locations is not None:
            name += ".__main__"
        _check_arguments(importlib.import_module(name).main, words[2:])
    elif words[0] == "-m":
        assert importlib.util.find_spec(words[1]), words[1]
    elif words[0] == "setup.py":
        assert words[1] == "build_ext", words
    else:
        _check_arguments(_tool(words[0]), words[1:])


def _check_launched(words: list[str]) -> None:
    scripts = [position for position, word in enumerate(words) if word.endswith(".py")]
    assert scripts, f"no tool to launch in {shlex.join(words)}"
    _check_python(words[scripts[0] :])


def _tool(path: str) -> Callable:
    file = ROOT / path
    assert file.is_file(), f"{path}: no such file"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def _check_arguments(main: Callable, words: list[str]) -> None:
    arguments = vars(arguments_of(main, words))
    file = arguments.get("config_file")
    if not file:
        return
    # A run's config.yml, or a config that a tool writes, is not there before that: its keys are those of any config.
    is_there = (ROOT / file).parent.is_dir() and not file.startswith("output/")
    # A variable stands for words of the reader's.
    overrides = [word for word in arguments["overrides"] if not word.startswith("$")]
    load_config(ROOT / file if is_there else None, overrides)


def _check_script(name: str) -> Callable[[list[str]], None]:
    def check_words(words: list[str]) -> None:
        dry = {**os.environ, "DRY_RUN": "1", "PYTHON": "python"}
        done = subprocess.run(["bash", f"scripts/{name}", *words], cwd=ROOT, capture_output=True, text=True, env=dry)
        assert done.returncode == 0, done.stderr
        check(shlex.split(done.stdout))

    return check_words


def _check_demo(words: list[str]) -> None:
    assert set(words) <= {"full", "small", "--help"}, words


def _check_pip(words: list[str]) -> None:
    for word in words:
        for extra in re.findall(r"^\.\[(.+)\]$", word):
            assert set(extra.split(",")) <= project("project.optional-dependencies").keys(), extra


def _check_docker(words: list[str]) -> None:
    declared = re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    given = [words[i + 1].split("=")[0] for i, word in enumerate(words) if word == "--build-arg"]
    assert words[0] in ("build", "run") and set(given) <= set(declared), (given, declared)


def _check_json(words: list[str]) -> None:
    for word in words:
        if word.startswith(("{", "[")):
            json.loads(word)


def _check_sgg(words: list[str]) -> None:
    _check_arguments(importlib.import_module("maskrcnn_benchmark.commands.sgg").main, words)


def _any_words(words: list[str]) -> None:
    """Shell words that no parser of the project sees."""


PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "make": _check_make,
    "python": _check_python,
    "python3": _check_python,
    "torchrun": _check_launched,
    "scripts/train.sh": _check_script("train.sh"),
    "scripts/test.sh": _check_script("test.sh"),
    "scripts/demo.sh": _check_demo,
    "pip": _check_pip,
    "docker": _check_docker,
    "echo": _check_json,
    "sgg": _check_sgg,
    **dict.fromkeys(("source", "cd", "export", "git", "mkdir", "cp", "ls", "nvidia-smi"), _any_words),
}


def run(block: Block, folder: Path) -> str:
    """What a block prints that needs nothing; in a folder with the repository's commands and nothing else."""
    for name in ("tools", "scripts", "configs"):
        (folder / name).symlink_to(ROOT / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-euc", block.text], cwd=folder, capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, f"{block}: {done.stderr}"
    return done.stdout
