import json
import logging

import pytest

from sidecar.logs import configure_logging, log_context


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


def test_json_keeps_the_traceback_in_its_one_line(capsys):
    configure_logging(level="info", style="json", folder=None)
    try:
        raise ValueError("inner")  # noqa: TRY301 - what is logged
    except ValueError:
        logging.getLogger("x").exception("failed")
    [line] = capsys.readouterr().err.splitlines()
    assert "ValueError: inner" in json.loads(line)["traceback"]


def test_lower_levels_are_left_out(capsys):
    configure_logging(level="warning", style="json", folder=None)
    logging.getLogger("x").info("quiet")
    assert capsys.readouterr().err == ""
