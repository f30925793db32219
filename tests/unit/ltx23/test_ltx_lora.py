"""LoRAs: the same as diffusers' and PEFT's, by either naming, and no trace of them afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.original_ltx import original_lora
from support.tiny_ltx import load_tiny

from interchange.errors import InvalidInputError, NotFoundError, UnsupportedError
from sidecar.models.checkpoint import Checkpoint, LoraUse
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.lora import applied_loras, reference_downscale_factor

LAYERS = (
    "proj_in", "audio_proj_in", "proj_out", "time_embed.linear", "prompt_adaln.linear",
    "audio_prompt_adaln.emb.timestep_embedder.linear_1", "av_cross_attn_audio_v2a_gate.linear",
    "transformer_blocks.0.attn1.to_q", "transformer_blocks.1.attn2.to_out.0",
    "transformer_blocks.1.audio_ff.net.0.proj", "transformer_blocks.0.video_to_audio_attn.to_v",
)  # fmt: skip


def _lora(
    transformer: torch.nn.Module, seed: int, rank: int = 3, layers: tuple[str, ...] = LAYERS
) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name in layers:
        layer = transformer.get_submodule(name)
        tensors[f"{name}.lora_A.weight"] = torch.randn(rank, layer.in_features, generator=generator)
        tensors[f"{name}.lora_B.weight"] = torch.randn(
            layer.out_features, rank, generator=generator
        )
    return tensors


def _write(path: Path, tensors: dict[str, torch.Tensor], **metadata: str) -> Path:
    save_file(tensors, path, metadata or None)
    return path


def _diffusers(path: Path, tensors: dict[str, torch.Tensor], **metadata: str) -> Path:
    named = {f"transformer.{key}": tensor for key, tensor in tensors.items()}
    return _write(path, named, **metadata)


def _run(transformer: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    with torch.no_grad():
        video, audio = transformer(
            hidden_states=random(1, 8, 16),
            audio_hidden_states=random(1, 6, 16),
            encoder_hidden_states=random(1, 128, 48),
            audio_encoder_hidden_states=random(1, 128, 24),
            timestep=torch.tensor([700.0]),
            audio_timestep=torch.tensor([700.0]),
            sigma=torch.tensor([700.0]),
            audio_sigma=torch.tensor([700.0]),
            num_frames=2, height=2, width=2, fps=24.0, audio_num_frames=6,
            use_cross_timestep=True, return_dict=False,
        )  # fmt: skip
    return video, audio


@pytest.fixture
def transformer(tiny_components: Components) -> torch.nn.Module:
    return tiny_components.transformer


@pytest.mark.parametrize("strength", [1.0, 0.35, -0.5])
@pytest.mark.parametrize("alpha", [None, 6.0])
def test_a_lora_does_what_it_does_in_diffusers(
    transformer: torch.nn.Module,
    tiny_checkpoint: Checkpoint,
    tmp_path: Path,
    strength: float,
    alpha: float | None,
) -> None:
    tensors = _lora(transformer, 1)
    if alpha is not None:
        tensors |= {f"{name}.alpha": torch.tensor(alpha) for name in LAYERS}
    path = _diffusers(tmp_path / "lora.safetensors", tensors)
    plain = _run(transformer)
    with applied_loras(transformer, (LoraUse(path, strength),)):
        ours = _run(transformer)
    theirs = load_tiny(tiny_checkpoint).transformer
    factor = (alpha or 3.0) / 3.0
    halves = {
        f"transformer.{key}": tensor * (factor if "lora_B" in key else 1.0)
        for key, tensor in tensors.items()
        if not key.endswith(".alpha")
    }
    theirs.load_lora_adapter(halves, adapter_name="one")
    theirs.set_adapters("one", strength)
    for our, their, before in zip(ours, _run(theirs), plain, strict=True):
        assert (our - their).abs().max() < 1e-5 * their.abs().max()
        assert (our - before).abs().max() > 1e-2


def test_alphas_of_training_are_honoured(transformer: torch.nn.Module, tmp_path: Path) -> None:
    tensors = _lora(transformer, 1)
    training = {
        "transformer.lora_alpha": 6,
        "transformer.alpha_pattern": {"proj_in": 12},
    }
    stated = _diffusers(
        tmp_path / "a.safetensors", tensors, lora_adapter_metadata=json.dumps(training)
    )
    same = {
        key: tensor * (4 if key.startswith("proj_in.") else 2) if "lora_B" in key else tensor
        for key, tensor in tensors.items()
    }
    with applied_loras(transformer, (LoraUse(stated),)):
        ours = _run(transformer)
    with applied_loras(transformer, (LoraUse(_diffusers(tmp_path / "b.safetensors", same)),)):
        expected = _run(transformer)
    assert torch.allclose(ours[0], expected[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prefix", ["diffusion_model.", "model.diffusion_model."])
def test_original_names_are_the_same_lora(
    transformer: torch.nn.Module, tmp_path: Path, prefix: str
) -> None:
    tensors = _lora(transformer, 2)
    theirs = _diffusers(tmp_path / "a.safetensors", tensors)
    original = _write(tmp_path / "b.safetensors", original_lora(tensors, prefix))
    with applied_loras(transformer, (LoraUse(theirs),)):
        expected = _run(transformer)
    with applied_loras(transformer, (LoraUse(original),)):
        found = _run(transformer)
    assert all(map(torch.equal, found, expected))


def test_several_work_together_and_leave_nothing_behind(
    transformer: torch.nn.Module, tmp_path: Path
) -> None:
    modules = dict(transformer.named_modules())
    weights = {key: tensor.clone() for key, tensor in transformer.state_dict().items()}
    plain = _run(transformer)
    first = _lora(transformer, 1)
    second = _lora(transformer, 2, rank=2)
    uses = (
        LoraUse(_diffusers(tmp_path / "1.safetensors", first), 0.5),
        LoraUse(_diffusers(tmp_path / "2.safetensors", second), 2.0),
        LoraUse(tmp_path / "never-opened.safetensors", 0.0),
    )
    both = {
        key: torch.cat(
            [
                first[key] * (0.5 if "lora_B" in key else 1),
                second[key] * (2 if "lora_B" in key else 1),
            ],
            dim=1 if "lora_B" in key else 0,
        )
        for key in first
    }
    with applied_loras(transformer, uses):
        together = _run(transformer)
    one = LoraUse(_diffusers(tmp_path / "both.safetensors", both))
    with applied_loras(transformer, (one,)), applied_loras(transformer, ()):
        expected = _run(transformer)
    assert (together[0] - expected[0]).abs().max() < 1e-5 * expected[0].abs().max()
    assert dict(transformer.named_modules()) == modules
    after = transformer.state_dict()
    assert after.keys() == weights.keys()
    assert [key for key in weights if not torch.equal(after[key], weights[key])] == []
    assert all(map(torch.equal, _run(transformer), plain))


def test_a_failing_job_leaves_nothing_behind_either(
    transformer: torch.nn.Module, tmp_path: Path
) -> None:
    modules = dict(transformer.named_modules())
    good = LoraUse(_diffusers(tmp_path / "1.safetensors", _lora(transformer, 1)))
    with pytest.raises(ZeroDivisionError), applied_loras(transformer, (good,)):
        raise ZeroDivisionError
    with (
        pytest.raises(NotFoundError),
        applied_loras(transformer, (good, LoraUse(tmp_path / "absent.safetensors"))),
    ):
        pytest.fail("it was not there")
    assert dict(transformer.named_modules()) == modules


def test_a_lora_works_on_weights_stored_in_float8(
    tiny_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    transformer = load_tiny(tiny_checkpoint).transformer
    transformer.enable_layerwise_casting(
        storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32
    )
    layers = ("transformer_blocks.0.attn1.to_q", "transformer_blocks.1.ff.net.0.proj")
    lora = LoraUse(_diffusers(tmp_path / "1.safetensors", _lora(transformer, 1, layers=layers)))
    plain = _run(transformer)
    with applied_loras(transformer, (lora,)):
        changed = _run(transformer)
    assert torch.isfinite(changed[0]).all()
    assert (changed[0] - plain[0]).abs().max() > 1e-2
    assert all(map(torch.equal, _run(transformer), plain))


def test_a_lora_of_another_model_is_refused_with_the_layer(
    transformer: torch.nn.Module, tmp_path: Path
) -> None:
    tensors = _lora(transformer, 1)
    wide = tensors | {"proj_in.lora_A.weight": torch.zeros(3, 128)}
    deep = tensors | {
        f"transformer_blocks.47.attn1.to_q.lora_{half}.weight": torch.zeros(3, 3) for half in "AB"
    }
    for bad, words in (
        (wide, "proj_in takes 16 and gives 48 channels; the LoRA takes 128"),
        (deep, r"transformer_blocks\.47\.attn1\.to_q is not there"),
    ):
        path = _diffusers(tmp_path / "bad.safetensors", bad)
        with (
            pytest.raises(InvalidInputError, match=words),
            applied_loras(transformer, (LoraUse(path),)),
        ):
            pytest.fail("it does not fit")
    half = {key: tensor for key, tensor in tensors.items() if key != "proj_in.lora_B.weight"}
    path = _diffusers(tmp_path / "half.safetensors", half)
    with (
        pytest.raises(InvalidInputError, match="proj_in has only one half"),
        applied_loras(transformer, (LoraUse(path),)),
    ):
        pytest.fail("half of it is missing")


@pytest.mark.parametrize(
    "key",
    [
        "transformer.proj_in.dora_scale",
        "transformer.proj_in.lokr_w1",
        "text_embedding_projection.aggregate_embed.lora_A.weight",
        "lora_unet_double_blocks_0.weight",
    ],
)
def test_other_kinds_are_refused_by_the_key(
    transformer: torch.nn.Module, tmp_path: Path, key: str
) -> None:
    path = _write(tmp_path / "other.safetensors", {key: torch.zeros(2, 2)})
    with (
        pytest.raises(UnsupportedError, match=key.replace(".", r"\.")),
        applied_loras(transformer, (LoraUse(path),)),
    ):
        pytest.fail("not a LoRA of ours")


@pytest.mark.parametrize(
    ("changes", "metadata", "words"),
    [
        ({"lora_A": torch.zeros(0, 16), "lora_B": torch.zeros(48, 0)}, {}, "has the shapes"),
        ({"lora_A": torch.tensor(1.0)}, {}, r"has the shapes \[\] and \[48, 3\]"),
        ({"lora_A": torch.full((3, 16), float("nan"))}, {}, "NaN or infinite"),
        ({"lora_B": torch.full((48, 3), float("inf"))}, {}, "NaN or infinite"),
        ({"alpha": torch.ones(2)}, {}, "cannot be loaded"),
        ({"alpha": torch.tensor(float("nan"))}, {}, "NaN or infinite"),
        ({}, {"lora_adapter_metadata": '{"transformer.lora_alpha": NaN}'}, "NaN or infinite"),
    ],
)
def test_a_lora_of_nonsense_is_refused_before_it_works(
    transformer: torch.nn.Module,
    tmp_path: Path,
    changes: dict[str, torch.Tensor],
    metadata: dict[str, str],
    words: str,
) -> None:
    tensors = {
        f"proj_in.{part}{'' if part == 'alpha' else '.weight'}": tensor
        for part, tensor in (
            {"lora_A": torch.ones(3, 16), "lora_B": torch.ones(48, 3)} | changes
        ).items()
    }
    path = _diffusers(tmp_path / "bad.safetensors", tensors, **metadata)
    layer = transformer.get_submodule("proj_in")
    with (
        pytest.raises(InvalidInputError, match=words),
        applied_loras(transformer, (LoraUse(path),)),
    ):
        pytest.fail("it would spoil every picture")
    assert transformer.get_submodule("proj_in") is layer


def test_a_lora_whose_halves_overlap_is_refused(
    transformer: torch.nn.Module, tmp_path: Path
) -> None:
    """Our own reading of headers does not look at where tensors lie; the format's library does."""
    header = json.dumps(
        {
            "proj_in.lora_A.weight": {"dtype": "F32", "shape": [3, 16], "data_offsets": [0, 192]},
            "proj_in.lora_B.weight": {"dtype": "F32", "shape": [48, 3], "data_offsets": [0, 576]},
        }
    ).encode()
    path = tmp_path / "overlap.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(576))
    with (
        pytest.raises(InvalidInputError, match="cannot be loaded"),
        applied_loras(transformer, (LoraUse(path),)),
    ):
        pytest.fail("it is damaged")


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".ckpt", ".pth"])
def test_pickles_are_never_opened(
    transformer: torch.nn.Module, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"lora{suffix}"
    with (
        pytest.raises(UnsupportedError, match="can run programs"),
        applied_loras(transformer, (LoraUse(path),)),
    ):
        pytest.fail("it is a program")


def test_the_reference_of_an_ic_lora_is_read_from_its_file(tmp_path: Path) -> None:
    weights = {"x": torch.zeros(1)}
    path = tmp_path / "ic.safetensors"
    assert reference_downscale_factor(_write(path, weights)) is None
    assert reference_downscale_factor(_write(path, weights, reference_downscale_factor="2")) == 2
    for nonsense in ("0", "-1", "1.5", "two", "nan", "inf", "1e300"):
        _write(path, weights, reference_downscale_factor=nonsense)
        with pytest.raises(InvalidInputError, match="reference_downscale_factor"):
            reference_downscale_factor(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidInputError, match="broke off"):
        reference_downscale_factor(path)


def test_an_ic_lora_for_references_of_fewer_frames_is_refused(tmp_path: Path) -> None:
    """Followed frame by frame it would see a shot four times as slow."""
    weights = {"x": torch.zeros(1)}
    path = tmp_path / "ic.safetensors"
    same = _write(path, weights, reference_temporal_scale_factor="1")
    assert reference_downscale_factor(same) is None
    fewer = _write(path, weights, reference_temporal_scale_factor="4")
    with pytest.raises(UnsupportedError, match="fewer frames than the shot"):
        reference_downscale_factor(fewer)
