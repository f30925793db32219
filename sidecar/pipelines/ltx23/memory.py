"""What a job takes of the graphics card's memory, and which way of placing the model fits which card. No torch.

Weights are counted (`sizes`). Working memory was counted too: the real architecture run on meta tensors with
every allocation followed (a test does it again and compares). What cannot be counted without a GPU - workspaces
of convolutions, fragments, the driver's own share - is in three named margins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from interchange.errors import ExhaustedError, Reason
from interchange.model.media import Raster
from sidecar.pipelines.ltx23.grid import LatentGrid, audio_latents
from sidecar.pipelines.ltx23.limits import TEMPORAL_FRAMES
from sidecar.pipelines.ltx23.sizes import FULL_SIZE, TEXT_TOKENS, ModelSize
from sidecar.pipelines.ltx23.tiers import GB, Tier, Weights, lower_tier
from sidecar.pipelines.ltx23.tiles import TileSize

RESERVED_BYTES: Final = GB
"""CUDA context, library workspaces and a desktop; not ours to plan with."""
FRAGMENTS: Final = 1.08
"""Working memory that lies between allocations and is of no use, as a factor."""
CONVOLUTION_WORKSPACE: Final = 1.15
"""What cuDNN takes beside inputs and outputs of a convolution, as a factor."""

STEP_VALUES_PER_WIDTH: Final = 18.5
"""Values alive at the worst point of a forward, per video token and channel, where all tokens share a timestep.

The point is the feed-forward layer: two tensors of four widths, the normed input, two residual streams and the
rotary tables in float32.
"""
KEPT_STEP_VALUES_PER_WIDTH: Final = 28.6
"""The same where some tokens are kept: nine modulations a token, spread from the few there are (`stand_ins`)."""
AUDIO_STEP_VALUES_PER_WIDTH: Final = 32.0
"""Per audio token and audio channel; the larger of both cases."""
TEXT_STEP_VALUES_PER_WIDTH: Final = 2.0
"""Per text token and video channel."""
DECODE_VALUES_PER_PIXEL: Final = 37.5
"""Values alive while the VAE decodes, per pixel of a picture."""
ENCODE_VALUES_PER_PIXEL: Final = 44.5
"""Values alive while the VAE encodes, per pixel of a picture."""
UPSAMPLE_VALUES_PER_LATENT: Final = 16_500
"""Values alive in the latent upsampler, per latent of its input."""
SOUND_BYTES_PER_TOKEN: Final = 2_700_000
"""Audio VAE and vocoder, float32, per audio token."""
TEXT_FEATURE_COPIES: Final = 4.6
"""Copies of all of Gemma's hidden states at once: stacked, normed, scaled for either modality."""

_TILES_BEFORE_THE_TIERS_OWN: Final = (
    TileSize(1920, 1920, 257, overlap_px=128),
    TileSize(1920, 1920, 129, overlap_px=128),
    TileSize(1408, 1408, 129, overlap_px=128),
    TileSize(1088, 1088, 129, overlap_px=128),
)
"""Tried in this order where a card has more than its tier asks for; 129 frames hold five seconds at 24."""


class Phase(StrEnum):
    """The parts of a job that never overlap."""

    TEXT = "text"
    ENCODE = "encode"
    DENOISE = "denoise"
    UPSAMPLE = "upsample"
    DECODE = "decode"
    SOUND = "sound"


@dataclass(frozen=True, slots=True)
class Work:
    """What decides a job's memory.

    Args:
        grid: Of the largest canvas, in latents; that of the final size where there are two stages.
        audio_tokens: Beside it.
        extra_tokens: Video tokens that condition and are not delivered: keyframes, references.
        conditioned: Some tokens are kept, so that not all have the same timestep.
        upsampled: The canvas comes from one of half its height and width.
        lora_bytes: LoRAs that work at the same time, as their files have them.
    """

    grid: LatentGrid
    audio_tokens: int
    extra_tokens: int = 0
    conditioned: bool = True
    upsampled: bool = True
    lora_bytes: int = 0

    @property
    def video_tokens(self) -> int:
        """All the transformer sees."""
        return self.grid.tokens + self.extra_tokens


_USUAL_LARGEST: Final = Work(LatentGrid.of(257, Raster(1920, 1088)), 268)
"""What tiles are chosen for: ten seconds of HD."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one phase takes of the card.

    Args:
        weights_bytes: Weights on it.
        working_bytes: All else, fragments included.
    """

    weights_bytes: int
    working_bytes: int

    @property
    def total_bytes(self) -> int:
        """Both."""
        return self.weights_bytes + self.working_bytes


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a job will take of the card.

    Args:
        parts: By phase, the reserve not included.
    """

    parts: Mapping[Phase, Part]

    @property
    def worst(self) -> Phase:
        """The phase that takes most."""
        return max(self.parts, key=lambda phase: self.parts[phase].total_bytes)

    @property
    def allocated_bytes(self) -> int:
        """Most that is allocated at once; what `torch.cuda.max_memory_reserved` should stay below."""
        return self.parts[self.worst].total_bytes

    @property
    def bytes(self) -> int:
        """Most that is taken at once, with the reserve for the driver and the desktop."""
        return self.allocated_bytes + RESERVED_BYTES


def predict_peak(
    work: Work, tier: Tier, *, tile: TileSize | None, size: ModelSize = FULL_SIZE
) -> Prediction:
    """Predict what a job takes of the card in each phase.

    Args:
        work: The job.
        tier: How the model is placed.
        tile: The most the VAE sees at once; None for all.
        size: The model.
    """
    kept = _kept_bytes(tier, size)
    vae = size.vae * tier.compute_bytes
    beside = 0 if tier.all_resident else vae  # it stays on the card with the transformer
    sound = 0 if tier.all_resident else size.sound * 4
    upsampler = 0 if tier.all_resident else size.upsampler * tier.compute_bytes
    # Beside a streamed transformer LoRAs lie in the machine's memory too, and come layer by layer.
    denoising = _transformer_bytes(tier, size) if tier.streamed else work.lora_bytes
    decoded = _tile_pixels(work.grid, tile)
    per_value = tier.compute_bytes * CONVOLUTION_WORKSPACE
    parts = {
        Phase.TEXT: _text(tier, size),
        Phase.ENCODE: _part(kept + beside, decoded * ENCODE_VALUES_PER_PIXEL * per_value),
        Phase.DENOISE: _part(kept + beside + denoising, _step_bytes(work, tier, size)),
        Phase.DECODE: _part(
            kept + beside,
            decoded * DECODE_VALUES_PER_PIXEL * per_value + _picture_bytes(work.grid, tile),
        ),
        Phase.SOUND: _part(kept + beside + sound, work.audio_tokens * SOUND_BYTES_PER_TOKEN),
    }
    if work.upsampled:
        parts[Phase.UPSAMPLE] = _part(
            kept + beside + upsampler,
            work.grid.tokens / 4 * UPSAMPLE_VALUES_PER_LATENT * per_value,
        )
    return Prediction(MappingProxyType(parts))


def tile_for(tier: Tier, device_bytes: int, *, size: ModelSize = FULL_SIZE) -> TileSize | None:
    """How much the VAE may see at once on a device: the largest tile that leaves room for all else.

    It decides what pictures look like where tiles meet, so it follows from the device and the tier alone.

    Args:
        tier: How the model is placed.
        device_bytes: Memory we may take; 0 for as much as is needed.
        size: The model.

    Returns:
        The tile, None for whole canvases of any size.
    """
    if not device_bytes:
        return None
    for tile in _TILES_BEFORE_THE_TIERS_OWN:
        parts = predict_peak(_USUAL_LARGEST, tier, tile=tile, size=size).parts
        most = max(parts[Phase.ENCODE].total_bytes, parts[Phase.DECODE].total_bytes)
        if most + RESERVED_BYTES <= device_bytes:
            return tile
    return tier.tile


def _part(weights: int, working: float) -> Part:
    return Part(weights, round(working * FRAGMENTS))


def _kept_bytes(tier: Tier, size: ModelSize) -> int:
    """Weights that are on the card in every phase but the prompt's."""
    if tier.streamed:
        return 0
    kept = _transformer_bytes(tier, size)
    if tier.all_resident:
        others = size.connectors + size.vae + size.upsampler
        kept += others * tier.compute_bytes + size.sound * 4
    return kept


def _transformer_bytes(tier: Tier, size: ModelSize) -> int:
    """The transformer's weights on the card while it works."""
    transformer = size.transformer
    stored = tier.weights.bytes_for(tier.compute_bytes)
    held = transformer.parameters
    if tier.streamed:  # the block at work, the one that comes next, and what is no block
        held = transformer.outer_parameters + 2 * transformer.block_parameters
    # The matrix at work is cast; the largest is the feed-forward's.
    cast = 4 * transformer.width**2 * tier.compute_bytes if tier.weights is Weights.FP8 else 0
    return held * stored + cast


def _step_bytes(work: Work, tier: Tier, size: ModelSize) -> float:
    transformer = size.transformer
    per_width = KEPT_STEP_VALUES_PER_WIDTH if work.conditioned else STEP_VALUES_PER_WIDTH
    values = (
        work.video_tokens * transformer.width * per_width
        + work.audio_tokens * transformer.audio_width * AUDIO_STEP_VALUES_PER_WIDTH
        + TEXT_TOKENS * transformer.width * TEXT_STEP_VALUES_PER_WIDTH
    )
    return values * tier.compute_bytes


def _text(tier: Tier, size: ModelSize) -> Part:
    states = TEXT_TOKENS * size.text_width * size.text_states * tier.compute_bytes
    connectors = size.connectors * tier.compute_bytes
    gemma = size.text_leaf if tier.device == "cuda" else size.text_encoder
    kept = _kept_bytes(tier, size) if tier.all_resident else connectors
    first = _part(kept + gemma * tier.compute_bytes, 2 * states)
    second = _part(kept, TEXT_FEATURE_COPIES * states)
    return max(first, second, key=lambda part: part.total_bytes)


def _picture_bytes(grid: LatentGrid, tile: TileSize | None) -> int:
    """Decoded pictures on the card: those of two time spans, and what they share, float32."""
    raster = grid.raster
    frames = 0 if tile is None else 2 * min(grid.frame_count, tile.frames) + tile.overlap_frames
    return frames * raster.width_px * raster.height_px * 3 * 4


def _tile_pixels(grid: LatentGrid, tile: TileSize | None) -> int:
    frames, raster = grid.frame_count, grid.raster
    if tile is None:
        return frames * raster.width_px * raster.height_px
    width = min(raster.width_px, tile.width_px)
    height = min(raster.height_px, tile.height_px)
    return min(frames, tile.frames) * width * height


def fit(
    work: Work,
    tier: Tier,
    device_bytes: int,
    *,
    delivered_frames: int | None = None,
    size: ModelSize = FULL_SIZE,
) -> Tier:
    """Find the first tier, from one down, in which a job fits.

    Args:
        work: The job.
        tier: Where to start.
        device_bytes: Memory we may take; 0 for as much as is needed.
        delivered_frames: What `len` counts of the canvas, for the advice; None where it is not the editor's.
        size: The model.

    Raises:
        ExhaustedError: It fits in none (MEMORY_FULL); the message has the numbers and a plan that fits.
    """
    candidate: Tier | None = tier
    while candidate is not None:
        last = candidate
        if _fits(work, candidate, device_bytes, size):
            return candidate
        candidate = lower_tier(candidate)
    raise _too_large(work, last, device_bytes, delivered_frames, size)


def most_frames(
    raster: Raster,
    tier: Tier,
    device_bytes: int,
    *,
    frame_rate: float = 24.0,
    tokens_per_frame: float = 0.0,
    conditioned: bool = True,
    lora_bytes: int = 0,
    at_most: int = 257,
    size: ModelSize = FULL_SIZE,
) -> int:
    """The longest canvas of a raster that fits in a tier or one below it.

    Args:
        raster: Picture size, both sides a multiple of 32.
        tier: Where to start.
        device_bytes: Memory we may take; 0 for as much as is needed.
        frame_rate: Pictures a second.
        tokens_per_frame: Extra tokens a picture, of references as long as the canvas.
        conditioned: As in `Work`.
        lora_bytes: Likewise.
        at_most: Not more than this.
        size: The model.

    Returns:
        Pictures, 8 k + 1; 0 where not even one fits.
    """
    tiers = [tier]
    while (lower := lower_tier(tiers[-1])) is not None:
        tiers.append(lower)
    for frame_count in range(at_most - (at_most - 1) % TEMPORAL_FRAMES, 0, -TEMPORAL_FRAMES):
        work = Work(
            LatentGrid.of(frame_count, raster),
            audio_latents(frame_count, frame_rate),
            extra_tokens=round(frame_count * tokens_per_frame),
            conditioned=conditioned,
            lora_bytes=lora_bytes,
        )
        if any(_fits(work, candidate, device_bytes, size) for candidate in tiers):
            return frame_count
    return 0


def _fits(work: Work, tier: Tier, device_bytes: int, size: ModelSize) -> bool:
    if not device_bytes:
        return True
    tile = tile_for(tier, device_bytes, size=size)
    return predict_peak(work, tier, tile=tile, size=size).bytes <= device_bytes


def _too_large(
    work: Work, tier: Tier, device_bytes: int, delivered_frames: int | None, size: ModelSize
) -> ExhaustedError:
    needed = predict_peak(work, tier, tile=tier.tile, size=size).bytes
    grid = work.grid
    advice = []
    shorter = most_frames(
        grid.raster,
        tier,
        device_bytes,
        # A canvas of as many latents of sound as this one has, give or take one.
        frame_rate=25.0 * grid.frame_count / max(1, work.audio_tokens),
        tokens_per_frame=work.extra_tokens / grid.frame_count,
        conditioned=work.conditioned,
        lora_bytes=work.lora_bytes,
        at_most=grid.frame_count,
        size=size,
    )
    if delivered_frames is not None and delivered_frames > grid.frame_count - shorter and shorter:
        advice.append(f"len={delivered_frames - (grid.frame_count - shorter)}")
    half = LatentGrid(grid.frames, -(-grid.height // 2), -(-grid.width // 2))
    draft = replace(work, grid=half, extra_tokens=-(-work.extra_tokens // 4), upsampled=False)
    if _fits(draft, tier, device_bytes, size):
        advice.append("quality=draft")
    would = f"{' or '.join(advice)} would fit." if advice else "Not even a draft of it would fit."
    raster = grid.raster
    return ExhaustedError(
        f"{grid.frame_count} pictures of {raster.width_px}x{raster.height_px} need about {_gb(needed)}, this "
        f"card has {_gb(device_bytes)} for them: {would}",
        reason=Reason.MEMORY_FULL,
        metadata={
            "needed_bytes": str(needed),
            "device_bytes": str(device_bytes),
            "frames_that_fit": str(shorter),
        },
    )


def _gb(count: int) -> str:
    return f"{count / GB:.0f} GB"
