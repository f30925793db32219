import subprocess
import sys

import pytest

from interchange.errors import NotFoundError, Reason
from interchange.model.directive import JobKind
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.registry import DEFAULT_ENGINE, create_engine, engine_limits, find_engines


class FakePlugin:
    """Stands for an `importlib.metadata.EntryPoint`."""

    dist = None

    def __init__(self, name, loaded):
        self.name = name
        self._loaded = loaded

    def load(self):
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


class PluginOf:
    def __init__(self, limits):
        self.limits = limits

    def create(self):
        return self


def renamed(name):
    from dataclasses import replace

    return PluginOf(replace(engine_limits()["identity"], engine=name))


def test_limits_come_without_heavy_libraries():
    heavy = "{'torch', 'cv2', 'av', 'grpc'} & set(sys.modules)"
    script = (
        "import sys; from sidecar.pipelines.registry import engine_limits; "
        f"assert set(engine_limits()) >= {{'animatic', 'identity'}}; print({heavy} or 'none')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "none"


def test_default_engine_is_there_and_for_real_work():
    limits = engine_limits()[DEFAULT_ENGINE]
    assert not limits.test_only
    assert {JobKind.BRIDGE, JobKind.RETAKE, JobKind.EXTEND, JobKind.GENERATE} <= limits.kinds


@pytest.mark.parametrize("name", ["animatic", "identity"])
def test_engine_is_created_by_name(name):
    assert create_engine(name).limits == engine_limits()[name]


def test_unknown_engine_names_the_nearest():
    with pytest.raises(NotFoundError, match="Did you mean animatic") as caught:
        create_engine("animatics")
    assert caught.value.reason is Reason.ENGINE_NOT_FOUND


def test_unknown_engine_far_from_all_lists_them():
    with pytest.raises(NotFoundError, match="There are animatic, identity"):
        find_engines(plugins=()).create("zzz")


def test_plugin_joins_by_its_own_engine_name():
    registry = find_engines(plugins=[FakePlugin("entry", renamed("oil-paint"))])
    assert registry.limits()["oil-paint"].engine == "oil-paint"
    assert registry.create("oil-paint").limits.engine == "oil-paint"
    assert registry.problems == ()


@pytest.mark.parametrize(
    ("loaded", "why"),
    [
        (ImportError("no module named torch"), "no module named torch"),
        (RuntimeError("boom"), "boom"),
        (object(), "limits"),
        (PluginOf("not limits"), "not EngineLimits"),
        (renamed("animatic"), "is there already"),
    ],
)
def test_broken_plugin_is_reported_and_stops_nothing(loaded, why):
    good = FakePlugin("z good", renamed("good"))
    registry = find_engines(plugins=[FakePlugin("bad", loaded), good])
    assert set(registry.entries) == {*find_engines(plugins=()).entries, "good"}
    (problem,) = registry.problems
    assert problem.name == "bad"
    assert why in problem.message
    assert create_engine("animatic").limits.engine == "animatic"


def test_a_preset_added_later_is_there_without_a_restart(tmp_path):
    folders = EngineFolders.below(tmp_path)
    limits = engine_limits(folders)
    assert "grainy" not in limits["ltx-2.3"].presets
    folders.presets.mkdir()
    (folders.presets / "grainy.toml").write_text('summary = "x"\nrecipe = "distilled"\n')
    assert "grainy" in limits["ltx-2.3"].presets
    assert "grainy" in limits["ltx-tiny"].presets
