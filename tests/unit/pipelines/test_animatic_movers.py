"""What moves on its own crosses a gap as a whole: no flakes, no crumbs, nothing left behind."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from interchange.model.directive import JobKind
from interchange.model.media import Raster
from sidecar.pipelines.animatic.engine import AnimaticEngine
from sidecar.pipelines.animatic.flow import WorkingSize, make_proxies
from sidecar.pipelines.animatic.limits import LIMITS
from sidecar.pipelines.animatic.motion import fit_velocity, flows_to_neighbours
from sidecar.pipelines.animatic.movers import Sight, find_movers, make_colour_proxies
from sidecar.pipelines.synthetic import WINDOW_START, synthetic_job, without_slate

RASTER = Raster(240, 136)
LENGTH = 9
DICE = np.random.default_rng(8)
NOISE = cv2.GaussianBlur(DICE.standard_normal((200, 500)).astype(np.float32), (0, 0), 2.0)
GROUND = np.clip(0.4 + NOISE / NOISE.std() / 8, 0.05, 0.7)


def ground(t):
    shift = np.float32([[1, 0, 100 + 1.0 * t], [0, 1, 30]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    grey = cv2.warpAffine(GROUND, shift, (RASTER.width_px, RASTER.height_px), flags=flags)
    return np.dstack((grey * 0.5, grey, grey)).astype(np.float32)


def place(t, *, speed=5.0):
    return RASTER.width_px / 2 + speed * (t - (LENGTH - 1) / 2), 70.0


def with_disc(t, *, speed=5.0, colour=(1.0, 0.85, 0.45)):
    """A plain bright disc, so that flow has its outline only to hold on to."""
    picture = ground(t)
    ys, xs = np.mgrid[0 : RASTER.height_px, 0 : RASTER.width_px].astype(np.float32)
    x, y = place(t, speed=speed)
    cover = np.clip(18.5 - np.hypot(xs - x, ys - y), 0, 1)[..., None]
    return picture + (np.float32(colour) - picture) * cover


class Clip:
    def __init__(self, draw, record_range):
        self._draw = draw
        self.record_range = record_range

    def picture(self, record_frame):
        assert record_frame in self.record_range
        return self._draw(record_frame - WINDOW_START)

    def sound(self, _record_range):
        return None


def make(kind, draw):
    job = without_slate(synthetic_job(kind, limits=LIMITS, raster=RASTER, length=LENGTH))
    sources = tuple(Clip(draw, span.record_range) for span in job.request.sources)
    job = replace(job, sources=sources)
    return list(AnimaticEngine().generate(job, progress=lambda *_: None, cancelled=lambda: False))


def warm_parts(picture):
    """Connected parts that are warmer than anything the ground has."""
    warm = ((picture[..., 0] - picture[..., 2]) > 0.25).astype(np.uint8)
    count, _, facts, centres = cv2.connectedComponentsWithStats(warm, connectivity=8)
    return [(int(facts[i, cv2.CC_STAT_AREA]), centres[i]) for i in range(1, count)]


@pytest.mark.parametrize("kind", [JobKind.BRIDGE, JobKind.RETAKE])
def test_object_stays_in_one_piece_and_leaves_nothing_behind(kind):
    for t, picture in enumerate(make(kind, with_disc)):
        ((true_area, _),) = warm_parts(with_disc(t))
        ((area, centre),) = warm_parts(picture)
        assert area == pytest.approx(true_area, rel=0.08)
        assert centre == pytest.approx(place(t), abs=1.0)


def test_ground_behind_an_object_moves_with_the_ground():
    for t, picture in enumerate(make(JobKind.BRIDGE, with_disc)):
        assert float(np.abs(picture - with_disc(t))[6:-6, 14:-14].mean()) < 0.015


def test_objects_that_cross_keep_their_shapes():
    def draw(t):
        behind = with_disc(t)
        ys, xs = np.mgrid[0 : RASTER.height_px, 0 : RASTER.width_px].astype(np.float32)
        x = RASTER.width_px / 2 - 5.0 * (t - (LENGTH - 1) / 2)
        inside = (np.maximum(np.abs(xs - x), np.abs(ys - 80)) < 15)[..., None]
        return np.where(inside, np.float32((0.1, 0.9, 0.2)), behind)

    for t, picture in enumerate(make(JobKind.BRIDGE, draw)):
        truth = draw(t)
        assert float((np.abs(picture - truth).max(axis=2) > 0.2).mean()) < 0.02


def test_result_with_objects_does_not_depend_on_the_number_of_threads():
    threads = cv2.getNumThreads()
    try:
        results = []
        for count in (1, 4):
            cv2.setNumThreads(count)
            results.append(make(JobKind.BRIDGE, with_disc))
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def look(draw):
    pictures = [draw(-1 - k) for k in range(5)]
    size = WorkingSize.of(width_px=RASTER.width_px, height_px=RASTER.height_px, longest=960)
    proxies = make_proxies(pictures, size)
    flows = flows_to_neighbours(proxies)
    velocity = fit_velocity(flows, time_step=-1)
    return find_movers(Sight(make_colour_proxies(pictures, size), flows, velocity, -1), proxies[0])


def test_nothing_is_found_where_the_camera_alone_moves():
    assert look(ground) == []


def test_object_is_found_with_its_speed():
    (mover,) = look(with_disc)
    assert mover.speed == pytest.approx((5.0, 0.0), abs=0.4)
    assert mover.centre == pytest.approx(place(-1), abs=6)
