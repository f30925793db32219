"""What `identity` serves; imports neither cv2 nor av nor torch."""

from __future__ import annotations

from typing import Final

from interchange.model.directive import AudioPolicy, JobKind, Quality, StartFrom
from interchange.model.engine import DigitalSourceType, EngineLimits

LIMITS: Final = EngineLimits(
    engine="identity",
    version="1",
    summary="Returns the source's own frames; for tests of frame accuracy, not for work.",
    kinds=frozenset(JobKind),
    keys=frozenset(
        {
            "prompt", "negative", "quality", "audio", "from", "strength", "edge", "image",
            "audio_file", "matte", "box", "aspect", "context",
        }
    ),
    audio=frozenset(AudioPolicy),
    start_from=frozenset(StartFrom),
    qualities=frozenset(Quality),
    context_frames=5,  # as many as `animatic`, so that tests with this engine plan the same spans
    max_frames=86_400,
    max_pixels=8192 * 4320,
    size_multiple_px=1,
    frame_grid=(1, 0),
    deterministic=True,
    seeded_kinds=frozenset({JobKind.GENERATE}),
    source_type=DigitalSourceType.ALGORITHMIC_MEDIA,
    test_only=True,
)  # fmt: skip
