"""The runtime over the tiny model: every tier on the CPU, prompts as diffusers makes them, nothing process-wide."""

from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
import torch
from diffusers import LTX2Pipeline
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from support.tiny_ltx import load_tiny

from interchange.errors import InternalError
from sidecar.filesystem import FileSystem
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.ltx23.attention import (
    CompiledBlocks,
    Kernel,
    attending_with,
    best_kernel,
)
from sidecar.pipelines.ltx23.cache import TensorCache
from sidecar.pipelines.ltx23.devices import memory_bytes, pick_device
from sidecar.pipelines.ltx23.memory import Phase
from sidecar.pipelines.ltx23.placement import Placement, stream_matrices
from sidecar.pipelines.ltx23.runtime import Runtime, open_runtime
from sidecar.pipelines.ltx23.text import text_features
from sidecar.pipelines.ltx23.tiers import TIERS, Weights
from sidecar.pipelines.resources import EngineResources

CPU = torch.device("cpu")
WORDS = "  A ship in a storm, seen from above. "


class Gemma:
    """Hands out the text encoder and counts how often."""

    def __init__(self, encoder):
        self.encoder = encoder
        self.loads = 0

    def __call__(self):
        self.loads += 1
        return self.encoder


@pytest.fixture
def opened(tiny_checkpoint, tmp_path):
    @contextmanager
    def opened(tier="processor", *, kernel=None, **other):
        components = replace(load_tiny(tiny_checkpoint), **other)
        gemma = Gemma(components.text_encoder)
        runtime = Runtime(
            components,
            tier=TIERS[tier],
            device=CPU,
            cache=TensorCache(tmp_path / "cache", limit_bytes=10**9, filesystem=FileSystem()),
            load_text=gemma,
            kernel=kernel,
        )
        with closing(runtime):
            yield runtime, gemma

    return opened


def _forward(transformer, prompt, *, tokens=12, sounds=9):
    chance = torch.Generator().manual_seed(5)
    config = transformer.config
    with torch.no_grad():
        return transformer(
            hidden_states=torch.randn(1, tokens, config["in_channels"], generator=chance),
            audio_hidden_states=torch.randn(
                1, sounds, config["audio_in_channels"], generator=chance
            ),
            encoder_hidden_states=prompt.video,
            audio_encoder_hidden_states=prompt.audio,
            timestep=torch.tensor([500.0]),
            sigma=torch.tensor([500.0]),
            num_frames=3,
            height=2,
            width=2,
            audio_num_frames=sounds,
            use_cross_timestep=True,
            return_dict=False,
        )


def _active_backend():
    return _AttentionBackendRegistry.get_active_backend()[0]


@pytest.mark.parametrize("words", [WORDS, "", "word " * 3000])
def test_a_prompt_is_what_diffusers_own_pipeline_makes_of_it(opened, tiny_components, words):
    parts = tiny_components
    pipeline = LTX2Pipeline(
        scheduler=None,
        vae=parts.vae,
        audio_vae=parts.audio_vae,
        text_encoder=parts.text_encoder,
        tokenizer=parts.tokenizer,
        connectors=parts.connectors,
        transformer=parts.transformer,
        vocoder=parts.vocoder,
    )
    with torch.no_grad():
        embeds, mask, _, _ = pipeline.encode_prompt(words, do_classifier_free_guidance=False)
        video, audio, _ = parts.connectors(embeds, mask, padding_side="left")
    with opened() as (runtime, _):
        prompt = runtime.prompt(words)
    assert prompt.video.shape == video.shape
    assert (prompt.video - video).abs().max() <= 1e-6
    assert (prompt.audio - audio).abs().max() <= 1e-6


def test_a_prompt_seen_before_needs_no_gemma(opened):
    with opened() as (runtime, gemma):
        first = runtime.prompt(WORDS)
        assert gemma.loads == 1
        runtime.prompt("another one")
        assert gemma.loads == 1  # this tier keeps it
    with opened() as (runtime, gemma):
        second = runtime.prompt(WORDS.strip())
        assert gemma.loads == 0
    assert torch.equal(first.video, second.video)
    assert torch.equal(first.audio, second.audio)


def test_gemma_streamed_as_on_a_card_says_the_same(tiny_checkpoint):
    parts = load_tiny(tiny_checkpoint)
    language = parts.text_encoder.model.language_model
    with torch.no_grad():
        expected, _ = text_features(language, parts.tokenizer, WORDS, device=CPU)
        stream_matrices(language, CPU)
        for _ in range(2):
            found, _ = text_features(language, parts.tokenizer, WORDS, device=CPU)
            assert torch.equal(found, expected)


def test_another_checkpoint_has_prompts_of_its_own(opened):
    for identity, loads in (("sha256:a", 1), ("sha256:b", 1), ("sha256:a", 0)):
        with opened(identity=identity) as (runtime, gemma):
            runtime.prompt(WORDS)
            assert gemma.loads == loads


def test_gemma_is_let_go_where_the_tier_says_so(opened):
    with opened("processor, fp8") as (runtime, gemma):
        runtime.prompt("one")
        runtime.prompt("two")
        assert gemma.loads == 2


def test_a_prompt_leaves_every_random_state_alone(opened):
    with opened() as (runtime, _):
        before = torch.random.get_rng_state()
        runtime.prompt(WORDS)
        assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", TIERS)
def test_every_tier_works_and_stores_what_it_says(opened, name):
    tier = TIERS[name]
    with opened() as (runtime, _), runtime.transformer() as transformer:
        prompt = runtime.prompt(WORDS)
        expected = _forward(transformer, prompt)
    with opened(name) as (runtime, _):
        prompt = runtime.prompt(WORDS)
        with runtime.transformer() as transformer:
            found = _forward(transformer, prompt)
            again = _forward(transformer, prompt)
        stored = transformer.transformer_blocks[0].attn1.to_q.weight.dtype
        grown = runtime.upsample(torch.zeros(1, 16, 2, 2, 2))
        pictures = list(
            runtime.video.decode(grown, checkpoint=lambda: None, progress=lambda *_: None)
        )
        silence = torch.zeros(1, 9, transformer.config["audio_in_channels"])
        assert len(runtime.audio.decode(silence, 1000, 48_000).samples) == 1000
    assert pictures[0].shape == (128, 128, 3)
    cast = tier.weights is Weights.FP8
    assert stored is (torch.float8_e4m3fn if cast else torch.float32)
    for mine, same, reference in zip(found, again, expected, strict=True):
        assert torch.equal(mine, same)
        if cast:
            assert not torch.equal(mine, reference)
            assert (mine - reference).norm() < 0.2 * reference.norm()
        else:
            assert torch.equal(mine, reference)


def test_streamed_blocks_compute_as_resident_ones(opened):
    """Streaming moves weights and changes none: the fp8 tiers with and without it agree to the bit."""
    results = []
    for name in ("24 GB", "16 GB", "12 GB"):
        with opened(name) as (runtime, _):
            prompt = runtime.prompt(WORDS)
            with runtime.transformer() as transformer:
                results.append(_forward(transformer, prompt))
    for found in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found, results[0], strict=True))


def test_a_closed_runtime_says_so(opened):
    with opened() as (runtime, _):
        pass
    with pytest.raises(InternalError), runtime.transformer():
        pass


def test_a_checkpoint_without_upsampler_says_so(opened):
    with (
        opened(latent_upsampler=None) as (runtime, _),
        pytest.raises(InternalError, match="upsampler"),
    ):
        runtime.upsample(torch.zeros(1, 16, 1, 2, 2))


def test_opening_a_checkpoint_reads_no_text_encoder(tiny_checkpoint, tmp_path):
    told = []
    folders = EngineFolders.below(tmp_path, EngineResources(cache_bytes=10**8))
    runtime = open_runtime(
        tiny_checkpoint,
        tier=TIERS["processor"],
        device=CPU,
        folders=folders,
        progress=lambda *step: told.append(step),
    )
    with closing(runtime):
        assert runtime.identity == tiny_checkpoint.identity
        assert runtime._text_encoder is None
        runtime.prompt(WORDS)
        assert runtime._text_encoder is not None
    assert told
    assert list((tmp_path / "cache" / "tensors").iterdir())


def test_an_attention_kernel_is_the_transformers_alone_and_only_for_as_long(opened):
    with opened() as (runtime, _):
        transformer = runtime.components.transformer
        processor = transformer.transformer_blocks[0].attn1.processor
        before = _active_backend()
        prompt = runtime.prompt(WORDS)
        expected = _forward(transformer, prompt)
        with attending_with(transformer, Kernel.CUDNN):
            assert processor._attention_backend is AttentionBackendName._NATIVE_CUDNN
            assert _active_backend() is before
            runtime.prompt("the connectors give a mask")  # which flash kernels refuse
        assert processor._attention_backend is None
        with attending_with(transformer, Kernel.NATIVE):
            assert torch.equal(_forward(transformer, prompt)[0], expected[0])
        with pytest.raises(KeyError), attending_with(transformer, Kernel.CUDNN):
            raise KeyError
        assert processor._attention_backend is None
        assert _active_backend() is before


def test_the_best_kernel_of_a_processor_is_torchs_own():
    assert best_kernel(CPU) is Kernel.NATIVE
    for kernel in Kernel:
        assert AttentionBackendName(kernel.value)


def test_sage_is_only_taken_when_asked_for_and_said(opened):
    with opened(kernel=Kernel.SAGE) as (runtime, _):
        assert not runtime.deterministic
    with opened() as (runtime, _):
        assert runtime.deterministic


def test_compiled_blocks_are_used_inside_and_not_after(opened, monkeypatch):
    """What `Module.compile` would set is set and unset; the compiler itself is left out: it takes a minute."""
    compiled = []

    def compile_nothing(function, **options):
        compiled.append(options)
        return function

    monkeypatch.setattr(torch, "compile", compile_nothing)
    with opened() as (runtime, _):
        transformer = runtime.components.transformer
        blocks = CompiledBlocks(transformer)
        for _ in range(2):
            with blocks.used():
                assert all(block._compiled_call_impl for block in transformer.transformer_blocks)
            assert not any(block._compiled_call_impl for block in transformer.transformer_blocks)
    assert compiled == [{"fullgraph": True}] * len(transformer.transformer_blocks)


def test_what_a_phase_has_no_room_beside_leaves_the_card(tiny_checkpoint, monkeypatch):
    """Without a second device: what is told to go where."""
    moves = []
    monkeypatch.setattr(
        "sidecar.pipelines.ltx23.placement.move",
        lambda module, device: moves.append((type(module).__name__, device.type)),
    )
    components = load_tiny(tiny_checkpoint)
    placement = Placement(components, TIERS["24 GB"], torch.device("meta"))
    placement.enter(Phase.TEXT)
    assert ("LTX2VideoTransformer3DModel", "cpu") in moves
    assert ("LTX2TextConnectors", "meta") in moves
    assert ("LTX2TextConnectors", "cpu") not in moves
    moves.clear()
    placement.enter(Phase.DENOISE)
    assert ("LTX2TextConnectors", "cpu") in moves
    assert {"LTX2VideoTransformer3DModel", "AutoencoderKLLTX2Video"} == {
        name for name, device in moves if device == "meta"
    }
    assert moves.index(("LTX2TextConnectors", "cpu")) < moves.index(
        ("LTX2VideoTransformer3DModel", "meta")
    )


def test_a_device_that_is_not_there_is_refused():
    assert pick_device("cpu") == CPU
    for asked in ("cuda:7", "mps", "toaster"):
        with pytest.raises(ValueError, match=asked):
            pick_device(asked)


def test_memory_is_what_the_settings_leave_of_it():
    assert memory_bytes(CPU) == 0
    assert memory_bytes(CPU, most_bytes=5) == 5
