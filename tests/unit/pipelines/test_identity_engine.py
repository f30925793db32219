import numpy as np
import pytest

from interchange.model.directive import AudioPolicy, Edge, JobKind
from sidecar.pipelines.identity.chart import numbered_chart
from sidecar.pipelines.identity.engine import IdentityEngine
from sidecar.pipelines.identity.limits import LIMITS
from sidecar.pipelines.synthetic import synthetic_job


def make(job):
    engine = IdentityEngine()
    return list(engine.generate(job, progress=lambda *_: None, cancelled=lambda: False))


def read_number(picture):
    """The reader every test of frame accuracy shares, written out: mean of each bar's central half."""
    height, width = picture.shape[:2]
    value = 0
    for bar in range(24):
        left, right = (bar + 0.25) * width / 24, (bar + 0.75) * width / 24
        patch = picture[height // 3 : 2 * height // 3, round(left) : round(right)]
        value |= (patch.mean() > 0.42) << bar
    return value >> 16, value & 0xFFFF


@pytest.mark.parametrize("kind", [JobKind.RETAKE, JobKind.REGENERATE])
def test_shows_the_sources_own_frames(kind):
    job = synthetic_job(kind, limits=LIMITS, length=6, handles=(2, 1))
    frames = job.request.file_range.frames
    for picture, frame in zip(make(job), frames, strict=True):
        assert np.array_equal(picture, job.sources[0].picture(frame))


def test_bridge_shows_outgoing_to_the_cut_then_incoming():
    job = synthetic_job(JobKind.BRIDGE, limits=LIMITS, length=5)
    make(job)
    start, end, cut = (
        job.request.record_range.start,
        job.request.record_range.end,
        job.request.spec.cut,
    )
    assert job.sources[0].asked == list(range(start, cut))
    assert job.sources[1].asked == list(range(cut, end))


@pytest.mark.parametrize("edge", Edge)
def test_extend_asks_past_the_edge_and_is_shown_the_hold(edge):
    job = synthetic_job(JobKind.EXTEND, limits=LIMITS, length=3, edge=edge)
    source = job.sources[0]
    held = source.record_range.end - 1 if edge is Edge.TAIL else source.record_range.start
    for picture in make(job):
        assert np.array_equal(picture, source.picture(held))


def test_generated_chart_carries_record_frame_and_seed():
    job = synthetic_job(JobKind.GENERATE, limits=LIMITS, length=3, seed=300)
    frames = job.request.record_range.frames
    assert [read_number(picture) for picture in make(job)] == [
        (300 & 0xFF, frame & 0xFFFF) for frame in frames
    ]


@pytest.mark.parametrize("width", [24, 51, 384, 1920])
def test_chart_reads_back_at_any_width(width):
    for tag, number in [(0, 0), (255, 0xFFFF), (1, 86400 & 0xFFFF), (170, 0x5555)]:
        chart = numbered_chart(number, tag=tag, width_px=width, height_px=9)
        assert read_number(chart) == (tag, number)


def test_new_sound_is_the_sources_over_the_frames_made():
    job = synthetic_job(
        JobKind.RETAKE, limits=LIMITS, length=4, handles=(2, 2), audio=AudioPolicy.NEW
    )
    sound = new_sound(job)
    assert len(sound.samples) == 8 * 2000
    assert new_sound(synthetic_job(JobKind.GENERATE, limits=LIMITS)) is None


def new_sound(job):
    return IdentityEngine().generate_sound(
        job, progress=lambda *_step: None, cancelled=lambda: False
    )
