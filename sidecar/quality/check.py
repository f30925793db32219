"""Reading the finished take back: is the file on disk exactly what was asked for?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from interchange.errors import BridgeError, InternalError
from interchange.model.media import ColourTags, MediaFacts
from interchange.timebase import FrameRate, TimeRange, format_timecode
from sidecar.media.audio import count_samples
from sidecar.media.decode import FrameReader
from sidecar.media.encode import EncodeSpec
from sidecar.media.probe import probe_media


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What was found in the finished file, and what is wrong with it.

    Args:
        frame_count: Pictures that were decoded, every one of them.
        frame_rate: The file's exact rate.
        start_frame: Its start timecode in frames, None where it has none.
        drop_frame: How that counts.
        reel: Its reel name.
        colour: Its colour tags.
        sample_count: Samples in its sound track, 0 without one.
        problems: One sentence for each thing that is not as specified; empty when all is well.
    """

    frame_count: int
    frame_rate: FrameRate
    start_frame: int | None
    drop_frame: bool
    reel: str
    colour: ColourTags
    sample_count: int
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the file is what was asked for."""
        return not self.problems

    def require(self) -> None:
        """Refuse to go on with a file that is not what was asked for.

        Raises:
            InternalError: There are problems; the message names them.
        """
        if self.problems:
            raise InternalError(
                "The finished take failed its check and was not delivered: "
                + " ".join(self.problems)
            )


def check_take(path: Path, spec: EncodeSpec) -> QualityReport:
    """Read a finished take back, decoding every picture.

    Args:
        path: The file, finished and closed.
        spec: What it was to be.

    Raises:
        BridgeError: It cannot even be opened.
    """
    facts = probe_media(path)
    decoded, damage = _decode_all(path, facts)
    samples = count_samples(path)
    problems = [*_differences(facts, spec), *damage]
    if samples != spec.sample_count:
        problems.append(f"It has {samples} samples of sound instead of {spec.sample_count}.")
    return QualityReport(
        frame_count=decoded,
        frame_rate=facts.frame_rate,
        start_frame=facts.start_frame,
        drop_frame=facts.drop_frame,
        reel=facts.reel,
        colour=facts.colour,
        sample_count=samples,
        problems=tuple(problems),
    )


def _decode_all(path: Path, facts: MediaFacts) -> tuple[int, list[str]]:
    decoded = 0
    try:
        with FrameReader(path) as reader:
            for _ in reader.frames(TimeRange(0, facts.frame_count, facts.frame_rate)):
                decoded += 1
    except BridgeError as error:
        return decoded, [f"Picture {decoded} cannot be read back: {error}"]
    return decoded, []


def _differences(facts: MediaFacts, spec: EncodeSpec) -> Iterator[str]:
    wanted = {
        "pictures": (facts.frame_count, spec.frame_count),
        "frames per second": (facts.frame_rate, spec.frame_rate),
        "picture size": (facts.raster, spec.raster),
        "start timecode": (
            _timecode(facts.start_frame, spec, drop_frame=facts.drop_frame),
            _timecode(spec.start_frame, spec, drop_frame=spec.drop_frame),
        ),
        "reel": (facts.reel, spec.reel),
        "codec": (facts.codec, spec.layout.decoder),
        "bits": (facts.bit_depth, spec.layout.read_bit_depth),
        "chroma": (facts.chroma, spec.layout.chroma),
        "colour": (facts.colour, spec.delivered_colour),
        "sound": (
            tuple((track.channels, track.sample_rate_hz) for track in facts.audio),
            () if spec.sound is None else (spec.sound,),
        ),
    }
    for what, (found, expected) in wanted.items():
        if found != expected:
            yield f"Its {what}: {found} instead of {expected}."


def _timecode(frame: int | None, spec: EncodeSpec, *, drop_frame: bool) -> str:
    if frame is None:
        return "none"
    return format_timecode(frame, spec.frame_rate, drop_frame=drop_frame)
