"""Small report values for the report's own tests."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from interchange.errors import InvalidInputError, Reason
from interchange.model.media import Raster
from interchange.model.segment import SequenceFacts
from interchange.model.take import Take
from interchange.timebase import FrameRate, TimeRange
from ltxbridge.report.values import (
    CredentialState,
    DeliveryReport,
    DocumentFacts,
    OriginalFacts,
    RequestReport,
    RequestState,
    SourceUse,
    Still,
    StillRole,
)

RATE = FrameRate(30000, 1001)
PIXEL_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SEQUENCE = SequenceFacts(
    sequence_id="sequence-1",
    name="Reel 3",
    frame_rate=RATE,
    drop_frame=True,
    record_range=TimeRange.of_length(107892, 300, RATE),
    raster=Raster(1920, 1080),
)


def a_take(record_range: TimeRange, *, handles: int = 12) -> Take:
    """A take over a record range, handles on both sides."""
    return Take(
        path="/media/out/takes/S010_LTX_v001.mov",
        manifest_path="/media/out/takes/S010_LTX_v001.c2pa",
        sha256="9f" * 32,
        size_bytes=7_340_032,
        record_range=record_range,
        media_range=record_range.padded(handles, handles),
        head_handle_frames=handles,
        drop_frame=True,
        raster=Raster(1920, 1080),
        codec="prores422hq",
        reel="A001",
        audio_channels=0,
        audio_sample_rate_hz=0,
        engine="animatic",
        engine_version="1",
        model_identity="animatic 1",
        seed=7,
    )


def a_delivered_request(text: str = "S010") -> RequestReport:
    """A delivered retake; `text` stands wherever a document's own words go."""
    record_range = TimeRange.of_length(107952, 48, RATE)
    return RequestReport(
        shot=text,
        kind="retake",
        directive=text,
        where=text,
        state=RequestState.DELIVERED,
        sequence=replace(SEQUENCE, name=text),
        record_range=record_range,
        sources=(SourceUse(text, TimeRange.of_length(1000, 48, RATE), drop_frame=False),),
        take=replace(a_take(record_range), path=f"/media/out/{text}", reel=text),
        notes=(text,),
        credentials=CredentialState(valid=True, summary=text),
        before=(Still(PIXEL_PNG, text, StillRole.ORIGINAL), Still(b"", text, StillRole.ORIGINAL)),
        after=(
            Still(PIXEL_PNG, text, StillRole.HANDLE),
            Still(PIXEL_PNG, text, StillRole.TAKE),
            Still(PIXEL_PNG, text, StillRole.TAKE),
        ),
        elapsed=timedelta(milliseconds=2345),
    )


def a_refused_request(text: str = "There is no verb.") -> RequestReport:
    """A mark that could not be read."""
    return RequestReport(
        shot="",
        kind="",
        directive=text,
        where=text,
        state=RequestState.REFUSED,
        error=InvalidInputError(text, reason=Reason.DIRECTIVE_INVALID, metadata={"verb": text}),
    )


def a_report(text: str = "Reel 3") -> DeliveryReport:
    """One take delivered, one mark refused."""
    return DeliveryReport(
        title=text,
        product_version="0.1.0",
        created=datetime(2026, 11, 21, 2, 10, tzinfo=UTC),
        source=DocumentFacts(f"/media/{text}", "ab" * 32, 1234),
        delivered=DocumentFacts(f"/media/out/{text}", "cd" * 32, 2345),
        requests=(a_delivered_request(text), a_refused_request(text)),
        originals=(OriginalFacts(f"/media/{text}", "ef" * 32, "ef" * 32),),
        changes=(text,),
        checks=(text,),
        signer=text,
    )
