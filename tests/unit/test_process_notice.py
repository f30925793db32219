"""What `ltxbridge process` tells a person who walked away."""

from __future__ import annotations

from pathlib import Path

from interchange.errors import NotFoundError
from ltxbridge.cli.process import notice_of


def test_a_timeline_that_could_not_be_read_is_told():
    notice = notice_of([(Path("/a/Reel 1.fcpxml"), NotFoundError("gone"))])
    assert not notice.complete
    assert notice.path is None
    assert "Reel 1.fcpxml" in notice.text
    assert notice.title == "ltxbridge: look at the report"
