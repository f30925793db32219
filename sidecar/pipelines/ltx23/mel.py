"""The mel spectrogram that the audio VAE was trained on: torch's STFT and transformers' filter bank."""

from __future__ import annotations

import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank

FFT_SAMPLES = 1024
"""Of one window, at the VAE's rate."""
_QUIETEST = 1e-5


class MelFrontEnd:
    """Waveforms to log-mel spectrograms.

    Args:
        sample_rate_hz: Of the waveforms.
        hop_samples: Between the centres of two frames.
        bins: Mel bands M, slaney's scale and norm, up to half the sample rate.
    """

    def __init__(self, *, sample_rate_hz: int, hop_samples: int, bins: int) -> None:
        self._hop_samples = hop_samples
        self._window = torch.hann_window(FFT_SAMPLES)
        bank = mel_filter_bank(
            num_frequency_bins=FFT_SAMPLES // 2 + 1,
            num_mel_filters=bins,
            min_frequency=0.0,
            max_frequency=sample_rate_hz / 2,
            sampling_rate=sample_rate_hz,
            norm="slaney",
            mel_scale="slaney",
        )
        self._bank = torch.from_numpy(bank.astype(np.float32))

    def samples_for(self, frame_count: int) -> int:
        """Samples that so many frames look at; the half window before the first is mirrored."""
        return (frame_count - 1) * self._hop_samples + FFT_SAMPLES

    def log_mel(self, waveform: torch.Tensor, *, frame_count: int) -> torch.Tensor:
        """The magnitude spectrogram in mel bands, as natural logarithm.

        Args:
            waveform: float32 [C, S >= `samples_for(frame_count)`] on the CPU.
            frame_count: Frames wanted, T; frame t is centred on sample t * hop.

        Returns:
            float32 [1, C, T, M].
        """
        spectrum = torch.stft(
            waveform,
            FFT_SAMPLES,
            self._hop_samples,
            window=self._window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        magnitude = spectrum[..., :frame_count].abs().transpose(-1, -2)
        return torch.log(torch.clamp(magnitude @ self._bank, min=_QUIETEST))[None]
