"""Sound to tokens and back, on the tiny model: as diffusers has them, and in time."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from diffusers import LTX2Pipeline
from numpy.typing import NDArray

from sidecar.pipelines.base import Sound
from sidecar.pipelines.ltx23.components import Components
from sidecar.pipelines.ltx23.mel import MelFrontEnd
from sidecar.pipelines.ltx23.sound import AudioCodec

_CPU = torch.device("cpu")
_TOKEN_S = 0.04


@pytest.fixture(scope="module")
def parts(tiny_components: Components) -> Components:
    """Of one's own, with statistics that are not 0 and 1."""
    own = copy.copy(tiny_components)
    vae = copy.deepcopy(tiny_components.audio_vae)
    generator = torch.Generator().manual_seed(5)
    vae.latents_mean.normal_(generator=generator)
    vae.latents_std.uniform_(0.5, 1.5, generator=generator)
    object.__setattr__(own, "audio_vae", vae)
    return own


@pytest.fixture(scope="module")
def codec(parts: Components) -> AudioCodec:
    return AudioCodec(parts.audio_vae, parts.vocoder, device=_CPU, dtype=torch.float32)


def _noise(seconds: float, rate_hz: int = 48_000, channels: int = 2) -> Sound:
    samples = np.random.default_rng(7).normal(size=(round(seconds * rate_hz), channels)) * 0.1
    return Sound(samples.astype(np.float32), rate_hz)


def _mel_by_hand(waveform: NDArray[np.float64], frame_count: int, bins: int) -> NDArray[np.float64]:
    """The definition, in numpy alone: Hann window, real FFT, Slaney's scale and area norm."""
    padded = np.pad(waveform, 512, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    frames = np.stack([padded[160 * t : 160 * t + 1024] * window for t in range(frame_count)])
    magnitude = np.abs(np.fft.rfft(frames))

    def hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    highest = 15 + 27 * np.log(8000 / 1000) / np.log(6.4)
    edges = hertz(np.linspace(0, highest, bins + 2))
    frequencies = np.arange(513) * 16_000 / 1024
    bank = np.zeros((513, bins))
    for band in range(bins):
        low, centre, high = edges[band : band + 3]
        rising = (frequencies - low) / (centre - low)
        falling = (high - frequencies) / (high - centre)
        bank[:, band] = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return np.log(np.maximum(magnitude @ bank, 1e-5))


def test_silence_is_the_quiet_that_the_vae_was_trained_on() -> None:
    front_end = MelFrontEnd(sample_rate_hz=16_000, hop_samples=160, bins=64)
    silence = torch.zeros(2, front_end.samples_for(9))
    mel = front_end.log_mel(silence, frame_count=9)
    assert mel.shape == (1, 2, 9, 64)
    assert torch.equal(mel, torch.full_like(mel, 1e-5).log())


def test_the_mel_spectrogram_is_the_one_of_the_definition() -> None:
    time = np.arange(8_000) / 16_000
    waveform = 0.5 * np.sin(2 * np.pi * 440 * time) + 0.2 * np.sin(2 * np.pi * 3_000 * time**2)
    waveform += np.random.default_rng(3).normal(size=8_000) * 0.01
    front_end = MelFrontEnd(sample_rate_hz=16_000, hop_samples=160, bins=64)
    mel = front_end.log_mel(torch.from_numpy(waveform.astype(np.float32))[None], frame_count=45)
    assert mel.shape == (1, 1, 45, 64)
    assert np.abs(mel[0, 0].numpy() - _mel_by_hand(waveform, 45, 64)).max() < 1e-4


def test_tokens_are_those_of_diffusers(codec: AudioCodec, parts: Components) -> None:
    """Packed and normalised by the pipeline's own helpers."""
    sound = _noise(1.2, rate_hz=16_000)
    tokens = codec.encode(sound, 26)
    front_end = MelFrontEnd(sample_rate_hz=16_000, hop_samples=160, bins=16)
    waveform = torch.from_numpy(sound.samples.T.copy())
    mel = front_end.log_mel(waveform, frame_count=4 * 25 + 1)
    vae = parts.audio_vae
    with torch.no_grad():
        latents = vae.encode(mel).latent_dist.mode()
    expected = LTX2Pipeline._normalize_audio_latents(
        LTX2Pipeline._pack_audio_latents(latents), vae.latents_mean, vae.latents_std
    )
    assert tokens.shape == expected.shape
    assert (tokens - expected).abs().max() <= 1e-6
    assert not tokens.is_inference()


def test_sound_is_that_of_diffusers(codec: AudioCodec, parts: Components) -> None:
    tokens = torch.randn(1, 10, 16, generator=torch.Generator().manual_seed(1))
    vae = parts.audio_vae
    raw = LTX2Pipeline._denormalize_audio_latents(tokens, vae.latents_mean, vae.latents_std)
    latents = LTX2Pipeline._unpack_audio_latents(raw, 10, num_mel_bins=4)
    with torch.no_grad():
        expected = parts.vocoder(vae.decode(latents, return_dict=False)[0])[0].T.numpy()
    assert len(expected) == 37 * 480
    sound = codec.decode(tokens, len(expected), 48_000)
    assert sound.sample_rate_hz == 48_000
    assert np.abs(sound.samples - expected).max() <= 1e-6


@pytest.mark.parametrize("length", [1, 2, 18, 126])
@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.9, 6.0])
def test_there_are_as_many_tokens_as_asked_for(
    codec: AudioCodec, length: int, seconds: float
) -> None:
    tokens = codec.encode(_noise(seconds), length)
    assert tokens.shape == (1, length, 16)
    assert tokens.dtype == torch.float32
    assert torch.isfinite(tokens).all()


@pytest.mark.parametrize("sample_rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("frame_count", [17, 25, 121])
def test_sound_is_exactly_as_long_as_the_pictures(
    codec: AudioCodec, frame_count: int, sample_rate_hz: int
) -> None:
    length = round(frame_count / 24 * 25)
    sample_count = -(-frame_count * sample_rate_hz // 24)
    tokens = torch.randn(1, length, 16, generator=torch.Generator().manual_seed(2))
    sound = codec.decode(tokens, sample_count, sample_rate_hz)
    assert sound.samples.shape == (sample_count, 2)
    assert sound.samples.dtype == np.float32
    assert np.abs(sound.samples).max() <= 1.0


def test_a_short_end_goes_to_silence_without_a_click(parts: Components) -> None:
    """The tiny vocoder is nearly silent: its output is given an offset so that a click would show."""
    vocoder = copy.deepcopy(parts.vocoder)
    with torch.no_grad():
        vocoder.bwe_generator.conv_out.bias = torch.nn.Parameter(torch.tensor([0.5, -0.25]))
    loud = AudioCodec(parts.audio_vae, vocoder, device=_CPU, dtype=torch.float32)
    tokens = torch.zeros(1, 10, 16)
    made = 37 * 480
    kept = loud.decode(tokens, made, 48_000).samples
    longer = loud.decode(tokens, made + 2_000, 48_000).samples
    assert np.abs(kept).max() > 0.2
    assert np.array_equal(longer[:made], kept)
    assert not longer[made + 240 :].any()
    steps = np.abs(np.diff(longer[made - 1 :], axis=0))
    assert steps.max() < 0.02 * np.abs(kept[-1]).max()


def _changed_tokens(codec: AudioCodec, sound: Sound, other: Sound, length: int) -> list[int]:
    difference = (codec.encode(sound, length) - codec.encode(other, length)).abs()
    return torch.nonzero(difference[0].amax(dim=1) > 1e-4).flatten().tolist()


@pytest.mark.parametrize("sample_rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("click_s", [0.2, 0.5, 0.83])
def test_a_click_changes_the_tokens_of_its_time(
    codec: AudioCodec, click_s: float, sample_rate_hz: int
) -> None:
    """The encoder looks back only: nothing before the window that sees the click may change."""
    quiet = _noise(2.0, sample_rate_hz, channels=1)
    clicked = quiet.samples.copy()
    clicked[round(click_s * sample_rate_hz)] += 0.9
    changed = _changed_tokens(codec, quiet, Sound(clicked, sample_rate_hz), 50)
    covering = int(np.ceil(click_s / _TOKEN_S - 0.25 + 1e-9))  # token l ends at 40 l + 5 ms
    window = 0.032 / _TOKEN_S
    assert covering in changed
    assert covering - 1 - window <= min(changed) <= covering


def test_mono_goes_to_both_sides(codec: AudioCodec) -> None:
    mono = _noise(1.0, channels=1)
    stereo = Sound(np.repeat(mono.samples, 2, axis=1), mono.sample_rate_hz)
    assert torch.equal(codec.encode(mono, 20), codec.encode(stereo, 20))


def test_further_channels_are_heard_in_the_middle(codec: AudioCodec) -> None:
    surround = np.zeros((48_000, 6), dtype=np.float32)
    surround[:, 2] = _noise(1.0, channels=1).samples[:, 0]  # a voice in the centre of 5.1
    middle = Sound(np.repeat(surround[:, 2:3] / np.float32(5), 2, axis=1), 48_000)
    tokens = codec.encode(Sound(surround, 48_000), 20)
    assert torch.allclose(tokens, codec.encode(middle, 20), atol=1e-5)
    silent = Sound(np.zeros((48_000, 2), dtype=np.float32), 48_000)
    assert not torch.allclose(tokens, codec.encode(silent, 20), atol=1e-2)
