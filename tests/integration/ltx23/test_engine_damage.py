"""Weights that give no numbers, and faults in the depth of the model: no take, and nothing of it in the next one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.ltx_jobs import taken
from support.ltx_plans import planned
from support.ltx_presets import write_presets

from interchange.errors import ExhaustedError, InvalidInputError, Reason
from interchange.model.directive import AudioPolicy, JobKind
from sidecar.pipelines.base import EngineFolders, Picture
from sidecar.pipelines.ltx23.engine import LtxEngine
from sidecar.pipelines.ltx23.runtime import Runtime, open_runtime
from sidecar.pipelines.resources import EngineResources

MakeEngine = Callable[..., LtxEngine]


class Opened:
    """Opens real models, and keeps hold of the last."""

    def __init__(self) -> None:
        self.runtime: Runtime | None = None

    def open(self, checkpoint: Any, **how: Any) -> Runtime:
        """An `OpenRuntime`."""
        self.runtime = open_runtime(checkpoint, **how)
        return self.runtime

    def part(self, name: str) -> torch.nn.Module:
        """A component of the model."""
        assert self.runtime is not None
        module: torch.nn.Module = getattr(self.runtime.components, name)
        return module


def digest(pictures: list[Picture]) -> str:
    """One number for a take."""
    return hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest()


@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_weights_that_give_no_numbers_give_no_take_and_nothing_is_kept(
    own_engine: MakeEngine, tiny_folders: EngineFolders, tmp_path: Path, part: str
) -> None:
    """A grey picture must not be signed as a take, and the cache must not bring it back for a sound model."""
    keeping = replace(tiny_folders, cache=tmp_path, resources=EngineResources(cache_bytes=1 << 30))
    job = planned(JobKind.RETAKE)
    models = Opened()
    engine = own_engine(open_model=models.open, folders=keeping)
    sound = {name: value.clone() for name, value in models.part(part).state_dict().items()}
    for weight in models.part(part).parameters():
        weight.fill_(torch.nan)
    with pytest.raises(InvalidInputError, match=r"is no numbers \(NaN\)"):
        taken(engine, job)
    models.part(part).load_state_dict(sound)
    assert digest(taken(engine, job)) == digest(taken(own_engine(), job))


def test_a_vocoder_that_gives_no_numbers_gives_no_sound(own_engine: MakeEngine) -> None:
    models = Opened()
    engine = own_engine(open_model=models.open)
    for weight in models.part("vocoder").parameters():
        weight.fill_(torch.nan)
    job = planned(JobKind.RETAKE, audio=AudioPolicy.NEW)
    with pytest.raises(InvalidInputError, match=r"\(sound\) is no numbers"):
        engine.generate_sound(job, progress=lambda *_: None, cancelled=lambda: False)


@pytest.mark.parametrize("preset", ["plain", "tuned"])
def test_a_fault_in_the_depth_of_the_model_leaves_nothing_for_the_next_job(
    own_engine: MakeEngine, tiny_folders: EngineFolders, tmp_path: Path, preset: str
) -> None:
    """At several forwards in turn: stand-ins, LoRAs and attention of the broken job are gone."""
    presets = tmp_path / "state" / "presets"
    write_presets(presets)
    folders = replace(tiny_folders, presets=presets)
    plain = planned(JobKind.RETAKE)
    changed = replace(plain, request=replace(plain.request, preset=preset))
    models = Opened()
    engine = own_engine(open_model=models.open, folders=folders)
    expected = digest(taken(engine, plain)), digest(taken(engine, changed))
    block = list(models.part("transformer").children())[-1]
    before = {name: type(module) for name, module in models.part("transformer").named_modules()}
    for fails_at in (1, 2, 5):
        calls = [0]

        def fail(*_: object, calls: list[int] = calls, fails_at: int = fails_at) -> None:
            calls[0] += 1
            if calls[0] == fails_at:
                raise RuntimeError("injected")

        hook = block.register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="injected"):
            taken(engine, changed)
        hook.remove()
        left = {name: type(module) for name, module in models.part("transformer").named_modules()}
        assert left == before
        assert digest(taken(engine, plain)) == expected[0]
    assert digest(taken(engine, changed)) == expected[1]


@pytest.mark.parametrize(
    "full",
    [
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
        "can't start new thread",
    ],
)
def test_a_processor_without_memory_steps_down_and_then_says_so(
    own_engine: MakeEngine, full: str
) -> None:
    """Torch has no class for it: `worker_memory_gb` reached is a `RuntimeError` like any other."""
    opened: list[str] = []

    def open_model(checkpoint: Any, **how: Any) -> Runtime:
        opened.append(how["tier"].name)
        runtime = open_runtime(checkpoint, **how)
        hook = list(runtime.components.transformer.children())[-1].register_forward_pre_hook

        def fail(*_: object) -> None:
            raise RuntimeError(full)

        hook(fail)
        return runtime

    engine = own_engine(open_model=open_model)
    with pytest.raises(ExhaustedError, match="not even with the memory plan") as caught:
        taken(engine, planned(JobKind.RETAKE))
    assert caught.value.reason is Reason.MEMORY_FULL
    assert opened == ["processor", "processor, fp8"]
