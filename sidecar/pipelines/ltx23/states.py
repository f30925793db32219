"""Conditions as states: pictures at a stage's size, through the VAE, onto the tokens they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from numpy.typing import NDArray

from interchange.model.media import Raster
from sidecar.pipelines.base import Picture
from sidecar.pipelines.ltx23.conditions import Clip, Conditions
from sidecar.pipelines.ltx23.grid import LatentGrid, latent_frames
from sidecar.pipelines.ltx23.limits import SPATIAL_PX, TEMPORAL_FRAMES
from sidecar.pipelines.ltx23.padding import padded
from sidecar.pipelines.ltx23.pictures import VideoCodec
from sidecar.pipelines.ltx23.state import (
    State,
    pack,
    video_state,
    with_keyframe,
    with_mask,
    with_reference,
)


@dataclass(frozen=True, slots=True)
class StageSize:
    """How large a stage works.

    Args:
        whole: The planned raster, both sides multiples of 64.
        divided: What height and width are divided by, 1 or 2.
        frame_rate: Pictures a second.
    """

    whole: Raster
    divided: int
    frame_rate: float

    def grid(self, frame_count: int) -> LatentGrid:
        """Of a canvas with so many pictures."""
        width, height = self.whole.width_px // self.divided, self.whole.height_px // self.divided
        return LatentGrid.of(frame_count, Raster(width, height))

    def shown(self, picture: Picture, *, smaller: int = 1) -> Picture:
        """A picture as this stage's VAE takes it: padded, then averaged down.

        Args:
            picture: float32 [H, W, 3], at the request's raster.
            smaller: Divides once more, for an IC-LoRA's reference; padded again to whole latents.
        """
        whole = padded(picture, self.whole)
        divided = self.divided * smaller
        if divided == 1:
            return whole
        size = (self.whole.width_px // divided, self.whole.height_px // divided)
        reduced = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.float32)
        width, height = (-(-length // SPATIAL_PX) * SPATIAL_PX for length in size)
        return padded(reduced, Raster(width, height))


def conditioned(
    conditions: Conditions,
    size: StageSize,
    *,
    frame_count: int,
    codec: VideoCodec,
    transformer: LTX2VideoTransformer3DModel,
    start: torch.Tensor | None,
    reference_downscale: int,
    checkpoint: Callable[[], None],
) -> State:
    """The pictures of a stage before denoising.

    Args:
        conditions: What the canvas is shown.
        size: Of the stage.
        frame_count: Pictures of the canvas.
        codec: Encodes.
        transformer: Whose channels and coordinates; its weights may be anywhere.
        start: [1, C, f, h, w] to start from; None for the pictures shown, noise where there are none.
        reference_downscale: What an IC-LoRA's reference is divided by.
        checkpoint: Called between tiles; raises to stop.

    Returns:
        Latents that `conditions.opening` shuts hold the pictures shown, to the bit.
    """
    grid = size.grid(frame_count)
    opening = torch.from_numpy(conditions.opening(grid)).reshape(1, -1, 1)
    clean = torch.zeros(1, codec.latent_channels, grid.frames, grid.height, grid.width)
    if conditions.shown is not None:
        known = codec.encode(stacked(conditions.shown, size), checkpoint=checkpoint).cpu()
        clean[:, :, : known.shape[2]] = known
    rate = size.frame_rate
    state = video_state(transformer, grid, rate, clean if start is None else start.cpu())
    state = with_mask(state, opening, pack(clean))
    for clip in conditions.keyframes:
        latents = codec.encode(stacked(clip, size), checkpoint=checkpoint).cpu()
        state = _with_clip(state, transformer, latents, place=clip.place, frame_rate=rate)
    if conditions.reference is not None:
        pictures = stacked(conditions.reference, size, smaller=reference_downscale)
        latents = codec.encode(pictures, checkpoint=checkpoint).cpu()
        state = with_reference(
            state, transformer, latents, downscale=reference_downscale, frame_rate=rate
        )
    return state


def _with_clip(
    state: State,
    transformer: LTX2VideoTransformer3DModel,
    latents: torch.Tensor,
    *,
    place: int,
    frame_rate: float,
) -> State:
    """Each latent of a clip at the very frames it holds: one in the first, eight in each other.

    Laid as one, as diffusers lays clips, the second latent would be seven frames late: the model would see a shot
    that stands still before it moves.
    """
    first, rest = latents[:, :, :1], latents[:, :, 1:]
    state = with_keyframe(
        state, transformer, first, pixel_frame=place, frame_count=1, frame_rate=frame_rate
    )
    if not rest.shape[2]:
        return state
    return with_keyframe(
        state, transformer, rest,
        pixel_frame=place + 1, frame_count=TEMPORAL_FRAMES * rest.shape[2], frame_rate=frame_rate,
    )  # fmt: skip


def extra_tokens(
    conditions: Conditions, size: StageSize, *, frame_count: int, reference_downscale: int
) -> int:
    """Tokens that condition a stage beside those of its canvas."""
    per_picture = size.grid(frame_count).height * size.grid(frame_count).width
    latents = sum(latent_frames(len(clip.frames)) for clip in conditions.keyframes)
    if conditions.reference is None:
        return latents * per_picture
    followed = size.grid(frame_count).frames * per_picture
    return latents * per_picture + -(-followed // reference_downscale**2)


def stacked(clip: Clip, size: StageSize, *, smaller: int = 1) -> NDArray[np.float32]:
    """The pictures of a clip at a stage's size, float32 [F, h, w, 3].

    Filled in place: a long canvas at full size is gigabytes, and must not be there twice.
    """
    first, *rest = clip.frames
    shown = size.shown(clip.picture(first), smaller=smaller)
    pictures = np.empty((len(clip.frames), *shown.shape), np.float32)
    pictures[0] = shown
    for index, record_frame in enumerate(rest, start=1):
        pictures[index] = size.shown(clip.picture(record_frame), smaller=smaller)
    return pictures
