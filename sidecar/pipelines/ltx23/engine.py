"""The engine `ltx-2.3`: looks the checkpoint up, plans memory, runs the take, says what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from interchange.errors import UnsupportedError
from interchange.model.directive import JobKind
from interchange.model.engine import Device, EngineLimits
from interchange.model.request import GenerateSpec
from sidecar.digests import RememberedDigests
from sidecar.filesystem import FileSystem
from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.base import (
    CancelCheck,
    EngineFolders,
    EngineJob,
    Picture,
    ProgressCallback,
    Sound,
    stop_if,
)
from sidecar.pipelines.ltx23.canvas import (
    FEWEST_CANVAS_FRAMES,
    MOST_CANVAS_FRAMES,
    Canvas,
    canvases,
)
from sidecar.pipelines.ltx23.caption import Captioner, open_captioner
from sidecar.pipelines.ltx23.conditions import conditions_of, kept_frames
from sidecar.pipelines.ltx23.devices import description, matmul_rate, memory_bytes, pick_device
from sidecar.pipelines.ltx23.effort import Effort
from sidecar.pipelines.ltx23.generation import stage_size
from sidecar.pipelines.ltx23.grid import audio_latents
from sidecar.pipelines.ltx23.lora import reference_downscale_factor
from sidecar.pipelines.ltx23.making import Making, decide
from sidecar.pipelines.ltx23.memory import Work, fit, most_frames
from sidecar.pipelines.ltx23.presets import Preset, find_preset
from sidecar.pipelines.ltx23.runtime import open_runtime
from sidecar.pipelines.ltx23.sizes import FULL_SIZE, ModelSize, transformer_size
from sidecar.pipelines.ltx23.states import extra_tokens
from sidecar.pipelines.ltx23.take import TakeRun
from sidecar.pipelines.ltx23.text import unread
from sidecar.pipelines.ltx23.tiers import Tier, choose_tier
from sidecar.pipelines.ltx23.workshop import OpenRuntime, Workshop

FindCheckpoint = Callable[[str | None], Checkpoint]
"""The checkpoint of a name, or the one in use; asked before every job, so that it can be changed any time."""

_REFERENCE_DOWNSCALE: Final = 1
"""Of IC-LoRAs whose file does not say."""
_QUOTED_CHARACTERS: Final = 40
"""Of a prompt's unread end: enough to find the place."""


class LtxEngine:
    """LTX-2.3. Implements `Engine`, `ComputesOnDevice`, `MakesRemarks` and `SuggestsPrompts`.

    Nothing process-wide is changed: randomness comes from generators of its own, and kernels are chosen per
    call, deterministic ones where there are such.

    Args:
        limits: What it serves.
        folders: Presets, caches, and what it may take of the machine.
        find_checkpoint: Looks a checkpoint up.
        device: What computes; None for what the folders' resources say.
        size: Of its model, for planning memory.
        restyle_preset: For a restyle without `preset=`; None refuses it.
        label: A remark for every take.
        open_model: Opens a checkpoint.
    """

    def __init__(
        self,
        limits: EngineLimits,
        folders: EngineFolders,
        *,
        find_checkpoint: FindCheckpoint,
        device: str | None = None,
        size: ModelSize = FULL_SIZE,
        restyle_preset: Preset | None = None,
        label: str = "",
        open_model: OpenRuntime = open_runtime,
    ) -> None:
        self._limits = limits
        self._folders = folders
        self._find_checkpoint = find_checkpoint
        self._size = size
        self._restyle_preset = restyle_preset
        self._label = label
        self._device = pick_device(device or folders.resources.device or None)
        self._memory_bytes = memory_bytes(
            self._device, most_bytes=folders.resources.gpu_memory_bytes
        )
        self._workshop = Workshop(device=self._device, folders=folders, open_model=open_model)
        self._checkpoint: Checkpoint | None = None
        self._best_rate: float | None = None
        self._sounded: TakeRun | None = None
        self._remarks: tuple[str, ...] = ()
        self._captioner: Captioner | None = None
        self._digests = RememberedDigests(FileSystem())

    @property
    def limits(self) -> EngineLimits:
        """What the engine serves."""
        return self._limits

    @property
    def device(self) -> Device:
        """What computes."""
        return description(self._device)

    @property
    def model_identity(self) -> str:
        """Digest of the checkpoint of the last job; of the one in use where there was none.

        Raises:
            BridgeError: No checkpoint is installed, or the list of them cannot be read.
        """
        return (self._checkpoint or self._find_checkpoint(None)).identity

    @property
    def remarks(self) -> tuple[str, ...]:
        """About the last take."""
        return self._remarks

    def load(self, progress: ProgressCallback) -> None:
        """Open the checkpoint in use.

        Raises:
            BridgeError: It is not there, damaged, or does not fit.
        """
        self._prepare(self._find_checkpoint(None), self._first_tier, progress)
        self._best_rate = matmul_rate(self._device)

    def generate(
        self, job: EngineJob, *, progress: ProgressCallback, cancelled: CancelCheck
    ) -> Iterator[Picture]:
        """Yield the pictures of `job.made_range`; see `Engine.generate`.

        Raises:
            StoppedError: `cancelled()` turned true.
            UnsupportedError: The checkpoint or preset cannot do it.
            NotFoundError: A preset, LoRA or checkpoint that is named is not there.
            ExhaustedError: The job does not fit into memory.
        """
        stop_if(cancelled)
        self._check(job)
        if job.request.keeps_pictures:
            yield from _own_pictures(job, progress, cancelled)
            return
        run = self._sounded if self._sounded and self._sounded.job is job else None
        self._sounded = None  # its latents go when this take is done, or given up
        if run is None:
            run = self._started(job, progress, with_sound=False)
        yield from run.pictures(progress, cancelled)
        self._remark(run)

    def generate_sound(
        self, job: EngineJob, *, progress: ProgressCallback, cancelled: CancelCheck
    ) -> Sound | None:
        """The take's new sound; the pictures made with it are kept for the `generate` that follows.

        A sound that the request names is given back as it is: the pictures follow it.

        Raises:
            BridgeError: As `generate` does.
        """
        stop_if(cancelled)
        self._check(job)
        if isinstance(job.request.spec, GenerateSpec) and job.sound is not None:
            return job.sound
        run = self._started(job, progress, with_sound=True)
        sound = run.sound(progress, cancelled)
        self._sounded = run
        self._remark(run)
        return sound

    def suggest(
        self, pictures: tuple[Picture, ...], *, kind: JobKind, words: str, device: str | None
    ) -> str:
        """Propose a prompt for what the pictures show; see `SuggestsPrompts.suggest`.

        Raises:
            ExhaustedError: The text model does not fit into memory.
            InvalidInputError: This machine has no such device.
            NotFoundError: No checkpoint is installed.
            UnsupportedError: The checkpoint has no processor of pictures.
        """
        if self._captioner is None:
            self._captioner = open_captioner(
                self._find_checkpoint(None),
                device=device or self._folders.resources.device or None,
            )
        return self._captioner.propose(pictures, kind=kind, words=words)

    def _check(self, job: EngineJob) -> None:
        kind = job.request.kind
        if kind not in self._limits.kinds:
            raise UnsupportedError(f"{self._limits.engine} cannot {kind}.")

    @property
    def _first_tier(self) -> Tier:
        return choose_tier(self._device.type, self._memory_bytes)

    def _prepare(self, checkpoint: Checkpoint, tier: Tier, progress: ProgressCallback) -> None:
        self._workshop.prepare(checkpoint, tier, progress)
        self._checkpoint = checkpoint

    def _preset(self, job: EngineJob) -> Preset | None:
        name = job.request.preset
        if name:
            preset = find_preset(name, self._folders.presets)
            preset.check_files()
            return preset
        return self._restyle_preset if job.request.kind is JobKind.RESTYLE else None

    def _started(self, job: EngineJob, progress: ProgressCallback, *, with_sound: bool) -> TakeRun:
        """Everything that can be refused is refused here, before work."""
        self._remarks = ()
        self._sounded = None
        preset = self._preset(job)
        checkpoint = self._find_checkpoint(preset.checkpoint if preset else None)
        making = decide(job.request, preset, checkpoint)
        downscale = _downscale(making)
        parts = self._canvases(job, making, downscale)
        tier = self._fitting_tier(job, making, parts, downscale)
        self._prepare(checkpoint, tier, progress)
        transformer = self._workshop.runtime.components.transformer
        blocks = sum(weight.numel() for weight in transformer.transformer_blocks.parameters())
        size = transformer_size(
            transformer.config,
            parameters=sum(weight.numel() for weight in transformer.parameters()),
            blocks=blocks,
        )
        return TakeRun(
            job=job,
            making=making,
            canvases=parts,
            reference_downscale=downscale,
            workshop=self._workshop,
            effort=Effort(size, self._best_rate),
            with_sound=with_sound,
        )

    def _canvases(self, job: EngineJob, making: Making, downscale: int) -> tuple[Canvas, ...]:
        # A draft is cut as its final is, or it would be another shot.
        raster = stage_size(job, 1).grid(1).raster
        following = 0.0
        if making.reference is not None:
            following = stage_size(job, making.stages[0][1]).grid(1).tokens / 8 / downscale**2
        most = most_frames(
            raster,
            self._first_tier,
            self._memory_bytes,
            frame_rate=float(job.request.frame_rate.fraction),
            tokens_per_frame=following,
            lora_bytes=making.lora_bytes,
            at_most=MOST_CANVAS_FRAMES,
            size=self._size,
        )
        return canvases(
            job.geometry.generate_range,
            made=job.made_range,
            kept=kept_frames(job),
            most_frames=max(most, FEWEST_CANVAS_FRAMES),
        )

    def _fitting_tier(
        self, job: EngineJob, making: Making, parts: tuple[Canvas, ...], downscale: int
    ) -> Tier:
        tier = self._first_tier
        for canvas in parts:
            count = canvas.frames.length
            extra = max(
                extra_tokens(
                    # The first stage alone follows a reference.
                    conditions_of(
                        job, canvas, made={}, reference=None if number else making.reference
                    ),
                    stage_size(job, divided),
                    frame_count=count,
                    reference_downscale=downscale,
                )
                for number, (_, divided) in enumerate(making.stages)
            )
            work = Work(
                stage_size(job, making.stages[-1][1]).grid(count),
                audio_latents(count, float(job.request.frame_rate.fraction)),
                extra_tokens=extra,
                upsampled=len(making.stages) > 1,
                lora_bytes=making.lora_bytes,
            )
            delivered = job.made_range.length if len(parts) == 1 else None
            tier = fit(work, tier, self._memory_bytes, delivered_frames=delivered, size=self._size)
        return tier

    def _remark(self, run: TakeRun) -> None:
        runtime, checkpoint = self._workshop.runtime, self._checkpoint
        name = checkpoint.name if checkpoint else ""
        recipe = run.making.recipe
        parts = f" in {len(run.canvases)} parts" if len(run.canvases) > 1 else ""
        found = [
            self._label,
            f"Made with {name}, recipe {recipe.name}{parts}, memory plan {runtime.tier.name!r}.",
            run.effort.remark,
            *run.making.remarks,
            _too_long(unread(runtime.components.tokenizer, run.making.prompt)),
            *self._workshop.remarks,
        ]
        found += [
            f"LoRA {lora.path.name} at strength {lora.strength:g}, sha256 {self._digests.of(lora.path)}."
            for lora in run.making.loras
        ]
        if not runtime.deterministic:
            found.append("The attention kernel in use may give slightly other pictures each time.")
        self._remarks = tuple(remark for remark in found if remark)


def _own_pictures(
    job: EngineJob, progress: ProgressCallback, cancelled: CancelCheck
) -> Iterator[Picture]:
    """The source's own pictures: only sound is made, where a file has both."""
    frames = job.made_range
    for done, record_frame in enumerate(frames.frames, start=1):
        stop_if(cancelled)
        yield job.sources[0].picture(record_frame)
        progress("keeping pictures", done, frames.length)


def _too_long(unread_words: str) -> str:
    if not unread_words:
        return ""
    start = unread_words[:_QUOTED_CHARACTERS]
    return f"The prompt is longer than the model reads. Nothing from {start!r} on was heard; shorten it."


def _downscale(making: Making) -> int:
    """What the IC-LoRA's reference is divided by: its file says so."""
    if making.reference is None:
        return _REFERENCE_DOWNSCALE
    factors = [reference_downscale_factor(lora.path) for lora in making.loras]
    return next((factor for factor in factors if factor), _REFERENCE_DOWNSCALE)
