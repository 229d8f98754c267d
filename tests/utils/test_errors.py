"""What a command line shows of an error."""

import pytest

from maskrcnn_benchmark.utils.errors import UserError, run_tool


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


def test_an_interrupt_says_what_stays(capsys):
    assert run_tool(raises(KeyboardInterrupt())) == 130
    assert "last checkpoint" in capsys.readouterr().err


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_tool(lambda: 1 // 0)
