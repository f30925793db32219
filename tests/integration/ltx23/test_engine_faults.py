"""What goes wrong in the middle of a take: cancels in every phase, memory that runs out, checkpoints that change."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.ltx_jobs import StarvedModels, taken
from support.ltx_plans import planned

from interchange.errors import ExhaustedError, Reason, StoppedError
from interchange.model.directive import AudioPolicy, JobKind
from sidecar.filesystem import FileSystem
from sidecar.models.checkpoint import Checkpoint
from sidecar.models.layout import inspect
from sidecar.models.registry import ModelRegistry
from sidecar.pipelines.base import EngineFolders, Picture
from sidecar.pipelines.ltx23.engine import LtxEngine
from sidecar.pipelines.ltx23.limits import TINY_LIMITS
from sidecar.pipelines.resources import EngineResources

MakeEngine = Callable[..., LtxEngine]


def digest(pictures: list[Picture]) -> str:
    """One number for a take."""
    return hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest()


def test_a_cancel_takes_effect_in_every_phase_and_leaves_nothing_behind(
    tiny_engine: LtxEngine,
) -> None:
    job = planned(JobKind.RETAKE)
    phases: list[str] = []
    whole = taken(tiny_engine, job, progress=lambda phase, *_: phases.append(phase))
    assert len(set(phases)) >= 7
    for stop_at in dict.fromkeys(phases):
        now = [""]

        def note(phase: str, _done: int, _total: int, now: list[str] = now) -> None:
            now[0] = phase

        def cancelled(now: list[str] = now, stop_at: str = stop_at) -> bool:
            return now[0] == stop_at

        with pytest.raises(StoppedError):
            taken(tiny_engine, job, progress=note, cancelled=cancelled)
        assert now[0] == stop_at
    assert digest(taken(tiny_engine, job)) == digest(whole)


def test_a_job_that_cannot_fit_is_refused_with_numbers_before_work(
    own_engine: MakeEngine, tiny_folders: EngineFolders
) -> None:
    """The plan is for the full model; 10 GB hold it in no tier of a processor."""
    models = StarvedModels()
    limited = replace(
        tiny_folders, resources=EngineResources(gpu_memory_bytes=10**10, cache_bytes=0)
    )
    engine = own_engine(open_model=models.open, folders=limited)
    opened = len(models.tiers)
    phases: list[str] = []
    with pytest.raises(ExhaustedError, match=r"need about \d+ GB.*has 10 GB") as caught:
        taken(engine, planned(JobKind.RETAKE), progress=lambda phase, *_: phases.append(phase))
    assert caught.value.reason is Reason.MEMORY_FULL
    assert (phases, len(models.tiers)) == ([], opened)


def test_memory_that_runs_out_steps_down_once(own_engine: MakeEngine) -> None:
    models = StarvedModels(transformer=1)
    engine = own_engine(open_model=models.open)
    job = planned(JobKind.RETAKE)
    assert len(taken(engine, job)) == job.made_range.length
    assert models.tiers == ["processor", "processor, fp8"]
    assert any("Memory ran out" in remark for remark in engine.remarks)


def test_memory_that_runs_out_again_is_told_with_what_to_do(own_engine: MakeEngine) -> None:
    models = StarvedModels(transformer=2)
    engine = own_engine(open_model=models.open)
    with pytest.raises(ExhaustedError, match="quality=draft") as caught:
        taken(engine, planned(JobKind.RETAKE))
    assert caught.value.reason is Reason.MEMORY_FULL
    job = planned(JobKind.RETAKE)
    assert len(taken(engine, job)) == job.made_range.length, "the engine must work on"


def test_memory_that_runs_out_between_pictures_gives_each_picture_once(
    own_engine: MakeEngine,
) -> None:
    job = planned(JobKind.GENERATE, length=17)
    whole = taken(own_engine(), job)
    engine = own_engine(open_model=StarvedModels(decode_after=6).open)
    pictures = taken(engine, job)
    assert len(pictures) == 17
    # The latents were made before: what is left to do lower down is only to decode them.
    assert max(float(np.abs(a - b).max()) for a, b in zip(whole, pictures, strict=True)) < 1e-5


def test_a_cancel_between_sound_and_pictures_keeps_neither(tiny_engine: LtxEngine) -> None:
    job = planned(JobKind.RETAKE, audio=AudioPolicy.NEW)
    with pytest.raises(StoppedError):
        tiny_engine.generate_sound(job, progress=lambda *_: None, cancelled=lambda: True)
    phases: list[str] = []
    taken(tiny_engine, job, progress=lambda phase, *_: phases.append(phase))
    assert "denoising, stage 1" in phases


def test_a_checkpoint_that_is_changed_is_used_by_the_next_job(
    tmp_path: Path, tiny_checkpoint: Checkpoint
) -> None:
    """Through the registry that `ltxbridge models use` writes, with no restart between."""
    other = tmp_path / "other"
    shutil.copytree(tiny_checkpoint.path, other)
    weights = other / "transformer" / "diffusion_pytorch_model.safetensors"
    changed = {name: value * 1.5 for name, value in load_file(weights).items()}
    save_file(changed, weights, metadata={"format": "pt"})
    registry = ModelRegistry(tmp_path / "models", FileSystem())
    for name, folder in (("first", tiny_checkpoint.path), ("second", other)):
        found = inspect(folder, upsampler=folder / "latent_upsampler", variant="distilled")
        registry.add(found, name=name, engine="ltx-2.3")
    folders = EngineFolders(tmp_path / "models", tmp_path / "presets", tmp_path / "cache")
    engine = LtxEngine(
        replace(TINY_LIMITS, engine="ltx-2.3"),
        folders,
        find_checkpoint=lambda name: (
            registry.current("ltx-2.3") if name is None else registry.get(name)
        ),
        device="cpu",
    )
    engine.load(lambda *_: None)
    job = planned(JobKind.GENERATE)
    first, identity = digest(taken(engine, job)), engine.model_identity
    registry.use("second")
    second = digest(taken(engine, job))
    assert second != first
    assert engine.model_identity != identity
    registry.use("first")
    assert digest(taken(engine, job)) == first
    assert engine.model_identity == identity


def test_another_process_makes_the_same_pictures(
    tiny_engine: LtxEngine, tiny_folders: EngineFolders
) -> None:
    here = digest(taken(tiny_engine, planned(JobKind.BRIDGE)))
    script = (
        "import hashlib, pathlib, sys, torch\n"
        "torch.set_num_threads(1)\n"
        "from sidecar.pipelines.base import EngineFolders\n"
        "from sidecar.pipelines.ltx23.entries import TinyEntry\n"
        "from sidecar.pipelines.ltx23.limits import TINY_LIMITS\n"
        "from sidecar.pipelines.synthetic import synthetic_job\n"
        "from interchange.model.directive import JobKind\n"
        "folder, cache = map(pathlib.Path, sys.argv[1:])\n"
        "engine = TinyEntry(EngineFolders(folder, folder, cache)).create()\n"
        "engine.load(lambda *_: None)\n"
        "job = synthetic_job(JobKind.BRIDGE, limits=TINY_LIMITS)\n"
        "made = engine.generate(job, progress=lambda *_: None, cancelled=lambda: False)\n"
        "print(hashlib.sha256(b''.join(picture.tobytes() for picture in made)).hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tiny_folders.models), str(tiny_folders.cache)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == here


def test_nothing_process_wide_is_changed(tiny_engine: LtxEngine) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    taken(tiny_engine, planned(JobKind.RETAKE))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() is torch.float32
    assert not torch.are_deterministic_algorithms_enabled()
