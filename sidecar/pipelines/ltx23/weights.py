"""Tensors out of original files into modules: one component at a time, each checked by name and shape."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from accelerate import init_empty_weights
from diffusers import GGUFQuantizationConfig
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from safetensors import safe_open

from interchange.errors import (
    BridgeError,
    InvalidInputError,
    NotFoundError,
    Reason,
    UnsupportedError,
)
from sidecar.models.header import read_header
from sidecar.pipelines.ltx23.architecture import STATED_FACTS
from sidecar.pipelines.ltx23.devices import ran_out_of_memory
from sidecar.pipelines.ltx23.remap import component_keys

M = TypeVar("M", bound=torch.nn.Module)

_LONGEST_COMPLAINT: Final = 400

_FP8: Final = (torch.float8_e4m3fn, torch.float8_e5m2)
_SCALES: Final = (".weight_scale", ".scale_weight")
# Beside the weights in scaled files: what their own kernels need, and we do not.
_SIDE_NOTES: Final = (*_SCALES, ".input_scale", ".scale_input", "scaled_fp8", ".comfy_quant")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Say in the editor's words what a library could not read.

    Args:
        path: What it reads.

    Raises:
        NotFoundError: It is not there any more.
        UnsupportedError: The files want a program of their own to be run.
        InvalidInputError: They are damaged, or of another model.
    """
    try:
        yield
    except BridgeError:
        raise
    except Exception as error:  # the libraries raise whatever they meet, plain `Exception` as well
        if ran_out_of_memory(error):
            raise
        if not path.exists():
            raise NotFoundError(
                f"{path} is gone. Put it back, or `ltxbridge models pull` it again; what lies in the cache is made "
                "again with the next job.",
                metadata={"path": str(path)},
            ) from error
        if "trust_remote_code" in str(error):
            raise UnsupportedError(
                f"{path} asks for a program of its own to be run, which is never done. Take the weights of LTX-2.3 "
                "and Gemma 3 as they were published.",
                reason=Reason.FORMAT_UNSUPPORTED,
                metadata={"path": str(path)},
            ) from error
        words = " ".join(str(error).split()) or type(error).__name__
        raise InvalidInputError(
            f"{path} cannot be loaded: {words[:_LONGEST_COMPLAINT]}. Run `ltxbridge models verify`, or download it "
            "again.",
            metadata={"path": str(path)},
        ) from error


def read_component(
    path: Path, component: str, kind: type[M], config: Mapping[str, Any], dtype: torch.dtype
) -> M:
    """Build a component from an original file.

    Args:
        path: The file.
        component: As the diffusers layout names it.
        kind: Its class.
        config: Its configuration.
        dtype: Of its parameters; scaled float8 is multiplied out.

    Raises:
        InvalidInputError: A weight is missing, is one too many or has another shape: which, and what was expected.
    """
    header = read_header(path)
    keys = component_keys(header.tensors, component)
    with translated(path), safe_open(path, framework="pt") as file:
        scales = {key: file.get_tensor(key) for key in header.tensors if key.endswith(_SCALES)}
        tensors = {
            new: _full(file.get_tensor(old), old, scales, dtype)
            for new, old in keys.items()
            if not old.endswith(_SIDE_NOTES)
        }
    return filled(kind, config, tensors, path=path)


def filled(
    kind: type[M],
    config: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    *,
    path: Path,
) -> M:
    """Make a module of given weights, without making random ones first.

    Raises:
        InvalidInputError: They are not those of such a module.
    """
    from_config: Any = kind
    with init_empty_weights(include_buffers=False):
        module: M = from_config.from_config(dict(config))
    check_fit(
        {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()},
        {name: tuple(tensor.shape) for name, tensor in tensors.items()},
        path=path,
        owner=kind.__name__,
    )
    module.load_state_dict(dict(tensors), assign=True)
    ready: M = module.eval().requires_grad_(requires_grad=False)
    return ready


def check_fit(
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...]],
    *,
    path: Path,
    owner: str,
) -> None:
    """Compare weights with what a module takes.

    Raises:
        InvalidInputError: The first that does not fit, with both shapes, and how many more.
    """
    wrong = [
        (name, expected.get(name), found.get(name))
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]
    if not wrong:
        return
    name, wanted, given = wrong[0]
    more = f" ({len(wrong)} such weights)" if len(wrong) > 1 else ""
    raise InvalidInputError(
        f"{path} does not fit {owner} of LTX-2.3: {name} should be {_shape(wanted)} and is {_shape(given)}{more}. "
        "Take the LTX-2.3 weights, not those of another model, and download them again where they are.",
        metadata={
            "path": str(path),
            "key": name,
            "expected": _shape(wanted),
            "found": _shape(given),
        },
    )


def check_stated(path: Path) -> None:
    """Make sure that an original file does not call itself another model.

    Raises:
        UnsupportedError: Its metadata state another architecture than that of LTX-2.3.
    """
    header = read_header(path)
    version = header.metadata.get("model_version", "2.3")
    if not version.startswith("2.3"):
        raise UnsupportedError(
            f"{path} is LTX {version}; this engine runs LTX-2.3. Take one of the ltx-2.3-22b files.",
            reason=Reason.FORMAT_UNSUPPORTED,
            metadata={"path": str(path), "version": version},
        )
    stated = header.config().get("transformer")
    if not isinstance(stated, dict):
        return
    for name, expected in STATED_FACTS.items():
        if stated.get(name, expected) != expected:
            raise UnsupportedError(
                f"{path} says that its {name} is {stated[name]!r}; that of LTX-2.3 is {expected!r}. Take one of "
                "the ltx-2.3-22b files.",
                reason=Reason.FORMAT_UNSUPPORTED,
                metadata={"path": str(path), "key": name},
            )


def read_gguf(path: Path, config: Path, dtype: torch.dtype) -> LTX2VideoTransformer3DModel:
    """The transformer of a GGUF file; its weights stay quantised and are expanded as they are used.

    Args:
        path: The file.
        config: A folder with the transformer's `config.json`.
        dtype: Of computation.

    Raises:
        UnsupportedError: The package `gguf` is not installed.
        InvalidInputError: It is no transformer of LTX-2.3.
    """
    try:
        loading: Any = importlib.import_module("diffusers.models.model_loading_utils")
        tensors = loading.load_gguf_checkpoint(str(path))
    except ImportError as error:
        raise UnsupportedError(
            f"{path.name} is a GGUF file, and the Python package gguf is not installed. Run: pip install gguf",
            reason=Reason.DEPENDENCY_MISSING,
            metadata={"path": str(path), "package": "gguf"},
        ) from error
    except Exception as error:  # the reader indexes into whatever it is given
        if ran_out_of_memory(error):
            raise
        raise InvalidInputError(
            f"{path} is no GGUF file that can be read: {error}. Download it again.",
            metadata={"path": str(path)},
        ) from error
    keys = component_keys(tensors, "transformer")
    kind: Any = LTX2VideoTransformer3DModel
    quantisation: Any = GGUFQuantizationConfig
    try:
        model: LTX2VideoTransformer3DModel = kind.from_single_file(
            {new: tensors[old] for new, old in keys.items()},
            config=str(config),
            quantization_config=quantisation(compute_dtype=dtype),
            torch_dtype=dtype,
            local_files_only=True,
        )
    except Exception as error:  # of diffusers' own kinds, too
        if ran_out_of_memory(error):
            raise
        raise InvalidInputError(
            f"{path} does not fit the transformer of LTX-2.3: {error}. Take a GGUF of ltx-2.3-22b.",
            metadata={"path": str(path)},
        ) from error
    return model.eval().requires_grad_(requires_grad=False)


def read_upsampler(path: Path, dtype: torch.dtype) -> LTX2LatentUpsamplerModel:
    """The spatial upsampler of an original file; its widths are those of its tensors.

    Raises:
        InvalidInputError: It is none.
    """
    shapes = {key: entry.shape for key, entry in read_header(path).tensors.items()}
    with translated(path):
        middle, channels = shapes["initial_conv.weight"][:2]
        blocks = {key.split(".")[1] for key in shapes if key.startswith("res_blocks.")}
        rational = "upsampler.conv.weight" in shapes
        config = {
            "in_channels": channels,
            "mid_channels": middle,
            "num_blocks_per_stage": len(blocks),
            "dims": len(shapes["initial_conv.weight"]) - 2,
            "spatial_upsample": True,
            "temporal_upsample": False,
            "rational_spatial_scale": 2.0,
            "use_rational_resampler": rational,
        }
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key).to(dtype) for key in shapes}
        kind: Any = LTX2LatentUpsamplerModel
        upsampler: LTX2LatentUpsamplerModel = filled(kind, config, tensors, path=path)
    return upsampler


def _full(
    tensor: torch.Tensor, key: str, scales: Mapping[str, torch.Tensor], dtype: torch.dtype
) -> torch.Tensor:
    if tensor.dtype in _FP8:
        stem = key.removesuffix(".weight")
        scale = next((scales[stem + name] for name in _SCALES if stem + name in scales), None)
        if scale is not None:
            return (tensor.to(torch.float32) * scale.to(torch.float32)).to(dtype)
    return tensor.to(dtype)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "x".join(map(str, shape)) or "one number"
