"""Sound to audio tokens and back, in time with the pictures to the sample."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx2_audio import AutoencoderKLLTX2Audio
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder, LTX2VocoderWithBWE
from numpy.typing import NDArray

from sidecar.pipelines.base import Sound
from sidecar.pipelines.ltx23.mel import MelFrontEnd
from sidecar.pipelines.ltx23.resample import resampled
from sidecar.pipelines.ltx23.sanity import check_numbers

_FADE_S = 0.005
"""In which a sound that ends too early goes to silence: long enough not to click, too short to hear."""


class AudioCodec:
    """The audio VAE and the vocoder as the jobs see them: sound on one side, normalised tokens on the other.

    Args:
        audio_vae: On `device`, in eval mode.
        vocoder: Likewise; it computes in whatever dtype it was loaded in.
        device: Where they compute.
        dtype: In which the VAE computes; tokens are float32 at this door.
    """

    def __init__(
        self,
        audio_vae: AutoencoderKLLTX2Audio,
        vocoder: LTX2Vocoder | LTX2VocoderWithBWE,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._vae = cast("Any", audio_vae)  # diffusers' modules are untyped
        self._vocoder = cast("Any", vocoder)
        self._device = device
        self._dtype = dtype
        config = self._vae.config
        self._sample_rate_hz = int(config.sample_rate)
        self._mel = MelFrontEnd(
            sample_rate_hz=self._sample_rate_hz,
            hop_samples=int(config.mel_hop_length),
            bins=int(config.mel_bins),
        )

    def encode(self, sound: Sound, length: int) -> torch.Tensor:
        """Sound to tokens; what is missing at its end is silence, what is too much is not heard.

        The first token covers one mel frame, each other one four: token l ends 40 ms * l after the start.

        Args:
            sound: Of any rate and any number of channels, at least one. One goes to both sides; of several the
                first two are left and right, and what is beyond is in the middle.
            length: Tokens wanted, L >= 1.

        Returns:
            float32 [1, L, Da], normalised, on the codec's device.
        """
        frame_count = int(self._vae.temporal_compression_ratio) * (length - 1) + 1
        waveform = resampled(
            _stereo(sound.samples),
            source_hz=sound.sample_rate_hz,
            wanted_hz=self._sample_rate_hz,
            count=self._mel.samples_for(frame_count),
        )
        mel = self._mel.log_mel(
            torch.from_numpy(np.ascontiguousarray(waveform.T)), frame_count=frame_count
        )
        packed = self._encoded(mel).transpose(1, 2).flatten(2, 3)
        mean, std = self._statistics()
        # not under inference_mode: others may change these tokens in place
        return (packed.clone() - mean) / std

    @torch.inference_mode()
    def _encoded(self, mel: torch.Tensor) -> torch.Tensor:
        """[1, 2, T, M] to raw latents, float32 [1, C, L, M / 4]."""
        seen = mel.to(self._device, self._dtype)
        encoded: torch.Tensor = self._vae.encode(seen).latent_dist.mode()
        return encoded.float()

    def decode(self, tokens: torch.Tensor, sample_count: int, sample_rate_hz: int) -> Sound:
        """Tokens to sound, exactly as long as the pictures.

        The model's sound is some milliseconds shorter than its pictures: the last sample is held and faded into
        silence. It is never stretched, which would move everything in it.

        Args:
            tokens: float32 [1, L, Da], normalised, on any device.
            sample_count: Samples wanted.
            sample_rate_hz: At this rate.

        Returns:
            Stereo, -1..1.

        Raises:
            InvalidInputError: The model made no numbers.
        """
        waveform = self._waveform(tokens)
        own_hz = int(self._vocoder.config.output_sampling_rate)
        made = min(len(waveform) * sample_rate_hz // own_hz, sample_count)
        samples = np.zeros((sample_count, waveform.shape[1]), dtype=np.float32)
        samples[:made] = resampled(waveform, source_hz=own_hz, wanted_hz=sample_rate_hz, count=made)
        fade = samples[made : made + round(_FADE_S * sample_rate_hz)]
        if made and len(fade):
            falling = np.cos(np.linspace(0.0, np.pi, len(fade) + 1)[1:]) * 0.5 + 0.5
            fade[:] = samples[made - 1] * falling[:, None]
        return Sound(np.clip(np.nan_to_num(samples), -1.0, 1.0), sample_rate_hz)

    @torch.inference_mode()
    def _waveform(self, tokens: torch.Tensor) -> NDArray[np.float32]:
        """What the vocoder makes of tokens, [S, 2] at its own rate."""
        mean, std = self._statistics()
        bins = int(self._vae.config.mel_bins) // int(self._vae.mel_compression_ratio)
        raw = tokens.to(self._device, torch.float32) * std + mean
        latents = raw.reshape(*raw.shape[:2], -1, bins).transpose(1, 2)
        mel = self._vae.decode(latents.to(self._dtype), return_dict=False)[0]
        waveform: torch.Tensor = self._vocoder(mel.to(self._vocoder.dtype))[0].float()
        check_numbers(waveform, "sound")
        samples: NDArray[np.float32] = waveform.T.contiguous().cpu().numpy()
        return samples

    def _statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of the tokens the model was trained on, each [Da]."""
        mean, std = (
            value.to(self._device, torch.float32)
            for value in (self._vae.latents_mean, self._vae.latents_std)
        )
        return mean, std


def _stereo(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """[S, C] as [S, 2]."""
    channels = samples.shape[1]
    if channels <= 2:
        return np.broadcast_to(samples, (len(samples), 2))
    middle = samples[:, 2:].sum(axis=1, keepdims=True)
    mixed: NDArray[np.float32] = (samples[:, :2] + middle) / np.float32(channels - 1)
    return mixed
