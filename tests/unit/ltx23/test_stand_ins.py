"""What answers for parts of the transformer answers as they would, also in blocks that are compiled or streamed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from support.counted import META, flops_of, full_transformer, peak_bytes_of
from support.ltx_reference import Reference, furthest, random_pictures, with_head
from support.tiny_ltx import load_tiny

from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.ltx23.attention import CompiledBlocks
from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.recipes import DEV_GUIDANCE, Stage, dev_sigmas
from sidecar.pipelines.ltx23.stand_ins import prepared_positions, shared_modulations, short_cut
from sidecar.pipelines.ltx23.state import State

GRID = LatentGrid(3, 2, 2)
DEV = Stage(dev_sigmas(2), DEV_GUIDANCE)


@pytest.fixture
def room(tiny_checkpoint: Checkpoint) -> Iterator[Reference]:
    """A model of one's own: what is compiled or hooked stays so."""
    yield Reference(load_tiny(tiny_checkpoint), GRID)
    torch.compiler.reset()


def held(room: Reference) -> State:
    return with_head(room.video(), room.latents(random_pictures(1, GRID)), strength=0.75)


def test_guidance_and_masks_run_in_blocks_compiled_whole(room: Reference) -> None:
    """Every block is one graph, also where STG short-cuts it; a second job compiles nothing new."""
    plain = room.ours(DEV, held(room))
    graphs = 0

    def count(graph: torch.fx.GraphModule, _inputs: object) -> object:
        nonlocal graphs
        graphs += 1
        return graph.forward

    transformer = room.components.transformer
    transformer.compile_repeated_blocks(fullgraph=True, backend=count)
    compiled = room.ours(DEV, held(room))
    assert furthest((compiled.video, plain.video), (compiled.audio, plain.audio)) <= 1e-5
    assert 0 < graphs < 8, "beyond eight torch gives up"
    before = graphs
    again = room.ours(DEV, held(room))
    assert torch.equal(again.video, compiled.video)
    assert graphs == before


def test_jobs_of_every_shape_fit_into_one_worker(room: Reference) -> None:
    """Torch's own limit is eight graphs of a block; blocks that must be one graph fail beyond it."""
    assert torch._dynamo.config.recompile_limit < 24
    with CompiledBlocks(room.components.transformer).used():
        assert torch._dynamo.config.recompile_limit >= 24
    assert torch._dynamo.config.recompile_limit < 24


def test_blocks_that_are_streamed_make_the_same(room: Reference) -> None:
    plain = room.ours(DEV, held(room))
    room.components.transformer.enable_group_offload(
        torch.device("cpu"), offload_type="block_level", num_blocks_per_group=1
    )
    for _ in range(2):
        streamed = room.ours(DEV, held(room))
        assert torch.equal(streamed.video, plain.video)
        assert torch.equal(streamed.audio, plain.audio)


def test_weights_kept_in_eight_bits_are_cast_under_the_loop(room: Reference) -> None:
    plain = room.ours(DEV, held(room))
    room.components.transformer.enable_layerwise_casting(
        storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32
    )
    one, same = (room.ours(DEV, held(room)) for _ in range(2))
    assert torch.equal(one.video, same.video)
    assert 0.0 < float((one.video - plain.video).abs().mean()) < 0.2


def test_short_cut_blocks_are_those_diffusers_perturbs(room: Reference) -> None:
    transformer = room.components.transformer
    state, sound = room.video(), room.audio()
    call = {
        "hidden_states": torch.randn(state.latent.shape),
        "audio_hidden_states": torch.randn(sound.latent.shape),
        "encoder_hidden_states": room.prompt.video,
        "audio_encoder_hidden_states": room.prompt.audio,
        "timestep": torch.tensor([700.0]),
        "sigma": torch.tensor([700.0]),
        "video_coords": state.coords,
        "audio_coords": sound.coords,
        "use_cross_timestep": True,
        "return_dict": False,
    }
    with torch.no_grad():
        plain, _ = transformer(**call)
        theirs, _ = transformer(**call, spatio_temporal_guidance_blocks=[1])
        with short_cut(transformer, [1]):
            ours, _ = transformer(**call)
        with short_cut(transformer, []):
            untouched, _ = transformer(**call)
        with prepared_positions(transformer, state.coords, sound.coords):
            placed, _ = transformer(**call)
    assert torch.equal(ours, theirs)
    assert torch.equal(untouched, plain)
    assert torch.equal(placed, plain)
    assert not torch.equal(ours, plain)


def _forward(model: LTX2VideoTransformer3DModel, tokens: int, timesteps: int) -> tuple[int, int]:
    """Most bytes alive in a forward, and its operations."""

    def empty(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.empty(*shape, dtype=dtype, device=META)

    def call() -> object:
        return model(
            hidden_states=empty(1, tokens, 128),
            audio_hidden_states=empty(1, 126, 128),
            encoder_hidden_states=empty(1, 1024, 4096),
            audio_encoder_hidden_states=empty(1, 1024, 2048),
            timestep=empty(1, timesteps),
            audio_timestep=empty(1, 1),
            sigma=empty(1),
            audio_sigma=empty(1),
            video_coords=empty(1, 3, tokens, 2, dtype=torch.float32),
            audio_coords=empty(1, 1, 126, 2, dtype=torch.float32),
            use_cross_timestep=True,
            return_dict=False,
        )

    return peak_bytes_of(model, call), flops_of(call)


def test_shared_modulations_spare_half_of_what_tokens_that_differ_cost() -> None:
    """Counted on the full width: 1080p x 121 pictures in bfloat16, of which a block at a time is alive."""
    model, tokens = full_transformer(blocks=1), 32_640
    least, _ = _forward(model, tokens, 1)
    most, dear = _forward(model, tokens, tokens)
    with shared_modulations(model, torch.zeros(tokens, dtype=torch.long, device=META), None):
        shared, cheap = _forward(model, tokens, 2)
    assert most - least > 5.0e9
    assert shared - least < 0.55 * (most - least)
    assert dear - cheap > 10e12
