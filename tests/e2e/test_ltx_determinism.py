"""The same request gives the same frames and sound in another process, with and without what was kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.delivered import Delivered, read_delivered
from support.ltx_cases import START, Studio, studio_in

from interchange.model.directive import AudioPolicy, Quality
from interchange.model.request import BridgeSpec, GenerateSpec, GenerationRequest, RetakeSpec


@pytest.fixture(scope="module")
def keeping() -> Iterator[Studio]:
    """Another sidecar, with a state of its own, that keeps what it makes."""
    root = "/tmp" if Path("/tmp").is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="ltxb-", dir=root) as folder,
        studio_in(Path(folder), model_cache_gb=1) as studio,
    ):
        yield studio


def bridge(studio: Studio) -> GenerationRequest:
    a, b = (studio.shot(tag=tag) for tag in (1, 2))
    spec = BridgeSpec(a.span(end=45), b.span(at=START + 35, first=2), START + 41)
    return studio.request(spec, (36, 47))


def retake(studio: Studio) -> GenerationRequest:
    spec = RetakeSpec(studio.shot(sound=True).span(), audio=AudioPolicy.NEW)
    return studio.request(spec, (20, 33), handles=(3, 3), prompt="rain")


def generate(studio: Studio) -> GenerationRequest:
    return studio.request(GenerateSpec(), (0, 17), seed=2**62 + 1)


def taken(studio: Studio, request: GenerationRequest) -> tuple[Delivered, tuple[str, ...]]:
    take = studio.made(request).take
    return read_delivered(Path(take.path)), take.notes


def check_same(one: Delivered, two: Delivered) -> None:
    assert one.packets == two.packets
    assert (one.sound is None) == (two.sound is None)
    assert one.sound is None or np.array_equal(one.sound, two.sound)


@pytest.mark.parametrize("make", [bridge, retake, generate])
def test_another_sidecar_makes_the_same_frames(studio: Studio, keeping: Studio, make) -> None:
    request = make(keeping)
    take, notes = taken(keeping, request)
    check_same(take, taken(studio, make(studio))[0])
    again, kept = taken(keeping, replace(request, shot=f"{request.shot}_again"))
    check_same(take, again)
    assert not any("made before" in note for note in notes)
    assert any("made before" in note for note in kept)
    assert studio.engine().model_identity == keeping.engine().model_identity


def test_a_final_goes_on_from_its_draft_and_is_what_it_would_be_without(
    studio: Studio, keeping: Studio
) -> None:
    final = keeping.request(GenerateSpec(), (0, 25), prompt="a lighthouse")
    draft = replace(final, quality=Quality.DRAFT, shot=f"{final.shot}_draft")
    _, drafted = taken(keeping, draft)
    take, notes = taken(keeping, final)
    assert any(note.startswith("8 forwards") for note in drafted)
    assert any(note.startswith("3 forwards") for note in notes)
    whole, alone = taken(studio, studio.request(GenerateSpec(), (0, 25), prompt="a lighthouse"))
    assert any(note.startswith("11 forwards") for note in alone)
    check_same(take, whole)
