"""Sound at another rate, of exactly the length asked for: a windowed sinc, one phase per output position."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

_ZERO_CROSSINGS = 48
"""Of the sinc on each side: the transition is 7 % of the band wide."""
_KAISER_BETA = 9.0
"""Side lobes at -90 dB."""
_ROLLOFF = 0.96
"""Cut-off over the lower of the two Nyquist frequencies."""
_BLOCK = 16_384
"""Output samples at a time: bounds memory whatever the length."""


def resampled(
    samples: NDArray[np.float32], *, source_hz: int, wanted_hz: int, count: int
) -> NDArray[np.float32]:
    """Change the rate; time 0 stays at time 0.

    Args:
        samples: float32 [S, C]; silence before and after.
        source_hz: Its rate, above 0.
        wanted_hz: The rate wanted, above 0.
        count: Samples wanted; past the end there is silence.

    Returns:
        float32 [count, C].
    """
    if source_hz == wanted_hz:
        kept = samples[:count]
        return np.concatenate((kept, _silence(count - len(kept), samples)))
    divisor = gcd(source_hz, wanted_hz)
    up, down = wanted_hz // divisor, source_hz // divisor
    cutoff = _ROLLOFF * min(1.0, up / down)
    reach = int(np.ceil(_ZERO_CROSSINGS / cutoff))
    taps = 2 * reach
    table = _phases(up, reach, cutoff)

    positions = np.arange(count, dtype=np.int64) * down
    first, phase = positions // up, positions % up  # in source samples, and in `up`ths of one
    made = np.empty((count, samples.shape[1]), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        block = slice(start, min(start + _BLOCK, count))
        begin = int(first[start]) - reach + 1
        seen = _stretch(samples, begin, int(first[block.stop - 1]) + reach + 1)
        windows = np.lib.stride_tricks.sliding_window_view(seen, taps, axis=0)
        chosen = windows[first[block] - int(first[start])]  # [block, C, taps]
        made[block] = np.einsum("nct,nt->nc", chosen, table[phase[block]])
    return made


def _phases(up: int, reach: int, cutoff: float) -> NDArray[np.float32]:
    """The low-pass for each position between two source samples, [up, taps]; each row sums to 1."""
    offsets = np.arange(-reach + 1, reach + 1)[None, :] - (np.arange(up) / up)[:, None]
    inside = np.clip(1.0 - (offsets / reach) ** 2, 0.0, 1.0)
    window = np.i0(_KAISER_BETA * np.sqrt(inside)) / np.i0(_KAISER_BETA)
    taps = np.sinc(offsets * cutoff) * window
    table: NDArray[np.float32] = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    return table


def _stretch(samples: NDArray[np.float32], start: int, end: int) -> NDArray[np.float32]:
    """Samples [start, end) with silence where there are none."""
    inside = samples[max(start, 0) : max(end, 0)]
    before = _silence(min(end, 0) - start if start < 0 else 0, samples)
    after = _silence(end - start - len(before) - len(inside), samples)
    return np.concatenate((before, inside, after))


def _silence(count: int, like: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.zeros((count, like.shape[1]), dtype=np.float32)
