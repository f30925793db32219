"""`ltx-tiny`, shared by the tests of this folder; a test that changes an engine makes its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny_ltx import shared_cache

from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.ltx23.engine import LtxEngine
from sidecar.pipelines.ltx23.entries import TinyEntry
from sidecar.pipelines.ltx23.limits import TINY_LIMITS
from sidecar.pipelines.resources import EngineResources


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> EngineFolders:
    folder: Path = tmp_path_factory.mktemp("state")
    return EngineFolders(
        folder / "models",
        folder / "presets",
        shared_cache(tmp_path_factory),
        EngineResources(cache_bytes=0),  # a result that was kept would prove nothing
    )


@pytest.fixture(scope="session")
def tiny_engine(tiny_folders: EngineFolders) -> LtxEngine:
    engine = TinyEntry(tiny_folders).create()
    assert isinstance(engine, LtxEngine)
    engine.load(lambda *_: None)
    return engine


@pytest.fixture
def own_engine(
    tiny_folders: EngineFolders, tiny_checkpoint: Checkpoint
) -> Callable[..., LtxEngine]:
    """Makes a loaded engine; arguments as of `LtxEngine`."""

    def make(**how: Any) -> LtxEngine:
        how = {"find_checkpoint": lambda _name: tiny_checkpoint, "device": "cpu", **how}
        engine = LtxEngine(TINY_LIMITS, how.pop("folders", tiny_folders), **how)
        engine.load(lambda *_: None)
        return engine

    return make
