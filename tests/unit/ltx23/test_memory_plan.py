"""Which card gets which tier, what fits it, and what an editor is told where nothing does. No torch."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interchange.errors import ExhaustedError, Reason
from interchange.model.media import Raster
from sidecar.pipelines.ltx23.grid import LatentGrid, audio_latents
from sidecar.pipelines.ltx23.memory import (
    RESERVED_BYTES,
    Phase,
    Work,
    fit,
    most_frames,
    predict_peak,
    tile_for,
)
from sidecar.pipelines.ltx23.tiers import GB, TIERS, Weights, choose_tier, lower_tier

CARDS = [tier for tier in TIERS.values() if tier.device == "cuda"]
SMALLEST_GB = {"64 GB": 64, "40 GB": 40, "24 GB": 24, "16 GB": 16, "12 GB": 12}
HD, SD, PORTRAIT = Raster(1920, 1088), Raster(768, 512), Raster(1088, 1920)


def _work(frames=121, raster=HD, **other):
    return Work(LatentGrid.of(frames, raster), audio_latents(frames, 24.0), **other)


grids = st.builds(LatentGrid, st.integers(1, 33), st.integers(1, 68), st.integers(1, 68))
works = st.builds(
    Work,
    grids,
    st.integers(0, 300),
    extra_tokens=st.integers(0, 40_000),
    conditioned=st.booleans(),
    upsampled=st.booleans(),
    lora_bytes=st.integers(0, 8 * GB),
)
tiers = st.sampled_from(list(TIERS.values()))


@pytest.mark.parametrize(
    ("gigabytes", "name"),
    [
        (141, "64 GB"),
        (80, "64 GB"),
        (64, "64 GB"),
        (48, "40 GB"),
        (40, "40 GB"),
        (32, "24 GB"),
        (24, "24 GB"),
        (16, "16 GB"),
        (12, "12 GB"),
        (8, "12 GB"),
    ],
)
def test_a_card_gets_its_tier(gigabytes, name):
    assert choose_tier("cuda", gigabytes * GB).name == name


def test_other_devices_get_theirs():
    assert choose_tier("mps", 0).device == "mps"
    assert choose_tier("cpu", 0).weights is Weights.COMPUTE


def test_every_tier_leads_down_to_a_last_one_of_its_device():
    for tier in TIERS.values():
        seen = [tier]
        while (lower := lower_tier(seen[-1])) is not None:
            assert lower.device == tier.device
            assert lower not in seen
            seen.append(lower)


@given(works, tiers, st.data())
def test_more_of_anything_never_takes_less(work, tier, data):
    grid = work.grid
    more = data.draw(
        st.sampled_from(
            [
                replace(work, grid=replace(grid, frames=grid.frames + 1)),
                replace(work, grid=replace(grid, height=grid.height + 1)),
                replace(work, grid=replace(grid, width=grid.width + 1)),
                replace(work, audio_tokens=work.audio_tokens + 1),
                replace(work, extra_tokens=work.extra_tokens + 1),
                replace(work, conditioned=True),
                replace(work, upsampled=True),
                replace(work, lora_bytes=work.lora_bytes + GB),
            ]
        )
    )
    for tile in (None, tier.tile):
        before = predict_peak(work, tier, tile=tile)
        after = predict_peak(more, tier, tile=tile)
        assert after.bytes >= before.bytes
        for phase, part in before.parts.items():
            assert after.parts[phase].total_bytes >= part.total_bytes


@given(works, st.sampled_from(CARDS))
def test_a_lower_tier_takes_no_more_while_it_denoises(work, tier):
    lower = lower_tier(tier)
    if lower is not None:
        parts = [predict_peak(work, each, tile=each.tile).parts for each in (tier, lower)]
        assert parts[1][Phase.DENOISE].total_bytes <= parts[0][Phase.DENOISE].total_bytes


@pytest.mark.parametrize("tier", CARDS, ids=lambda tier: tier.name)
@pytest.mark.parametrize(
    "raster", [SD, Raster(1280, 704), HD, PORTRAIT, Raster(2560, 1472)], ids=str
)
@pytest.mark.parametrize("conditioned", [False, True])
def test_the_longest_canvas_stays_inside_the_card_and_one_latent_more_does_not(
    tier, raster, conditioned
):
    cap = SMALLEST_GB[tier.name] * GB
    frames = most_frames(raster, tier, cap, conditioned=conditioned, at_most=1025)
    work = _work(frames, raster, conditioned=conditioned)
    chosen = fit(work, tier, cap)
    taken = predict_peak(work, chosen, tile=tile_for(chosen, cap))
    assert taken.bytes <= cap
    assert taken.allocated_bytes + RESERVED_BYTES == taken.bytes
    if frames < 1025:
        with pytest.raises(ExhaustedError):
            fit(_work(frames + 8, raster, conditioned=conditioned), tier, cap)


@pytest.mark.parametrize(
    ("gigabytes", "raster", "at_least"),
    [(12, SD, 257), (12, HD, 97), (16, HD, 161), (24, HD, 257), (40, HD, 257), (64, HD, 257)],
)
def test_every_card_makes_what_its_owner_expects_of_it(gigabytes, raster, at_least):
    """Kept frames on both sides, 24 frames a second: five seconds of HD from 16 GB up."""
    cap = gigabytes * GB
    assert most_frames(raster, choose_tier("cuda", cap), cap) >= at_least


@pytest.mark.parametrize("gigabytes", [24, 32, 40, 48, 64, 80, 141])
def test_a_short_clip_needs_no_step_down_where_the_card_holds_the_weights(gigabytes):
    cap = gigabytes * GB
    tier = choose_tier("cuda", cap)
    if gigabytes != 40:  # bfloat16 weights alone are 38 GB
        assert fit(_work(97, SD), tier, cap) is tier


def test_a_lora_that_does_not_fit_beside_the_weights_streams_them():
    """The published distilled LoRA weighs 7.6 GB; the dev weights need it in the second stage."""
    tier = choose_tier("cuda", 24 * GB)
    clip = _work(97, SD)
    assert fit(clip, tier, 24 * GB) is tier
    assert fit(replace(clip, lora_bytes=7_600_000_000), tier, 24 * GB).streamed
    assert fit(replace(clip, lora_bytes=7_600_000_000), tier, 32 * GB) is tier
    frames = [most_frames(HD, tier, 32 * GB, lora_bytes=weight, at_most=1025) for weight in (0, GB)]
    assert frames[1] <= frames[0]


def test_without_a_limit_everything_fits_and_nothing_is_cut():
    tier = choose_tier("cpu", 0)
    assert fit(_work(1025, HD), tier, 0) is tier
    assert tile_for(tier, 0) is None


def test_a_larger_card_cuts_the_picture_less():
    areas = []
    for gigabytes in (24, 32, 48, 80, 141):
        tile = tile_for(choose_tier("cuda", gigabytes * GB), gigabytes * GB)
        areas.append(tile.width_px * tile.height_px)
    assert areas == sorted(areas)
    assert areas[-1] >= HD.width_px * HD.height_px


def test_what_does_not_fit_is_refused_with_numbers_and_what_would():
    tier = choose_tier("cuda", 12 * GB)
    with pytest.raises(ExhaustedError) as refused:
        fit(_work(257, HD), tier, 12 * GB, delivered_frames=240)
    error = refused.value
    assert error.reason is Reason.MEMORY_FULL
    assert "257 pictures of 1920x1088 need about" in error.message
    assert "this card has 12 GB" in error.message
    fitting = int(error.metadata["frames_that_fit"])
    assert f"len={240 - (257 - fitting)} or quality=draft would fit" in error.message
    assert int(error.metadata["needed_bytes"]) > 12 * GB
    fit(_work(fitting, HD), tier, 12 * GB)


def test_what_fits_in_no_way_is_said_to():
    with pytest.raises(ExhaustedError, match="Not even a draft"):
        fit(_work(257, HD), choose_tier("cuda", 2 * GB), 2 * GB, delivered_frames=200)
    assert most_frames(HD, choose_tier("cuda", 2 * GB), 2 * GB) == 0


def test_planning_memory_loads_no_torch():
    code = (
        "import sys, sidecar.pipelines.ltx23.memory, sidecar.pipelines.ltx23.flops;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
