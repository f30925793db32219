"""Checkpoints to modules: no network, no random state touched, nothing half loaded under a known identity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from diffusers.models.autoencoders.autoencoder_kl_ltx2_audio import AutoencoderKLLTX2Audio
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder, LTX2VocoderWithBWE
from transformers import AutoTokenizer, Gemma3ForConditionalGeneration, Gemma3Processor

from interchange.errors import InvalidInputError
from sidecar.models.checkpoint import Checkpoint, Form
from sidecar.models.digests import check_unchanged
from sidecar.models.header import read_header
from sidecar.models.layout import inspect
from sidecar.models.parts import (
    PROCESSOR,
    TEXT_ENCODER,
    TOKENIZER,
    config_of,
    text_folder,
)
from sidecar.pipelines.base import ProgressCallback
from sidecar.pipelines.ltx23.architecture import LTX_2_3
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.quiet import without_progress_bars
from sidecar.pipelines.ltx23.remap import component_keys
from sidecar.pipelines.ltx23.weights import (
    check_stated,
    read_component,
    read_gguf,
    read_upsampler,
    translated,
)

M = TypeVar("M")

PHASE: Final = "loading"

# Not said, transformers asks on the terminal whether to run the programs that come with the weights.
_OWN_CODE_ONLY: Final[dict[str, Any]] = {"local_files_only": True, "trust_remote_code": False}

# Sound is a few thousand numbers a second and heard at once: it is computed in full.
_SOUND_DTYPE: Final = torch.float32


def load_components(
    checkpoint: Checkpoint, *, dtype: torch.dtype, progress: ProgressCallback
) -> Components:
    """Read everything but the text encoder into main memory.

    Files that look touched since they were pinned are digested before anything is read.

    Args:
        checkpoint: What to load.
        dtype: Of pictures and of the denoiser; sound stays in float32.
        progress: Called with ("loading", parts done, parts in all).

    Returns:
        The components; Gemma 3 is `load_text_encoder`'s.

    Raises:
        InvalidInputError: A file is missing, changed or of another model; says which and what was expected.
        NotFoundError: A part is missing.
        UnsupportedError: The form needs a package that is not installed.
    """
    check_unchanged(checkpoint, lambda _name, done, total: progress("checking", done, total))
    _check_nothing_added(checkpoint)
    loader = _Loader(checkpoint, progress)
    # Some modules draw random weights before they get their own.
    with without_progress_bars(), torch.random.fork_rng(devices=[]):
        transformer = loader.part(
            "transformer", LTX2VideoTransformer3DModel, dtype, gguf=checkpoint.form is Form.GGUF
        )
        return Components(
            transformer=transformer,
            connectors=loader.part("connectors", LTX2TextConnectors, dtype),
            vae=loader.part("vae", AutoencoderKLLTX2Video, dtype),
            audio_vae=loader.part("audio_vae", AutoencoderKLLTX2Audio, _SOUND_DTYPE),
            vocoder=loader.part("vocoder", loader.vocoder_kind(), _SOUND_DTYPE),
            tokenizer=loader.step(lambda: _tokenizer(checkpoint)),
            latent_upsampler=loader.step(lambda: _upsampler(checkpoint, dtype)),
            identity=checkpoint.identity,
            dtype=dtype,
        )


def load_text_encoder(checkpoint: Checkpoint, dtype: torch.dtype) -> Gemma3ForConditionalGeneration:
    """Read Gemma 3 into main memory.

    Raises:
        InvalidInputError: Its files are not those of Gemma 3.
    """
    folder = text_folder(_text_home(checkpoint), TEXT_ENCODER)
    # A configuration may name an attention kernel of some repository, which would be fetched and run.
    options = {"dtype": dtype, "attn_implementation": "sdpa"}
    with without_progress_bars(), torch.random.fork_rng(devices=[]):
        encoder: Gemma3ForConditionalGeneration = _pretrained(
            Gemma3ForConditionalGeneration, folder, options
        )
    return encoder


class _Loader:
    """Goes through the parts of one checkpoint and counts them."""

    _PARTS = 7

    def __init__(self, checkpoint: Checkpoint, progress: ProgressCallback) -> None:
        self._checkpoint = checkpoint
        self._progress = progress
        self._done = 0
        file = checkpoint.path if checkpoint.form is Form.SINGLE_FILE else None
        if file is not None:
            check_stated(file)
        self._keys = read_header(file).tensors if file is not None else {}

    def step(self, load: Callable[[], M]) -> M:
        """Load one part, and say so."""
        self._progress(PHASE, self._done, self._PARTS)
        part = load()
        self._done += 1
        self._progress(PHASE, self._done, self._PARTS)
        return part

    def part(self, name: str, kind: type[Any], dtype: torch.dtype, *, gguf: bool = False) -> Any:
        """Load one component, from the single file where that has it, else from a folder."""
        checkpoint = self._checkpoint
        if gguf:
            config = self._home(name) / name
            return self.step(lambda: read_gguf(checkpoint.path, config, dtype))
        if component_keys(self._keys, name):
            return self.step(
                lambda: read_component(checkpoint.path, name, kind, self._config(name), dtype)
            )
        folder = self._home(name) / name
        return self.step(lambda: _pretrained(kind, folder, {"torch_dtype": dtype}))

    def vocoder_kind(self) -> type[Any]:
        """2.3 has a second stage that widens the band; a folder may have either."""
        one_stage: type[Any] = LTX2Vocoder
        two_stages: type[Any] = LTX2VocoderWithBWE
        if component_keys(self._keys, "vocoder"):
            return two_stages
        kind = config_of(self._home("vocoder") / "vocoder").get("_class_name")
        return one_stage if kind == one_stage.__name__ else two_stages

    def _home(self, name: str) -> Path:
        checkpoint = self._checkpoint
        own = checkpoint.path if checkpoint.form is Form.FOLDER else None
        if own is not None and ((own / name).is_dir() or checkpoint.base is None):
            return own
        return checkpoint.base or checkpoint.path

    def _config(self, name: str) -> Any:
        base = self._checkpoint.base
        if base is not None and (base / name).is_dir():
            return config_of(base / name)
        return LTX_2_3[name]


def _check_nothing_added(checkpoint: Checkpoint) -> None:
    """A file that was put beside the pinned ones could be loaded in place of one of them."""
    found = inspect(
        checkpoint.path,
        variant=checkpoint.variant,
        base=checkpoint.base,
        upsampler=checkpoint.upsampler,
        text_encoder=checkpoint.text_encoder,
    )
    pinned = {file.name for file in checkpoint.files}
    added = next((path for name, path in found.files if name not in pinned), None)
    if added is not None:
        raise InvalidInputError(
            f"{added} was not there when {checkpoint.name} was installed, and would be loaded with it. Remove it, or "
            "`ltxbridge models remove` and `models add` the checkpoint as what it is now.",
            metadata={"path": str(added), "checkpoint": checkpoint.name},
        )


def _text_home(checkpoint: Checkpoint) -> Path:
    if checkpoint.text_encoder is not None:
        return checkpoint.text_encoder
    homes = (checkpoint.path, checkpoint.base or checkpoint.path)
    return next((home for home in homes if (home / TEXT_ENCODER).is_dir()), homes[0])


def _tokenizer(checkpoint: Checkpoint) -> Any:
    folder = text_folder(_text_home(checkpoint), TOKENIZER)
    return _read(folder, lambda: AutoTokenizer.from_pretrained(folder, **_OWN_CODE_ONLY))


def load_processor(checkpoint: Checkpoint) -> Any:
    """Gemma 3's processor of pictures and text; None where the checkpoint has none.

    Raises:
        InvalidInputError: Its files are not those of Gemma 3.
    """
    folder = text_folder(_text_home(checkpoint), PROCESSOR)
    if not any(
        (folder / name).is_file() for name in ("processor_config.json", "preprocessor_config.json")
    ):
        return None
    return _read(folder, lambda: Gemma3Processor.from_pretrained(folder, **_OWN_CODE_ONLY))


def _upsampler(checkpoint: Checkpoint, dtype: torch.dtype) -> LTX2LatentUpsamplerModel | None:
    path = checkpoint.upsampler
    if path is None:
        return None
    if not path.is_dir():
        return read_upsampler(path, dtype)
    module: LTX2LatentUpsamplerModel = _pretrained(
        LTX2LatentUpsamplerModel, path, {"torch_dtype": dtype}
    )
    return module


def _pretrained(kind: type[Any], folder: Path, options: dict[str, Any]) -> Any:
    module, report = _read(
        folder,
        lambda: kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        ),
    )
    # The libraries only warn, and fill what is missing with random numbers.
    for problem in ("missing_keys", "mismatched_keys", "unexpected_keys", "error_msgs"):
        if report.get(problem):
            first = min(map(str, report[problem]))
            raise InvalidInputError(
                f"{folder} does not fit {kind.__name__} of LTX-2.3: {problem.replace('_', ' ')}: {first} and "
                f"{len(report[problem]) - 1} more. Take the LTX-2.3 weights, and download them again where they are.",
                metadata={"path": str(folder), "key": first},
            )
    return module.eval().requires_grad_(requires_grad=False)


def _read(folder: Path, load: Callable[[], M]) -> M:
    with translated(folder):
        return load()
