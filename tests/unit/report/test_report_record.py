from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from support.report_values import a_report

from ltxbridge.report import render_json


def test_record_of_a_delivery_has_exact_ranges() -> None:
    record = json.loads(render_json(a_report()))
    assert record["schema"] == "ltxbridge.Report.1"
    delivered, refused = record["requests"]
    assert delivered["record_range"] == {
        "start": 107952,
        "end": 108000,
        "frames": 48,
        "rate": "30000/1001",
        "start_timecode": "01:00:02;00",
        "end_timecode": "01:00:03;18",
    }
    assert delivered["take"]["source_range"] == delivered["record_range"]
    assert delivered["take"]["media_range"]["frames"] == 72
    assert delivered["take"]["tail_handle_frames"] == 12
    assert delivered["elapsed_ms"] == 2345
    assert delivered["error"] is None
    assert refused["take"] is None
    assert refused["error"]["reason"] == "DIRECTIVE_INVALID"
    assert record["originals"][0]["unchanged"] is True


@given(st.text(st.characters(), max_size=40))
def test_record_keeps_any_words_exactly(words: str) -> None:
    text = render_json(a_report(words))
    assert text.isascii()
    assert json.loads(text)["requests"][0]["directive"] == words
