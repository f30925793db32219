"""What `ltx-2.3` serves; imports neither torch nor cv2 nor av, so that `plan` stays quick."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from interchange.model.directive import AudioPolicy, JobKind, Quality, StartFrom
from interchange.model.engine import DigitalSourceType, EngineLimits

SPATIAL_PX: Final = 32
"""Pixels of one latent, across and down."""
TEMPORAL_FRAMES: Final = 8
"""Frames of one latent; the first latent of a canvas holds a single frame."""

LIMITS: Final = EngineLimits(
    engine="ltx-2.3",
    version="1",
    summary="LTX-2.3, pictures and sound, on a GPU from 12 GB up.",
    kinds=frozenset(JobKind),
    keys=frozenset(
        {
            "prompt", "negative", "quality", "preset", "audio", "from", "strength", "edge",
            "image", "audio_file", "matte", "box", "aspect", "context",
        }
    ),
    audio=frozenset(AudioPolicy),
    start_from=frozenset(StartFrom),
    qualities=frozenset(Quality),
    context_frames=40,  # up to five latents of kept frames on a side, and room to align one
    max_frames=14_400,  # ten minutes at 24; long takes are made in windows that share context
    max_pixels=4096 * 2304,
    size_multiple_px=2 * SPATIAL_PX,  # a latent of the first of two stages; a draft and its final share it
    frame_grid=(TEMPORAL_FRAMES, 1),
    deterministic=True,
    seeded_kinds=frozenset(JobKind),
    source_type=DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA,
)  # fmt: skip

TINY_LIMITS: Final = replace(
    LIMITS,
    engine="ltx-tiny",
    summary="Test only: LTX-2.3 with tiny random weights. The pictures mean nothing.",
    test_only=True,
)
