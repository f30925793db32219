"""A strip of small pictures from latents, by a map fitted to the VAE and kept."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from sidecar.filesystem import FileSystem
from sidecar.pipelines.ltx23.cache import TensorCache
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.pictures import VideoCodec
from sidecar.pipelines.ltx23.preview import LatentColours, fitted_colours


def _unstopped() -> None:
    return


def _codec(components: Components, *, seed: int = 5) -> VideoCodec:
    """Of a tiny VAE whose latents are nowhere near 0 and 1."""
    vae = copy.deepcopy(components.vae)
    generator = torch.Generator().manual_seed(seed)
    vae.latents_mean.normal_(generator=generator)
    vae.latents_std.uniform_(0.5, 1.5, generator=generator)
    return VideoCodec(vae, device=torch.device("cpu"), dtype=torch.float32)


def _cache(folder: Path) -> TensorCache:
    return TensorCache(folder, limit_bytes=1_000_000, filesystem=FileSystem())


def _fitted(codec: VideoCodec, cache: TensorCache, identity: str = "sha256:1") -> LatentColours:
    return fitted_colours(codec, identity=identity, cache=cache, checkpoint=_unstopped)


_RED = LatentColours(
    torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]), torch.tensor([0.5, 0.25, 0.0])
)


@pytest.mark.parametrize(
    ("grid", "size"),
    [
        ((1, 2, 3), (90, 135)),
        ((4, 9, 16), (90, 4 * 160)),
        ((16, 16, 9), (90, 5 * 50)),
        ((33, 72, 128), (90, 5 * 160)),
        ((2, 128, 72), (90, 2 * 50)),
        ((2, 2, 16), (20, 2 * 160)),
    ],
)
def test_a_strip_has_at_most_five_pictures_in_their_own_aspect(
    grid: tuple[int, int, int], size: tuple[int, int]
) -> None:
    strip = _RED.strip(torch.zeros(1, 2, *grid))
    assert strip.shape == (*size, 3)
    assert strip.dtype == np.uint8
    assert strip.flags.c_contiguous


def test_a_strip_shows_the_first_and_the_last_moment_and_stays_in_range() -> None:
    latents = torch.zeros(1, 2, 9, 4, 4)
    latents[:, 0] = torch.linspace(-1.0, 1.0, 9)[:, None, None]
    latents[:, 0, -1] = 50.0
    strip = _RED.strip(latents)
    reds = strip[45, 45::90, 0]
    assert reds.tolist() == [0, 64, 128, 191, 255]
    assert (strip[..., 1] == 64).all()


def test_a_strip_of_nonsense_is_still_a_picture() -> None:
    assert _RED.strip(torch.full((1, 2, 3, 4, 4), torch.nan)).shape == (90, 270, 3)


def test_the_fit_explains_the_colours_of_the_decoder(
    tiny_components: Components, tmp_path: Path
) -> None:
    """Against latents it never saw: nearer than the mean colour alone, which is what no fit would give."""
    codec = _codec(tiny_components)
    colours = _fitted(codec, _cache(tmp_path))
    latents = torch.randn(64, 16, generator=torch.Generator().manual_seed(99))
    decoded = codec.mean_colours(latents, checkpoint=_unstopped)
    explained = latents @ colours.factors + colours.bias
    assert (decoded - explained).square().mean() < (decoded - colours.bias).square().mean()


def test_the_fit_touches_no_global_random_state(
    tiny_components: Components, tmp_path: Path
) -> None:
    torch.rand(3)  # so that whoever seeds it anew is seen
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    codec = _codec(tiny_components)
    first = _fitted(codec, _cache(tmp_path / "a"))
    second = _fitted(codec, _cache(tmp_path / "b"))
    first.strip(torch.zeros(1, 16, 2, 2, 2))
    assert torch.equal(first.factors, second.factors)
    assert torch.equal(first.bias, second.bias)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_a_fit_is_kept_by_the_identity_of_the_checkpoint(
    tiny_components: Components, tmp_path: Path
) -> None:
    cache = _cache(tmp_path)
    fitted = _fitted(_codec(tiny_components), cache)
    other = _codec(tiny_components, seed=6)
    kept = _fitted(other, cache)
    assert torch.equal(kept.factors, fitted.factors)  # by name: the other VAE was not even asked
    fresh = _fitted(other, cache, identity="sha256:2")
    assert not torch.equal(fresh.factors, fitted.factors)
