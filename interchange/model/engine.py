"""What an engine can do, known without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from interchange.model.directive import AudioPolicy, JobKind, Quality, StartFrom
from interchange.model.media import Raster
from interchange.timebase import TimeRange


class DigitalSourceType(StrEnum):
    """IPTC digital source type of wholly generated frames."""

    ALGORITHMIC_MEDIA = "algorithmicMedia"
    TRAINED_ALGORITHMIC_MEDIA = "trainedAlgorithmicMedia"


@dataclass(frozen=True, slots=True)
class Device:
    """What an engine computes on.

    Args:
        name: For example `cpu` or `cuda:0 NVIDIA H200`.
        memory_bytes: Memory of that device, 0 where unknown or where it is the machine's.
    """

    name: str = "cpu"
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What an engine can serve; torch-free, so that `plan` starts nothing.

    Args:
        engine: The name requests use.
        version: Version of the engine's own code.
        summary: One line for people.
        kinds: Job kinds it serves.
        keys: Directive keys it honours beyond `len`, `takes`, `engine` and `seed`, which all do.
        audio: Audio policies it serves.
        start_from: Starts it serves for `regenerate`.
        qualities: Qualities it serves.
        context_frames: Kept frames it wants to see on each side of the window.
        max_frames: Most frames it makes in one job, handles included.
        max_pixels: Largest picture, width times height.
        size_multiple_px: Width and height are padded up to a multiple of this.
        frame_grid: (step, offset): it makes step * n + offset frames; (1, 0) for any number.
        seeded_kinds: Kinds in which another seed makes another picture; in the others all takes look alike.
        deterministic: Same request, same machine: same frames.
        source_type: What its frames are, for credentials.
        test_only: Not for real work; hidden from the default listing.
        presets: Names that `preset=` may have.
    """

    engine: str
    version: str
    summary: str
    kinds: frozenset[JobKind]
    keys: frozenset[str]
    audio: frozenset[AudioPolicy]
    start_from: frozenset[StartFrom]
    qualities: frozenset[Quality]
    context_frames: int
    max_frames: int
    max_pixels: int
    size_multiple_px: int
    frame_grid: tuple[int, int]
    deterministic: bool
    source_type: DigitalSourceType
    seeded_kinds: frozenset[JobKind] = frozenset()
    test_only: bool = False
    presets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PlannedGeometry:
    """What the engine will really make for a request.

    Args:
        deliver_range: Record frames in the file, handles included.
        generate_range: Record frames the engine makes; a superset of what it must fill.
        deliver_raster: Size of the delivered picture.
        generate_raster: Size the engine works at, padded; cropped back on delivery.
        notes: What is padded, held or assumed, one sentence each.
    """

    deliver_range: TimeRange
    generate_range: TimeRange
    deliver_raster: Raster
    generate_raster: Raster
    notes: tuple[str, ...] = ()
