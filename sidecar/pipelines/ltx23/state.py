"""What the denoise loop works on: one `State` a modality. A job is nothing but the states it builds.

Latents are normalised. S counts tokens: those of the canvas first, then appended ones, which the model attends to
and nobody gets. Coordinates are the bounds `[start, end)` the transformer's rotary embedding takes: seconds, and
pixels down and across. Functions return new states; tensors are shared, never written to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel

from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.limits import TEMPORAL_FRAMES

_TRAINED_RATES_UP_TO = 30.0
_FAST_RATE = 60.0


@dataclass(frozen=True, slots=True)
class State:
    """One modality before denoising; float32 throughout.

    Args:
        latent: [1, S, C], what noise is mixed into; zeros where nothing is known.
        clean: [1, S, C], what a token is held to as far as its mask says; zeros where nothing is known.
        mask: [1, S, 1], 1 generates a token, 0 keeps it, between is a condition of less than full strength.
        coords: [1, D, S, 2], D = 3 of pictures, 1 of sound.
        base: Tokens of the canvas, the first of S; the loop delivers these.

    Raises:
        ValueError: The shapes do not belong together.
    """

    latent: torch.Tensor
    clean: torch.Tensor
    mask: torch.Tensor
    coords: torch.Tensor
    base: int

    def __post_init__(self) -> None:
        tokens = self.latent.shape[1]
        fits = (
            self.latent.shape == self.clean.shape
            and self.mask.shape == (1, tokens, 1)
            and self.coords.shape[2] == tokens
            and 0 < self.base <= tokens
        )
        if not fits:
            raise ValueError(
                f"latent {tuple(self.latent.shape)}, clean {tuple(self.clean.shape)}, mask "
                f"{tuple(self.mask.shape)}, coords {tuple(self.coords.shape)} and {self.base} tokens do not fit"
            )


def conditioning_rate(frame_rate: float) -> float:
    """The rate whose seconds the model is told: rates above 30 count as 60, the only fast one it was trained on."""
    return _FAST_RATE if frame_rate > _TRAINED_RATES_UP_TO else frame_rate


def pack(latents: torch.Tensor) -> torch.Tensor:
    """Latents [1, C, f, h, w] as tokens [1, f h w, C]: frames, then rows, then columns."""
    return latents.flatten(2).transpose(1, 2).contiguous()


def unpack(tokens: torch.Tensor, grid: LatentGrid) -> torch.Tensor:
    """Tokens [1, S, C] as latents [1, C, f, h, w]; the inverse of `pack`."""
    shape = (1, -1, grid.frames, grid.height, grid.width)
    return tokens.transpose(1, 2).reshape(shape).contiguous()


def video_state(
    transformer: LTX2VideoTransformer3DModel,
    grid: LatentGrid,
    frame_rate: float,
    latents: torch.Tensor | None = None,
) -> State:
    """Pictures to generate, from nothing or from given ones.

    Args:
        transformer: Whose channels and coordinates.
        grid: The canvas.
        frame_rate: Pictures a second.
        latents: [1, C, f, h, w] of the canvas: a clip to start from, or a first stage made larger.
    """
    coords = transformer.rope.prepare_video_coords(
        1,
        grid.frames,
        grid.height,
        grid.width,
        torch.device("cpu"),
        fps=conditioning_rate(frame_rate),
    )
    if latents is None:
        tokens = torch.zeros(1, grid.tokens, transformer.config["in_channels"])
    else:
        tokens = pack(latents.float())
    return _to_generate(tokens, coords)


def audio_state(
    transformer: LTX2VideoTransformer3DModel,
    length: int,
    frame_rate: float,
    latents: torch.Tensor | None = None,
) -> State:
    """Sound to generate, from nothing or from given sound.

    Args:
        transformer: Whose channels and coordinates.
        length: Latents, as `audio_latents` counts them.
        frame_rate: Pictures a second. Where the pictures are told another rate, the sound is told the same seconds:
            what belongs together stays in sync.
        latents: [1, length, C].
    """
    coords = transformer.audio_rope.prepare_audio_coords(1, length, torch.device("cpu"))
    coords = coords * (frame_rate / conditioning_rate(frame_rate))
    if latents is None:
        tokens = torch.zeros(1, length, transformer.config["audio_in_channels"])
    else:
        tokens = latents.float()
    return _to_generate(tokens, coords)


def with_mask(state: State, mask: torch.Tensor, clean: torch.Tensor | None = None) -> State:
    """Part of the canvas is kept; appended tokens stay as they are.

    Args:
        state: Of pictures or sound.
        mask: [1, base, 1], 1 generates, 0 keeps to the bit, between holds to it less.
        clean: [1, base, C], what is kept, where it is not what the state was made from.
    """
    mask = mask.to(state.mask)
    kept = state.clean[:, : state.base] if clean is None else clean.to(state.clean)
    held = (mask < 1.0).to(kept.device)
    return replace(
        state,
        latent=_over(state.latent, torch.where(held, kept, state.latent[:, : state.base])),
        clean=_over(state.clean, kept),
        mask=_over(state.mask, mask),
    )


def with_keyframe(
    state: State,
    transformer: LTX2VideoTransformer3DModel,
    latents: torch.Tensor,
    *,
    pixel_frame: int,
    frame_count: int,
    frame_rate: float,
    strength: float = 1.0,
) -> State:
    """The pictures pass through these at an exact frame. Their tokens are appended: the canvas stays free to move.

    Args:
        state: Of pictures.
        transformer: Whose coordinates.
        latents: [1, C, f, h, w] of a still or a clip of 8 k + 1 pictures.
        pixel_frame: Frame of the canvas their first picture is at; below 0 or beyond the end for what lies before
            or after it.
        frame_count: Pictures in `latents`.
        frame_rate: Pictures a second.
        strength: 1 holds to them, 0 does nothing.
    """
    frames, height, width = latents.shape[2:]
    # Eight frames to a latent from the first picture on, as upstream and diffusers lay them, with no single-frame first
    # latent; a still is one frame long. Who has a clip from the VAE gives its first latent as a still (`states`).
    first_frames = TEMPORAL_FRAMES * torch.arange(frames, dtype=torch.float32) + pixel_frame
    length = 1 if frame_count == 1 else TEMPORAL_FRAMES
    coords = transformer.rope.prepare_video_coords(
        1, frames, height, width, torch.device("cpu"), fps=1.0
    )
    starts = first_frames.repeat_interleave(height * width)
    coords[:, 0, :, 0] = starts / conditioning_rate(frame_rate)
    coords[:, 0, :, 1] = (starts + length) / conditioning_rate(frame_rate)
    return _with_appended(state, latents, coords, strength)


def with_reference(
    state: State,
    transformer: LTX2VideoTransformer3DModel,
    latents: torch.Tensor,
    *,
    downscale: int,
    frame_rate: float,
    strength: float = 1.0,
) -> State:
    """The pictures follow these, as an IC-LoRA was trained to: appended over the very time and place of the canvas.

    Args:
        state: Of pictures.
        transformer: Whose coordinates.
        latents: [1, C, f, h, w], encoded at 1 / `downscale` of the canvas.
        downscale: The LoRA's own `reference_downscale_factor`.
        frame_rate: Pictures a second.
        strength: 1 holds to them, 0 does nothing.
    """
    frames, height, width = latents.shape[2:]
    coords = transformer.rope.prepare_video_coords(
        1, frames, height, width, torch.device("cpu"), fps=conditioning_rate(frame_rate)
    )
    coords[:, 1:] *= downscale
    return _with_appended(state, latents, coords, strength)


def frozen(state: State) -> State:
    """The modality as given, to the last bit; with none of it made, the model is told it has no noise at all.

    So it leads the other: audio-to-video holds the sound so, new sound for a shot the pictures.
    """
    return replace(state, mask=torch.zeros_like(state.mask))


def _to_generate(tokens: torch.Tensor, coords: torch.Tensor) -> State:
    mask = torch.ones(1, tokens.shape[1], 1)
    return State(tokens, tokens, mask, coords, tokens.shape[1])


def _over(tokens: torch.Tensor, head: torch.Tensor) -> torch.Tensor:
    """`tokens` [1, S, C] with the first ones replaced by `head` [1, n, C]."""
    return torch.cat((head, tokens[:, head.shape[1] :]), dim=1)


def _with_appended(
    state: State, latents: torch.Tensor, coords: torch.Tensor, strength: float
) -> State:
    tokens = pack(latents.to(state.latent))
    mask = torch.full((1, tokens.shape[1], 1), 1.0 - strength).to(state.mask)
    return replace(
        state,
        latent=torch.cat((state.latent, tokens), dim=1),
        clean=torch.cat((state.clean, tokens), dim=1),
        mask=torch.cat((state.mask, mask), dim=1),
        coords=torch.cat((state.coords, coords.to(state.coords)), dim=2),
    )
