"""The video codec against diffusers' own calls on the tiny VAE: the same whole, close in tiles, streamed."""

from __future__ import annotations

import copy
import weakref
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLLTX2Video, LTX2Pipeline
from numpy.typing import NDArray

from interchange.errors import InvalidInputError, StoppedError
from sidecar.pipelines.ltx23.ahead import made_ahead
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.pictures import VideoCodec, _Tiling
from sidecar.pipelines.ltx23.tiles import TileSize

_FOREVER = 9984 + 1
"""Longer than any canvas here: not cut along this axis."""


def _unstopped() -> None:
    return


def _untold(_done: int, _total: int) -> None:
    return


@pytest.fixture(scope="module")
def vae(tiny_components: Components) -> AutoencoderKLLTX2Video:
    """Of one's own, with statistics that are not 0 and 1."""
    own = copy.deepcopy(tiny_components.vae)
    generator = torch.Generator().manual_seed(5)
    own.latents_mean.normal_(generator=generator)
    own.latents_std.uniform_(0.5, 1.5, generator=generator)
    return own


def _codec(vae: AutoencoderKLLTX2Video, tile: TileSize | None = None) -> VideoCodec:
    return VideoCodec(vae, device=torch.device("cpu"), dtype=torch.float32, tile=tile)


def _moving(frame_count: int, height: int, width: int) -> NDArray[np.float32]:
    rows, columns = np.mgrid[:height, :width]
    return np.stack(
        [
            np.stack(
                (
                    0.5 + 0.4 * np.sin((columns + 3 * time) / 17),
                    0.5 + 0.4 * np.cos((rows - 2 * time) / 23),
                    (rows + columns + time) % 64 / 64,
                ),
                axis=-1,
            )
            for time in range(frame_count)
        ]
    ).astype(np.float32)


def _latents(*grid: int) -> torch.Tensor:
    return torch.randn(1, 16, *grid, generator=torch.Generator().manual_seed(1))


def _decoded(codec: VideoCodec, latents: torch.Tensor) -> NDArray[np.float32]:
    return np.stack(list(codec.decode(latents, checkpoint=_unstopped, progress=_untold)))


@pytest.mark.parametrize("size", [(1, 64, 96), (17, 96, 64)])
def test_encoding_whole_is_diffusers_own(
    vae: AutoencoderKLLTX2Video, size: tuple[int, int, int]
) -> None:
    pictures = _moving(*size)
    latents = _codec(vae).encode(pictures, checkpoint=_unstopped)
    model_pictures = torch.from_numpy(pictures).permute(3, 0, 1, 2)[None] * 2 - 1
    with torch.no_grad():
        raw = vae.encode(model_pictures).latent_dist.mode()
    expected = LTX2Pipeline._normalize_latents(raw, vae.latents_mean, vae.latents_std)
    assert latents.shape == (1, 16, (size[0] - 1) // 8 + 1, size[1] // 32, size[2] // 32)
    assert (latents - expected).abs().max() <= 1e-6
    latents += 1.0  # whoever gets them may change them


@pytest.mark.parametrize("grid", [(1, 2, 3), (3, 3, 2)])
def test_decoding_whole_is_diffusers_own(
    vae: AutoencoderKLLTX2Video, grid: tuple[int, int, int]
) -> None:
    latents = _latents(*grid)
    raw = LTX2Pipeline._denormalize_latents(latents, vae.latents_mean, vae.latents_std)
    with torch.no_grad():
        expected = vae.decode(raw, None, return_dict=False)[0][0].permute(1, 2, 3, 0)
    pictures = _decoded(_codec(vae), latents)
    assert pictures.dtype == np.float32
    assert np.abs(pictures - (expected.numpy() * 0.5 + 0.5)).max() <= 1e-6


def test_values_outside_are_clipped_for_the_model_and_read_only_pictures_kept(
    vae: AutoencoderKLLTX2Video,
) -> None:
    pictures = _moving(9, 64, 64) * 3 - 1
    before = pictures.copy()
    pictures.flags.writeable = False
    codec = _codec(vae)
    latents = codec.encode(pictures, checkpoint=_unstopped)
    assert torch.equal(latents, codec.encode(np.clip(before, 0, 1), checkpoint=_unstopped))
    assert np.array_equal(pictures, before)


@pytest.mark.parametrize("size", [(16, 64, 64), (17, 60, 64), (17, 64, 80)])
def test_pictures_off_the_grid_are_refused(
    vae: AutoencoderKLLTX2Video, size: tuple[int, int, int]
) -> None:
    with pytest.raises(ValueError, match="latent grid"):
        _codec(vae).encode(_moving(*size), checkpoint=_unstopped)


@pytest.mark.parametrize("tile", [None, TileSize(64, 64, 17, 32, 8)])
def test_pictures_that_are_no_numbers_are_never_given_out(
    vae: AutoencoderKLLTX2Video, tile: TileSize | None
) -> None:
    """A decoder spreads one NaN over everything: what is left to show is grey, and it would be signed."""
    latents = _latents(4, 3, 3)
    latents[0, 0, -1, -1, -1] = torch.nan
    with pytest.raises(InvalidInputError, match=r"\(pictures\) is no numbers"):
        _decoded(_codec(vae, tile), latents)


def test_each_picture_is_the_callers_own(vae: AutoencoderKLLTX2Video) -> None:
    codec = _codec(vae, TileSize(64, 64, 17, 32, 8))
    latents = _latents(4, 3, 3)
    expected = _decoded(codec, latents)
    kept = []
    for picture in codec.decode(latents, checkpoint=_unstopped, progress=_untold):
        kept.append(picture.copy())
        picture[:] = -5.0
    assert np.array_equal(np.stack(kept), expected)


def _rms(difference: NDArray[np.float32] | torch.Tensor) -> float:
    return float(np.sqrt(np.mean(np.asarray(difference, dtype=np.float64) ** 2)))


_IN_TIME = (TileSize(9984, 9984, 17, 64, 8), TileSize(9984, 9984, 33, 64, 16))
_IN_SPACE = (TileSize(64, 64, _FOREVER, 32, 24), TileSize(128, 128, _FOREVER, 64, 24))


@pytest.mark.parametrize("sizes", [_IN_TIME, _IN_SPACE], ids=["time", "space"])
def test_tiles_are_near_the_whole_and_nearer_the_more_they_share(
    vae: AutoencoderKLLTX2Video, sizes: tuple[TileSize, TileSize]
) -> None:
    """A random VAE is the worst case: every latent matters to every picture, so that what is missing shows.

    Measured here, rms over the deviation of the whole. Decoding in time 0.78 (17 frames, 8 shared) and 0.34 (33,
    16); in space 1.14 (64 px, 32 shared) and 0.73 (128, 64). Encoding 0.17, 0.03, 0.19, 0.07.
    """
    pictures = _moving(41, 160, 160)
    whole = _codec(vae).encode(pictures, checkpoint=_unstopped)
    decoded = _decoded(_codec(vae), whole)
    errors = []
    for size in sizes:
        codec = _codec(vae, size)
        encoded = codec.encode(pictures, checkpoint=_unstopped)
        errors.append((_rms(_decoded(codec, whole) - decoded), _rms(encoded - whole)))
    (coarse_pictures, coarse_latents), (fine_pictures, fine_latents) = errors
    assert 0 < fine_pictures < 0.75 * coarse_pictures
    assert 0 < fine_latents < 0.5 * coarse_latents < 0.15 * float(whole.std())


def test_a_tiled_picture_shows_its_own_moment_and_place(vae: AutoencoderKLLTX2Video) -> None:
    """No frame late and no tile beside: the nearest of all whole frames is the one of the same number."""
    latents = _latents(6, 4, 4)
    whole = _decoded(_codec(vae), latents)
    tiled = _decoded(_codec(vae, TileSize(96, 96, 33, 32, 16)), latents)
    nearest = [int(np.argmin(((whole - frame) ** 2).mean(axis=(1, 2, 3)))) for frame in tiled]
    assert nearest == list(range(41))
    for shift in ((0, 8), (8, 0), (0, -8), (-8, 0)):
        assert _rms(np.roll(tiled, shift, axis=(1, 2)) - whole) > _rms(tiled - whole)


def test_what_no_edge_touches_is_exact_where_the_encoder_looks_back(
    vae: AutoencoderKLLTX2Video,
) -> None:
    """Up to the end of its first span a tiled encoding is the whole one: it never looks ahead."""
    pictures = _moving(41, 64, 64)
    whole = _codec(vae).encode(pictures, checkpoint=_unstopped)
    tiled = _codec(vae, TileSize(64, 64, 25, 32, 8)).encode(pictures, checkpoint=_unstopped)
    assert torch.allclose(tiled[:, :, :4], whole[:, :, :4], atol=1e-6)
    assert not torch.allclose(tiled[:, :, 4:], whole[:, :, 4:], atol=1e-6)


def test_a_canvas_that_fits_into_the_tile_is_not_cut(vae: AutoencoderKLLTX2Video) -> None:
    latents = _latents(3, 2, 3)
    codec = _codec(vae, TileSize(64, 96, 17, 32, 8))
    assert np.array_equal(_decoded(codec, latents), _decoded(_codec(vae), latents))


def test_pictures_come_before_all_tiles_are_done(vae: AutoencoderKLLTX2Video) -> None:
    """Streaming: after the first time span's four tiles its pictures are out, eight tiles to come."""
    told: list[tuple[int, int]] = []
    pictures = _codec(vae, TileSize(64, 64, 17, 32, 8)).decode(
        _latents(5, 3, 3), checkpoint=_unstopped, progress=lambda *done: told.append(done)
    )
    assert told == []
    next(pictures)
    assert told == [(1, 12), (2, 12), (3, 12), (4, 12)]
    assert len(list(pictures)) == 32
    assert told[-1] == (12, 12)
    assert all(after == before + 1 for (before, _), (after, _) in pairwise(told))


@pytest.mark.parametrize("allowed", [0, 1, 5])
def test_cancelling_between_tiles_stops_at_once(vae: AutoencoderKLLTX2Video, allowed: int) -> None:
    codec = _codec(vae, TileSize(64, 64, 17, 32, 8))
    done: list[int] = []
    asked = 0

    def checkpoint() -> None:
        nonlocal asked
        asked += 1
        if asked > allowed:
            raise StoppedError("The job was cancelled.")

    with pytest.raises(StoppedError):
        list(
            codec.decode(
                _latents(5, 3, 3),
                checkpoint=checkpoint,
                progress=lambda tiles, _total: done.append(tiles),
            )
        )
    assert len(done) == allowed
    asked = 0
    with pytest.raises(StoppedError):
        codec.encode(_moving(33, 96, 96), checkpoint=checkpoint)
    assert asked == allowed + 1


def test_made_ahead_it_is_the_same(vae: AutoencoderKLLTX2Video) -> None:
    """What a GPU does, a thread that decodes the next span, with the processor's arithmetic."""
    codec = _codec(vae, TileSize(64, 64, 17, 32, 8))
    latents = _latents(5, 3, 3)
    tiling = _Tiling.of(LatentGrid(5, 3, 3), TileSize(64, 64, 17, 32, 8))
    ahead = [
        thing
        for thing in made_ahead(lambda: codec._made(latents, tiling), most_waiting=5)
        if isinstance(thing, np.ndarray)
    ]
    assert np.array_equal(np.stack(ahead), _decoded(codec, latents))


def test_one_canvas_at_a_time(vae: AutoencoderKLLTX2Video) -> None:
    """While a time span is decoded nothing of the last one is left but what they share."""
    codec = _codec(vae, TileSize(64, 64, 33, 32, 8))
    tiling = _Tiling.of(LatentGrid(8, 3, 3), TileSize(64, 64, 33, 32, 8))
    canvases: list[weakref.ref[torch.UntypedStorage]] = []
    chunks = codec._chunks(_latents(8, 3, 3), tiling)
    for thing in chunks:
        if torch.is_tensor(thing):
            canvases.append(weakref.ref(thing.untyped_storage()))
        else:
            alive = [canvas() for canvas in canvases]
            assert alive == [None] * len(alive)
        del thing
    assert len(canvases) == 2


def test_nothing_stays_switched_on(vae: AutoencoderKLLTX2Video) -> None:
    def state() -> dict[str, object]:
        return {
            name: value
            for name, value in vars(vae).items()
            if isinstance(value, bool | int | float | str)
        }

    before = state()
    assert before["use_tiling"] is False
    codec = _codec(vae, TileSize(64, 64, 17, 32, 8))
    torch.rand(3)  # so that whoever seeds it anew is seen
    random_state = torch.random.get_rng_state()
    pictures = codec.decode(
        codec.encode(_moving(17, 96, 96), checkpoint=_unstopped),
        checkpoint=_unstopped,
        progress=_untold,
    )
    next(pictures)
    assert not torch.is_inference_mode_enabled()  # nor for the consumer, while it has a picture
    assert torch.is_grad_enabled()
    list(pictures)
    assert state() == before
    assert torch.equal(torch.random.get_rng_state(), random_state)
