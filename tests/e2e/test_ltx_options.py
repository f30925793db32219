"""What an LTX take depends on, through a real sidecar: every option changes it, and what is not asked for does not.

The tiny model's weights are random, so that what a take shows means nothing. What it depends on is the same as
with real ones.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image
from support.delivered import Delivered, read_delivered
from support.ltx_cases import START, Studio
from support.numbered import numbered_picture

from interchange.errors import InvalidInputError, Reason
from interchange.model.directive import Edge, Quality, StartFrom
from interchange.model.job import JobState
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    JobSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
)

LENGTH = 17


def taken(
    studio: Studio, spec: JobSpec, window: tuple[int, int] = (0, LENGTH), **changes
) -> Delivered:
    return read_delivered(studio.take(studio.request(spec, window, **changes)))


def same(one: Delivered, two: Delivered) -> bool:
    """Whether two takes have the same pictures, to the bit."""
    return one.packets == two.packets


def all_differ(*takes: Delivered) -> bool:
    """Whether no two takes have a picture in common."""
    pictures = [packet for take in takes for packet in take.packets]
    return len(set(pictures)) == len(pictures)


def distance(one: Delivered, two: Delivered) -> float:
    return float(np.abs(one.values - two.values).mean())


def test_prompt_and_seed_decide_what_is_generated(studio: Studio) -> None:
    plain = taken(studio, GenerateSpec())
    storm = taken(studio, GenerateSpec(), prompt="a storm")
    other = taken(studio, GenerateSpec(), prompt="a storm", seed=8)
    assert all_differ(plain, storm, other)


def test_a_still_decides_what_is_generated_from_it(studio: Studio) -> None:
    stills = []
    for number in (1, 2):
        picture = (numbered_picture(number, size=(96, 64)) * 255).astype(np.uint8)
        stills.append(studio.folder / "media" / f"still {number}.png")
        Image.fromarray(picture).save(stills[-1])
    takes = [taken(studio, GenerateSpec(image=str(still))) for still in stills]
    assert all_differ(taken(studio, GenerateSpec()), *takes)


def test_regenerate_from_text_does_not_look_at_the_clip_and_from_first_does(studio: Studio) -> None:
    clips = [studio.shot(tag=tag).span(end=LENGTH) for tag in (1, 2)]
    text = [taken(studio, RegenerateSpec(clip, start_from=StartFrom.TEXT)) for clip in clips]
    first = [taken(studio, RegenerateSpec(clip, start_from=StartFrom.FIRST)) for clip in clips]
    assert same(*text)
    assert all_differ(text[0], *first)


def test_the_higher_the_strength_the_farther_from_the_clip(studio: Studio) -> None:
    clip = studio.shot().span(end=LENGTH)

    def at(strength: float) -> Delivered:
        return taken(studio, RegenerateSpec(clip, start_from=StartFrom.CLIP, strength=strength))

    # What the model makes of the clip with next to no noise: random weights do not give the clip itself back.
    near = at(0.001)
    away = [distance(near, at(strength)) for strength in (0.05, 0.3, 1.0)]
    assert away == sorted(away)
    assert away[0] < away[-1] / 2


@pytest.mark.parametrize("edge", Edge)
def test_an_extension_depends_on_the_shot_it_extends(studio: Studio, edge: Edge) -> None:
    window = (60, 70) if edge is Edge.TAIL else (-10, 0)
    takes = [
        taken(studio, ExtendSpec(studio.shot(tag=tag).span(), edge=edge), window) for tag in (1, 2)
    ]
    assert all_differ(*takes)


def test_a_bridge_depends_on_both_its_sides(studio: Studio) -> None:
    def bridged(outgoing: int, incoming: int) -> Delivered:
        a = studio.shot(tag=outgoing).span(end=45)
        b = studio.shot(tag=incoming).span(at=START + 35, first=2)
        return taken(studio, BridgeSpec(a, b, START + 41), (36, 47))

    assert all_differ(bridged(1, 2), bridged(3, 2), bridged(1, 3))


def test_a_retake_depends_on_the_frames_before_and_after_it(studio: Studio) -> None:
    shot = studio.shot()
    whole = taken(studio, RetakeSpec(shot.span()), (20, 29))
    without_tail = taken(studio, RetakeSpec(shot.span(end=29)), (20, 29))
    without_head = taken(studio, RetakeSpec(shot.span(first=20)), (20, 29))
    assert all_differ(whole, without_tail, without_head)


def test_neighbouring_shots_lend_their_look(studio: Studio) -> None:
    clip = RegenerateSpec(studio.shot().span(end=LENGTH))
    before, other = (studio.shot(tag=tag).span(at=START - 60) for tag in (2, 3))
    after = studio.shot(tag=2).span(at=START + LENGTH)
    takes = [
        taken(studio, clip, references=references)
        for references in ((), (before,), (other,), (after,), (before, after))
    ]
    assert all_differ(*takes)
    assert {take.count for take in takes} == {LENGTH}


def test_draft_and_final_have_one_size_and_are_not_the_same_pictures(studio: Studio) -> None:
    draft, final = (
        taken(studio, GenerateSpec(), quality=quality) for quality in (Quality.DRAFT, Quality.FINAL)
    )
    assert (draft.size, draft.count) == (final.size, final.count)
    assert all_differ(draft, final)


def test_presets_of_ones_own_choose_recipe_and_loras(studio: Studio) -> None:
    plain, tuned, single = (
        taken(studio, GenerateSpec(), preset=name) for name in ("plain", "tuned", "single-stage")
    )
    assert same(plain, taken(studio, GenerateSpec()))
    assert same(plain, taken(studio, GenerateSpec(), preset="untuned"))
    assert all_differ(plain, tuned, single)
    notes = studio.made(studio.request(GenerateSpec(), (0, LENGTH), preset="tuned")).take.notes
    (lora,) = (studio.state / "presets").rglob("look.safetensors")
    digest = hashlib.sha256(lora.read_bytes()).hexdigest()
    assert any("look.safetensors" in note and digest in note for note in notes)


def test_restyle_follows_the_shot_at_the_size_its_ic_lora_says(studio: Studio) -> None:
    def restyled(tag: int, preset: str) -> Delivered:
        spec = RestyleSpec(studio.shot(tag=tag).span(end=LENGTH))
        return taken(studio, spec, preset=preset, prompt="ink")

    whole, half = restyled(1, "in-context"), restyled(1, "in-context-half")
    assert all_differ(whole, half, restyled(2, "in-context"), restyled(2, "in-context-half"))


@pytest.mark.parametrize(
    ("preset", "reason", "named"),
    [
        ("lost", Reason.FILE_NOT_FOUND, "nowhere.safetensors"),
        ("wrong", Reason.INVALID_ARGUMENT, "wide.safetensors"),
        ("broken", Reason.INVALID_ARGUMENT, "broken.toml"),
        ("plain", Reason.ENGINE_LIMIT, "IC-LoRA"),
        ("dev", Reason.ENGINE_LIMIT, "dev weights"),
    ],
)
def test_a_preset_that_cannot_be_used_says_why(
    studio: Studio, preset: str, reason: Reason, named: str
) -> None:
    request = studio.request(
        RestyleSpec(studio.shot().span(end=LENGTH)), (0, LENGTH), preset=preset
    )
    job = studio.ended(request)
    assert (job.state, job.error.reason) == (JobState.FAILED, reason)
    assert named in job.error.message
    assert studio.left_behind(request.shot) == []


def test_a_preset_that_is_not_there_is_refused_before_anything_is_queued(studio: Studio) -> None:
    request = studio.request(GenerateSpec(), (0, LENGTH), preset="plan")
    with pytest.raises(InvalidInputError, match="plain"):
        studio.client.create_job(request)
    assert studio.left_behind(request.shot) == []
