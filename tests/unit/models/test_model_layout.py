"""Weights on disk are what they are said to be, whole, or refused with the part, the reason and the remedy."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interchange.errors import BridgeError, InvalidInputError, NotFoundError, UnsupportedError
from sidecar.models.checkpoint import Form
from sidecar.models.header import read_header
from sidecar.models.layout import inspect
from sidecar.models.parts import COMPONENTS

ORIGINAL = (
    "model.diffusion_model.transformer_blocks.0.attn1.to_q.weight",
    "model.diffusion_model.prompt_adaln_single.linear.weight",
    "text_embedding_projection.video_aggregate_embed.weight",
    "vae.decoder.conv_in.conv.weight",
    "audio_vae.decoder.conv_in.conv.weight",
    "vocoder.vocoder.conv_pre.weight",
)


def _safetensors(
    path: Path, keys: tuple[str, ...] = ("x",), metadata: Mapping[str, str] | None = None
) -> Path:
    """A whole file of four bytes a tensor."""
    header: dict[str, object] = {
        key: {"dtype": "F32", "shape": [1], "data_offsets": [4 * index, 4 * index + 4]}
        for index, key in enumerate(keys)
    }
    if metadata:
        header["__metadata__"] = dict(metadata)
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4 * len(keys))
    return path


def _json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _gemma(folder: Path, part: str = "text_encoder") -> None:
    _json(folder / part / "config.json", {"model_type": "gemma3"})
    _safetensors(folder / part / "model.safetensors")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder in the diffusers layout."""
    folder = tmp_path / "ltx-2.3-distilled"
    for name, kinds in COMPONENTS.items():
        _json(folder / name / "config.json", {"_class_name": kinds[0], "cross_attn_mod": True})
        _safetensors(folder / name / "diffusion_pytorch_model.safetensors")
    _gemma(folder)
    _json(folder / "tokenizer" / "tokenizer.json", {})
    return folder


def test_a_folder_is_taken_with_every_file_that_is_loaded(weights: Path) -> None:
    (weights / "vae" / "notes.md").touch()
    (weights / "vae" / "old.bin").touch()
    found = inspect(weights)
    assert (found.form, found.variant, found.variant_by) == (
        Form.FOLDER,
        "distilled",
        "by its name",
    )
    assert found.upsampler is None
    assert [name for name, _ in found.files] == sorted(
        [f"{name}/config.json" for name in (*COMPONENTS, "text_encoder")]
        + [f"{name}/diffusion_pytorch_model.safetensors" for name in COMPONENTS]
        + ["text_encoder/model.safetensors", "tokenizer/tokenizer.json"]
    )


def test_shards_are_all_needed(weights: Path) -> None:
    folder = weights / "transformer"
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    shards = [f"diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    _json(
        folder / "diffusion_pytorch_model.safetensors.index.json",
        {"weight_map": {"a": shards[0], "b": shards[1]}},
    )
    _safetensors(folder / shards[0])
    with pytest.raises(NotFoundError, match=r"00002-of-00002\.safetensors is missing"):
        inspect(weights)
    _safetensors(folder / shards[1])
    assert {f"transformer/{shard}" for shard in shards} < {
        name for name, _ in inspect(weights).files
    }


@pytest.mark.parametrize("shard", ["../../secret.safetensors", "/etc/x.safetensors", 7, "x.bin"])
def test_an_index_cannot_lead_elsewhere(weights: Path, shard: object) -> None:
    _json(
        weights / "vae" / "diffusion_pytorch_model.safetensors.index.json",
        {"weight_map": {"a": shard}},
    )
    with pytest.raises(InvalidInputError, match="no configuration that can be read"):
        inspect(weights)


def _broken_config(folder: Path) -> None:
    (folder / "vae" / "config.json").write_text("{", encoding="utf-8")


def _other_class(folder: Path) -> None:
    _json(folder / "vae" / "config.json", {"_class_name": "AutoencoderKL"})


def _older_model(folder: Path) -> None:
    _json(folder / "transformer" / "config.json", {"_class_name": COMPONENTS["transformer"][0]})


def _other_text_model(folder: Path) -> None:
    _json(folder / "text_encoder" / "config.json", {"model_type": "t5"})


def _short_weights(folder: Path) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def _pickled(folder: Path) -> None:
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "vae" / "diffusion_pytorch_model.bin").touch()


@pytest.mark.parametrize(
    ("harm", "kind", "words"),
    [
        (lambda folder: shutil.rmtree(folder / "vocoder"), NotFoundError, "has no vocoder/"),
        (lambda folder: shutil.rmtree(folder / "text_encoder"), NotFoundError, "--text-encoder"),
        (lambda folder: shutil.rmtree(folder / "tokenizer"), NotFoundError, "tokenizer.json"),
        (
            lambda folder: (folder / "connectors" / "config.json").unlink(),
            NotFoundError,
            "is missing",
        ),
        (_broken_config, InvalidInputError, "no configuration"),
        (_other_class, InvalidInputError, "'AutoencoderKL' where AutoencoderKLLTX2Video"),
        (_older_model, UnsupportedError, "not LTX-2.3"),
        (_other_text_model, InvalidInputError, "'t5' where Gemma 3"),
        (_short_weights, InvalidInputError, "broke off"),
        (_pickled, UnsupportedError, "can run programs"),
    ],
)
def test_a_part_that_is_missing_or_wrong_is_named(
    weights: Path, harm: Callable[[Path], object], kind: type[BridgeError], words: str
) -> None:
    harm(weights)
    with pytest.raises(kind) as caught:
        inspect(weights)
    assert words in caught.value.message


def test_an_original_file_holds_all_but_the_text_encoder(weights: Path, tmp_path: Path) -> None:
    path = _safetensors(tmp_path / "ltx-2.3-22b-dev.safetensors", ORIGINAL)
    with pytest.raises(NotFoundError, match="--text-encoder"):
        inspect(path)
    found = inspect(path, text_encoder=weights)
    assert (found.form, found.variant) == (Form.SINGLE_FILE, "dev")
    assert [name for name, _ in found.files] == [
        path.name,
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer.json",
    ]


def test_gemma_may_lie_in_one_folder_of_any_name(tmp_path: Path) -> None:
    path = _safetensors(tmp_path / "ltx-2.3-22b-dev.safetensors", ORIGINAL)
    for name in ("gemma-3-12b-it", "elsewhere"):
        _gemma(tmp_path, name)
        _json(tmp_path / name / "tokenizer.json", {})
        files = inspect(path, text_encoder=tmp_path / name).files
        assert [file for file, _ in files][1:] == [
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "text_encoder/tokenizer.json",
        ]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (("lora_A.weight",), "holds no LTX transformer"),
        (tuple(key for key in ORIGINAL if "prompt_adaln" not in key), "not LTX-2.3"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, keys: tuple[str, ...], words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        inspect(_safetensors(tmp_path / "dev.safetensors", keys))


def test_the_variant_is_found_or_asked_for(weights: Path, tmp_path: Path) -> None:
    plain = weights.rename(tmp_path / "weights")
    with pytest.raises(InvalidInputError, match="--variant"):
        inspect(plain)
    assert inspect(plain, variant="dev").variant_by == "as you said"
    _json(plain / "scheduler" / "scheduler_config.json", {"use_dynamic_shifting": False})
    assert (inspect(plain).variant, inspect(plain).variant_by) == ("distilled", "by its schedule")
    path = _safetensors(tmp_path / "x.safetensors", ORIGINAL, {"model_type": "LTX distilled"})
    assert inspect(path, text_encoder=plain).variant_by == "by its metadata"


def test_an_upsampler_is_one(weights: Path, tmp_path: Path) -> None:
    path = _safetensors(tmp_path / "up.safetensors", ("initial_conv.weight",))
    found = inspect(weights, upsampler=path)
    assert found.upsampler == path
    assert ("latent_upsampler/up.safetensors", path) in found.files
    with pytest.raises(InvalidInputError, match="no latent upsampler"):
        inspect(weights, upsampler=_safetensors(tmp_path / "other.safetensors"))


@given(st.binary(max_size=64).filter(lambda junk: junk.strip() != b"{}"))
def test_no_header_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "x.safetensors"
    for content in (junk, struct.pack("<Q", len(junk)) + junk):
        path.write_bytes(content)
        with pytest.raises(InvalidInputError, match="no whole"):
            read_header(path)


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        "1",
        '{"a": 1}',
        '{"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 0]}}',
        '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}',
        '{"a": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 0]}}',
        '{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}}',
        '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, Infinity]}}',
        '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1' + "0" * 99 + "]}}",
        '{"__metadata__": []}',
        "[" * 100_000,
    ],
)
def test_a_header_of_another_shape_is_damage(tmp_path: Path, header: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    with pytest.raises(InvalidInputError, match="no whole"):
        read_header(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["distilled.safetensors", "distilled.gguf"])
def test_a_pipe_holds_nobody_up(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(NotFoundError, match="no file"):
        inspect(tmp_path / name)
    with pytest.raises((InvalidInputError, UnsupportedError)):
        read_header(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_place_of_a_configuration_is_refused(weights: Path) -> None:
    config = weights / "vae" / "config.json"
    config.unlink()
    os.mkfifo(config)
    with pytest.raises(InvalidInputError, match="no configuration"):
        inspect(weights)


def test_a_text_encoder_cannot_lead_to_other_weights(weights: Path) -> None:
    """Transformers would load what an adapter's file names in place of what was pinned."""
    _json(weights / "text_encoder" / "adapter_config.json", {"base_model_name_or_path": "/other"})
    with pytest.raises(UnsupportedError, match="an adapter over other weights"):
        inspect(weights)
