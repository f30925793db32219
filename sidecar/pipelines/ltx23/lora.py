"""LoRAs and IC-LoRAs by path: for one job, several at once, and gone without a trace after it.

A layer that a LoRA changes is replaced by one that adds the LoRA's part to what the layer itself says. No weight is
touched, so nothing has to be computed back, and it does not matter how the layer's own weights are stored (float8,
GGUF, on another device until they are needed). A module in place of a module, not a hook: compiled code notices it.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, cast

import torch
from safetensors import safe_open
from torch.nn.functional import linear

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from sidecar.models.checkpoint import LoraUse
from sidecar.models.header import SUFFIX, Header, read_header, refuse_pickle
from sidecar.pipelines.ltx23.remap import component_keys
from sidecar.pipelines.ltx23.weights import translated

_PREFIXES: Final = (
    "transformer.",
    "diffusion_model.",
    "model.diffusion_model.",
    "base_model.model.",
)
_DOWN: Final = (".lora_A.weight", ".lora_down.weight")
_UP: Final = (".lora_B.weight", ".lora_up.weight")
_ALPHA: Final = ".alpha"
_REFERENCE: Final = "reference_downscale_factor"
_SPARSE_REFERENCE: Final = "reference_temporal_scale_factor"
_MOST_DOWNSCALE: Final = 64
_TRAINING: Final = "lora_adapter_metadata"


@dataclass(frozen=True, slots=True)
class _Delta:
    """What a LoRA adds to one layer: `strength * up @ down`.

    Shapes: down: [rank, in]; up: [out, rank].
    """

    down: torch.Tensor
    up: torch.Tensor
    factor: float


class _WithLora(torch.nn.Module):
    """A linear layer and what is added to it."""

    def __init__(self, base: _Layer, delta: _Delta) -> None:
        super().__init__()
        self.base = base
        self._down = delta.down
        self._up = delta.up
        self._factor = delta.factor

    @property
    def weight(self) -> torch.Tensor:
        """The layer's own, for code that asks for its type."""
        return self.base.weight

    @property
    def bias(self) -> torch.Tensor | None:
        """The layer's own."""
        return self.base.bias

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Shapes: hidden: [..., in]; out: [..., out]."""
        out: torch.Tensor = self.base(hidden)
        down = self._down.to(out.device, out.dtype)
        up = self._up.to(out.device, out.dtype)
        return out + self._factor * linear(linear(hidden.to(out.dtype), down), up)


_Layer: TypeAlias = torch.nn.Linear | _WithLora


@contextlib.contextmanager
def applied_loras(transformer: torch.nn.Module, loras: tuple[LoraUse, ...]) -> Iterator[None]:
    """Let LoRAs work while the context is open.

    Args:
        transformer: The denoiser; on leaving, its modules are the very same as before.
        loras: Added one after the other; the order makes no difference but rounding.

    Raises:
        NotFoundError: A file is not there.
        UnsupportedError: A file is a pickle, or a kind of LoRA that is not read.
        InvalidInputError: A LoRA does not fit this model: which layer, what was expected, what is there.
    """
    deltas = [(use, _read(use, transformer)) for use in loras if use.strength]
    replaced: list[tuple[torch.nn.Module, str, _Layer]] = []
    try:
        for _, layers in deltas:
            for name, delta in layers.items():
                parent_name, _, child = name.rpartition(".")
                parent = transformer.get_submodule(parent_name)
                layer = cast("_Layer", parent.get_submodule(child))
                replaced.append((parent, child, layer))
                setattr(parent, child, _WithLora(layer, delta))
        yield
    finally:
        for parent, child, layer in reversed(replaced):
            setattr(parent, child, layer)


def reference_downscale_factor(path: Path) -> int | None:
    """What an IC-LoRA's reference is divided by in height and width; None where the file does not say.

    Raises:
        NotFoundError: It is not there.
        UnsupportedError: It is a pickle, or was trained on references of fewer frames.
        InvalidInputError: It is damaged, or the factor is no positive whole number.
    """
    metadata = _header(path).metadata
    if metadata.get(_SPARSE_REFERENCE, "1") not in {"1", "1.0"}:
        raise UnsupportedError(
            f"{path} follows a reference of fewer frames than the shot ({_SPARSE_REFERENCE}), which is not made here. "
            "Take an IC-LoRA whose reference is as long as the shot.",
            metadata={"path": str(path), "key": _SPARSE_REFERENCE},
        )
    stated = metadata.get(_REFERENCE)
    if stated is None:
        return None
    try:
        factor = float(stated)
    except ValueError:
        factor = 0.0
    if not 1 <= factor <= _MOST_DOWNSCALE or not factor.is_integer():
        raise InvalidInputError(
            f"{path} says that its {_REFERENCE} is {stated[:40]!r}; it should be a whole number from 1 to {_MOST_DOWNSCALE}. Ask whoever "
            "trained it for a file that says it right.",
            metadata={"path": str(path), "key": _REFERENCE},
        )
    return int(factor)


def _header(path: Path) -> Header:
    refuse_pickle(path)
    if path.suffix.lower() != SUFFIX:
        raise UnsupportedError(
            f"{path} is not read: a LoRA is a {SUFFIX} file.",
            reason=Reason.FORMAT_UNSUPPORTED,
            metadata={"path": str(path)},
        )
    return read_header(path)


def _read(use: LoraUse, transformer: torch.nn.Module) -> dict[str, _Delta]:
    """The deltas of a file by the names of the transformer's layers; all of them fit."""
    header = _header(use.path)
    layers = _by_layer(use.path, header)
    alphas = _trained_alphas(header)
    deltas = {}
    with translated(use.path), safe_open(use.path, framework="pt") as file:
        for name, keys in sorted(layers.items()):
            layer = _layer(transformer, name, use.path)
            _check_shapes(use.path, name, layer, header, keys)
            down, up = file.get_tensor(keys["down"]), file.get_tensor(keys["up"])
            rank = down.shape[0]
            alpha = alphas.get(name, alphas.get("", float(rank)))
            if "alpha" in keys:
                alpha = float(file.get_tensor(keys["alpha"]))
            factor = use.strength * alpha / rank
            # One NaN makes every pixel of a take one.
            sums = (factor, float(down.double().sum()), float(up.double().sum()))
            if not all(map(math.isfinite, sums)):
                raise _damaged(use.path, f"{name} holds numbers that are none (NaN or infinite)")
            device = layer.weight.device
            deltas[name] = _Delta(down.to(device), up.to(device), factor)
    return deltas


def _check_shapes(
    path: Path, name: str, layer: torch.nn.Linear, header: Header, keys: Mapping[str, str]
) -> None:
    down, up = header.tensors[keys["down"]].shape, header.tensors[keys["up"]].shape
    if len(down) != 2 or len(up) != 2 or not down[0]:
        raise _damaged(path, f"{name} has the shapes {list(down)} and {list(up)}")
    rank = down[0]
    if (down, up) != ((rank, layer.in_features), (layer.out_features, rank)):
        raise _unfit(
            path, name,
            f"takes {layer.in_features} and gives {layer.out_features} channels",
            f"takes {down[1]} and gives {up[0]}",
        )  # fmt: skip


def _by_layer(path: Path, header: Header) -> dict[str, dict[str, str]]:
    """Layer name to its keys in the file, by their part: `down`, `up`, `alpha`."""
    bare = {key: next((key.removeprefix(prefix) for prefix in _PREFIXES if key.startswith(prefix)), key)
            for key in header.tensors}  # fmt: skip
    names = component_keys(dict.fromkeys(bare.values()), "transformer")
    ours = {old: new for new, old in names.items()}
    layers: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for key, name in bare.items():
        ending = next((end for end in (*_DOWN, *_UP, _ALPHA) if name.endswith(end)), None)
        if ending is None or name not in ours:
            raise UnsupportedError(
                f"{path} is no LoRA of the transformer that can be used: {key} is neither lora_A, lora_B nor alpha of "
                "one of its layers. LoRAs of the text connectors, DoRA and LoKr are not read.",
                reason=Reason.FORMAT_UNSUPPORTED,
                metadata={"path": str(path), "key": key},
            )
        part = "down" if ending in _DOWN else "up" if ending in _UP else "alpha"
        layers[ours[name].removesuffix(ending)][part] = key
    if not layers:
        raise _damaged(path, "it holds no layer")
    for name, keys in layers.items():
        if not {"down", "up"} <= keys.keys():
            raise _damaged(path, f"{name} has only one half")
    return layers


def _trained_alphas(header: Header) -> Mapping[str, float]:
    """The alpha each layer was trained with, as PEFT writes it; that of all others by the empty name."""
    try:
        stated = json.loads(header.metadata.get(_TRAINING, "{}"))
        alphas = {
            str(name): float(alpha)
            for name, alpha in stated.get("transformer.alpha_pattern", {}).items()
        }
        if "transformer.lora_alpha" in stated:
            alphas[""] = float(stated["transformer.lora_alpha"])
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}
    return alphas


def _layer(transformer: torch.nn.Module, name: str, path: Path) -> torch.nn.Linear:
    try:
        layer = transformer.get_submodule(name)
    except AttributeError as error:
        raise _unfit(path, name, "is not there", "changes it") from error
    while isinstance(layer, _WithLora):  # of another LoRA that is at work
        layer = layer.base
    if not isinstance(layer, torch.nn.Linear):
        raise _unfit(path, name, "is no linear layer", "changes it")
    return layer


def _unfit(path: Path, name: str, model: str, lora: str) -> InvalidInputError:
    return InvalidInputError(
        f"The LoRA {path} does not fit this model: in the model, {name} {model}; the LoRA {lora}. It was trained for "
        "another one; take one for LTX-2.3.",
        metadata={"path": str(path), "key": name},
    )


def _damaged(path: Path, problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"{path} is no whole LoRA: {problem}. Download it again.", metadata={"path": str(path)}
    )
