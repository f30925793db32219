import json
import logging
from pathlib import Path

import pytest

from interchange.errors import NotFoundError
from sidecar.logs import (
    configure_child_logging,
    configure_logging,
    log_context,
    log_line_of_child,
)


@pytest.fixture(autouse=True)
def _restored_logging():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_lines_carry_the_job_and_the_request(tmp_path, capsys):
    configure_logging(level="info", style="human", folder=tmp_path)
    log = logging.getLogger("sidecar.test")
    with log_context(job_id="j1"), log_context(request_id="r1"):
        log.info("made %s", "it")
    log.info("after")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("sidecar.test: made it [job_id=j1 request_id=r1]")
    assert lines[1].endswith("sidecar.test: after")
    entries = [json.loads(line) for line in (tmp_path / "sidecar.log").read_text().splitlines()]
    assert [entry.get("job_id") for entry in entries] == ["j1", None]
    assert entries[0]["message"] == "made it"


def test_line_breaks_in_a_message_forge_no_second_line(capsys):
    configure_logging(level="info", style="human", folder=None)
    logging.getLogger("x").info("%s", "a\n00:00:00 ERROR forged \x1b[2J")
    assert len(capsys.readouterr().err.splitlines()) == 1


WORDS = "/" + "secret"  # not as it stands in a source line of a traceback


def _fail(log):
    try:
        try:
            raise ValueError(f"{WORDS}/inner")  # noqa: TRY301 - what is logged
        except ValueError as error:
            raise NotFoundError(f"{WORDS}/outer") from error
    except NotFoundError:
        log.exception("failed")


def test_json_keeps_the_traceback_in_its_one_line(capsys):
    configure_logging(level="debug", style="json", folder=None)
    _fail(logging.getLogger("sidecar.x"))
    [line] = capsys.readouterr().err.splitlines()
    assert "ValueError: /secret/inner" in json.loads(line)["traceback"]


@pytest.mark.parametrize("style", ["human", "json"])
def test_above_debug_no_error_says_its_words_and_no_path_is_named(capsys, style):
    configure_logging(level="info", style=style, folder=None)
    log = logging.getLogger("sidecar.x")
    _fail(log)
    log.warning("failed: %s", NotFoundError("/secret/a"))
    log.warning("failed: %s", OSError(2, "x", "/secret/b"))
    log.info("at %s", Path("/secret/c"))
    logging.getLogger("asyncio").error("never retrieved\nfuture: /secret/d")
    text = capsys.readouterr().err
    assert "secret" not in text
    for kept in ("test_logs.py", "ValueError", "FILE_NOT_FOUND", "FileNotFoundError", "<path>"):
        assert kept in text


def test_a_child_s_own_lines_keep_their_level_and_what_libraries_print_is_debug(capsys, caplog):
    configure_child_logging()
    _fail(logging.getLogger("sidecar.x"))
    line = capsys.readouterr().err.encode()
    log = logging.getLogger("sidecar.parent")
    with caplog.at_level(logging.DEBUG):
        log.addHandler(caplog.handler)
        try:
            for text in (
                line,
                b"[mov] /secret/x.mov: bad\n",
                b'{"level": "LOUD"}',
                b"[]",
                b"\xff",
                b"",
            ):
                log_line_of_child(text, log)
        finally:
            log.removeHandler(caplog.handler)
    assert [record.levelname for record in caplog.records[-5:]] == ["ERROR", *["DEBUG"] * 4]
    assert "NotFoundError (FILE_NOT_FOUND)" in caplog.records[-5].getMessage()


def test_lower_levels_are_left_out(capsys):
    configure_logging(level="warning", style="json", folder=None)
    logging.getLogger("x").info("quiet")
    assert capsys.readouterr().err == ""
