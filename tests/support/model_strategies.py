"""Hypothesis strategies for the values that travel over the wire."""

from datetime import UTC
from fractions import Fraction

from hypothesis import strategies as st

from interchange import errors
from interchange.model.directive import Aspect, AudioPolicy, Box, Edge, JobKind, Quality, StartFrom
from interchange.model.engine import DigitalSourceType, EngineLimits, PlannedGeometry
from interchange.model.job import (
    LONGEST_PREVIEW_BYTES,
    EngineState,
    EngineStatus,
    Job,
    JobState,
    Progress,
)
from interchange.model.media import ColourTags, Raster
from interchange.model.request import (
    MOST_REFERENCES,
    BridgeSpec,
    Codec,
    ExtendSpec,
    GenerateSpec,
    GenerationRequest,
    OutputSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.model.take import Take
from interchange.timebase import FrameRate, TimeRange

INT32 = 2**31 - 1
INT64 = 2**63 - 1

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
filled_words = words.filter(bool)
shots = st.from_regex(r"[A-Za-z0-9_\u00e4-\u00fc][A-Za-z0-9_ .-]{0,20}", fullmatch=True)
rates = st.sampled_from(
    [FrameRate(n, 1001) for n in (24000, 30000, 60000, 120000)]
    + [FrameRate(n) for n in (24, 25, 30, 50, 60)]
    + [FrameRate(INT32, 999)]
)
fractions = st.builds(Fraction, st.integers(-INT64, INT64), st.integers(1, INT64))
rasters = st.builds(
    Raster,
    st.integers(1, 65_536),
    st.integers(1, 65_536),
    st.builds(Fraction, st.integers(1, 10_000), st.integers(1, 10_000)),
)
code_points = st.integers(0, 255)
colours = st.builds(ColourTags, code_points, code_points, code_points, st.booleans())
boxes = st.builds(
    Box, *(st.integers(0, INT32), st.integers(0, INT32), st.integers(1, INT32)), st.integers(1, 9)
)
aspects = st.builds(Aspect, st.integers(1, INT32), st.integers(1, INT32))
counts = st.integers(0, INT32)
sizes = st.integers(0, INT64)
shares = st.floats(0, 1)
audio_policies = st.sampled_from(AudioPolicy)


def ranges(rate: FrameRate) -> st.SearchStrategy[TimeRange]:
    """Ranges of at least one frame."""
    return st.builds(
        TimeRange.of_length, st.integers(-INT64, INT64), st.integers(1, INT64), st.just(rate)
    )


def spans(rate: FrameRate) -> st.SearchStrategy[SourceSpan]:
    return st.builds(
        SourceSpan,
        path=filled_words,
        media_rate=rates,
        record_range=ranges(rate),
        first_frame=fractions,
        step=fractions,
        colour=colours,
        size_bytes=sizes,
        modified_ns=st.integers(-INT64, INT64),
    )


def specs(rate: FrameRate):
    """Every kind of spec."""
    optional_path = st.none() | filled_words
    return st.one_of(
        st.builds(RetakeSpec, spans(rate), audio_policies, optional_path, st.none() | boxes),
        st.builds(
            RegenerateSpec,
            spans(rate),
            audio_policies,
            st.sampled_from(StartFrom),
            st.none() | shares,
        ),
        st.builds(BridgeSpec, spans(rate), spans(rate), st.integers(-INT64, INT64)),
        st.builds(ExtendSpec, spans(rate), st.sampled_from(Edge), audio_policies),
        st.builds(GenerateSpec, optional_path, optional_path),
        st.builds(RestyleSpec, spans(rate), optional_path, st.none() | boxes),
        st.builds(ReframeSpec, spans(rate), aspects),
    )


@st.composite
def requests(draw) -> GenerationRequest:
    rate = draw(rates)
    return draw(
        st.builds(
            GenerationRequest,
            shot=shots,
            sequence_name=words,
            frame_rate=st.just(rate),
            record_range=ranges(rate),
            head_handle_frames=counts,
            tail_handle_frames=counts,
            keep_handles=st.booleans(),
            raster=rasters,
            colour=colours,
            start_frame=sizes,
            drop_frame=st.booleans() if rate.drop_frame_capable else st.just(False),
            reel=words,
            spec=specs(rate),
            engine=words,
            seed=st.integers(-INT64, INT64),
            output=st.builds(OutputSpec, filled_words, st.sampled_from(Codec), st.booleans()),
            prompt=words,
            negative_prompt=words,
            preset=words,
            quality=st.sampled_from(Quality),
            references=st.lists(spans(rate), max_size=MOST_REFERENCES).map(tuple),
        )
    )


# Mostly short: what matters about a long one is that it has its length.
previews = st.binary(max_size=20) | st.just(bytes(LONGEST_PREVIEW_BYTES))
bridge_errors = st.builds(
    lambda kind, message, reason, metadata: kind(message, reason=reason, metadata=metadata),
    st.sampled_from(errors.BridgeError.__subclasses__()),
    filled_words,
    st.sampled_from(errors.Reason),
    st.dictionaries(words, words, max_size=3),
)
notes = st.lists(words, max_size=2).map(tuple)
moments = st.none() | st.datetimes(timezones=st.just(UTC))


@st.composite
def takes(draw) -> Take:
    return draw(
        st.builds(
            Take,
            path=filled_words,
            manifest_path=words,
            sha256=words,
            size_bytes=sizes,
            record_range=draw(rates.map(ranges)),
            media_range=draw(rates.map(ranges)),
            head_handle_frames=counts,
            drop_frame=st.booleans(),
            raster=rasters,
            codec=st.sampled_from(Codec).map(lambda codec: codec.value),
            reel=words,
            audio_channels=counts,
            audio_sample_rate_hz=counts,
            engine=words,
            engine_version=words,
            model_identity=words,
            seed=st.integers(-INT64, INT64),
            notes=notes,
        )
    )


@st.composite
def geometries(draw) -> PlannedGeometry:
    rate = draw(rates)
    return draw(st.builds(PlannedGeometry, ranges(rate), ranges(rate), rasters, rasters, notes))


jobs = st.builds(
    Job,
    job_id=st.just("") | st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    request_id=words,
    state=st.sampled_from(JobState),
    revision=sizes,
    priority=st.integers(-INT32, INT32),
    request=requests(),
    geometry=geometries(),
    progress=st.builds(Progress, filled_words, sizes, sizes, shares, previews),
    take=st.none() | takes(),
    error=st.none() | bridge_errors,
    attempts=counts,
    created=moments,
    started=moments,
    ended=moments,
)


def _subsets(members):
    return st.frozensets(st.sampled_from(members))


engine_statuses = st.builds(
    EngineStatus,
    limits=st.builds(
        EngineLimits,
        engine=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,10}", fullmatch=True),
        version=words,
        summary=words,
        kinds=_subsets(JobKind),
        keys=st.frozensets(words, max_size=3),
        audio=_subsets(AudioPolicy),
        start_from=_subsets(StartFrom),
        qualities=_subsets(Quality),
        context_frames=counts,
        max_frames=st.integers(1, INT32),
        max_pixels=st.integers(1, INT64),
        size_multiple_px=st.integers(1, INT32),
        frame_grid=st.tuples(st.integers(1, INT32), counts),
        deterministic=st.booleans(),
        seeded_kinds=_subsets(JobKind),
        source_type=st.sampled_from(DigitalSourceType),
        test_only=st.booleans(),
        presets=st.frozensets(words, max_size=3),
    ),
    model_identity=words,
    state=st.sampled_from(EngineState),
    device=words,
    device_memory_bytes=sizes,
    worker_memory_bytes=sizes,
    is_default=st.booleans(),
)
