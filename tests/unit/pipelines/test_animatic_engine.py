from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from interchange.errors import UnsupportedError
from interchange.model.directive import Edge, JobKind, Quality
from interchange.model.media import Raster
from interchange.model.request import BridgeSpec
from interchange.timebase import TimeRange
from sidecar.pipelines.animatic.engine import AnimaticEngine
from sidecar.pipelines.animatic.limits import LIMITS
from sidecar.pipelines.synthetic import RATE, WINDOW_START, synthetic_job, with_seed, without_slate

RASTER = Raster(128, 72)
DICE = np.random.default_rng(5)
CLOUD = cv2.GaussianBlur(DICE.standard_normal((300, 600, 3)).astype(np.float32), (0, 0), 2.5)
CLOUD = np.clip(0.5 + CLOUD / CLOUD.std() / 5, 0, 1)
OTHER = np.ascontiguousarray(CLOUD[::-1, ::-1, ::-1])


def pan(ground, speed):
    """A camera that moves `speed` pixels a frame to the right, from frame 0 at x=150."""

    def picture(t):
        shift = np.float32([[1, 0, 150 + speed * t], [0, 1, 100]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(ground, shift, (RASTER.width_px, RASTER.height_px), flags=flags)

    return picture


class Clip:
    """Pictures of a clip for the frames it has; asking for any other is an error."""

    def __init__(self, draw, record_range):
        self._draw = draw
        self.record_range = record_range

    def picture(self, record_frame):
        assert record_frame in self.record_range, f"{record_frame} is none of the clip's frames"
        return self._draw(record_frame - WINDOW_START)

    def sound(self, _record_range):
        return None


def job_on(kind, *draws, **arguments):
    job = without_slate(synthetic_job(kind, limits=LIMITS, raster=RASTER, **arguments))
    spans = (span.record_range for span in job.request.sources)
    return replace(
        job, sources=tuple(Clip(draw, span) for draw, span in zip(draws, spans, strict=True))
    )


def make(job):
    engine = AnimaticEngine()
    return list(engine.generate(job, progress=lambda *_: None, cancelled=lambda: False))


def error(made, truth):
    return float(np.abs(made - truth)[4:-4, 4:-4].mean())


@pytest.mark.parametrize("kind", [JobKind.BRIDGE, JobKind.RETAKE])
def test_window_in_a_pan_moves_where_a_dissolve_doubles(kind):
    draw = pan(CLOUD, 2.5)
    job = job_on(kind, *[draw] * (2 if kind is JobKind.BRIDGE else 1), length=7)
    first, last = draw(-1), draw(7)
    for t, made in enumerate(make(job)):
        dissolve = first + (last - first) * np.float32((t + 1) / 8)
        assert error(made, draw(t)) < 0.25 * error(dissolve, draw(t))


def test_speed_carries_across_both_joints():
    """A pan that brakes: the first step is as long as the one before, the last as short as the next."""

    def draw(t):
        return pan(CLOUD, 1)(4.0 * t - 0.12 * t * t)

    pictures = [draw(-1), *make(job_on(JobKind.BRIDGE, draw, draw, length=9)), draw(9)]
    window = cv2.createHanningWindow((RASTER.width_px, RASTER.height_px), cv2.CV_32F)
    grey = [np.ascontiguousarray(picture[..., 1]) for picture in pictures]
    steps = [-cv2.phaseCorrelate(a, b, window)[0][0] for a, b in pairwise(grey)]
    assert steps[0] == pytest.approx(4.0 + 0.12, abs=0.5)
    assert steps[-1] == pytest.approx(4.0 - 0.12 * 17, abs=0.5)


def test_retake_never_looks_inside_its_window():
    job = synthetic_job(JobKind.RETAKE, limits=LIMITS)
    strict = replace(job.sources[0], forbidden_range=job.request.record_range)
    make(replace(job, sources=(strict,)))
    assert strict.asked
    assert job.request.record_range.start - 1 in strict.asked
    assert job.request.record_range.end in strict.asked


def test_unlike_shots_change_over_without_hard_steps():
    made = make(job_on(JobKind.BRIDGE, pan(CLOUD, 1), pan(OTHER, 1), length=11))
    pictures = [pan(CLOUD, 1)(-1), *made, pan(OTHER, 1)(11)]
    assert error(made[0], pictures[0]) < error(made[0], pictures[-1])
    assert error(made[-1], pictures[-1]) < error(made[-1], pictures[0])
    steps = [error(a, b) for a, b in pairwise(pictures)]
    assert max(steps) < 0.5 * error(pictures[0], pictures[-1])


@pytest.mark.parametrize("edge", Edge)
def test_extend_keeps_speed_at_the_joint_and_comes_to_rest(edge):
    draw = pan(CLOUD, 1.0)
    made = make(job_on(JobKind.EXTEND, draw, length=24, edge=edge))
    joint = draw(-1) if edge is Edge.TAIL else draw(24)
    order = made if edge is Edge.TAIL else made[::-1]
    steps = [error(a, b) for a, b in pairwise([joint, *order])]
    natural = error(draw(-1), draw(-2))
    assert steps[0] == pytest.approx(natural, rel=0.35)
    assert steps[-1] < 0.15 * natural


def test_extended_still_shot_stays_still():
    draw = pan(CLOUD, 0.0)
    for made in make(job_on(JobKind.EXTEND, draw, length=5)):
        assert error(made, draw(0)) < 0.002


def test_handles_that_are_made_show_the_shots_themselves():
    job = synthetic_job(JobKind.BRIDGE, limits=LIMITS, raster=RASTER, length=3, handles=(2, 2))
    made = make(without_slate(job))
    start = job.request.file_range.start
    for index in (0, 1):
        assert np.array_equal(made[index], job.sources[0].picture(start + index))
    for index in (5, 6):
        assert np.array_equal(made[index], job.sources[1].picture(start + index))


def test_regenerate_moves_smoothly_and_shows_no_border():
    white = np.ones_like(CLOUD)
    for seed in range(8):
        made = make(with_seed(job_on(JobKind.REGENERATE, pan(white, 0), length=3), seed))
        assert all(picture.min() > 0.99 for picture in made)
        made = make(with_seed(job_on(JobKind.REGENERATE, pan(CLOUD, 0), length=25), seed))
        steps = [error(a, b) for a, b in pairwise(made)]
        assert 0.001 < max(steps) < 0.1
        assert steps[0] < 0.4 * max(steps)
        assert steps[-1] < 0.4 * max(steps)


def test_draft_is_the_same_shot():
    job = job_on(JobKind.BRIDGE, pan(CLOUD, 2.5), pan(CLOUD, 2.5), length=5)
    draft = replace(job, request=replace(job.request, quality=Quality.DRAFT))
    for one, other in zip(make(job), make(draft), strict=True):
        assert error(one, other) < 0.02


def test_result_does_not_depend_on_the_number_of_threads():
    job = job_on(JobKind.BRIDGE, pan(CLOUD, 2.5), pan(CLOUD, 2.5), length=3)
    threads = cv2.getNumThreads()
    try:
        results = []
        for count in (1, 4):
            cv2.setNumThreads(count)
            results.append(make(job))
            assert cv2.getNumThreads() == count
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_global_random_state_is_neither_read_nor_changed():
    job = synthetic_job(JobKind.REGENERATE, limits=LIMITS)
    np.random.seed(1)  # noqa: NPY002 - the very state that must not matter
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = make(job)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(first, make(job), strict=True))


def test_slate_sits_at_the_bottom_and_can_be_left_out():
    job = synthetic_job(JobKind.RETAKE, limits=LIMITS, raster=Raster(320, 180), length=1)
    (with_it,), (without,) = make(job), make(without_slate(job))
    changed = np.abs(with_it - without).max(axis=2) > 0.02
    rows = np.flatnonzero(changed.any(axis=1))
    assert rows.min() > 0.85 * 180
    assert rows.max() < 0.99 * 180
    assert 0.001 < changed.mean() < 0.03


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "   ",
        "one",
        "word " * 400,
        "x" * 5000,
        "日本 \U0001f600 \x00\x1b\n\u202e éß\ud800",
        "%s {0}",
    ],
)
@pytest.mark.parametrize("raster", [Raster(320, 180), Raster(90, 160), Raster(16, 16)])
def test_card_takes_any_prompt(prompt, raster):
    job = synthetic_job(JobKind.GENERATE, limits=LIMITS, raster=raster, length=2, prompt=prompt)
    first, last = make(job)
    assert not np.array_equal(first, last)


def test_card_bar_reaches_the_end_with_the_last_frame():
    job = synthetic_job(JobKind.GENERATE, limits=LIMITS, raster=Raster(320, 180), length=10)
    pictures = make(without_slate(job))
    colourful = [(np.ptp(picture[round(180 * 0.905)], axis=-1) > 0.1).sum() for picture in pictures]
    assert colourful == sorted(colourful)
    assert colourful[-1] >= 287
    assert colourful[0] == pytest.approx(28.8, abs=2)


def test_picture_beyond_the_limit_is_refused():
    job = synthetic_job(JobKind.GENERATE, limits=LIMITS)
    job = replace(job, request=replace(job.request, raster=Raster(20_000, 10_000)))
    with pytest.raises(UnsupportedError, match="smaller sequence"):
        make(job)


def test_bridge_over_a_gap_reads_only_what_there_is():
    """The outgoing shot ends two frames before the window; its last frame is where the bridge starts from."""
    job = job_on(JobKind.BRIDGE, pan(CLOUD, 2), pan(CLOUD, 2), length=4)
    short = TimeRange(WINDOW_START - 4, WINDOW_START - 2, RATE)
    assert isinstance(job.request.spec, BridgeSpec)
    clips = (Clip(pan(CLOUD, 2), short), job.sources[1])
    for t, made in enumerate(make(replace(job, sources=clips))):
        assert error(made, pan(CLOUD, 2)(t)) < 0.03
