"""What comes with weights and what says which there are: headers, configurations, lists and presets. None needs torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sidecar.filesystem import FileSystem
from sidecar.models.checkpoint import Checkpoint, Form, PinnedFile, Variant
from sidecar.models.header import read_header
from sidecar.models.layout import inspect
from sidecar.models.licences import ALL, Acceptance, LicenceRecord, _Record
from sidecar.models.parts import COMPONENTS, component_files
from sidecar.models.registry import Installed, ModelRegistry
from sidecar.pipelines.ltx23.limits import LIMITS
from sidecar.pipelines.ltx23.presets import find_preset
from sidecar.serialise import dump

_TENSOR = {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}
_PRESET = """
summary = "Hard light."
recipe = "two-stage"
prompt = "{prompt} Film noir."
checkpoint = "mine"
reference = "edges"
source = "somebody/something"
[[lora]]
path = "loras/noir.safetensors"
strength = 0.8
"""


def model_targets(kind: Callable[..., Any], folder: Path) -> dict[str, Any]:
    """One target for each."""
    room = folder / "weights"
    registry = ModelRegistry(room / "models", FileSystem())
    record = LicenceRecord(room / "models", FileSystem())
    original = room / "ltx-2.3-dev.safetensors"
    presets = room / "presets"
    return {
        "preset": kind(
            _written(presets / "noir.toml", lambda: find_preset("noir", presets)),
            (_PRESET.encode(), b'recipe = "dev"'),
        ),
        "weights-header": kind(
            _written(original, lambda: (read_header(original).config(), inspect(original))),
            (_safetensors(), _safetensors(key="model.diffusion_model.transformer_blocks.0.x")),
        ),
        "weights-gguf": kind(
            _written(room / "dev.gguf", lambda: inspect(room / "dev.gguf")),
            (b"GGUF\3\0\0\0" + bytes(16),),
        ),
        "weights-config": kind(_component(room / "one", "config.json"), (_config(),)),
        "weights-index": kind(
            _component(room / "two", "diffusion_pytorch_model.safetensors.index.json"),
            (json.dumps({"weight_map": {"a": "one.safetensors"}}).encode(),),
        ),
        "model-registry": kind(
            _written(registry.path, lambda: registry.describe(LIMITS.engine)), (_installed(room),)
        ),
        "model-licences": kind(
            _written(room / "models" / "licences.json", record.missing),
            (dump(_Record((_acceptance(),))).encode(),),
        ),
    }


def _safetensors(key: str = "a") -> bytes:
    header = json.dumps({"__metadata__": {"config": "{}", "variant": "dev"}, key: _TENSOR}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(8)


def _config() -> bytes:
    return json.dumps(
        {"_class_name": COMPONENTS["transformer"][0], "cross_attn_mod": True}
    ).encode()


def _component(home: Path, name: str) -> Callable[[bytes], object]:
    folder = home / "transformer"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(_config())
    (folder / "one.safetensors").write_bytes(_safetensors())
    return _written(folder / name, lambda: component_files(home, "transformer"))


def _installed(room: Path) -> bytes:
    file = PinnedFile("a", room / "a", 1, 1, "0" * 64)
    checkpoint = Checkpoint("one", "ltx-2.3", room, Form.FOLDER, Variant.DISTILLED, (file,))
    return dump(Installed((checkpoint,), {"ltx-2.3": "one"})).encode()


def _acceptance() -> Acceptance:
    return Acceptance(ALL[0].name, ALL[0].version, ALL[0].digest, datetime(2026, 1, 1, tzinfo=UTC))


def _written(path: Path, read: Callable[[], object]) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return read()

    return parse
