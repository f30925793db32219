"""Marked timelines without a document: short ways to make what a reader and a probe would return."""

from fractions import Fraction

from interchange.directive import parse_directive
from interchange.model.directive import AudioPolicy, JobKind, Quality, StartFrom
from interchange.model.engine import DigitalSourceType, EngineLimits
from interchange.model.media import BT709, ColourTags, MediaFacts, Raster
from interchange.model.segment import ClipUse, MediaLink, Segment, SequenceFacts
from interchange.plan import PlanOptions, plan_segment
from interchange.timebase import FrameRate, TimeRange

RATE = FrameRate(25)
HD = Raster(1920, 1080)
OPTIONS = PlanOptions(output_directory="/out", engine="previz")

ALL_KINDS = frozenset(JobKind)
ALL_KEYS = frozenset(
    {
        "prompt", "negative", "quality", "audio", "from", "edge", "preset", "strength", "image",
        "audio_file", "matte", "box", "aspect", "context",
    }
)  # fmt: skip


def limits(name="previz", **changes) -> EngineLimits:
    """An engine that does everything, but for what is changed."""
    values = {
        "engine": name,
        "version": "1",
        "summary": "does everything",
        "kinds": ALL_KINDS,
        "keys": ALL_KEYS,
        "audio": frozenset(AudioPolicy),
        "start_from": frozenset(StartFrom),
        "qualities": frozenset(Quality),
        "context_frames": 5,
        "max_frames": 10_000_000,
        "max_pixels": 8192 * 8192,
        "size_multiple_px": 1,
        "frame_grid": (1, 0),
        "deterministic": True,
        "source_type": DigitalSourceType.ALGORITHMIC_MEDIA,
    }
    return EngineLimits(**{**values, **changes})


def engines(*others: EngineLimits, **changes) -> dict[str, EngineLimits]:
    """The default engine with changes, and others beside it."""
    return {each.engine: each for each in (limits(**changes), *others)}


def facts(path="/media/a.mov", *, rate=RATE, count=200, **changes) -> MediaFacts:
    """A plain HD file with start timecode 10:00:00:00."""
    values = {
        "raster": HD,
        "start_frame": 10 * 3600 * rate.nominal,
        "drop_frame": False,
        "reel": "A001",
        "colour": BT709,
        "bit_depth": 10,
        "chroma": "422",
        "has_alpha": False,
        "rotation": 0,
        "codec": "prores",
        "audio": (),
        "size_bytes": 1000,
        "modified_ns": 5,
    }
    return MediaFacts(path=path, frame_rate=rate, frame_count=count, **{**values, **changes})


def clip(name="shot A", *, start=1000, length=100, source_in=50, rate=RATE, **changes) -> ClipUse:
    """A clip that shows its file from frame `source_in` (at the sequence's rate) on."""
    values = {
        "element_id": name,
        "lane": 0,
        "enabled": True,
        "media": MediaLink(f"file:///media/{name}.mov", f"{name}.mov", Fraction(0), None),
        "source_offset": rate.seconds(source_in),
        "speed": Fraction(1),
        "local_start": rate.seconds(source_in),
    }
    return ClipUse(
        name=name,
        record_range=TimeRange.of_length(start, length, rate),
        **{**values, **changes},
    )


def sequence(*, rate=RATE, start=0, end=100_000, raster=HD, drop_frame=False) -> SequenceFacts:
    return SequenceFacts("1", "Reel 1", rate, drop_frame, TimeRange(start, end, rate), raster)


def segment(text="LTX: retake", on=None, *, at=None, marked=None, **changes) -> Segment:
    """A mark at a record frame of a clip (its head unless said), `marked` frames long if given."""
    directive = parse_directive(text)
    assert directive is not None
    place = changes.pop("sequence", None) or sequence()
    start = at if at is not None else (on.record_range.start if on else 0)
    values = {
        "segment_id": f"segment of {text}",
        "sequence": place,
        "where": "marker",
        "mark_range": TimeRange.of_length(start, marked or 1, place.frame_rate),
        "mark_has_length": marked is not None,
    }
    return Segment(directive=directive, clip=on, **{**values, **changes})


def plan(mark: Segment, *media: MediaFacts, options=OPTIONS, using=None, **keywords):
    """Plan a mark; the files are handed out in the order they are asked for, the last one for the rest."""
    files = list(media) or [facts()]

    def facts_of(_link: MediaLink) -> MediaFacts:
        return files.pop(0) if len(files) > 1 else files[0]

    return plan_segment(
        mark, facts_of=facts_of, engines=using or engines(), options=options, **keywords
    )


UNTAGGED = ColourTags()
