"""What need not be computed twice is the same to the bit, and anything that decides it makes another key."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from support.tiny_ltx import load_tiny

from interchange.errors import StoppedError
from sidecar.filesystem import FileSystem
from sidecar.pipelines.ltx23.cache import TensorCache
from sidecar.pipelines.ltx23.denoise import Denoised
from sidecar.pipelines.ltx23.kept import KeepingVideoCodec, made_once, tensor_digest
from sidecar.pipelines.ltx23.pictures import VideoCodec
from sidecar.pipelines.ltx23.tiles import TileSize

CPU = torch.device("cpu")


@dataclass
class Counted:
    """A VAE that counts its encodes."""

    vae: object
    encodes: int = field(default=0)

    def __getattr__(self, name):
        return getattr(self.vae, name)

    def encode(self, pictures):
        self.encodes += 1
        return self.vae.encode(pictures)


@pytest.fixture
def cache(tmp_path):
    return TensorCache(tmp_path, limit_bytes=10**8, filesystem=FileSystem())


@pytest.fixture(scope="module")
def vae(tiny_checkpoint):
    return load_tiny(tiny_checkpoint).vae


def _codec(vae, cache, *, tile=None, identity="sha256:a"):
    return KeepingVideoCodec(
        vae, device=CPU, dtype=torch.float32, tile=tile, cache=cache, identity=identity
    )


def _pictures(seed=0, *, frames=9):
    return np.random.default_rng(seed).random((frames, 64, 64, 3), dtype=np.float32)


def _go():
    return


def test_the_same_pictures_are_encoded_once_and_alike(vae, cache):
    counted = Counted(vae)
    plain = VideoCodec(vae, device=CPU, dtype=torch.float32).encode(_pictures(), checkpoint=_go)
    first = _codec(counted, cache).encode(_pictures(), checkpoint=_go)
    second = _codec(counted, cache).encode(_pictures(), checkpoint=_go)
    assert counted.encodes == 1
    assert torch.equal(first, plain)
    assert torch.equal(second, plain)


def test_what_decides_the_latents_makes_them_others(vae, cache):
    counted = Counted(vae)
    one_off = _pictures()
    one_off[3, 2, 1, 0] = np.nextafter(one_off[3, 2, 1, 0], 2, dtype=np.float32)
    _codec(counted, cache).encode(_pictures(), checkpoint=_go)
    _codec(counted, cache).encode(one_off, checkpoint=_go)
    _codec(counted, cache, identity="sha256:b").encode(_pictures(), checkpoint=_go)
    _codec(counted, cache, tile=TileSize(256, 256, 49)).encode(_pictures(), checkpoint=_go)
    assert counted.encodes == 4


def test_a_view_of_pictures_counts_as_its_values(vae, cache):
    counted = Counted(vae)
    wide = np.repeat(_pictures(), 2, axis=2)
    _codec(counted, cache).encode(_pictures(), checkpoint=_go)
    _codec(counted, cache).encode(wide[:, :, ::2], checkpoint=_go)
    assert counted.encodes == 1


def test_a_cancel_is_heard_while_pictures_are_digested(vae, cache):
    def stop():
        raise StoppedError("stop")

    with pytest.raises(StoppedError):
        _codec(vae, cache).encode(_pictures(), checkpoint=stop)


def test_tensors_of_other_type_or_shape_have_other_digests():
    zeros = torch.zeros(4)
    others = [zeros.double()[:2], zeros.reshape(2, 2), zeros.to(torch.bfloat16), torch.ones(4)]
    assert len({tensor_digest(each) for each in [zeros, *others]}) == 5
    assert tensor_digest(torch.ones(4, 2)[:, 0]) == tensor_digest(torch.ones(4))


class Stage:
    """Makes noise out of its generator, and counts how often."""

    def __init__(self, seed=1):
        self.generator = torch.Generator().manual_seed(seed)
        self.runs = 0

    def make(self):
        self.runs += 1
        return Denoised(*(torch.randn(1, 4, 2, generator=self.generator) for _ in range(2)))

    def run(self, cache, *, latent=0.0, **facts):
        tensors = {"latent": torch.full((3,), latent), "negative": None}
        return made_once(
            cache, tensors, self.make, generator=self.generator, **{"identity": "a", **facts}
        )


def test_a_stage_is_made_once_and_its_generator_goes_on_as_if_it_had_been(cache):
    first, again = Stage(), Stage()
    made, there = first.run(cache)
    kept, found = again.run(cache)
    assert (there, found, first.runs, again.runs) == (False, True, 1, 0)
    assert torch.equal(made.video, kept.video)
    assert torch.equal(made.audio, kept.audio)
    draws = [torch.randn(5, generator=stage.generator) for stage in (first, again)]
    assert torch.equal(*draws)


@pytest.mark.parametrize("other", [{"latent": 1.0}, {"identity": "b"}, {"sigmas": "1 0"}])
def test_what_decides_a_stage_makes_it_another(cache, other):
    Stage().run(cache)
    stage = Stage()
    stage.run(cache, **other)
    assert stage.runs == 1


def test_another_seed_makes_another_stage(cache):
    Stage(seed=1).run(cache)
    assert not Stage(seed=2).run(cache)[1]
