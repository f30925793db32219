"""How much work a job is, in floating-point operations, and what share of a device's best it was done at. No torch.

Counted as everybody counts: a multiplication and an addition are two; norms, activations and rotations are not
counted. The formulas follow the layers; a test counts the real modules on meta tensors and compares.
"""

from __future__ import annotations

from sidecar.pipelines.ltx23.grid import LatentGrid
from sidecar.pipelines.ltx23.sizes import TEXT_TOKENS, TransformerSize

_LATENT_CHANNELS = 128
_TIME_CHANNELS = 256
_MODULATIONS = 9

_DECODE = (2_454_600, 1_887_000)
"""The full-size decoder: per pixel of every picture, and once more per pixel of the first."""
_ENCODE = (2_378_600, 1_934_500)
"""The full-size encoder likewise."""
_UPSAMPLE_PER_LATENT = 2_375_811_072
"""The full-size latent upsampler, per latent of its input."""


def forward_flops(size: TransformerSize, video_tokens: int, audio_tokens: int) -> int:
    """Work of one forward of the transformer; the passes that guidance compares count alike.

    Timesteps count once: the loop embeds one for each noise there is, however many tokens have it.

    Args:
        size: The transformer.
        video_tokens: N, those that condition included.
        audio_tokens: A.
    """
    block = _linear(size, video_tokens, audio_tokens, TEXT_TOKENS)
    block += _attention(size, video_tokens, audio_tokens, TEXT_TOKENS)
    outer = 0
    for width, tokens in ((size.width, video_tokens), (size.audio_width, audio_tokens)):
        outer += 2 * tokens * 2 * _LATENT_CHANNELS * width  # in and out
        outer += 2 * (_TIME_CHANNELS * width + (1 + _MODULATIONS) * width**2)
    return size.blocks * block + outer


def _linear(size: TransformerSize, video: int, audio: int, text: int) -> int:
    """The matrices of one block."""
    wide, narrow = size.width, size.audio_width
    # Self-attention has four matrices, text attention two for the tokens and two for the text, the feed-forward
    # eight; sound attends in the audio width, so that four matrices lie between the widths.
    per_video = 14 * wide**2 + 4 * wide * narrow
    per_audio = 18 * narrow**2
    per_text = 2 * wide**2 + 2 * narrow**2
    gates = (
        video * wide * (2 * size.heads + size.audio_heads) + audio * narrow * 3 * size.audio_heads
    )
    return 2 * (video * per_video + audio * per_audio + text * per_text + gates)


def _attention(size: TransformerSize, video: int, audio: int, text: int) -> int:
    """Scores and their use in one block: 4 x queries x keys x width."""
    wide = size.width * video * (video + text)
    narrow = size.audio_width * (audio * (audio + text) + 2 * video * audio)
    return 4 * (wide + narrow)


def decode_flops(grid: LatentGrid) -> int:
    """Work of decoding a canvas whole with the full-size VAE; tiles do what they share twice."""
    return _coding(grid, *_DECODE)


def encode_flops(grid: LatentGrid) -> int:
    """Work of encoding a canvas whole with the full-size VAE."""
    return _coding(grid, *_ENCODE)


def _coding(grid: LatentGrid, per_pixel: int, first: int) -> int:
    raster = grid.raster
    return raster.width_px * raster.height_px * (grid.frame_count * per_pixel + first)


def upsample_flops(grid: LatentGrid) -> int:
    """Work of the full-size upsampler on a canvas of this, the smaller, grid."""
    return _UPSAMPLE_PER_LATENT * grid.tokens


def utilisation(flops: float, seconds: float, rate: float | None) -> float | None:
    """Share of a device's best that was reached (MFU).

    Args:
        flops: Work done.
        seconds: In which it was done.
        rate: What `devices.matmul_rate` measured; None where nothing was.

    Returns:
        0 to about 1, None where there is nothing to compare with.
    """
    return None if rate is None or seconds <= 0 else flops / seconds / rate
