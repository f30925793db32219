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
