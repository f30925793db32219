"""One canvas through the model: conditions to states, stage after stage, to latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from interchange.errors import InternalError
from sidecar.pipelines.base import EngineJob, Picture
from sidecar.pipelines.ltx23.canvas import Canvas
from sidecar.pipelines.ltx23.conditions import conditions_of
from sidecar.pipelines.ltx23.denoise import Denoised, StepCallback, denoise
from sidecar.pipelines.ltx23.effort import Effort
from sidecar.pipelines.ltx23.grid import LatentGrid, audio_latents
from sidecar.pipelines.ltx23.kept import lora_facts, made_once, stage_inputs
from sidecar.pipelines.ltx23.lora import applied_loras
from sidecar.pipelines.ltx23.making import Making
from sidecar.pipelines.ltx23.phases import Phases
from sidecar.pipelines.ltx23.preview import LatentColours, fitted_colours
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.recipes import Stage
from sidecar.pipelines.ltx23.runtime import Runtime
from sidecar.pipelines.ltx23.sanity import check_numbers
from sidecar.pipelines.ltx23.soundtrack import Soundtrack, heard
from sidecar.pipelines.ltx23.state import State, audio_state, frozen, unpack, with_mask
from sidecar.pipelines.ltx23.states import StageSize, conditioned

_SEED_STEP = 0x9E3779B97F4A7C15
"""Between the seeds of the canvases of one take."""
_MOST_SEEDS = 1 << 63


@dataclass(frozen=True, slots=True)
class Made:
    """One canvas after denoising, on the CPU.

    Args:
        video: float32 [1, C, f, h, w], normalised.
        divided: What height and width of its raster are divided by: 2 for a draft of two stages.
    """

    video: torch.Tensor
    divided: int


@dataclass(frozen=True, slots=True)
class Shot:
    """All that stays the same from canvas to canvas of a job.

    Args:
        job: What is asked.
        making: How it is made.
        canvases: In rising order.
        reference_downscale: What an IC-LoRA's reference is divided by.
        phases: Told how far it is.
        checkpoint: Called between steps and tiles; raises to stop.
        effort: Counts the work.
    """

    job: EngineJob
    making: Making
    canvases: tuple[Canvas, ...]
    reference_downscale: int
    phases: Phases
    checkpoint: Callable[[], None]
    effort: Effort

    @property
    def frame_rate(self) -> float:
        """Pictures a second, at the model's door."""
        return float(self.job.request.frame_rate.fraction)

    def size(self, divided: int) -> StageSize:
        """Of a stage."""
        return stage_size(self.job, divided)


def stage_size(job: EngineJob, divided: int) -> StageSize:
    """How large a stage of a job works that divides height and width."""
    rate = float(job.request.frame_rate.fraction)
    return StageSize(job.geometry.generate_raster, divided, rate)


class CanvasMaker:
    """Denoises one canvas, stage by stage.

    Args:
        shot: The job.
        runtime: The model.
        number: Which canvas.
        before: Pictures of the last canvas, by record frame.
        track: Of the take, where new sound is wanted.
    """

    def __init__(
        self,
        shot: Shot,
        runtime: Runtime,
        number: int,
        *,
        before: Mapping[int, Picture],
        track: Soundtrack | None,
    ) -> None:
        self._shot = shot
        self._runtime = runtime
        self._number = number
        self._canvas = shot.canvases[number]
        self._track = track
        self._heard = heard(shot.job, self._canvas, track)
        self._shown = conditions_of(
            shot.job, self._canvas, made=before, reference=shot.making.reference
        )
        self._token_count = max(1, audio_latents(self._canvas.frames.length, shot.frame_rate))
        # For shapes and coordinates; its weights are brought to the device for the denoising alone.
        self._transformer = runtime.components.transformer

    def make(self) -> Made:
        """Denoise; new sound goes into the track."""
        making = self._shot.making
        with self._phase("reading the prompt"):
            prompt = self._runtime.prompt(making.prompt)
            negative = None if making.negative is None else self._runtime.prompt(making.negative)
        generator = torch.Generator().manual_seed(
            _canvas_seed(self._shot.job.request.seed, self._number)
        )
        video: torch.Tensor | None = None
        audio: torch.Tensor | None = None
        tokens = colours = None
        for index, (stage, divided) in enumerate(making.stages):
            if video is not None:
                with self._phase("upsampling"):
                    video = self._runtime.upsample(video)
            size = self._shot.size(divided)
            with self._phase(f"encoding context, stage {index + 1}"):
                pictures, colours = self._pictures(size, video, colours)
                tokens = self._tokens() if tokens is None else tokens
                sound = self._sound(tokens, audio)
            grid = size.grid(self._canvas.frames.length)
            result = self._stage(
                stage, pictures, sound, prompt, negative, generator=generator,
                on_step=self._steps(f"denoising, stage {index + 1}", stage, grid, colours),
            )  # fmt: skip
            video, audio = unpack(result.video, grid), result.audio
        if video is None or audio is None:
            raise InternalError("A recipe has no stage.")
        self._sounded(audio)
        return Made(video.cpu(), self._shot.making.stages[-1][1])

    def _stage(
        self,
        stage: Stage,
        pictures: State,
        sound: State,
        prompt: Prompt,
        negative: Prompt | None,
        *,
        generator: torch.Generator,
        on_step: StepCallback,
    ) -> Denoised:
        """A stage's latents; those of a draft, or of the same take, are there already where they were kept."""
        runtime, making = self._runtime, self._shot.making

        def make() -> Denoised:
            with (
                self._shot.effort.counted(stage, pictures, sound),
                runtime.transformer(forwards=stage.forwards) as transformer,
                applied_loras(transformer, making.loras_of(stage)),
            ):
                made = denoise(
                    transformer,
                    pictures,
                    sound,
                    prompt=prompt,
                    negative=negative,
                    stage=stage,
                    generator=generator,
                    on_step=on_step,
                    checkpoint=self._shot.checkpoint,
                )
            check_numbers(made.video, "latents")
            check_numbers(made.audio, "latents of sound")
            return made

        result, found = made_once(
            runtime.cache,
            stage_inputs(pictures, sound, prompt, negative),
            make,
            generator=generator,
            stage=repr(stage),
            loras=repr([lora_facts(lora) for lora in making.loras_of(stage)]),
            identity=runtime.identity,
            computing=runtime.computing(forwards=stage.forwards),
        )
        if found:
            on_step(stage.steps, stage.steps, result.video)
        return result

    def _pictures(
        self, size: StageSize, start: torch.Tensor | None, colours: LatentColours | None
    ) -> tuple[State, LatentColours]:
        """The pictures of a stage before denoising, and the preview's colours, fitted once."""
        shot, runtime = self._shot, self._runtime
        codec = runtime.video
        state = conditioned(
            # The IC-LoRA leads the first stage; the second refines what that made.
            self._shown if start is None else replace(self._shown, reference=None),
            size,
            frame_count=self._canvas.frames.length,
            codec=codec,
            transformer=self._transformer,
            start=start,
            reference_downscale=shot.reference_downscale,
            checkpoint=shot.checkpoint,
        )
        if colours is None:
            colours = fitted_colours(
                codec, identity=runtime.identity, cache=runtime.cache, checkpoint=shot.checkpoint
            )
        return state, colours

    def _tokens(self) -> torch.Tensor | None:
        """The sound that is given, as tokens."""
        if self._heard.sound is None:
            return None
        return self._runtime.audio.encode(self._heard.sound, self._token_count).cpu()

    def _sound(self, tokens: torch.Tensor | None, start: torch.Tensor | None) -> State:
        """The sound of a stage before denoising: free, led by what stays, or both in turn."""
        count, rate = self._token_count, self._shot.frame_rate
        if tokens is None:
            return audio_state(self._transformer, count, rate, start)
        if not self._heard.made.length:
            return frozen(audio_state(self._transformer, count, rate, tokens))
        opened = self._canvas.audio_tokens(self._heard.made, count=count)
        mask = torch.zeros(1, count, 1)
        mask[:, opened.start : opened.stop] = 1.0
        state = audio_state(self._transformer, count, rate, tokens if start is None else start)
        return with_mask(state, mask, tokens)

    def _sounded(self, audio: torch.Tensor) -> None:
        track = self._track
        if track is None:
            return
        with self._phase("decoding sound"):
            count, rate = track.sample_count(self._canvas), track.sample_rate_hz
            track.add(self._canvas, self._runtime.audio.decode(audio, count, rate))

    def _steps(
        self, name: str, stage: Stage, grid: LatentGrid, colours: LatentColours
    ) -> StepCallback:
        tell = self._shot.phases.of(name, self._number)
        tell(0, stage.steps)

        def step(done: int, total: int, seen: torch.Tensor) -> None:
            self._shot.job.preview(colours.strip(unpack(seen, grid)))
            tell(done, total)

        return step

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        tell = self._shot.phases.of(name, self._number)
        tell(0, 1)
        self._shot.checkpoint()
        yield
        tell(1, 1)


def _canvas_seed(seed: int, number: int) -> int:
    """The first canvas has the take's own seed: a draft and its final, and takes of any length, begin alike."""
    return (seed + number * _SEED_STEP) % _MOST_SEEDS
