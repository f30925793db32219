"""Takes to sign: one request of each kind over small numbered movies, and an independent verifier."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from support.model_examples import example_engine, example_request
from support.numbered import write_numbered_movie

from interchange.model.directive import Aspect, AudioPolicy, Edge
from interchange.model.engine import DigitalSourceType
from interchange.model.media import BT709
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.timebase import FrameRate, TimeRange
from sidecar.credentials.facts import CredentialFacts

RATE = FrameRate(24000, 1001)
START = 86400
CREATED = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
KINDS = ("retake", "retake without handles", "regenerate", "bridge", "bridge with handles", "extend",
         "generate", "restyle", "restyle by a matte", "reframe", "retake of sound alone", "retake with references")  # fmt: skip
SIZE = (96, 54)


def span(path: str, first: int, end: int) -> SourceSpan:
    """A source whose frames `first` to `end` lie on the record frames from START + first."""
    return SourceSpan(
        path=path,
        media_rate=RATE,
        record_range=TimeRange(START + first, START + end, RATE),
        first_frame=Fraction(first),
        step=Fraction(1),
        colour=BT709,
        size_bytes=4711,
        modified_ns=1,
    )


def request_of(
    kind: str, a: str = "/media/Client X/a.mov", b: str = "/media/b.mov"
) -> GenerationRequest:
    """A request of 6 covered frames from START + 6; handles, where there are any, of 3."""
    with_handles = {
        "retake",
        "bridge with handles",
        "retake with references",
        "retake of sound alone",
    }
    handles = 3 if kind in with_handles else 0
    specs = {
        "retake": RetakeSpec(source=span(a, 0, 20)),
        "regenerate": RegenerateSpec(source=span(a, 6, 12)),
        "bridge": BridgeSpec(span(a, 0, 9), span(b, 9, 20), cut=START + 9),
        "extend": ExtendSpec(source=span(a, 0, 6), edge=Edge.TAIL),
        "generate": GenerateSpec(image="/stills/ref.png"),
        "restyle": RestyleSpec(source=span(a, 6, 12)),
        "restyle by a matte": RestyleSpec(source=span(a, 6, 12), matte="/mattes/m.png"),
        "reframe": ReframeSpec(source=span(a, 6, 12), aspect=Aspect(9, 16)),
        "retake of sound alone": RetakeSpec(source=span(a, 0, 20), audio=AudioPolicy.ONLY),
    }
    return example_request(
        frame_rate=RATE,
        record_range=TimeRange(START + 6, START + 12, RATE),
        head_handle_frames=handles,
        tail_handle_frames=handles,
        keep_handles=handles > 0,
        start_frame=START + 6 - handles,
        spec=specs[kind.split(" with", maxsplit=1)[0]],
        prompt="a very secret prompt",
        seed=41,
        references=(span(b, 20, 30),) if kind.endswith("references") else (),
    )


def facts_of(
    request: GenerationRequest,
    *,
    digests: Mapping[str, str] | None = None,
    trained: bool = False,
    **changes: object,
) -> CredentialFacts:
    """Facts by `animatic`, or by an engine with weights."""
    limits = example_engine().limits
    if trained:
        limits = replace(
            limits, engine="ltx23", source_type=DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA
        )
    facts = CredentialFacts(
        request=request,
        limits=limits,
        model_identity="sha256:" + "ab" * 32 if trained else "animatic 1",
        source_digests=digests or {},
        product_version="0.1.0",
        created=CREATED,
    )
    return replace(facts, **changes)


def write_take(path: Path, *, codec: str = "prores", count: int = 12) -> Path:
    """A small movie, MOV or MP4 by its suffix."""
    return write_numbered_movie(
        path, rate=RATE, count=count, size=SIZE, codec=codec, start_timecode="01:00:00:00"
    )


def packet_digests(path: Path) -> list[str]:
    """Digest of every packet's data and times, stream by stream: the bitstream."""
    with av.open(str(path)) as container:
        return [
            f"{p.stream.index} {p.pts} {p.dts} {hashlib.sha256(bytes(p)).hexdigest()}"
            for p in container.demux()
            if p.size
        ]


def boxes(path: Path) -> dict[bytes, tuple[int, int]]:
    """(start, end) of the top-level boxes by type."""
    raw, start, found = path.read_bytes(), 0, {}
    while start < len(raw):
        length = int.from_bytes(raw[start : start + 4], "big")
        found[raw[start + 4 : start + 8]] = (start, start + length)
        start += length
    return found


def flip_byte(path: Path, position: int) -> None:
    """Change one byte of a file."""
    raw = bytearray(path.read_bytes())
    raw[position] ^= 0x10
    path.write_bytes(raw)


def verify_independently(
    path: Path, *, root_pem: bytes, manifest: bytes | None = None
) -> dict[str, Any]:
    """Verify with encypher-c2pa, which shares no code with our library; offline, without telemetry."""
    import encypher_c2pa

    return encypher_c2pa.verify(
        str(path),
        trust_pem=root_pem.decode("ascii"),
        no_default_trust=True,
        telemetry=False,
        online=False,
        **({} if manifest is None else {"manifest_store": manifest}),
    )
