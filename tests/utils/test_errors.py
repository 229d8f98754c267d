"""What a command line shows of an error."""

import json
import subprocess
import sys

import pytest
import torch

from maskrcnn_benchmark.utils.errors import UserError, run_tool, some


def raises(error):
    def main():
        raise error

    return main


def test_a_tool_s_status_is_main_s(capsys):
    assert run_tool(lambda: 0) == 0
    assert run_tool(lambda: 3) == 3
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error", [UserError("key X:\n  wants a number"), FileNotFoundError(2, "No such file", "x.json")]
)
def test_what_a_user_can_mend_is_one_line_without_traceback(capsys, error):
    assert run_tool(raises(error)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_a_lack_of_memory_is_one_line_that_says_what_to_lower(capsys):
    assert run_tool(lambda: torch.empty(2**60)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: out of memory: lower SOLVER.IMS_PER_BATCH") and said.count("\n") == 1


def test_an_interrupt_says_what_stays(capsys):
    assert run_tool(raises(KeyboardInterrupt())) == 130
    assert "last checkpoint" in capsys.readouterr().err


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_tool(lambda: 1 // 0)


@pytest.mark.parametrize(
    "names, options, said",
    [
        ([], {}, ""),
        (["a", "b"], {}, "'a', 'b'"),
        (["a", "b", "c"], {"limit": 2}, "'a', 'b' and 1 more"),
        (["a is 1", "b is 2", "c"], {"limit": 2, "quoted": False, "between": "; "}, "a is 1; b is 2 and 1 more"),
    ],
)
def test_of_many_names_the_first_are_told(names, options, said):
    assert some(names, **options) == said


def test_torchruns_own_summary_ends_with_the_line(tmp_path):
    code = tmp_path / "fails.py"
    code.write_text(
        "import sys\nfrom maskrcnn_benchmark.utils.errors import UserError, run_tool\n"
        "def main(): raise UserError('key X: \\n expected 1')\nsys.exit(run_tool(main))\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "1", "--master_port", "0", str(code)]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=600)
    lines = [line for line in done.stderr.splitlines() if line.strip("= ")]
    assert done.returncode == 1 and lines[0] == "error: key X: expected 1"
    assert lines[-1].split(" : ")[-1] == "error: key X: expected 1"


def test_an_error_file_of_torchrun_that_cannot_be_written_changes_nothing(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "gone" / "error.json"))
    assert run_tool(raises(UserError("x"))) == 2 and capsys.readouterr().err == "error: x\n"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    assert run_tool(raises(UserError("x"))) == 2
    assert json.loads((tmp_path / "error.json").read_text())["message"]["message"] == "error: x"
