"""What `animatic` serves; imports neither cv2 nor av nor torch, so that `plan` stays quick."""

from __future__ import annotations

from typing import Final

from interchange.model.directive import AudioPolicy, JobKind, Quality, StartFrom
from interchange.model.engine import DigitalSourceType, EngineLimits

LIMITS: Final = EngineLimits(
    engine="animatic",
    version="1",
    summary="Previz on the CPU: motion-compensated bridges and retakes, camera moves, slate cards.",
    kinds=frozenset(
        {
            JobKind.RETAKE,
            JobKind.REGENERATE,
            JobKind.BRIDGE,
            JobKind.EXTEND,
            JobKind.GENERATE,
        }
    ),
    keys=frozenset({"prompt", "negative", "quality", "audio", "from", "edge"}),
    audio=frozenset({AudioPolicy.KEEP}),
    start_from=frozenset({StartFrom.FIRST}),
    qualities=frozenset(Quality),
    context_frames=5,
    max_frames=86_400,  # an hour at 24; frames stream, so the number bounds time, not memory
    max_pixels=8192 * 4320,
    size_multiple_px=1,
    frame_grid=(1, 0),
    deterministic=True,
    seeded_kinds=frozenset({JobKind.REGENERATE, JobKind.GENERATE}),
    source_type=DigitalSourceType.ALGORITHMIC_MEDIA,
)
