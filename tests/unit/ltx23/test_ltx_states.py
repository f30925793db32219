"""Pictures as conditions of a stage: each latent lies at the very frames it was made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interchange.model.media import Raster
from sidecar.pipelines.base import Picture
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.conditions import Clip, Conditions
from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.pictures import VideoCodec
from sidecar.pipelines.ltx23.state import State
from sidecar.pipelines.ltx23.states import StageSize, conditioned

FRAME_COUNT = 17
SIZE = StageSize(Raster(64, 64), 1, 25.0)


def _picture(record_frame: int) -> Picture:
    return np.full((60, 64, 3), record_frame % 20 / 20, np.float32)


def _all_open(grid: LatentGrid) -> np.ndarray:
    return np.ones((grid.frames, grid.height, grid.width), np.float32)


def _state(components: Components, *clips: Clip) -> State:
    codec = VideoCodec(components.vae, device=torch.device("cpu"), dtype=torch.float32)
    return conditioned(
        Conditions(_all_open, keyframes=clips),
        SIZE,
        frame_count=FRAME_COUNT,
        codec=codec,
        transformer=components.transformer,
        start=None,
        reference_downscale=1,
        checkpoint=lambda: None,
    )


def _frames(state: State, *, appended: bool) -> list[tuple[float, float]]:
    """[start, end) of each latent, in frames."""
    bounds = state.coords[0, 0, state.base :] if appended else state.coords[0, 0, : state.base]
    per_latent = SIZE.grid(FRAME_COUNT).height * SIZE.grid(FRAME_COUNT).width
    return [tuple(pair) for pair in (bounds[::per_latent] * 25.0).round().tolist()]


@pytest.mark.parametrize("place", [-17, 0, 5, 17, 40])
def test_each_latent_of_a_clip_lies_at_the_frames_it_holds(
    tiny_components: Components, place: int
) -> None:
    state = _state(tiny_components, Clip(range(100, 117), _picture, place))
    wanted = [(0, 1), (1, 9), (9, 17)]
    assert _frames(state, appended=True) == [(place + a, place + b) for a, b in wanted]


def test_a_clip_at_the_first_frame_lies_as_the_canvas_does(tiny_components: Components) -> None:
    state = _state(tiny_components, Clip(range(100, 117), _picture, 0))
    assert _frames(state, appended=True) == _frames(state, appended=False)


@pytest.mark.parametrize("drafted", [False, True])
def test_what_is_kept_is_the_pictures_shown_to_the_bit_in_either_stage(
    tiny_components: Components, drafted: bool
) -> None:
    """The second stage starts from the first one's latents, and still keeps the source's."""
    codec = VideoCodec(tiny_components.vae, device=torch.device("cpu"), dtype=torch.float32)

    def opening(grid: LatentGrid) -> np.ndarray:
        made = _all_open(grid)
        made[0] = 0.0
        return made

    start = torch.full((1, codec.latent_channels, 3, 2, 2), 7.0) if drafted else None
    state = conditioned(
        Conditions(opening, shown=Clip(range(17), _picture, 0)),
        SIZE,
        frame_count=FRAME_COUNT,
        codec=codec,
        transformer=tiny_components.transformer,
        start=start,
        reference_downscale=1,
        checkpoint=lambda: None,
    )
    pictures = np.stack([SIZE.shown(_picture(frame)) for frame in range(17)])
    known = codec.encode(pictures, checkpoint=lambda: None).flatten(2).transpose(1, 2)
    assert state.mask[0, :, 0].tolist() == [0.0] * 4 + [1.0] * 8
    assert torch.equal(state.clean[:, :4], known[:, :4])
    assert torch.equal(state.latent[:, :4], known[:, :4])
    made_from = known[:, 4:] if start is None else torch.full_like(known[:, 4:], 7.0)
    assert torch.equal(state.latent[:, 4:], made_from)


def test_a_clip_is_held_and_comes_latent_after_latent(tiny_components: Components) -> None:
    still, clip = Clip(range(3, 4), _picture, 30), Clip(range(50, 59), _picture, 20)
    state = _state(tiny_components, still, clip)
    codec = VideoCodec(tiny_components.vae, device=torch.device("cpu"), dtype=torch.float32)
    pictures = np.stack([SIZE.shown(_picture(frame)) for frame in clip.frames])
    latents = codec.encode(pictures, checkpoint=lambda: None)
    assert _frames(state, appended=True) == [(30, 31), (20, 21), (21, 29)]
    held = state.clean[:, state.base + 4 :]
    assert torch.equal(held, latents.flatten(2).transpose(1, 2))
    assert not state.mask[:, state.base :].any()
