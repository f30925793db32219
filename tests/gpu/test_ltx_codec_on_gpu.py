"""The video codec where it decodes ahead: the same pictures as on the processor, and an end when told to."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from interchange.errors import StoppedError
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.tiles import TileSize

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("tile", [None, TileSize(64, 64, 17, 32, 8)])
def test_a_gpu_makes_the_processors_pictures(
    tiny_components: Components, tile: TileSize | None
) -> None:
    import copy

    import torch

    from sidecar.pipelines.ltx23.pictures import VideoCodec

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    vae = copy.deepcopy(tiny_components.vae)
    pictures = np.random.default_rng(1).uniform(size=(33, 96, 96, 3)).astype(np.float32)
    made = []
    with torch.backends.cudnn.flags(allow_tf32=False):
        for name in ("cpu", "cuda"):
            device = torch.device(name)
            codec = VideoCodec(vae.to(device), device=device, dtype=torch.float32, tile=tile)
            latents = codec.encode(pictures, checkpoint=lambda: None)
            decoded = codec.decode(latents, checkpoint=lambda: None, progress=lambda *_: None)
            made.append((latents.cpu().numpy(), np.stack(list(decoded))))
    (cpu_latents, cpu_pictures), (gpu_latents, gpu_pictures) = made
    assert np.abs(gpu_latents - cpu_latents).max() < 1e-3
    assert np.abs(gpu_pictures - cpu_pictures).max() < 1e-3


def test_a_cancelled_decode_leaves_no_thread(tiny_components: Components) -> None:
    import copy

    import torch

    from sidecar.pipelines.ltx23.pictures import VideoCodec

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    device = torch.device("cuda")
    codec = VideoCodec(
        copy.deepcopy(tiny_components.vae).to(device),
        device=device,
        dtype=torch.float32,
        tile=TileSize(64, 64, 17, 32, 8),
    )
    done = []

    def checkpoint() -> None:
        if len(done) == 5:
            raise StoppedError("The job was cancelled.")

    with pytest.raises(StoppedError):
        list(
            codec.decode(
                torch.zeros(1, codec.latent_channels, 7, 3, 3),
                checkpoint=checkpoint,
                progress=lambda *tiles: done.append(tiles),
            )
        )
    assert [thread.name for thread in threading.enumerate() if "ahead" in thread.name] == []
