"""A checkpoint ready to work: components placed by a tier, a cache beside them, one prompt after another.

    with closing(open_runtime(checkpoint, tier=tier, device=device, folders=folders, progress=progress)) as runtime:
        prompt = runtime.prompt("a ship in a storm")
        latents = runtime.video.encode(pictures, checkpoint=checkpoint)
        with runtime.transformer() as transformer:
            ...

Everything that computes goes through here, because here it is known what has to be on the card for it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Final

import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from transformers import Gemma3ForConditionalGeneration

from interchange.errors import InternalError
from sidecar.filesystem import FileSystem
from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.base import EngineFolders, ProgressCallback
from sidecar.pipelines.ltx23 import upsample as upsampling
from sidecar.pipelines.ltx23.attention import (
    FORWARDS_WORTH_COMPILING,
    CompiledBlocks,
    Kernel,
    attending_with,
    best_kernel,
)
from sidecar.pipelines.ltx23.cache import TensorCache
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.devices import description, memory_bytes
from sidecar.pipelines.ltx23.kept import KeepingVideoCodec
from sidecar.pipelines.ltx23.loading import load_components, load_text_encoder
from sidecar.pipelines.ltx23.memory import Phase, tile_for
from sidecar.pipelines.ltx23.pictures import VideoCodec
from sidecar.pipelines.ltx23.placement import Placement, release
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.sanity import check_numbers
from sidecar.pipelines.ltx23.sound import AudioCodec
from sidecar.pipelines.ltx23.text import connected, prompt_key, text_features
from sidecar.pipelines.ltx23.tiers import TextHome, Tier, Weights
from sidecar.pipelines.ltx23.tiles import TileSize

_LOG = logging.getLogger(__name__)

_FOLDER: Final = "tensors"


class Runtime:
    """A model ready to work. Belongs to one thread; `close` it.

    Args:
        components: As loaded, on the CPU; the runtime's own from now on.
        tier: How to place them.
        device: What computes.
        cache: Of prompts, context latents and results.
        load_text: Loads Gemma 3; called where a prompt is new.
        tile: The most the video VAE sees at once, from `memory.tile_for`.
        kernel: Attention kernel; None for the best deterministic one.

    Attributes:
        tier: As given.
        device: As given.
        cache: As given.
    """

    def __init__(
        self,
        components: Components,
        *,
        tier: Tier,
        device: torch.device,
        cache: TensorCache,
        load_text: Callable[[], Gemma3ForConditionalGeneration],
        tile: TileSize | None = None,
        kernel: Kernel | None = None,
    ) -> None:
        self._components: Components | None = components
        self.tier = tier
        self.device = device
        self.cache = cache
        self._placement: Placement | None = Placement(components, tier, device)
        self._load_text = load_text
        self._text_encoder: Gemma3ForConditionalGeneration | None = None
        self._tile = tile
        self._kernel = best_kernel(device) if kernel is None else kernel
        self._compiled: CompiledBlocks | None = None

    @property
    def components(self) -> Components:
        """The parts.

        Raises:
            InternalError: It was closed.
        """
        if self._components is None:
            raise InternalError("A runtime was used after it was closed.")
        return self._components

    @property
    def identity(self) -> str:
        """Digest of the checkpoint."""
        return self.components.identity

    @property
    def dtype(self) -> torch.dtype:
        """Of computation."""
        return self.components.dtype

    @property
    def deterministic(self) -> bool:
        """Whether the same job gives the same pictures every time on this device."""
        return self._kernel is not Kernel.SAGE

    def computing(self, *, forwards: int) -> str:
        """What decides how the transformer's numbers are rounded.

        Args:
            forwards: As `transformer` takes it.
        """
        compiled = "compiled" if self._compiles(forwards) else "plain"
        device = description(self.device).name
        return f"{device}, {self.dtype}, {self.tier.weights}, {self._kernel}, {compiled}"

    @property
    def video(self) -> VideoCodec:
        """The video VAE, on the device until a new prompt is asked for; it encodes the same pictures once."""
        self._placed.enter(Phase.DECODE)
        vae = self.components.vae
        if self.device.type == "cuda" and self.tier.all_resident:
            # Such a card encodes pictures faster than a processor digests them.
            return VideoCodec(vae, device=self.device, dtype=self.dtype, tile=self._tile)
        return KeepingVideoCodec(
            vae,
            device=self.device,
            dtype=self.dtype,
            tile=self._tile,
            cache=self.cache,
            identity=self.identity,
        )

    @property
    def audio(self) -> AudioCodec:
        """The audio VAE and the vocoder, on the device until something else is asked for."""
        self._placed.enter(Phase.SOUND)
        parts = self.components
        return AudioCodec(
            parts.audio_vae, parts.vocoder, device=self.device, dtype=parts.audio_vae.dtype
        )

    @contextlib.contextmanager
    def transformer(self, *, forwards: int = 1) -> Iterator[LTX2VideoTransformer3DModel]:
        """The transformer, computing on the device inside, with the best attention kernel.

        Args:
            forwards: How often it will be called; many pay for compiling its blocks.
        """
        transformer = self.components.transformer
        self._placed.enter(Phase.DENOISE)
        with (
            attending_with(transformer, self._kernel),
            self._compiling(forwards),
        ):
            yield transformer

    def prompt(self, text: str) -> Prompt:
        """What the transformer attends to for a text; from the cache where it was seen before.

        Args:
            text: The words; may be empty, as a negative prompt is.

        Returns:
            On the runtime's device, in its dtype.
        """
        key = prompt_key(text, identity=self.identity, dtype=self.dtype, device=self.device)
        kept = self.cache.get(key)
        if kept is not None and kept.keys() == {"video", "audio"}:
            return Prompt(kept["video"], kept["audio"]).to(self.device, self.dtype)
        prompt = self._encoded(text)
        check_numbers(prompt.video, "embedding of the prompt")
        self.cache.put(key, {"video": prompt.video, "audio": prompt.audio})
        return prompt.to(self.device, self.dtype)

    def upsample(self, latents: torch.Tensor) -> torch.Tensor:
        """Twice the height and width.

        Args:
            latents: float32 [1, C, f, h, w], normalised.

        Returns:
            float32 [1, C, f, 2 h, 2 w], normalised, on the runtime's device.

        Raises:
            InternalError: The checkpoint has no upsampler; whoever chose two stages should have looked.
        """
        upsampler = self.components.latent_upsampler
        if upsampler is None:
            raise InternalError("This checkpoint has no latent upsampler.")
        self._placed.enter(Phase.UPSAMPLE)
        return upsampling.upsample(upsampler, self.components.vae, latents)

    def close(self) -> None:
        """Let go of all memory; nothing can be asked of it after."""
        self._components = self._placement = self._text_encoder = self._compiled = None
        release(self.device)

    @property
    def _placed(self) -> Placement:
        if self._placement is None:
            raise InternalError("A runtime was used after it was closed.")
        return self._placement

    def _compiles(self, forwards: int) -> bool:
        plain = self.tier.weights is Weights.COMPUTE and not self.tier.streamed
        return self.device.type == "cuda" and plain and forwards >= FORWARDS_WORTH_COMPILING

    @contextlib.contextmanager
    def _compiling(self, forwards: int) -> Iterator[None]:
        if not self._compiles(forwards):
            yield
            return
        if self._compiled is None:
            self._compiled = CompiledBlocks(self.components.transformer)
        with self._compiled.used():
            yield

    @torch.no_grad()
    def _encoded(self, text: str) -> Prompt:
        self._placed.enter(Phase.TEXT)
        if self._text_encoder is None:
            self._text_encoder = self._load_text()
            self._placed.lend(self._text_encoder.model.language_model)
        features, mask = text_features(
            self._text_encoder.model.language_model,
            self.components.tokenizer,
            text,
            device=self.device,
        )
        if self.tier.text is TextHome.RELEASED:
            self._text_encoder = None
            release(self.device)
        return connected(self.components.connectors, features, mask)


def open_runtime(
    checkpoint: Checkpoint,
    *,
    tier: Tier,
    device: torch.device,
    folders: EngineFolders,
    progress: ProgressCallback,
    filesystem: FileSystem | None = None,
) -> Runtime:
    """Load a checkpoint and place it.

    Args:
        checkpoint: What to load.
        tier: How to place it, of the device's kind or of `cpu`.
        device: What computes.
        folders: Where the cache is.
        progress: Told while it loads.
        filesystem: Writes the cache; None for the real one.
    """
    dtype = torch.float32 if tier.compute_bytes == 4 else torch.bfloat16
    components = load_components(checkpoint, dtype=dtype, progress=progress)
    cache = TensorCache(
        folders.cache / _FOLDER,
        limit_bytes=folders.resources.cache_bytes,
        filesystem=filesystem or FileSystem(),
    )
    return Runtime(
        components,
        tier=tier,
        device=device,
        cache=cache,
        load_text=lambda: load_text_encoder(checkpoint, dtype=dtype),
        tile=tile_for(tier, memory_bytes(device, most_bytes=folders.resources.gpu_memory_bytes)),
    )
