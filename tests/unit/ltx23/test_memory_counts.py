"""The constants of `flops`, `memory` and `sizes`, counted again on the full-size architecture without weights."""

import pytest
import torch
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from support.counted import (
    META,
    flops_of,
    forward,
    full_transformer,
    full_upsampler,
    full_vae,
    peak_bytes_of,
)

from interchange.model.media import Raster
from sidecar.pipelines.ltx23.architecture import LTX_2_3
from sidecar.pipelines.ltx23.denoise import denoise
from sidecar.pipelines.ltx23.flops import (
    decode_flops,
    encode_flops,
    forward_flops,
    upsample_flops,
    utilisation,
)
from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.memory import (
    CONVOLUTION_WORKSPACE,
    FRAGMENTS,
    Phase,
    Work,
    predict_peak,
)
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.recipes import Stage
from sidecar.pipelines.ltx23.sizes import FULL_SIZE, transformer_size
from sidecar.pipelines.ltx23.state import State
from sidecar.pipelines.ltx23.tiers import TIERS


def _parameters(module):
    return sum(weight.numel() for weight in module.parameters())


@pytest.fixture(scope="module")
def one_block():
    return full_transformer(blocks=1)


@pytest.fixture(scope="module")
def vae():
    return full_vae()


def test_the_sizes_are_those_of_the_architecture(one_block, vae):
    size = transformer_size(
        one_block.config,
        parameters=_parameters(one_block),
        blocks=_parameters(one_block.transformer_blocks),
    )
    full = FULL_SIZE.transformer
    for name in (
        "width",
        "audio_width",
        "heads",
        "audio_heads",
        "block_parameters",
        "outer_parameters",
    ):
        assert getattr(size, name) == getattr(full, name)
    assert full.parameters == 18_988_838_144
    assert _parameters(vae) == pytest.approx(FULL_SIZE.vae, rel=1e-4)
    assert _parameters(full_upsampler()) == pytest.approx(FULL_SIZE.upsampler, rel=1e-4)


def test_the_connectors_are_as_large_as_planned():
    with META:
        connectors = LTX2TextConnectors(**LTX_2_3["connectors"])
    assert _parameters(connectors) == pytest.approx(FULL_SIZE.connectors, rel=1e-4)


@pytest.mark.parametrize(("video", "audio"), [(6144, 126), (2048, 64), (512, 512)])
def test_forward_flops_are_those_that_are_counted(one_block, video, audio):
    counted = flops_of(forward(one_block, video=video, audio=audio))
    size = transformer_size(
        one_block.config,
        parameters=_parameters(one_block),
        blocks=_parameters(one_block.transformer_blocks),
    )
    assert forward_flops(size, video, audio) == pytest.approx(counted, rel=1e-3)


def test_forward_flops_grow_with_the_blocks_and_match_what_was_published():
    """Section 5 of the reference: 198.7 and 1713.6 TFLOP."""
    full = FULL_SIZE.transformer
    assert forward_flops(full, 6144, 126) == pytest.approx(198.7e12, rel=5e-3)
    assert forward_flops(full, 32_640, 126) == pytest.approx(1713.6e12, rel=5e-3)


@pytest.mark.parametrize(("frames", "height", "width"), [(25, 256, 256), (121, 512, 768)])
def test_coding_flops_are_those_that_are_counted(vae, frames, height, width):
    grid = LatentGrid.of(frames, Raster(width, height))
    latents = torch.empty(
        1, 128, grid.frames, grid.height, grid.width, dtype=torch.bfloat16, device=META
    )
    pictures = torch.empty(1, 3, frames, height, width, dtype=torch.bfloat16, device=META)
    assert decode_flops(grid) == pytest.approx(flops_of(lambda: vae.decode(latents)), rel=1e-3)
    assert encode_flops(grid) == pytest.approx(flops_of(lambda: vae.encode(pictures)), rel=1e-3)
    upsampler = full_upsampler()
    assert upsample_flops(grid) == pytest.approx(flops_of(lambda: upsampler(latents)), rel=1e-3)


def test_utilisation_is_a_share_of_what_was_measured():
    assert utilisation(100.0, 2.0, 100.0) == 0.5
    assert utilisation(100.0, 2.0, None) is None
    assert utilisation(100.0, 0.0, 100.0) is None


def _state(tokens, *, axes, kept):
    mask = torch.ones(1, tokens, 1)
    mask[:, :kept] = 0.0
    latent = torch.zeros(1, tokens, 128)
    return State(latent, latent, mask, torch.zeros(1, axes, tokens, 2), tokens)


def _stage(model, video, *, kept):
    """Two steps of the loop itself, with all that it keeps beside the transformer."""
    prompt = Prompt(
        *(torch.empty(1, 1024, width, dtype=torch.bfloat16, device=META) for width in (4096, 2048))
    )
    return lambda: denoise(
        model,
        _state(video, axes=3, kept=kept),
        _state(126, axes=1, kept=20 if kept else 0),
        prompt=prompt,
        negative=None,
        stage=Stage((1.0, 0.5, 0.0)),
        generator=torch.Generator().manual_seed(0),
        on_step=lambda *_: None,
        checkpoint=lambda: None,
    )


@pytest.mark.parametrize("conditioned", [False, True])
@pytest.mark.parametrize("video", [6144, 32_640])
def test_a_step_takes_what_is_predicted_and_hardly_less(one_block, video, conditioned):
    counted = peak_bytes_of(one_block, _stage(one_block, video, kept=video // 6 * conditioned))
    work = Work(LatentGrid(1, 1, video), 126, conditioned=conditioned)
    predicted = predict_peak(work, TIERS["64 GB"], tile=None).parts[Phase.DENOISE]
    assert counted < predicted.working_bytes / FRAGMENTS < 1.08 * counted


def test_a_step_does_not_take_more_with_more_blocks():
    two, one = (
        peak_bytes_of(model, _stage(model, 2048, kept=512))
        for model in (full_transformer(blocks=3), full_transformer(blocks=2))
    )
    assert two == one


@pytest.mark.parametrize(("frames", "height", "width"), [(25, 512, 512), (121, 256, 384)])
def test_coding_takes_what_is_predicted_and_hardly_less(vae, frames, height, width):
    grid = LatentGrid.of(frames, Raster(width, height))
    latents = torch.empty(
        1, 128, grid.frames, grid.height, grid.width, dtype=torch.bfloat16, device=META
    )
    pictures = torch.empty(1, 3, frames, height, width, dtype=torch.bfloat16, device=META)
    upsampler = full_upsampler()
    parts = predict_peak(
        Work(LatentGrid(grid.frames, grid.height * 2, grid.width * 2), 0), TIERS["64 GB"], tile=None
    ).parts
    small = predict_peak(Work(grid, 0), TIERS["64 GB"], tile=None).parts
    margin = FRAGMENTS * CONVOLUTION_WORKSPACE
    for counted, part in (
        (peak_bytes_of(vae, lambda: vae.decode(latents)), small[Phase.DECODE]),
        (peak_bytes_of(vae, lambda: vae.encode(pictures)), small[Phase.ENCODE]),
        (peak_bytes_of(upsampler, lambda: upsampler(latents)), parts[Phase.UPSAMPLE]),
    ):
        assert counted < part.working_bytes / margin < 1.08 * counted
