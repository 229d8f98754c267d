"""Console and log file."""

import logging

import pytest

from maskrcnn_benchmark.utils.log import close_logging, get_logger, setup_logging, warn_once


@pytest.fixture(autouse=True)
def closed():
    yield
    close_logging()


def test_messages_go_to_the_console_and_to_the_log_file(tmp_path, capsys):
    setup_logging(tmp_path / "run")
    logger = get_logger("maskrcnn_benchmark.data.build")
    logger.info("twelve images")
    logger.debug("every name")
    said, written = capsys.readouterr().err, (tmp_path / "run/log.txt").read_text()
    assert "twelve images" in said
    assert "every name" not in said
    assert "twelve images" in written
    assert "maskrcnn_benchmark.data.build: every name" in written


def test_a_second_call_replaces_the_first_and_appends(tmp_path, capsys):
    setup_logging(tmp_path)
    setup_logging(tmp_path)
    get_logger().info("once")
    close_logging()
    setup_logging(tmp_path)
    get_logger().info("again")
    assert capsys.readouterr().err.count("once") == 1
    assert (tmp_path / "log.txt").read_text().count("once") == 1
    assert "again" in (tmp_path / "log.txt").read_text()


def test_other_processes_show_errors_alone_and_write_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    setup_logging(tmp_path)
    get_logger().warning("a warning")
    get_logger().error("an error")
    said = capsys.readouterr().err
    assert "an error" in said
    assert "a warning" not in said
    assert not (tmp_path / "log.txt").exists()


def test_a_tool_logs_under_the_package():
    assert get_logger("__main__").parent is logging.getLogger("maskrcnn_benchmark")
    assert get_logger("maskrcnn_benchmark.x").name == "maskrcnn_benchmark.x"


def test_warn_once_warns_once_for_each_text(caplog):
    logger = get_logger("maskrcnn_benchmark.test_warn_once")
    for text in ("left", "right", "left"):
        warn_once(logger, f"test_log: {text}")
    assert [record.getMessage() for record in caplog.records] == ["test_log: left", "test_log: right"]
