"""Checkpoints come into memory bit for bit, in every form, or not at all and with a reason."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from accelerate import init_empty_weights
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2VocoderWithBWE
from safetensors.torch import load_file, save_file
from support.original_ltx import original_tensors, write_original

from interchange.errors import InvalidInputError, NotFoundError, Reason, UnsupportedError
from sidecar.models.checkpoint import Checkpoint, Form
from sidecar.models.digests import pin
from sidecar.models.layout import inspect
from sidecar.pipelines.ltx23.architecture import LTX_2_3
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.loading import load_components, load_text_encoder

PARTS = ("transformer", "connectors", "vae", "audio_vae", "vocoder")


def _unheard(_phase: str, _done: int, _total: int) -> None:
    return


def _checkpoint(path: Path, **homes: Path) -> Checkpoint:
    found = inspect(path, variant="distilled", **homes)
    return Checkpoint(
        name="one", engine="ltx-2.3", path=found.path, form=found.form, variant=found.variant,
        files=pin(found.files), base=found.base, upsampler=found.upsampler,
        text_encoder=found.text_encoder,
    )  # fmt: skip


def _same(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    expected = theirs.state_dict()
    found = ours.state_dict()
    assert found.keys() == expected.keys()
    assert [key for key in expected if not torch.equal(found[key], expected[key])] == []


def test_a_folder_is_loaded_bit_for_bit(
    tiny_checkpoint: Checkpoint, tiny_components: Components
) -> None:
    heard: list[tuple[str, int, int]] = []
    state = torch.get_rng_state()
    loaded = load_components(
        tiny_checkpoint, dtype=torch.float32, progress=lambda *step: heard.append(step)
    )
    for part in (*PARTS, "latent_upsampler"):
        _same(getattr(loaded, part), getattr(tiny_components, part))
    assert loaded.identity == tiny_checkpoint.identity
    assert loaded.tokenizer("hello").input_ids == tiny_components.tokenizer("hello").input_ids
    assert heard[0] == ("loading", 0, 7)
    assert heard[-1] == ("loading", 7, 7)
    assert not any(
        parameter.requires_grad
        for part in PARTS
        for parameter in getattr(loaded, part).parameters()
    )
    assert not any(getattr(loaded, part).training for part in PARTS)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_text_encoder_comes_by_itself(
    tiny_checkpoint: Checkpoint, tiny_components: Components
) -> None:
    _same(load_text_encoder(tiny_checkpoint, torch.float32), tiny_components.text_encoder)
    assert load_text_encoder(tiny_checkpoint, torch.bfloat16).dtype == torch.bfloat16


def test_pictures_in_half_and_sound_in_full(tiny_checkpoint: Checkpoint) -> None:
    loaded = load_components(tiny_checkpoint, dtype=torch.bfloat16, progress=_unheard)
    dtypes = {part: getattr(loaded, part).dtype for part in PARTS}
    assert dtypes == {
        "transformer": torch.bfloat16,
        "connectors": torch.bfloat16,
        "vae": torch.bfloat16,
        "audio_vae": torch.float32,
        "vocoder": torch.float32,
    }


def test_an_original_file_is_loaded_bit_for_bit(
    tiny_folder: Path, tiny_components: Components, tmp_path: Path
) -> None:
    """All five components by Lightricks' own names; only widths, and Gemma, come from the base."""
    path = write_original(tmp_path / "ltx-2.3-tiny.safetensors", original_tensors(tiny_components))
    checkpoint = _checkpoint(path, base=tiny_folder)
    assert checkpoint.form is Form.SINGLE_FILE
    loaded = load_components(checkpoint, dtype=torch.float32, progress=_unheard)
    for part in PARTS:
        _same(getattr(loaded, part), getattr(tiny_components, part))
    assert not {file.name for file in checkpoint.files} & {
        f"{part}/diffusion_pytorch_model.safetensors" for part in PARTS
    }


def test_a_file_of_the_transformer_alone_takes_the_rest_from_the_base(
    tiny_folder: Path, tiny_components: Components, tmp_path: Path
) -> None:
    prefix = "model.diffusion_model."
    tensors = {
        key.removeprefix(prefix): tensor * 2
        for key, tensor in original_tensors(tiny_components).items()
        if key.startswith(prefix) and "_embeddings_connector." not in key
    }
    path = write_original(tmp_path / "transformer-only.safetensors", tensors)
    with pytest.raises(NotFoundError, match="holds no connectors, vae, audio_vae, vocoder"):
        inspect(path, variant="dev", text_encoder=tiny_folder)
    loaded = load_components(
        _checkpoint(path, base=tiny_folder), dtype=torch.float32, progress=_unheard
    )
    _same(loaded.vae, tiny_components.vae)
    assert torch.equal(
        loaded.transformer.proj_in.weight, 2 * tiny_components.transformer.proj_in.weight
    )


@pytest.mark.parametrize("scale_name", ["weight_scale", "scale_weight", None])
def test_float8_weights_are_multiplied_out(
    tiny_folder: Path, tiny_components: Components, tmp_path: Path, scale_name: str | None
) -> None:
    tensors = original_tensors(tiny_components)
    scale = torch.tensor(0.25)
    for key in tuple(tensors):
        if "transformer_blocks" in key and key.endswith(".weight") and tensors[key].ndim == 2:
            full = tensors[key]
            if scale_name is not None:
                tensors[f"{key.removesuffix('weight')}{scale_name}"] = scale.clone()
                tensors[f"{key.removesuffix('weight')}input_scale"] = torch.ones(())
                full = full / scale
            tensors[key] = full.to(torch.float8_e4m3fn)
    path = write_original(tmp_path / "fp8.safetensors", tensors)
    loaded = load_components(
        _checkpoint(path, base=tiny_folder), dtype=torch.float32, progress=_unheard
    )
    ours = loaded.transformer.transformer_blocks[0].attn1.to_q.weight
    theirs = tiny_components.transformer.transformer_blocks[0].attn1.to_q.weight
    assert ours.dtype == torch.float32
    assert 0 < (ours - theirs).abs().max() < 0.07 * theirs.abs().max()


def test_a_weight_that_does_not_fit_is_named_with_both_shapes(
    tiny_folder: Path, tiny_components: Components, tmp_path: Path
) -> None:
    tensors = original_tensors(tiny_components)
    tensors["model.diffusion_model.patchify_proj.weight"] = torch.zeros(7, 5)
    path = write_original(tmp_path / "wrong.safetensors", tensors)
    with pytest.raises(InvalidInputError, match=r"proj_in\.weight should be 48x16 and is 7x5"):
        load_components(_checkpoint(path, base=tiny_folder), dtype=torch.float32, progress=_unheard)
    del tensors["model.diffusion_model.patchify_proj.weight"]
    path = write_original(tmp_path / "missing.safetensors", tensors)
    with pytest.raises(InvalidInputError, match=r"proj_in\.weight should be 48x16 and is absent"):
        load_components(_checkpoint(path, base=tiny_folder), dtype=torch.float32, progress=_unheard)


def test_without_a_base_the_real_architecture_is_expected(
    tiny_folder: Path, tiny_components: Components, tmp_path: Path
) -> None:
    path = write_original(tmp_path / "small.safetensors", original_tensors(tiny_components))
    checkpoint = _checkpoint(path, text_encoder=tiny_folder)
    with pytest.raises(InvalidInputError, match="should be 2048 and is 24 "):
        load_components(checkpoint, dtype=torch.float32, progress=_unheard)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"model_version": "2.5.0"}, "is LTX 2.5.0"),
        ({"config": json.dumps({"transformer": {"norm_eps": 1e-5}})}, "its norm_eps is 1e-05"),
    ],
)
def test_a_file_that_calls_itself_another_model_is_refused(
    tiny_folder: Path,
    tiny_components: Components,
    tmp_path: Path,
    metadata: dict[str, str],
    words: str,
) -> None:
    tensors = original_tensors(tiny_components)
    path = write_original(tmp_path / "other.safetensors", tensors, metadata=metadata)
    with pytest.raises(UnsupportedError, match=words):
        load_components(_checkpoint(path, base=tiny_folder), dtype=torch.float32, progress=_unheard)


@pytest.fixture
def own_folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "ltx-2.3-distilled"))


def test_a_folder_with_a_weight_missing_is_not_filled_with_random_numbers(
    own_folder: Path,
) -> None:
    weights = own_folder / "connectors" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors["video_text_proj_in.bias"]
    save_file(tensors, weights, {"format": "pt"})
    with pytest.raises(InvalidInputError, match=r"missing keys: video_text_proj_in\.bias"):
        load_components(_checkpoint(own_folder), dtype=torch.float32, progress=_unheard)


def test_a_changed_file_is_noticed_before_it_is_loaded(own_folder: Path) -> None:
    checkpoint = _checkpoint(own_folder)
    config = own_folder / "vae" / "config.json"
    config.write_text(config.read_text("utf-8").replace("0.42.1", "0.42.2"), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"config\.json should be SHA-256"):
        load_components(checkpoint, dtype=torch.float32, progress=_unheard)


def test_a_file_put_beside_the_pinned_ones_is_not_loaded(own_folder: Path) -> None:
    checkpoint = _checkpoint(own_folder)
    added = own_folder / "transformer" / "diffusion_pytorch_model-00002.safetensors"
    shutil.copy(own_folder / "transformer" / "diffusion_pytorch_model.safetensors", added)
    with pytest.raises(InvalidInputError, match="was not there when one was installed"):
        load_components(checkpoint, dtype=torch.float32, progress=_unheard)


@pytest.mark.parametrize("named", ["evil.Tokenizer", "owner/repository--evil.Tokenizer"])
def test_no_program_that_comes_with_weights_is_run_and_nobody_is_asked(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Not told otherwise, transformers asks on the terminal, where an editor may well say yes."""
    _change(
        own_folder / "tokenizer" / "tokenizer_config.json",
        tokenizer_class="Evil", auto_map={"AutoTokenizer": [named, named]},
    )  # fmt: skip
    ran = own_folder.parent / "ran"
    (own_folder / "tokenizer" / "evil.py").write_text(
        f"open({str(ran)!r}, 'w').close()\nclass Tokenizer: pass\n"
    )

    def asked(_question: str = "") -> str:
        pytest.fail("a question was asked")

    monkeypatch.setattr("builtins.input", asked)
    with pytest.raises(UnsupportedError, match="program of its own"):
        load_components(_checkpoint(own_folder), dtype=torch.float32, progress=_unheard)
    assert not ran.exists()


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_no_kernel_that_a_configuration_names_is_fetched(own_folder: Path, key: str) -> None:
    _change(own_folder / "text_encoder" / "config.json", **{key: "owner/flash-attention"})
    encoder = load_text_encoder(_checkpoint(own_folder), torch.float32)
    assert encoder.config._attn_implementation == "sdpa"


def test_weights_that_went_away_after_they_were_checked_are_said_to_be_gone(
    own_folder: Path,
) -> None:
    checkpoint = _checkpoint(own_folder)
    shutil.rmtree(own_folder)
    with pytest.raises(NotFoundError, match="is gone"):
        load_text_encoder(checkpoint, torch.float32)


def _change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_original_upsampler_takes_its_widths_from_its_tensors(
    tiny_folder: Path, tiny_checkpoint: Checkpoint, tiny_components: Components, tmp_path: Path
) -> None:
    path = tmp_path / "ltx-2.3-spatial-upscaler-x2.safetensors"
    save_file(dict(tiny_components.latent_upsampler.state_dict()), path)
    loaded = load_components(
        _checkpoint(tiny_folder, upsampler=path), dtype=torch.float32, progress=_unheard
    )
    _same(loaded.latent_upsampler, tiny_components.latent_upsampler)
    without = replace(tiny_checkpoint, upsampler=None)
    assert load_components(without, dtype=torch.float32, progress=_unheard).latent_upsampler is None


def _write_gguf(path: Path, parts: Components) -> Path:
    """The transformer by Lightricks' names, its larger weights in 8 bits, as the published files have it."""
    prefix = "model.diffusion_model."
    q8 = gguf.GGMLQuantizationType.Q8_0
    writer = gguf.GGUFWriter(path, "ltxv")
    for key, tensor in original_tensors(parts).items():
        if not key.startswith(prefix) or "_embeddings_connector." in key:
            continue
        name, values = key.removeprefix(prefix), tensor.numpy().astype(np.float32)
        if values.ndim == 2 and values.shape[1] % 32 == 0:
            writer.add_tensor(name, gguf.quants.quantize(values, q8), raw_dtype=q8)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_gguf_stays_quantised_and_computes_about_the_same(
    tiny_folder: Path, tiny_components: Components, tmp_path: Path
) -> None:
    path = _write_gguf(tmp_path / "ltx-2.3-distilled-Q8_0.gguf", tiny_components)
    with pytest.raises(NotFoundError, match="--base"):
        inspect(path, text_encoder=tiny_folder)
    checkpoint = _checkpoint(path, base=tiny_folder)
    assert checkpoint.form is Form.GGUF
    loaded = load_components(checkpoint, dtype=torch.float32, progress=_unheard)
    quantised = [
        name
        for name, layer in loaded.transformer.named_modules()
        if type(layer).__name__ == "GGUFLinear"
    ]
    assert len(quantised) == 12
    hidden = torch.randn(2, 192, generator=torch.Generator().manual_seed(1))
    name = "transformer_blocks.0.ff.net.2"
    ours = loaded.transformer.get_submodule(name)(hidden)
    theirs = tiny_components.transformer.get_submodule(name)(hidden)
    assert 0 < (ours - theirs).abs().max() < 0.02 * theirs.abs().max()
    _same(loaded.vae, tiny_components.vae)


def test_gguf_without_its_package_says_what_to_install(
    tiny_folder: Path,
    tiny_components: Components,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = _write_gguf(tmp_path / "ltx-2.3-distilled-Q8_0.gguf", tiny_components)
    checkpoint = _checkpoint(path, base=tiny_folder)
    monkeypatch.setattr("diffusers.utils.import_utils._gguf_available", False)
    monkeypatch.setitem(sys.modules, "gguf", None)  # as if it could not be found
    with pytest.raises(UnsupportedError, match="pip install gguf") as caught:
        load_components(checkpoint, dtype=torch.float32, progress=_unheard)
    assert caught.value.reason is Reason.DEPENDENCY_MISSING


def test_a_gguf_that_is_none_is_said(tiny_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "ltx-2.3-distilled-Q4_K_M.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(InvalidInputError, match="no GGUF file that can be read"):
        load_components(_checkpoint(path, base=tiny_folder), dtype=torch.float32, progress=_unheard)
    for junk in (b"", b"\3\0\0\0", b"\3\0\0\0" + b"\xff" * 64):
        path.write_bytes(b"GGUF" + junk)
        with pytest.raises(InvalidInputError, match="no GGUF file that can be read"):
            load_components(
                _checkpoint(path, base=tiny_folder), dtype=torch.float32, progress=_unheard
            )
    path.write_bytes(b"JUNK")
    with pytest.raises(InvalidInputError, match="is no GGUF file"):
        inspect(path, base=tiny_folder)


def test_the_real_architecture_has_the_size_of_the_published_file() -> None:
    """ltx-2.3-22b-distilled-1.1.safetensors has 46,149,345,334 bytes; its header is the difference."""
    kinds = {
        "transformer": LTX2VideoTransformer3DModel,
        "connectors": LTX2TextConnectors,
        "vae": AutoencoderKLLTX2Video,
        "audio_vae": AutoencoderKLLTX2Audio,
        "vocoder": LTX2VocoderWithBWE,
    }
    numbers = 0
    with init_empty_weights():
        for name, kind in kinds.items():
            module = kind.from_config(dict(LTX_2_3[name]))
            numbers += sum(tensor.numel() for tensor in module.state_dict().values())
    assert 0 < 46_149_345_334 - 2 * numbers < 12_000_000
