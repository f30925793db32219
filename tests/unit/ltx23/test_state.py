"""States: where tokens are in time and place, what is kept of them, and that nothing is shared by accident."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.grid import LatentGrid, audio_latents
from sidecar.pipelines.ltx23.state import (
    State,
    audio_state,
    conditioning_rate,
    frozen,
    pack,
    unpack,
    video_state,
    with_keyframe,
    with_mask,
    with_reference,
)

GRID = LatentGrid(3, 2, 4)


def seconds(state: State) -> list[tuple[float, float]]:
    """Bounds in time of each token."""
    return [(float(start), float(end)) for start, end in state.coords[0, 0]]


def latents(frames: int, height: int = 2, width: int = 4) -> torch.Tensor:
    return torch.randn(1, 16, frames, height, width, generator=torch.Generator().manual_seed(0))


@given(frames=st.integers(1, 4), height=st.integers(1, 4), width=st.integers(1, 4), data=st.data())
def test_tokens_are_latents_frame_by_frame_row_by_row(
    frames: int, height: int, width: int, data: st.DataObject
) -> None:
    grid = LatentGrid(frames, height, width)
    given_latents = torch.arange(2.0 * grid.tokens).view(1, 2, frames, height, width)
    tokens = pack(given_latents)
    assert torch.equal(unpack(tokens, grid), given_latents)
    place = [data.draw(st.integers(0, size - 1)) for size in (frames, height, width)]
    number = (place[0] * height + place[1]) * width + place[2]
    assert torch.equal(tokens[0, number], given_latents[0, :, place[0], place[1], place[2]])


def test_a_new_canvas_is_all_to_make(tiny_components: Components) -> None:
    state = video_state(tiny_components.transformer, GRID, 24.0)
    assert state.base == GRID.tokens == state.latent.shape[1]
    assert float(state.mask.min()) == 1.0
    assert float(state.latent.abs().max()) == 0.0
    # One picture in the first latent, eight in each other: 0..1, 1..9, 9..17 frames at 24.
    edges = sorted({edge for bounds in seconds(state) for edge in bounds})
    assert edges == pytest.approx([0.0, 1 / 24, 9 / 24, 17 / 24])
    assert float(state.coords[0, 1].max()) == 64.0  # pixels down
    assert float(state.coords[0, 2].max()) == 128.0  # and across


@pytest.mark.parametrize(
    ("rate", "told"), [(23.976, 23.976), (25.0, 25.0), (30.0, 30.0), (48.0, 60.0), (50.0, 60.0)]
)
def test_fast_rates_are_told_as_sixty_to_both(
    tiny_components: Components, rate: float, told: float
) -> None:
    """A picture and the sound that is heard with it are at the same second, whatever that second is called."""
    transformer = tiny_components.transformer
    assert conditioning_rate(rate) == told
    frames = 8 * 30 + 1
    length = audio_latents(frames, rate)
    video = video_state(transformer, LatentGrid(31, 1, 1), rate)
    audio = audio_state(transformer, length, rate)
    assert seconds(video)[-1][1] == pytest.approx(frames / told)
    # The last latent of sound ends where the pictures do, but for its rounding and the one it starts short.
    assert seconds(audio)[-1][1] == pytest.approx(frames / told, abs=0.06)
    if told == rate:
        plain = transformer.audio_rope.prepare_audio_coords(1, length, torch.device("cpu"))
        assert torch.equal(audio.coords, plain)


@pytest.mark.parametrize("frame", [-40, -1, 0, 5, 16, 17, 100])
def test_a_still_keyframe_is_one_frame_long_at_its_very_frame(
    tiny_components: Components, frame: int
) -> None:
    transformer = tiny_components.transformer
    state = with_keyframe(
        video_state(transformer, GRID, 25.0),
        transformer,
        latents(1),
        pixel_frame=frame,
        frame_count=1,
        frame_rate=25.0,
        strength=0.75,
    )
    assert state.base == GRID.tokens
    placed = set(seconds(state)[GRID.tokens :])
    assert len(placed) == 1
    assert placed.pop() == pytest.approx((frame / 25.0, (frame + 1) / 25.0))
    assert torch.equal(state.mask[0, GRID.tokens :, 0], torch.full((8,), 0.25))
    assert torch.equal(state.clean[:, GRID.tokens :], pack(latents(1)))


def test_a_clip_of_keyframes_lies_eight_frames_a_latent(tiny_components: Components) -> None:
    transformer = tiny_components.transformer
    state = with_keyframe(
        video_state(transformer, GRID, 50.0),
        transformer,
        latents(2),
        pixel_frame=17,
        frame_count=9,
        frame_rate=50.0,
    )
    first, last = seconds(state)[GRID.tokens], seconds(state)[-1]
    assert first == pytest.approx((17 / 60, 25 / 60))
    assert last == pytest.approx((25 / 60, 33 / 60))


def test_a_reference_covers_the_canvas(tiny_components: Components) -> None:
    transformer = tiny_components.transformer
    canvas = video_state(transformer, GRID, 24.0)
    state = with_reference(
        canvas, transformer, latents(3, 1, 2), downscale=2, frame_rate=24.0, strength=0.5
    )
    assert state.base == GRID.tokens
    appended = state.coords[:, :, GRID.tokens :]
    assert torch.equal(appended.amax(dim=(2, 3)), canvas.coords.amax(dim=(2, 3)))
    assert float(state.mask[0, -1, 0]) == 0.5


def test_masks_leave_appended_tokens_alone(tiny_components: Components) -> None:
    transformer = tiny_components.transformer
    state = with_keyframe(
        video_state(transformer, GRID, 24.0, latents(3)),
        transformer,
        latents(1),
        pixel_frame=16,
        frame_count=1,
        frame_rate=24.0,
    )
    mask = torch.ones(1, GRID.tokens, 1)
    mask[:, :8] = 0.0
    kept = with_mask(state, mask)
    assert torch.equal(kept.mask[:, : GRID.tokens], mask)
    assert torch.equal(kept.mask[:, GRID.tokens :], state.mask[:, GRID.tokens :])
    assert torch.equal(kept.clean, state.clean)
    assert float(state.mask[:, : GRID.tokens].min()) == 1.0, "the state it came from"
    assert float(frozen(kept).mask.max()) == 0.0


def test_a_mask_may_keep_something_else(tiny_components: Components) -> None:
    draft = video_state(tiny_components.transformer, GRID, 24.0, latents(3))
    source = torch.full((1, GRID.tokens, 16), 7.0)
    mask = torch.ones(1, GRID.tokens, 1)
    mask[:, -8:] = 0.0
    state = with_mask(draft, mask, source)
    assert torch.equal(state.latent[:, -8:], source[:, -8:])
    assert torch.equal(state.latent[:, :-8], draft.latent[:, :-8])


def test_shapes_that_do_not_belong_together_are_refused(tiny_components: Components) -> None:
    state = video_state(tiny_components.transformer, GRID, 24.0)
    for wrong in (
        {"clean": state.clean[:, 1:]},
        {"mask": state.mask[..., 0]},
        {"coords": state.coords[:, :, 1:]},
        {"base": GRID.tokens + 1},
        {"base": 0},
    ):
        with pytest.raises(ValueError, match="do not fit"):
            dataclasses.replace(state, **wrong)


def test_recipes_need_no_torch() -> None:
    """`ltxbridge plan` knows presets, which name recipes."""
    seen = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, sidecar.pipelines.ltx23.recipes; print('torch' in sys.modules)",
        ],
        capture_output=True,
        check=True,
        cwd=Path(__file__).resolve().parents[3],
        text=True,
    )
    assert seen.stdout.strip() == "False"
