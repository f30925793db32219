"""The one denoise loop: every job of LTX-2.3 is a pair of states run through here.

Euler steps of a flow: the model predicts a velocity, `x0 = x - sigma v` is the finished latent it means, each token
with its own sigma (the step's, times its mask). Kept tokens are at sigma 0, are given as they are to the model, and
come out as they went in, to the bit: every mix is an interpolation that returns its end points exactly.

The text gets no attention mask. The connectors fill every place of a prompt with registers, so the mask would be all
ones: leaving it out changes no bit and lets flash attention run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel

from sidecar.pipelines.ltx23.guidance import guided
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.recipes import UNGUIDED, Guidance, ModalityGuidance, Pass, Stage
from sidecar.pipelines.ltx23.stand_ins import prepared_positions, shared_modulations, short_cut
from sidecar.pipelines.ltx23.state import State

_DEPTH = 48
"""Blocks of LTX-2.3, which `Guidance.stg_blocks` counts in."""
_TIME_SCALE = 1000.0
"""Timesteps are sigmas in thousandths."""
_FEW = 8
"""Shares of noise among the tokens of one modality that are worth a row each: kept, made, some strengths between."""

StepCallback = Callable[[int, int, torch.Tensor], None]
"""Called after each step with (done, of, [1, base, C] the finished pictures as predicted so far)."""


@dataclass(frozen=True, slots=True)
class Denoised:
    """What a stage made, float32 on the compute device.

    Args:
        video: [1, base, C] tokens of the canvas; kept ones are those that were given.
        audio: [1, base, C] likewise.
    """

    video: torch.Tensor
    audio: torch.Tensor


def denoise(
    transformer: LTX2VideoTransformer3DModel,
    video: State,
    audio: State,
    *,
    prompt: Prompt,
    negative: Prompt | None,
    stage: Stage,
    generator: torch.Generator,
    on_step: StepCallback,
    checkpoint: Callable[[], None],
) -> Denoised:
    """Make what the masks leave open.

    Noise is drawn token by token on the CPU in float32, the pictures' first, then the sound's, also where it turns
    out to be kept: the same seed is the same noise on every device, in every precision and with every audio policy.

    Args:
        transformer: On its device, or brought there block by block.
        video: Of the pictures.
        audio: Of the sound.
        prompt: On the compute device and in its precision, which the latents are brought to.
        negative: What CFG pushes away from; may be None where the stage has no CFG.
        stage: Sigmas and guidance; the first sigma is the noise that is mixed into the states' latents.
        generator: On the CPU.
        on_step: Told after each step.
        checkpoint: Called before each forward; raises to stop.

    Raises:
        ValueError: The stage needs a negative prompt and there is none.
    """
    guidance = stage.guidance or UNGUIDED
    with torch.inference_mode():
        pictures, sound = (
            _Track(state, scales, stage, prompt.video.device, generator)
            for state, scales in ((video, guidance.video), (audio, guidance.audio))
        )
        passes = guidance.passes(video=pictures.is_made, audio=sound.is_made)
        texts = dict.fromkeys(passes, prompt)
        if Pass.NEGATIVE in passes:
            if negative is None:
                raise ValueError("a stage with classifier-free guidance needs a negative prompt")
            texts[Pass.NEGATIVE] = negative
        forward = _Forward(transformer, pictures, sound, texts, guidance)
        with (
            prepared_positions(transformer, pictures.coords, sound.coords),
            shared_modulations(transformer, pictures.rows, sound.rows),
        ):
            for step in range(stage.steps):
                made: dict[Pass, tuple[torch.Tensor, torch.Tensor]] = {}
                for each in passes:
                    checkpoint()
                    made[each] = forward(each, step)
                pictures.advance(step, {each: both[0] for each, both in made.items()})
                sound.advance(step, {each: both[1] for each, both in made.items()})
                on_step(step + 1, stage.steps, pictures.finished[:, : video.base])
    # A clone made out here is an ordinary tensor again, which its owner may write to.
    return Denoised(pictures.tokens[:, : video.base].clone(), sound.tokens[:, : audio.base].clone())


class _Track:
    """One modality on its way through a stage: what changes, and all that can be made ready before the first step.

    Nothing here waits for the device once the first step has begun.

    Args:
        state: Anywhere.
        scales: Its guidance.
        stage: Whose sigmas.
        device: Where to compute.
        generator: Gives the noise.
    """

    def __init__(
        self,
        state: State,
        scales: ModalityGuidance,
        stage: Stage,
        device: torch.device,
        generator: torch.Generator,
    ) -> None:
        shares, rows = torch.unique(state.mask.flatten(), return_inverse=True)
        self.is_made = bool(shares[-1] > 0.0)
        self.coords = state.coords.to(device)
        self.rows = rows.to(device) if 1 < len(shares) <= _FEW else None
        self._scales = scales
        self._sigmas = stage.sigmas
        self._clean = state.clean.to(device)
        # One share for all tokens is a number, and saves a tensor of them in each operation.
        self._share = float(shares[0]) if len(shares) == 1 else state.mask.to(device)
        self._shares = (shares if len(shares) <= _FEW else state.mask.flatten()).to(device)
        # With nothing to make, the modality is clean and the other is told so.
        self._times = torch.tensor(stage.sigmas, device=device) * (_TIME_SCALE * self.is_made)
        noise = torch.randn(state.latent.shape, generator=generator).to(device)
        self.tokens = torch.lerp(state.latent.to(device), noise, self._share * stage.sigmas[0])
        self.finished = self._clean

    def timestep(self, step: int) -> torch.Tensor:
        """[1, K]: sigma times share, times 1000, for each share there is; [1, S] where there are many."""
        return (self.sigma(step) * self._shares)[None]

    def sigma(self, step: int) -> torch.Tensor:
        """[1]: the modality's own noise, times 1000."""
        return self._times[step : step + 1]

    def x0(self, velocity: torch.Tensor, step: int) -> torch.Tensor:
        """The finished latent that a velocity means, [1, S, C] float32."""
        sigma = self._sigmas[step]
        if isinstance(self._share, float):
            return torch.sub(self.tokens, velocity.float(), alpha=sigma * self._share)
        return torch.addcmul(self.tokens, velocity.float(), self._share, value=-sigma)

    def advance(self, step: int, predictions: Mapping[Pass, torch.Tensor]) -> None:
        """One Euler step towards the guided prediction, held to what is kept."""
        if not self.is_made:
            return
        predicted = guided(predictions, self._scales)
        self.finished = torch.lerp(self._clean, predicted, self._share)
        remaining = self._sigmas[step + 1] / self._sigmas[step]
        self.tokens = torch.lerp(self.finished, self.tokens, remaining)


class _Forward:
    """Calls the transformer for one pass of one step."""

    def __init__(
        self,
        transformer: LTX2VideoTransformer3DModel,
        video: _Track,
        audio: _Track,
        texts: Mapping[Pass, Prompt],
        guidance: Guidance,
    ) -> None:
        self._transformer = transformer
        self._video = video
        self._audio = audio
        self._texts = texts
        depth = len(transformer.transformer_blocks)
        self._stg_blocks = [block * depth // _DEPTH for block in guidance.stg_blocks]

    def __call__(self, each: Pass, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What a pass means the finished pictures and sound to be: [1, S, C] each, float32."""
        video, audio, text = self._video, self._audio, self._texts[each]
        with short_cut(self._transformer, self._stg_blocks if each is Pass.PERTURBED else ()):
            velocities = self._transformer(
                hidden_states=video.tokens.to(text.video.dtype),
                audio_hidden_states=audio.tokens.to(text.audio.dtype),
                encoder_hidden_states=text.video,
                audio_encoder_hidden_states=text.audio,
                timestep=video.timestep(step),
                audio_timestep=audio.timestep(step),
                sigma=video.sigma(step),
                audio_sigma=audio.sigma(step),
                video_coords=video.coords,
                audio_coords=audio.coords,
                isolate_modalities=each is Pass.ISOLATED,
                use_cross_timestep=True,
                return_dict=False,
            )
        return video.x0(velocities[0], step), audio.x0(velocities[1], step)
