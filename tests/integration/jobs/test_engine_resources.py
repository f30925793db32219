"""What the settings let engines take reaches the engine in the worker's process."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from support.job_cases import media_request
from support.model_examples import JOB_ID, example_geometry

from sidecar.app import worker_spec
from sidecar.jobs.work import WorkOrder
from sidecar.settings import load_settings
from sidecar.worker.supervisor import WorkerSupervisor, WorkerTiming


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, " 0 10000000000"),
        (
            {"device": "cuda:1", "gpu_memory_gb": "20", "model_cache_gb": "0"},
            "cuda:1 20000000000 0",
        ),
    ],
)
def test_settings_reach_the_engine(tmp_path: Path, given: dict[str, str], told: str) -> None:
    settings = load_settings(
        given | {"state_dir": str(tmp_path / "state")}, environment={"HOME": str(tmp_path)}
    )
    spec = replace(
        worker_spec(settings, "1.2.3"),
        engines="support.frank_engine:create",
        stages="support.broken_engines:open_stages",
    )
    root = tmp_path.resolve()
    (root / "takes").mkdir()
    request = media_request(root)
    order = WorkOrder(JOB_ID, 1, "A_LTX_v001", request, example_geometry(request))

    async def identity() -> str:
        worker = WorkerSupervisor("frank", spec=spec, timing=WorkerTiming())
        try:
            await worker.run(order, on_progress=lambda _: None)
            return worker.model_identity
        finally:
            await worker.close()

    assert asyncio.run(identity()) == told
