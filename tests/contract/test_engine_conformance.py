"""Every engine of ours, and one written against the documentation only, passes the shipped suite."""

from dataclasses import replace

import numpy as np
import pytest

from interchange.errors import UnsupportedError
from interchange.model.directive import AudioPolicy, JobKind
from interchange.model.media import Raster
from sidecar.pipelines.base import stop_if
from sidecar.pipelines.conformance import conformance_checks
from sidecar.pipelines.identity.limits import LIMITS as IDENTITY_LIMITS
from sidecar.pipelines.registry import find_engines
from sidecar.pipelines.synthetic import synthetic_job

BUILT_IN = find_engines(plugins=())

CHECKS = [
    pytest.param(check, id=f"{name}: {check}")
    for name, entry in BUILT_IN.entries.items()
    if name
    not in {"ltx-2.3", "ltx-tiny"}  # need weights; test_ltx_conformance.py has the tiny ones
    for check in conformance_checks(entry)
]


@pytest.mark.parametrize("check", CHECKS)
def test_built_in_engine_passes(check):
    check.run()


class OneKindEngine:
    """Grey retakes and nothing else; each `fault` breaks one rule of the suite."""

    model_identity = "grey 1"

    def __init__(self, limits, fault):
        self.limits = limits
        self._fault = fault

    def load(self, progress):
        progress("load", 1, 1)

    def generate(self, job, *, progress, cancelled):
        if job.request.kind not in self.limits.kinds and self._fault != "serves anything":
            raise UnsupportedError("Grey only makes retakes.")
        frames = job.made_range.length - (self._fault == "one short")
        raster = job.request.raster
        picture = np.full((raster.height_px, raster.width_px, 3), 0.18, np.float32)
        for done in range(1, frames + 1):
            if self._fault != "deaf":
                stop_if(cancelled)
            if self._fault != "reuses":
                picture = picture.copy()
            picture[0, 0] = done / 256
            if self._fault == "not a number":
                picture[0, 0] = np.nan
            if self._fault == "forgetful":
                picture[0, 0] = np.random.default_rng().random()
            yield picture.astype(np.float64) if self._fault == "double" else picture
            progress("generate", frames - done if self._fault == "falls" else done, frames)

    def generate_sound(self, _job, **_watch):
        return None


class OneKindEntry:
    def __init__(self, fault=""):
        self.limits = replace(
            IDENTITY_LIMITS,
            engine="grey",
            kinds=frozenset({JobKind.RETAKE}),
            keys=frozenset({"prompt"}),
            audio=frozenset({AudioPolicy.KEEP}),
        )
        self._fault = fault

    def create(self):
        return OneKindEngine(self.limits, self._fault)


def _failures(entry):
    failures = []
    for check in conformance_checks(entry):
        try:
            check.run()
        except AssertionError as failure:
            failures.append(f"{check}: {failure}")
    return failures


def test_engine_of_one_kind_passes():
    assert _failures(OneKindEntry()) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("one short", "were made for"),
        ("deaf", "cancelled"),
        ("reuses", "changed after it was handed over"),
        ("not a number", "not finite"),
        ("forgetful", "same seed"),
        ("double", "not float32"),
        ("falls", "progress"),
        ("serves anything", "was not refused"),
    ],
)
def test_broken_engine_fails(fault, message):
    assert any(message in failure for failure in _failures(OneKindEntry(fault)))


@pytest.mark.parametrize(
    ("kind", "key"),
    [(JobKind.RETAKE, "box"), (JobKind.RESTYLE, "matte"), (JobKind.REFRAME, "aspect")],
)
def test_engine_that_changes_what_it_should_keep_fails(kind, key):
    """Grey all over: the part of the picture that is not to be made is gone too."""
    entry = OneKindEntry()
    entry.limits = replace(entry.limits, kinds=frozenset({kind}), keys=frozenset({key}))
    assert any("should have been kept" in failure for failure in _failures(entry))


def test_engine_with_a_frame_grid_is_planned_as_it_is_used_and_gets_fewer_takes():
    """What is planned for it lies on its grid, in takes few enough for a model."""
    entry = OneKindEntry()
    free = len(conformance_checks(entry))
    entry.limits = replace(entry.limits, frame_grid=(8, 1), size_multiple_px=32)
    assert _failures(entry) == []
    assert len(conformance_checks(entry)) < free - 8
    job = synthetic_job(JobKind.RETAKE, limits=entry.limits)
    assert job.geometry.generate_range.length == 8
    assert job.geometry.generate_raster == Raster(64, 64)
