"""Parts of the transformer that are answered for while a stage runs, where its own way is dear.

| part | its own way | here |
| --- | --- | --- |
| rotary embeddings | made anew in every forward | made once a stage |
| modulations of tokens that differ | nine vectors a token, twice over | a row for each noise there is, spread where used |
| attention that STG short-cuts | decided by a tensor, which breaks a compiled block | decided by a constant |

Everything is put back on the way out, whatever happens. Symptoms and code are those of diffusers 0.42; what is
answered differently is tested against its own way, so a change there shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.transformers.transformer_ltx2 import (
    LTX2VideoTransformer3DModel,
    LTX2VideoTransformerBlock,
)
from torch import nn


@contextmanager
def prepared_positions(
    transformer: LTX2VideoTransformer3DModel, video: torch.Tensor, audio: torch.Tensor
) -> Iterator[None]:
    """While open, the embeddings of these coordinates are taken as read.

    They are tensors a forward holds to its end anyway, so memory does not grow.

    Args:
        transformer: Whose embeddings.
        video: [1, 3, S, 2] bounds, on the compute device.
        audio: [1, 1, S, 2] bounds, on the compute device.
    """
    coords = {
        "rope": video,
        "audio_rope": audio,
        "cross_attn_rope": video[:, :1],
        "cross_attn_audio_rope": audio[:, :1],
    }
    known = {name: _Known(getattr(transformer, name)(each)) for name, each in coords.items()}
    with _replaced(transformer, known):
        yield


@contextmanager
def shared_modulations(
    transformer: LTX2VideoTransformer3DModel,
    video_rows: torch.Tensor | None,
    audio_rows: torch.Tensor | None,
) -> Iterator[None]:
    """While open, a timestep is given once for all tokens that have it, and so is what a block makes of it.

    A token's own timestep costs 9 x width for its modulations, and as much again in each block: 5 GB beside 33,000
    tokens. But kept tokens are all at noise 0 and the others at the step's, so there are two rows, seldom more.

    Args:
        transformer: Its timesteps are then [1, K], a column for each noise.
        video_rows: [S] which of the K a token has; None where the pictures have one timestep, or one each.
        audio_rows: [S] likewise of the sound.
    """
    given: dict[str, nn.Module] = {}
    rows_by_width: dict[int, torch.Tensor] = {}
    for name, rows in (("time_embed", video_rows), ("audio_time_embed", audio_rows)):
        if rows is not None:
            embed = getattr(transformer, name)
            given[name] = _OnceEach(embed, rows)
            rows_by_width[embed.linear.in_features] = rows
    if not given:
        yield
        return
    spread = _Spread(rows_by_width)
    blocks: list[Any] = list(transformer.transformer_blocks)
    try:
        for block in blocks:
            block.get_mod_params = spread  # hides the static method of the class
        with _replaced(transformer, given):
            yield
    finally:
        for block in blocks:
            del block.get_mod_params


@contextmanager
def short_cut(transformer: LTX2VideoTransformer3DModel, numbers: Sequence[int]) -> Iterator[None]:
    """While open, self-attention of these blocks passes its values on: spatio-temporal guidance.

    Args:
        transformer: Is then not asked for STG itself.
        numbers: Of its blocks.
    """
    blocks = transformer.transformer_blocks
    perturbed = {str(number): _Perturbed(blocks[number]) for number in numbers}
    with _replaced(blocks, perturbed):
        yield


class _Known(nn.Module):
    """A rotary embedding whose answer is known."""

    def __init__(self, answer: tuple[torch.Tensor, torch.Tensor]) -> None:
        super().__init__()
        self._answer = answer

    def forward(
        self, _coords: torch.Tensor, device: object = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        del device
        return self._answer


class _OnceEach(nn.Module):
    """A timestep embedding of K timesteps for S tokens.

    Its modulations stay [K, 9 D] until a block spreads them; the plain embedding, which only the last layer takes,
    is spread here.
    """

    def __init__(self, embed: nn.Module, rows: torch.Tensor) -> None:
        super().__init__()
        self._embed = embed
        self._rows = rows

    def forward(self, timestep: torch.Tensor, **named: object) -> tuple[torch.Tensor, torch.Tensor]:
        modulations, embedded = self._embed(timestep, **named)
        return modulations, embedded.index_select(0, self._rows)


class _Perturbed(nn.Module):
    """A block that is told, by a constant, to short-cut its self-attention."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self._block = block

    def forward(self, **named: object) -> object:
        return self._block(**{**named, "all_perturbed": True})


class _Spread:
    """A block's `get_mod_params` [1, K, n D] -> n times [1, S, D], by the rows of the modality of that width."""

    def __init__(self, rows_by_width: Mapping[int, torch.Tensor]) -> None:
        self._rows_by_width = rows_by_width

    def __call__(
        self, table: torch.Tensor, modulations: torch.Tensor, batch_size: int
    ) -> tuple[torch.Tensor, ...]:
        made = LTX2VideoTransformerBlock.get_mod_params(table, modulations, batch_size)
        rows = self._rows_by_width.get(table.shape[1])
        # What has one row is of the text, of the other modality, or the same for all tokens.
        if rows is None or modulations.shape[1] == 1:
            return made
        return tuple(each.index_select(1, rows) for each in made)


@contextmanager
def _replaced(owner: nn.Module, given: Mapping[str, nn.Module]) -> Iterator[None]:
    own = {name: getattr(owner, name) for name in given}
    try:
        for name, stand_in in given.items():
            setattr(owner, name, stand_in)
        yield
    finally:
        for name, part in own.items():
            setattr(owner, name, part)
