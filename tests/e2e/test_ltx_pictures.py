"""Where an LTX take may differ from its source, through a real sidecar: in what was asked for, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.delivered import Delivered, read_delivered
from support.ltx_cases import Studio
from support.numbered import read_number

from interchange.model.directive import Aspect, Box
from interchange.model.request import (
    Codec,
    GenerationRequest,
    OutputSpec,
    ReframeSpec,
    RestyleSpec,
    RetakeSpec,
)

LARGE = (256, 160)
BOX = Box(24, 48, 88, 64)
SLICE = (128, 16)
"""ProRes codes pictures in slices of so many pixels: one with new pixels is coded more coarsely, the others as ever."""
COARSER = 8
"""What that is at most: code values of 4096."""


def taken(studio: Studio, request: GenerationRequest) -> Delivered:
    return read_delivered(studio.take(request))


def sources_own(studio: Studio, request: GenerationRequest) -> Delivered:
    """The same frames of the source, coded as the take is."""
    return taken(studio, replace(request, engine="identity", shot=f"{request.shot}_copy"))


def fine(studio: Studio, request: GenerationRequest) -> GenerationRequest:
    """The same in the codec that loses least."""
    return replace(request, output=OutputSpec(str(studio.folder / "takes"), Codec.PRORES_4444))


def write_matte(path: Path, box: Box, size: tuple[int, int]) -> Path:
    """A still, white in a box."""
    picture = np.zeros((size[1], size[0]), np.uint8)
    picture[box.y : box.y + box.height, box.x : box.x + box.width] = 255
    Image.fromarray(picture).save(path)
    return path


@pytest.mark.parametrize("how", ["box", "matte", "restyle in a box", "restyle in a matte"])
def test_pixels_outside_a_box_or_matte_are_the_sources_own(studio: Studio, how: str) -> None:
    span = studio.shot(size=LARGE).span()
    matte = str(write_matte(studio.folder / "media" / "matte.png", BOX, LARGE))
    spec = {
        "box": RetakeSpec(span, box=BOX),
        "matte": RetakeSpec(span, matte=matte),
        "restyle in a box": RestyleSpec(span, box=BOX),
        "restyle in a matte": RestyleSpec(span, matte=matte),
    }[how]
    request = fine(studio, studio.request(spec, (20, 29), size=LARGE))
    take, own = taken(studio, request), sources_own(studio, request)
    (left, top), (right, bottom) = (BOX.x, BOX.y), (BOX.x + BOX.width, BOX.y + BOX.height)
    for made, kept in zip((take.luma, *take.chroma), (own.luma, *own.chroma), strict=True):
        away = np.abs(made.astype(int) - kept.astype(int))
        assert away[:, top + 4 : bottom - 4, left + 4 : right - 4].mean(axis=(1, 2)).min() > 50
        away[:, top:bottom, left:right] = 0
        assert away.max() <= COARSER
        away[:, top:bottom, : SLICE[0]] = 0
        assert away.max() == 0


def test_reframe_keeps_the_sources_pixels_in_place_and_makes_what_is_around(studio: Studio) -> None:
    shot = studio.shot(size=LARGE)
    spec = ReframeSpec(shot.span(), Aspect(9, 16))
    request = fine(studio, studio.request(spec, (10, 22), size=(256, 456)))
    take, own = taken(studio, request), sources_own(studio, request)
    top, bottom = 148, 308
    away = np.abs(take.luma.astype(int) - own.luma.astype(int))
    assert away[:, top + SLICE[1] : bottom - SLICE[1]].max() == 0
    assert [read_number(picture[top:bottom], bit_depth=take.bits) for picture in take.luma] == [
        (1, number) for number in range(10, 22)
    ]
    for made in (slice(0, top), slice(bottom, None)):
        assert away[:, made].mean(axis=(1, 2)).min() > 50
