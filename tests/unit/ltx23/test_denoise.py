"""What the loop promises beyond what diffusers can do: masks, frozen sound, strengths, seeds, forwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ltx_reference import Reference, furthest, random_pictures, with_head
from support.tiny_ltx import load_tiny

from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.ltx23 import denoise as loop
from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.recipes import (
    DEV_GUIDANCE,
    RECIPES,
    Guidance,
    ModalityGuidance,
    Stage,
    dev_sigmas,
)
from sidecar.pipelines.ltx23.state import (
    State,
    frozen,
    pack,
    with_keyframe,
    with_mask,
)

GRID = LatentGrid(4, 2, 2)
DISTILLED = RECIPES["distilled"].first
DEV = Stage(dev_sigmas(3), DEV_GUIDANCE)
NAMES = ("timestep", "audio_timestep", "sigma", "audio_sigma", "encoder_attention_mask")


class Stopped(Exception):  # noqa: N818, what a checkpoint raises is no error
    """A cancel."""


@pytest.fixture(scope="module")
def room(tiny_checkpoint: Checkpoint) -> Reference:
    return Reference(load_tiny(tiny_checkpoint), GRID, frame_rate=25.0)


def given_video(room: Reference, seed: int = 5) -> State:
    latents = torch.randn(1, 16, 4, 2, 2, generator=torch.Generator().manual_seed(seed))
    return room.video(latents)


def given_audio(room: Reference, seed: int = 6) -> State:
    latents = torch.randn(1, room.audio_length, 16, generator=torch.Generator().manual_seed(seed))
    return room.audio(latents)


def masked(state: State, kept: list[bool]) -> State:
    mask = torch.tensor([0.0 if each else 1.0 for each in kept]).view(1, -1, 1)
    return with_mask(state, mask)


@contextmanager
def calls(room: Reference) -> Iterator[list[dict[str, object]]]:
    """What the transformer is called with."""
    seen: list[dict[str, object]] = []

    def note(_module: object, _positional: object, named: dict[str, object]) -> None:
        seen.append(dict(named))

    hook = room.components.transformer.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        hook.remove()


@settings(max_examples=25)
@given(data=st.data(), stage=st.sampled_from([Stage((1.0, 0.5, 0.0)), DEV, Stage((0.6, 0.3, 0.0))]))
def test_kept_tokens_come_out_as_they_went_in(
    room: Reference, data: st.DataObject, stage: Stage
) -> None:
    length = room.audio_length
    video_kept = data.draw(st.lists(st.booleans(), min_size=16, max_size=16))
    audio_kept = data.draw(st.lists(st.booleans(), min_size=length, max_size=length))
    video = masked(given_video(room), video_kept)
    audio = masked(given_audio(room), audio_kept)
    made = room.ours(stage, video, audio)
    for tokens, state in ((made.video, video), (made.audio, audio)):
        kept = state.mask[0, :, 0] == 0.0
        assert torch.equal(tokens[:, kept], state.clean[:, kept])
        assert ((tokens - state.latent)[:, ~kept].abs() > 1e-4).any(dim=2).all()


def test_a_kept_token_is_held_to_what_is_clean_not_to_what_was_drafted(room: Reference) -> None:
    """The second stage starts from a draft made larger; what is kept comes from the source."""
    draft, source = given_video(room, 1), given_video(room, 2)
    mask = torch.ones(1, 16, 1)
    mask[:, :8] = 0.0
    state = with_mask(draft, mask, source.clean)
    made = room.ours(Stage((0.5, 0.0)), state)
    assert torch.equal(made.video[:, :8], source.clean[:, :8])
    assert not torch.equal(made.video[:, 8:], source.clean[:, 8:])


def test_frozen_sound_leads_and_is_not_touched(room: Reference) -> None:
    audio = frozen(given_audio(room))
    with calls(room) as seen:
        made = room.ours(DISTILLED, audio=audio)
    assert torch.equal(made.audio, audio.clean)
    assert all(
        float(call[name].abs().max()) == 0.0
        for call in seen
        for name in ("audio_sigma", "audio_timestep")
    )
    assert all(float(call["sigma"]) > 0.0 for call in seen)
    other = room.ours(DISTILLED, audio=frozen(given_audio(room, 7)))
    assert not torch.equal(made.video, other.video), "the sound has no say"


def test_frozen_pictures_get_new_sound(room: Reference) -> None:
    video = frozen(given_video(room))
    made = room.ours(DEV, video, given_audio(room))
    assert torch.equal(made.video, video.clean)
    assert not torch.equal(made.audio, given_audio(room).clean)


def test_guidance_of_what_is_kept_costs_no_forward(room: Reference) -> None:
    guidance = Guidance(video=ModalityGuidance(cfg=3.0), audio=ModalityGuidance(modality=3.0))
    stage = Stage((1.0, 0.5, 0.0), guidance)
    with room.counting_forwards() as both:
        room.ours(stage)
    with room.counting_forwards() as pictures:
        room.ours(stage, audio=frozen(given_audio(room)), negative=room.negative)
    with room.counting_forwards() as sound:
        room.ours(stage, frozen(given_video(room)), negative=None)
    assert (len(both), len(pictures), len(sound)) == (6, 4, 4)


def test_a_missing_negative_prompt_is_refused_before_work(room: Reference) -> None:
    with room.counting_forwards() as made, pytest.raises(ValueError, match="negative prompt"):
        room.ours(DEV, negative=None)
    assert made == []


@pytest.mark.parametrize("name", ["distilled", "dev"])
def test_a_recipe_makes_the_forwards_it_says(room: Reference, name: str) -> None:
    with room.counting_forwards() as made:
        room.ours(RECIPES[name].first)
    assert made == [1] * RECIPES[name].first.forwards


def test_leaving_out_the_mask_of_the_text_changes_no_bit(room: Reference) -> None:
    """Registers fill every place of a prompt, so diffusers' mask is all ones, which is no mask."""
    plain = room.ours(DISTILLED)

    def add_mask(_module: object, positional: object, named: dict[str, object]) -> object:
        assert named.get("encoder_attention_mask") is None
        text = named["encoder_hidden_states"]
        ones = torch.ones(text.shape[:2])
        return positional, {
            **named,
            "encoder_attention_mask": ones,
            "audio_encoder_attention_mask": ones,
        }

    hook = room.components.transformer.register_forward_pre_hook(add_mask, with_kwargs=True)
    try:
        under_mask = room.ours(DISTILLED)
    finally:
        hook.remove()
    assert torch.equal(plain.video, under_mask.video)
    assert torch.equal(plain.audio, under_mask.audio)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_one_timestep_for_all_tokens_is_as_good_as_one_each(room: Reference, share: float) -> None:
    video = with_mask(given_video(room), torch.full((1, 16, 1), share))
    with calls(room) as seen:
        one = room.ours(DISTILLED, video)
    assert {call["timestep"].shape for call in seen} == {(1, 1)}

    def spread(_module: object, positional: object, named: dict[str, object]) -> object:
        return positional, {**named, "timestep": named["timestep"].expand(1, 16)}

    hook = room.components.transformer.register_forward_pre_hook(spread, with_kwargs=True)
    try:
        each = room.ours(DISTILLED, video)
    finally:
        hook.remove()
    assert float((one.video - each.video).abs().max()) <= 1e-6 * float(one.video.abs().max())


def test_a_timestep_is_given_once_for_all_tokens_that_have_it(room: Reference) -> None:
    still = room.latents(random_pictures(1, GRID))
    with calls(room) as seen:
        room.ours(DISTILLED, with_head(room.video(), still, strength=0.75))
    assert torch.equal(seen[0]["timestep"], torch.tensor([[250.0, 1000.0]]))


@pytest.mark.parametrize("stage", [DISTILLED, DEV])
@pytest.mark.parametrize("few", [1, 2])
def test_rows_of_timesteps_are_as_good_as_one_a_token(
    room: Reference, stage: Stage, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's own way is one a token; the sound may go one way and the pictures the other."""
    mask = torch.tensor([0.0] * 4 + [0.5] * 4 + [1.0] * 8).view(1, -1, 1)
    video = with_mask(given_video(room), mask)
    audio = masked(given_audio(room), [index < 10 for index in range(room.audio_length)])
    with calls(room) as seen:
        rows = room.ours(stage, video, audio)
    assert {tuple(call["timestep"].shape) for call in seen} == {(1, 3)}
    assert {tuple(call["audio_timestep"].shape) for call in seen} == {(1, 2)}
    monkeypatch.setattr(loop, "_FEW", few)
    with calls(room) as seen:
        each = room.ours(stage, video, audio)
    assert {tuple(call["timestep"].shape) for call in seen} == {(1, 16)}
    assert {tuple(call["audio_timestep"].shape) for call in seen} == {
        (1, room.audio_length if few == 1 else 2)
    }
    assert furthest((rows.video, each.video), (rows.audio, each.audio)) <= 1e-5


def test_each_token_has_its_own_sigma(room: Reference) -> None:
    """In diffusers all take the step's for all; for a strength of one half that doubles what is taken off."""
    share = torch.tensor([0.0] * 4 + [0.25] * 4 + [0.5] * 4 + [1.0] * 4).view(1, -1, 1)
    video = with_mask(given_video(room), share)
    velocities: list[torch.Tensor] = []
    hook = room.components.transformer.register_forward_hook(
        lambda _module, _positional, made: velocities.append(made[0].clone())
    )
    try:
        with calls(room) as seen:
            made = room.ours(Stage((0.8, 0.0)), video)
    finally:
        hook.remove()
    noised = seen[0]["hidden_states"]
    predicted = noised - 0.8 * share * velocities[0]
    expected = share * predicted + (1.0 - share) * video.clean
    assert furthest((made.video, expected)) <= 1e-6
    noise = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))
    mixed = 0.8 * share * noise + (1.0 - 0.8 * share) * video.latent
    assert furthest((noised, mixed)) <= 1e-6


def test_strength_goes_from_no_say_to_the_very_picture(room: Reference) -> None:
    still = room.latents(random_pictures(1, GRID))
    distance = [
        float((room.ours(DISTILLED, state).video[:, :4] - pack(still)).abs().mean())
        for state in (
            with_head(room.video(), still, strength=strength)
            for strength in (0.0, 0.25, 0.5, 0.75, 1.0)
        )
    ]
    assert distance == sorted(distance, reverse=True)
    assert distance[-1] == 0.0
    free = room.ours(DISTILLED)
    unheld = room.ours(DISTILLED, with_head(room.video(), still, strength=0.0))
    assert torch.equal(unheld.video, free.video)


def test_a_clip_is_kept_the_more_the_less_noise_it_starts_from(room: Reference) -> None:
    clip = given_video(room)
    distance = [
        float((room.ours(recipe.first, clip).video - clip.latent).abs().mean())
        for recipe in (RECIPES["distilled"].at_strength(each) for each in (0.05, 0.3, 0.6, 0.9))
    ]
    assert distance == sorted(distance)
    fresh = room.ours(DISTILLED)
    assert torch.equal(
        room.ours(RECIPES["distilled"].at_strength(1.0).first, clip).video, fresh.video
    )


def test_appended_tokens_are_dropped(room: Reference) -> None:
    still = room.latents(random_pictures(1, GRID))
    transformer = room.components.transformer
    state = room.video()
    for frame in (-24, 12, 60):  # a shot before, a picture within, a shot after
        state = with_keyframe(
            state, transformer, still, pixel_frame=frame, frame_count=1, frame_rate=25.0
        )
    assert state.latent.shape == (1, 16 + 12, 16)
    shapes = []
    made = room.ours(DISTILLED, state, on_step=lambda *step: shapes.append(step[2].shape))
    assert made.video.shape == (1, 16, 16)
    assert set(shapes) == {(1, 16, 16)}
    assert not torch.equal(made.video, room.ours(DISTILLED).video)


def test_the_same_seed_is_the_same_take_and_another_another(room: Reference) -> None:
    one, same, other = (room.ours(DISTILLED, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(one.video, same.video)
    assert torch.equal(one.audio, same.audio)
    assert not torch.equal(one.video, other.video)


def test_the_noise_knows_neither_precision_nor_what_is_kept(room: Reference) -> None:
    states: list[torch.Tensor] = []

    def first_noise(stage: Stage, audio: State, prompt: Prompt) -> torch.Tensor:
        generator = torch.Generator().manual_seed(9)
        with calls(room) as seen:
            room.ours(stage, audio=audio, prompt=prompt, generator=generator)
        states.append(generator.get_state())
        return seen[0]["hidden_states"].float()

    single = Stage((1.0, 0.0))
    before = torch.get_rng_state()
    drawn = first_noise(single, room.audio(), room.prompt)
    assert torch.equal(first_noise(single, frozen(given_audio(room)), room.prompt), drawn)
    assert torch.equal(
        drawn, torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(9))
    )  # token by token
    room.components.transformer.to(torch.bfloat16)
    try:
        half = room.prompt.to(torch.device("cpu"), torch.bfloat16)
        low = first_noise(single, room.audio(), half)
    finally:
        room.components.transformer.to(torch.float32)
    assert torch.equal(low, drawn.to(torch.bfloat16).float())
    assert all(torch.equal(state, states[0]) for state in states)
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_and_cancel_between_forwards(room: Reference) -> None:
    steps: list[tuple[int, int]] = []
    checks = 0

    def stop_at_the_seventh() -> None:
        nonlocal checks
        checks += 1
        if checks == 7:
            raise Stopped

    with room.counting_forwards() as made, pytest.raises(Stopped):
        room.ours(
            DEV,
            on_step=lambda done, of, _pictures: steps.append((done, of)),
            checkpoint=stop_at_the_seventh,
        )
    assert len(made) == 6
    assert steps == [(1, 3)]


def test_the_model_is_as_it_was_even_after_a_cancel(room: Reference) -> None:
    transformer = room.components.transformer
    before = dict(transformer.named_modules())
    held = with_head(room.video(), room.latents(random_pictures(1, GRID)))

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        room.ours(DEV, held, checkpoint=stop)
    room.ours(DEV, held)
    assert dict(transformer.named_modules()) == before
    assert not any("get_mod_params" in vars(block) for block in transformer.transformer_blocks)


def test_what_is_seen_last_is_what_is_delivered(room: Reference) -> None:
    seen: list[torch.Tensor] = []
    made = room.ours(DEV, on_step=lambda *step: seen.append(step[2].clone()))
    assert len(seen) == 3
    assert torch.equal(seen[-1], made.video)


def test_what_comes_out_is_the_owners_to_write_to(room: Reference) -> None:
    made = room.ours(Stage((1.0, 0.0)))
    made.video.zero_()
    made.audio.zero_()
    assert not made.video.is_inference()


def test_states_are_not_written_to(room: Reference) -> None:
    video, audio = masked(given_video(room), [True] * 8 + [False] * 8), given_audio(room)
    before = [each.clone() for state in (video, audio) for each in (state.latent, state.mask)]
    room.ours(DISTILLED, video, audio)
    after = [each for state in (video, audio) for each in (state.latent, state.mask)]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
