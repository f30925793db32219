"""The committed comparison (benchmarks/bridge_quality.py), small: three clips, a quarter of the size."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from interchange.model.media import Raster
from sidecar.pipelines.registry import create_engine

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def comparison():
    name = "bridge_quality"
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / "bridge_quality.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["photo roll", "parallax", "passing object"])
def test_bridge_beats_dissolve_and_held_frame(comparison, name):
    clip = comparison.Clips().by_name()[name]
    scores = comparison.compare(create_engine("animatic"), clip, length=8, raster=Raster(320, 180))
    assert scores["animatic"] > scores["dissolve"] + 0.01
    assert scores["animatic"] > scores["held"] + 0.01


def test_committed_table_says_the_same_of_all_ten():
    clips = json.loads((BENCHMARKS / "results" / "bridge_quality.json").read_text())["clips"]
    assert len(clips) == 10
    for row in clips.values():
        assert row["animatic"] > max(row["dissolve"], row["held"])
