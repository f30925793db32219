"""Presets of a user's own, with small random LoRAs for the tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WIDTH = 48
"""Of the tiny model's video tokens."""
_RANK = 4
_LAYERS = tuple(
    f"transformer_blocks.{block}.attn1.{name}" for block in (0, 1) for name in ("to_q", "to_v")
)

# `in-context` and `in-context-half` differ in what their files say of the reference's size, and in nothing else.
_TEXTS = {
    "plain": 'recipe = "two-stage"\n',
    "tuned": 'recipe = "two-stage"\n[[lora]]\npath = "loras/look.safetensors"\nstrength = 0.8\n',
    "untuned": 'recipe = "two-stage"\n[[lora]]\npath = "loras/look.safetensors"\nstrength = 0.0\n',
    "in-context": 'recipe = "two-stage"\nreference = "pictures"\nprompt = "IN STYLE {prompt}"\n'
    '[[lora]]\npath = "loras/ic.safetensors"\n',
    "in-context-half": 'recipe = "two-stage"\nreference = "pictures"\nprompt = "IN STYLE {prompt}"\n'
    '[[lora]]\npath = "loras/ic-half.safetensors"\n',
    "lost": 'recipe = "two-stage"\nreference = "pictures"\n[[lora]]\npath = "loras/nowhere.safetensors"\n',
    "wrong": 'recipe = "two-stage"\nreference = "pictures"\n[[lora]]\npath = "loras/wide.safetensors"\n',
    "broken": 'recipe = "three-stage"\n',
}


def write_presets(folder: Path) -> None:
    """Write them into the presets folder of a state folder that no sidecar uses yet."""
    for private in (folder.parent, folder, folder / "loras"):
        private.mkdir(mode=0o700, exist_ok=True, parents=True)
    for name, text in _TEXTS.items():
        (folder / f"{name}.toml").write_text(text)
    write_lora(folder / "loras" / "look.safetensors", seed=1)
    write_lora(folder / "loras" / "ic.safetensors", seed=2)
    write_lora(folder / "loras" / "ic-half.safetensors", seed=2, reference_downscale_factor="2")
    write_lora(folder / "loras" / "wide.safetensors", seed=3, width=WIDTH * 2)


def write_lora(path: Path, *, seed: int, width: int = WIDTH, **metadata: str) -> None:
    """A LoRA of a few attention layers, under the keys of the original trainer."""
    random = np.random.default_rng(seed)
    tensors = {}
    for layer in _LAYERS:
        name = f"diffusion_model.{layer}"
        tensors[f"{name}.lora_A.weight"] = random.standard_normal((_RANK, width), np.float32)
        tensors[f"{name}.lora_B.weight"] = random.standard_normal((width, _RANK), np.float32)
    save_file(tensors, path, metadata or None)
