"""The report as one HTML page that needs nothing else: no network, no script, pictures inside.

Every string on it may come from a hostile document. Three walls, each enough alone: Jinja escapes everything
that is not explicitly `Markup` (only data URIs made here are); characters that turn text around or hide it are
shown as a replacement character; and the page's own Content Security Policy allows one stylesheet, by its
digest, and `data:` pictures, nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from markupsafe import Markup

from interchange.model.segment import SequenceFacts
from interchange.timebase import TimeRange, format_timecode
from ltxbridge.report.values import DeliveryReport, RequestReport, RequestState, Still

if TYPE_CHECKING:
    from jinja2 import Environment

_LONGEST_TEXT = 4000
_HARMLESS = (
    "\n\t\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # Persian and emoji are written with them
)
_STRIP_WIDTH = 1000
_NARROWEST_BLOCK = 4
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class _Block:
    """One request on the overview of a sequence, in thousandths of its length."""

    number: int
    x: int
    width: int
    state: str
    label: str


@dataclass(frozen=True, slots=True)
class _Overview:
    sequence: SequenceFacts
    blocks: tuple[_Block, ...]


def render_html(report: DeliveryReport) -> str:
    """Lay a report out as a page.

    Args:
        report: Its stills go into the page as they are.

    Returns:
        A complete HTML document, self-contained, readable from `file:` and in print.

    Raises:
        ValueError: A still is not a PNG file.
    """
    environment = _environment()
    style = environment.get_template("page.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        report=report,
        style=Markup(style),  # noqa: S704 - our own file, without a variable in it
        style_digest=digest,
        overviews=_overviews(report.requests),
        state=RequestState,
    )


def _environment() -> Environment:
    # `plan` imports this room's values and must not wait for a template engine.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("ltxbridge.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "file_name": lambda path: PurePath(path).name,
        "picture": _picture,
        "size": _size,
        "thousands": lambda number: f"{number:,}".replace(",", "\N{THIN SPACE}"),
        "timecode": _timecode,
    }
    return environment


def _visible(value: object) -> object:
    """Show what would hide or reorder text; cut what nobody would read."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if len(value) > _LONGEST_TEXT:
        rest = len(value) - _LONGEST_TEXT
        value = f"{value[:_LONGEST_TEXT]}\N{HORIZONTAL ELLIPSIS} ({rest} more characters)"
    return "".join(
        character
        if character in _HARMLESS or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
        else "\N{REPLACEMENT CHARACTER}"
        for character in value
    )


def _picture(still: Still) -> Markup:
    if not still.png.startswith(_PNG_SIGNATURE):
        raise ValueError("A still must be a PNG file.")
    encoded = base64.b64encode(still.png).decode()
    return Markup(f"data:image/png;base64,{encoded}")  # noqa: S704 - base64 has nothing to escape


def _timecode(value: TimeRange, *, drop_frame: bool, end: bool = False) -> str:
    frame = value.end if end else value.start
    return format_timecode(frame, value.rate, drop_frame=drop_frame)


def _size(size_bytes: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= factor:
            tenths = size_bytes * 10 // factor
            return f"{tenths // 10}.{tenths % 10} {unit}"
    return f"{size_bytes} bytes"


def _overviews(requests: tuple[RequestReport, ...]) -> tuple[_Overview, ...]:
    """Lay the requests of each sequence out over its length."""
    blocks: dict[SequenceFacts, list[_Block]] = {}
    for number, request in enumerate(requests, start=1):
        sequence, covered = request.sequence, request.record_range
        if sequence is None or covered is None or not sequence.record_range.length:
            continue
        whole = sequence.record_range
        x = (covered.start - whole.start) * _STRIP_WIDTH // whole.length
        width = max(_NARROWEST_BLOCK, covered.length * _STRIP_WIDTH // whole.length)
        blocks.setdefault(sequence, []).append(
            _Block(
                number=number,
                x=min(max(x, 0), _STRIP_WIDTH - _NARROWEST_BLOCK),
                width=min(width, _STRIP_WIDTH - min(max(x, 0), _STRIP_WIDTH - _NARROWEST_BLOCK)),
                state=request.state.value,
                label=f"{number}. {request.kind} {request.shot}",
            )
        )
    return tuple(_Overview(sequence, tuple(found)) for sequence, found in blocks.items())
