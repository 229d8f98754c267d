"""Standard error that goes away, and names that would steer a terminal."""

import io
import logging
import subprocess
import sys

import pytest

from maskrcnn_benchmark.utils.console import printable, stderr
from maskrcnn_benchmark.utils.errors import UserError, run_tool
from maskrcnn_benchmark.utils.log import close_logging, get_logger, setup_logging
from maskrcnn_benchmark.utils.progress import progress

STEERING = "\x1b]0;title\x07\x1b[2J red\r\x9b1m\u202egnp.exe\ud800"


class Broken(io.StringIO):
    def write(self, _):
        raise BrokenPipeError(32, "Broken pipe")


def test_control_characters_are_written_out_and_other_letters_stay():
    assert printable("a\nb\tü 杯子 😀") == "a\nb\tü 杯子 😀"
    assert printable(STEERING) == "\\x1b]0;title\\x07\\x1b[2J red\\r\\x9b1m\\u202egnp.exe\\ud800"


def test_names_never_steer_the_terminal_from_the_log_or_an_error(tmp_path, capsys, monkeypatch):
    # Half a character, kept by pytest among what was logged, could not be sent from one of its processes to another.
    monkeypatch.setattr(logging.getLogger("maskrcnn_benchmark"), "propagate", False)
    setup_logging(tmp_path)
    get_logger().warning(f"class {STEERING}")
    close_logging()

    def main():
        raise UserError(f"class {STEERING}")

    run_tool(main)
    for said in (capsys.readouterr().err, (tmp_path / "log.txt").read_text()):
        assert "title" in said and not any(
            ord(c) < 32 and c not in "\n\t" or 127 <= ord(c) < 160 or c == "\u202e" for c in said
        )


@pytest.mark.parametrize("gone", [Broken(), None])
def test_a_lost_standard_error_stops_neither_log_nor_bar_nor_error(gone, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", gone)
    setup_logging(tmp_path)
    logger = get_logger()
    for _ in progress(range(3), desc="three"):
        logger.warning("still here")
    close_logging()
    assert stderr.write("x") == 0 and not stderr.isatty()
    assert (tmp_path / "log.txt").read_text().count("still here") == 3


def test_a_log_file_that_cannot_be_written_is_said_once(tmp_path, capsys, monkeypatch):
    setup_logging(tmp_path)
    file = next(
        handler
        for handler in logging.getLogger("maskrcnn_benchmark").handlers
        if isinstance(handler, logging.FileHandler)
    )
    monkeypatch.setattr(file, "stream", Broken())
    get_logger().info("one")
    get_logger().info("two")
    said = capsys.readouterr().err
    assert said.count("log.txt cannot be written: [Errno 32] Broken pipe") == 1 and "two" in said
    monkeypatch.undo()
    close_logging()


def test_files_never_take_the_number_of_a_closed_standard_error(tmp_path):
    code = "import sys\nfrom maskrcnn_benchmark.utils.errors import run_tool\n"
    code += "run_tool(lambda: int(open(sys.argv[1], 'w').write(str(open(sys.argv[1]).fileno()))))"
    subprocess.run(["sh", "-c", 'exec "$0" "$@" <&- 2>&-', sys.executable, "-c", code, tmp_path / "a.txt"], check=True)
    assert int((tmp_path / "a.txt").read_text()) > 2
