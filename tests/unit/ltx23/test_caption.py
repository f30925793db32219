"""Gemma 3 looks at pictures: the real path with random weights, whose words mean nothing."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.tiny_ltx import TinyModel

from interchange.errors import ExhaustedError, Reason
from interchange.model.directive import JobKind
from sidecar.pipelines.ltx23.caption import Captioner


def picture(seed: int, height: int = 90, width: int = 160) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)


def propose(components: TinyModel, *pictures: NDArray[np.float32], words: str = "go on") -> str:
    captioner = Captioner(components.text_encoder, components.processor)
    return captioner.propose(pictures, kind=JobKind.BRIDGE, words=words, most_tokens=16)


class Seen:
    """What reached the model's vision tower."""

    def __init__(self, components: TinyModel) -> None:
        tower = components.text_encoder.model.vision_tower
        self.handle = tower.register_forward_pre_hook(self._see, with_kwargs=True)
        self.pixels: list[torch.Tensor] = []

    def _see(self, _tower: object, args: tuple[torch.Tensor, ...], kwargs: dict) -> None:
        self.pixels.append(args[0] if args else kwargs["pixel_values"])


def test_the_same_pictures_give_the_same_words(tiny_components: TinyModel) -> None:
    first = propose(tiny_components, picture(1), picture(2))
    assert first
    assert first == propose(tiny_components, picture(1), picture(2))


def test_both_edges_of_a_bridge_are_seen_in_their_order(tiny_components: TinyModel) -> None:
    seen = Seen(tiny_components)
    try:
        propose(tiny_components, picture(1), picture(2, 200, 80))
        propose(tiny_components, picture(2, 200, 80), picture(1))
        propose(tiny_components, picture(1))
    finally:
        seen.handle.remove()
    there, back, one = seen.pixels
    assert there.shape[0] == back.shape[0] == 2
    assert torch.equal(there, back.flip(0))
    assert not torch.equal(there[0], there[1])
    assert torch.equal(one, there[:1])


def test_words_alone_are_answered_too(tiny_components: TinyModel) -> None:
    seen = Seen(tiny_components)
    try:
        assert propose(tiny_components)
    finally:
        seen.handle.remove()
    assert not seen.pixels


def test_every_random_generator_is_left_as_it_was(tiny_components: TinyModel) -> None:
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    propose(tiny_components, picture(1), picture(2))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert random.getstate() == states[2]


def test_sampling_defaults_of_a_checkpoint_do_not_count(tiny_components: TinyModel) -> None:
    config = tiny_components.text_encoder.generation_config
    before = config.do_sample
    plain = propose(tiny_components, picture(1))
    config.do_sample = True
    try:
        assert propose(tiny_components, picture(1)) == plain
    finally:
        config.do_sample = before


def test_hostile_pictures_are_looked_at_all_the_same(tiny_components: TinyModel) -> None:
    wild = picture(1) * 1e6 - 5e5
    assert propose(tiny_components, wild, picture(2, 1, 1), words="<start_of_image>" * 3)


def test_running_out_of_memory_says_what_to_do(tiny_components: TinyModel) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    handle = tiny_components.text_encoder.register_forward_pre_hook(full)
    try:
        with pytest.raises(ExhaustedError, match="--device cpu") as caught:
            propose(tiny_components, picture(1))
    finally:
        handle.remove()
    assert caught.value.reason is Reason.MEMORY_FULL
