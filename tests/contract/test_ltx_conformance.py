"""`ltx-tiny`, the real code with random weights, passes the shipped suite in every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tiny_ltx import shared_cache

from interchange.model.directive import JobKind
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.conformance import Check, conformance_checks
from sidecar.pipelines.ltx23.entries import TinyEntry
from sidecar.pipelines.resources import EngineResources

NAMES = [check.name for check in conformance_checks(TinyEntry(None))]


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Check]:
    folder: Path = tmp_path_factory.mktemp("state")
    folders = EngineFolders(
        folder / "models",
        folder / "presets",
        shared_cache(tmp_path_factory),
        EngineResources(cache_bytes=0),  # a take that was kept would prove nothing
    )
    return {check.name: check for check in conformance_checks(TinyEntry(folders))}


def test_every_kind_is_checked() -> None:
    assert all(any(name.startswith(f"{kind}: ") for name in NAMES) for kind in JobKind)


@pytest.mark.parametrize("name", NAMES)
def test_tiny_model_passes(checks: dict[str, Check], name: str) -> None:
    checks[name].run()
