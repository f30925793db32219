"""The parts of an LTX-2.3 in the diffusers layout: which files each is made of."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from interchange.errors import InvalidInputError, NotFoundError, Reason, UnsupportedError
from sidecar.models.header import read_header, refuse_pickle

COMPONENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "transformer": ("LTX2VideoTransformer3DModel",),
    "connectors": ("LTX2TextConnectors",),
    "vae": ("AutoencoderKLLTX2Video",),
    "audio_vae": ("AutoencoderKLLTX2Audio",),
    "vocoder": ("LTX2VocoderWithBWE", "LTX2Vocoder"),
}
"""The subfolders with LTX's own weights, and the classes each may be of."""

UPSAMPLER: Final = "latent_upsampler"
TEXT_ENCODER: Final = "text_encoder"
TOKENIZER: Final = "tokenizer"
PROCESSOR: Final = "processor"

ORIGINAL_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "transformer": ("model.diffusion_model.transformer_blocks.", "transformer_blocks."),
    "connectors": ("text_embedding_projection.",),
    "vae": ("vae.",),
    "audio_vae": ("audio_vae.",),
    "vocoder": ("vocoder.",),
}
"""The keys that show that an original file holds a component."""

DIFFUSERS_WEIGHTS: Final = "diffusion_pytorch_model"
TRANSFORMERS_WEIGHTS: Final = "model"
_ADAPTER: Final = "adapter_config.json"
_LOADED_SUFFIXES: Final = frozenset({".jinja", ".json", ".model", ".safetensors", ".txt"})
_MOST_CONFIG_BYTES: Final = 64 << 20  # an index of shards names every tensor


def config_of(folder: Path, name: str = "config.json") -> Mapping[str, Any]:
    """The JSON object of a configuration file.

    Raises:
        NotFoundError: It is not there.
        InvalidInputError: It is none.
    """
    path = folder / name
    try:
        status = path.stat()
        # A pipe would never end.
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_CONFIG_BYTES:
            raise _no_config(path)
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise NotFoundError(
            f"{path} is missing. {folder.name} needs it; download the folder again.",
            metadata={"path": str(path)},
        ) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise _no_config(path) from error
    if not isinstance(value, dict):
        raise _no_config(path)
    return value


def component_files(home: Path, name: str) -> dict[str, Path]:
    """The files of one of LTX's own components.

    Raises:
        NotFoundError: A file is missing.
        InvalidInputError: It is another class than expected, or damaged.
        UnsupportedError: It is of another LTX model.
    """
    folder = home / name
    if not folder.is_dir():
        raise NotFoundError(
            f"{home} has no {name}/. A checkpoint in the diffusers layout has "
            f"{', '.join(f'{part}/' for part in COMPONENTS)}; download it again, or name a folder that has the "
            "rest with --base.",
            metadata={"path": str(folder), "missing": name},
        )
    config = config_of(folder)
    expected = COMPONENTS[name]
    if config.get("_class_name") not in expected:
        raise InvalidInputError(
            f"{folder} holds {config.get('_class_name')!r} where {expected[0]} was expected. Take the weights of "
            "LTX-2.3.",
            metadata={"path": str(folder), "expected": expected[0]},
        )
    if name == "transformer" and not config.get("cross_attn_mod"):
        raise UnsupportedError(
            f"{folder} is an LTX model, but not LTX-2.3: its attention to the prompt is not modulated. Take the "
            "weights of LTX-2.3.",
            reason=Reason.FORMAT_UNSUPPORTED,
            metadata={"path": str(folder)},
        )
    return _weighty(folder, DIFFUSERS_WEIGHTS, name)


def text_files(homes: Sequence[Path], text_encoder: Path | None) -> dict[str, Path]:
    """The files of Gemma 3: the encoder, its tokenizer, and its processor where there is one.

    Args:
        homes: Folders in the diffusers layout, the first that has them counts.
        text_encoder: A folder of its own for all three, which goes first; in the layout of transformers or of
            diffusers.

    Raises:
        NotFoundError: There is none, or a file is missing.
        InvalidInputError: It is not Gemma 3.
        UnsupportedError: It is an adapter over other weights.
    """
    home = text_encoder or next((home for home in homes if (home / TEXT_ENCODER).is_dir()), None)
    if home is None:
        raise NotFoundError(
            "There is no text encoder. Prompts need Gemma 3 (12B); name its folder with --text-encoder.",
            metadata={"missing": TEXT_ENCODER},
        )
    encoder = text_folder(home, TEXT_ENCODER)
    kind = config_of(encoder).get("model_type")
    if kind != "gemma3":
        raise InvalidInputError(
            f"{encoder} holds a text model of the type {kind!r} where Gemma 3 with pictures ('gemma3') was "
            "expected. Take google/gemma-3-12b-it or a quantised one of it.",
            metadata={"path": str(encoder), "expected": "gemma3"},
        )
    if (encoder / _ADAPTER).exists():
        # transformers would follow it to other weights, which nobody has pinned.
        raise UnsupportedError(
            f"{encoder} has an {_ADAPTER}: an adapter over other weights is not read. Take Gemma 3 itself.",
            reason=Reason.FORMAT_UNSUPPORTED,
            metadata={"path": str(encoder / _ADAPTER)},
        )
    files = _weighty(encoder, TRANSFORMERS_WEIGHTS, TEXT_ENCODER)
    tokenizer = text_folder(home, TOKENIZER)
    if not any((tokenizer / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        raise NotFoundError(
            f"{tokenizer} has neither tokenizer.json nor tokenizer.model. Download the tokenizer of Gemma 3 into "
            "it.",
            metadata={"path": str(tokenizer), "missing": TOKENIZER},
        )
    for part in (TOKENIZER, PROCESSOR):
        folder = text_folder(home, part)
        if folder != encoder and folder.is_dir():
            files |= _flat(folder, part)
    return files


def text_folder(home: Path, part: str) -> Path:
    """Where a part of Gemma 3 lies: a subfolder of its own, or all in one folder."""
    return home / part if (home / TEXT_ENCODER).is_dir() else home


def upsampler_files(path: Path) -> dict[str, Path]:
    """The files of a latent upsampler: a folder in the diffusers layout, or one original file.

    Raises:
        NotFoundError: It is not there, or a file is missing.
        InvalidInputError: It is none.
    """
    if not path.is_dir():
        if "initial_conv.weight" not in read_header(path).tensors:
            raise _no_upsampler(path)
        return {f"{UPSAMPLER}/{path.name}": path}
    if config_of(path).get("_class_name") != "LTX2LatentUpsamplerModel":
        raise _no_upsampler(path)
    return _weighty(path, DIFFUSERS_WEIGHTS, UPSAMPLER)


def _weighty(folder: Path, stem: str, part: str) -> dict[str, Path]:
    """The files of a folder with weights, all shards there and whole."""
    files = _flat(folder, part)
    index = folder / f"{stem}.safetensors.index.json"
    single = folder / f"{stem}.safetensors"
    if index.is_file():
        shards = config_of(folder, index.name).get("weight_map")
        if not isinstance(shards, dict) or not all(_plain(name) for name in shards.values()):
            raise _no_config(index)
        needed = sorted({folder / str(name) for name in shards.values()})
    else:
        needed = [single]
    for path in needed:
        if not path.is_file():
            _explain_pickles(folder)
            raise NotFoundError(
                f"{path} is missing. {folder.name} needs it; download the folder again.",
                metadata={"path": str(path), "missing": path.name},
            )
        read_header(path)
    return files


def _explain_pickles(folder: Path) -> None:
    for file in sorted(folder.iterdir()):
        refuse_pickle(file)


def _flat(folder: Path, part: str) -> dict[str, Path]:
    return {
        f"{part}/{file.name}": file
        for file in folder.iterdir()
        if file.is_file() and file.suffix in _LOADED_SUFFIXES and not file.name.startswith(".")
    }


def _plain(name: object) -> bool:
    return isinstance(name, str) and name == Path(name).name and name.endswith(".safetensors")


def _no_config(path: Path) -> InvalidInputError:
    return InvalidInputError(
        f"{path} is no configuration that can be read. Download it again.",
        metadata={"path": str(path)},
    )


def _no_upsampler(path: Path) -> InvalidInputError:
    return InvalidInputError(
        f"{path} is no latent upsampler of LTX. Take ltx-2.3-spatial-upscaler-x2.",
        metadata={"path": str(path), "missing": UPSAMPLER},
    )
