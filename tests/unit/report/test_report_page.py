from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.report_values import PIXEL_PNG, a_delivered_request, a_refused_request, a_report

from interchange.timebase import TimeRange
from ltxbridge.report import OriginalFacts, RequestState, Still, StillRole, render_html

_TAGS = {
    "html", "head", "meta", "title", "style", "body", "div", "header", "p", "h1", "h2", "h3", "span", "svg",
    "rect", "main", "article", "bdi", "figure", "figcaption", "img", "dl", "dt", "dd", "br", "ul", "li",
    "footer", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egpj.exe\u2066",
    "\x00\x1b[31m",
    "\udcff",
    "a" * 100_000,
)


class _Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._skipped += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._skipped -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.text += data


def _parsed(page: str) -> _Page:
    parser = _Page()
    parser.feed(page)
    parser.close()
    return parser


def test_page_with_a_delivery_states_its_facts() -> None:
    text = " ".join(_parsed(render_html(a_report())).text.split())
    assert "1 take delivered." in text
    assert "1 mark refused, with what to do." in text
    assert "1 original, not a byte changed." in text
    assert "01:00:02;00 \N{EN DASH} 01:00:03;18" in text  # 107952 is 01:00:02;00 in drop-frame
    assert "00:00:33:10 \N{EN DASH} 00:00:34:28" in text  # the source counts without dropping
    assert "48 frames at 29.97 fps" in text
    assert "handles 12 + 12 frames" in text
    assert "9f" * 32 in text
    assert "DIRECTIVE_INVALID" in text


def test_page_with_a_changed_original_says_so_first() -> None:
    changed = (OriginalFacts("/media/a.mov", "00" * 32, "11" * 32),)
    text = _parsed(render_html(replace(a_report(), originals=changed))).text
    assert "An original changed while we worked" in text
    assert "not a byte changed" not in text


@pytest.mark.parametrize("hostile", _HOSTILE)
def test_page_with_hostile_words_has_only_its_own_markup(hostile: str) -> None:
    page = render_html(a_report(hostile))
    page.encode()  # no lone surrogate survives
    clean = _parsed(render_html(a_report()))
    found = _parsed(page)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in clean.tags]
    assert {tag for tag, _ in found.tags} <= _TAGS
    names = {name for _, attributes in found.tags for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in {"style", "href"}}
    assert not set("\u202e\u2066\x00\x1b\udcff") & set(page)


@settings(max_examples=25)
@given(st.text(max_size=60))
def test_page_with_any_words_keeps_its_structure(words: str) -> None:
    clean = [tag for tag, _ in _parsed(render_html(a_report("x"))).tags]
    assert [tag for tag, _ in _parsed(render_html(a_report(words or "x"))).tags] == clean


def test_page_needs_nothing_from_outside() -> None:
    page = _parsed(render_html(a_report()))
    links = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action", "data", "xlink:href"}
    ]
    assert links
    assert all(link is not None and link.startswith("data:image/png;base64,") for link in links)
    assert not [tag for tag, _ in page.tags if tag in {"script", "link", "iframe", "form", "a"}]


def test_policy_names_the_very_style_on_the_page() -> None:
    page = render_html(a_report())
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policies = [
        attributes["content"]
        for tag, attributes in _parsed(page).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    assert policies[0] == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_still_that_is_no_png_is_refused() -> None:
    still = Still(b"<svg onload=alert(1)>", "01:00:00:00", StillRole.TAKE)
    request = replace(a_delivered_request(), after=(still,))
    with pytest.raises(ValueError, match="PNG"):
        render_html(replace(a_report(), requests=(request,)))


def test_overview_keeps_a_take_past_the_end_inside_the_strip() -> None:
    request = a_delivered_request()
    assert request.sequence is not None
    past = TimeRange.of_length(
        request.sequence.record_range.end + 500, 48, request.sequence.frame_rate
    )
    page = _parsed(
        render_html(replace(a_report(), requests=(replace(request, record_range=past),)))
    )
    blocks = [a for tag, a in page.tags if tag == "rect" and a.get("class") == "delivered"]
    assert len(blocks) == 1
    assert int(blocks[0]["x"] or "") + int(blocks[0]["width"] or "") <= 1000


def test_pictures_are_in_the_page_unchanged() -> None:
    encoded = base64.b64encode(PIXEL_PNG).decode()
    assert render_html(a_report()).count(encoded) == 4


@pytest.mark.parametrize("state", RequestState)
def test_request_has_a_take_or_an_error(state: RequestState) -> None:
    wrong = a_refused_request() if state is RequestState.DELIVERED else a_delivered_request()
    with pytest.raises(ValueError, match="never both"):
        replace(wrong, state=state)


@pytest.mark.program("chromium")
def test_hostile_page_in_chromium_runs_nothing(tmp_path) -> None:
    """A real browser, scripts allowed: the title would change if any of the hostile strings ran."""
    import subprocess

    hostile = "".join(text.replace("alert(1)", "document.title='OWNED'") for text in _HOSTILE[:6])
    page = tmp_path / "report.html"
    page.write_text(render_html(a_report(hostile)), encoding="utf-8")
    dumped = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True, check=True, timeout=120, text=True,
    ).stdout  # fmt: skip
    assert "<title>OWNED" not in dumped
    assert "<script" not in dumped
    assert "1 take delivered." in dumped
