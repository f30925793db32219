"""Every kind of job through a real sidecar and LTX engine: exact in length, rate, timecode, size, and in what is kept.

Read back with plain PyAV. Kept frames are compared with those of `identity`, which copies, packet by packet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.delivered import read_delivered
from support.ltx_cases import NTSC, RATE, TALL, WIDE, Shot, Studio, start_of

from interchange.model.directive import Aspect, AudioPolicy, Box, Edge, StartFrom
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    JobSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.timebase import FrameRate
from sidecar.credentials.verify import verify_file

PROMPT = "she looks up"


@dataclass(frozen=True)
class Cut:
    """Two shots on a timeline, both with their frame 0 at its start.

    Args:
        first: The one that most jobs are about.
        second: Another.
    """

    first: Shot
    second: Shot

    @property
    def start(self) -> int:
        """Record frame of the timeline's start."""
        return start_of(self.first.rate)

    @property
    def span(self) -> SourceSpan:
        """All of the first shot."""
        return self.first.span(at=self.start)

    @property
    def bridge(self) -> BridgeSpec:
        """From its frame 40 to frame 5 of the second, with handles on both sides of the cut."""
        incoming = self.second.span(at=self.start + 35, first=2)
        return BridgeSpec(self.first.span(at=self.start, end=45), incoming, self.start + 41)

    @property
    def aspect(self) -> Aspect:
        """9:16 for a wide picture, 16:9 for a tall one."""
        return Aspect(9, 16) if self.first.size == WIDE else Aspect(16, 9)


def _turned(size: tuple[int, int]) -> tuple[int, int]:
    """The size of 9:16 around a wide picture, of 16:9 around a tall one, in even numbers."""
    width, height = size
    return (width, width * 16 // 18 * 2) if width > height else (height * 16 // 18 * 2, height)


@dataclass(frozen=True)
class Kind:
    """One way of asking.

    Args:
        spec: Of a cut.
        window: Frames covered, from the timeline's start.
        handles: Kept frames before and after.
        size: From the shots' size to that of the take.
        in_part: Pictures have pixels of the source beside new ones.
    """

    spec: Callable[[Cut], JobSpec]
    window: tuple[int, int]
    handles: tuple[int, int] = (0, 0)
    size: Callable[[tuple[int, int]], tuple[int, int]] = lambda size: size
    in_part: bool = False


BOX = Box(16, 16, 32, 32)
KINDS = {
    "retake": Kind(lambda cut: RetakeSpec(cut.span), (20, 30), (3, 5)),
    "retake of one frame": Kind(lambda cut: RetakeSpec(cut.span), (20, 21), (2, 2)),
    "retake at the head": Kind(lambda cut: RetakeSpec(cut.span), (0, 9), (0, 4)),
    "retake at the tail": Kind(lambda cut: RetakeSpec(cut.span), (48, 60), (4, 0)),
    "retake in a box": Kind(
        lambda cut: RetakeSpec(cut.span, box=BOX), (20, 30), (3, 5), in_part=True
    ),
    "regenerate": Kind(lambda cut: RegenerateSpec(cut.span), (10, 30)),
    "regenerate from text": Kind(
        lambda cut: RegenerateSpec(cut.span, start_from=StartFrom.TEXT), (10, 30)
    ),
    "regenerate from the clip": Kind(
        lambda cut: RegenerateSpec(cut.span, start_from=StartFrom.CLIP, strength=0.4), (10, 30)
    ),
    "bridge": Kind(lambda cut: cut.bridge, (36, 47)),
    "bridge with handles": Kind(lambda cut: cut.bridge, (36, 45), (2, 3)),
    "extend the tail": Kind(lambda cut: ExtendSpec(cut.span), (60, 72)),
    "extend the head": Kind(lambda cut: ExtendSpec(cut.span, edge=Edge.HEAD), (-10, 0)),
    "generate": Kind(lambda _cut: GenerateSpec(), (0, 17)),
    "restyle": Kind(lambda cut: RestyleSpec(cut.span), (10, 30)),
    "restyle in a box": Kind(lambda cut: RestyleSpec(cut.span, box=BOX), (10, 30), in_part=True),
    "reframe": Kind(
        lambda cut: ReframeSpec(cut.span, cut.aspect), (10, 30), size=_turned, in_part=True
    ),
}
_MIXED = {"compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"}
LOOKS = [pytest.param(RATE, WIDE, id="23.976"), pytest.param(NTSC, TALL, id="29.97DF-portrait")]


def _label(frame: int, rate: FrameRate) -> str:
    """Timecode of a frame counted from an hour, less than a minute away from it."""
    whole = frame + 3600 * rate.nominal
    seconds, frames = divmod(whole, rate.nominal)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{clock}{';' if rate == NTSC else ':'}{frames:02}"


@pytest.mark.parametrize(("rate", "size"), LOOKS)
@pytest.mark.parametrize("name", KINDS)
def test_take_is_exact_and_keeps_what_it_was_told_to_keep(
    studio: Studio, name: str, rate: FrameRate, size: tuple[int, int]
) -> None:
    kind = KINDS[name]
    cut = Cut(*(studio.shot(rate=rate, size=size, tag=tag) for tag in (1, 2)))
    request = studio.request(
        kind.spec(cut), kind.window, rate=rate, size=kind.size(size),
        handles=kind.handles, prompt=PROMPT,
    )  # fmt: skip
    job = studio.made(request)
    copied = read_delivered(studio.take(replace(request, engine="identity", shot="copy")))
    take = read_delivered(Path(job.take.path))

    head, tail = kind.handles
    length = kind.window[1] - kind.window[0]
    assert take.rate == rate.fraction
    assert take.count == head + length + tail
    assert take.size == kind.size(size)
    assert take.timecode == _label(kind.window[0] - head, rate)
    for kept in (*range(head), *range(head + length, take.count)):
        assert take.packets[kept] == copied.packets[kept]
    made = slice(head, head + length)
    away = np.abs(take.values[made] - copied.values[made]).mean(axis=(1, 2))
    assert away.min() > 0.02, "every frame that is asked for is made"

    stated = verify_file(Path(job.take.path), identity_folder=studio.state)
    generation = stated.generation
    assert stated.signed_here
    assert generation.kind == request.kind
    assert generation.model_identity == studio.engine().model_identity
    assert generation.model_identity.startswith("sha256:")
    assert (generation.seed, generation.frame_count) == (request.seed, take.count)
    assert generation.prompt_sha256 == hashlib.sha256(PROMPT.encode()).hexdigest()
    assert [(run.first_frame, run.end_frame, run.in_part) for run in stated.synthetic_runs] == [
        (head, head + length, kind.in_part)
    ]
    kept = head or tail or kind.in_part
    assert set(stated.source_types) <= (_MIXED if kept else {"trainedAlgorithmicMedia"})
    assert stated.source_types


def test_take_longer_than_the_model_sees_at_once_is_made_in_parts(studio: Studio) -> None:
    shot = studio.shot(rate=FrameRate(24), count=300)
    start = start_of(shot.rate)
    request = studio.request(
        RetakeSpec(shot.span(at=start)), (10, 290), rate=shot.rate, handles=(2, 2)
    )
    job = studio.made(request)
    take = read_delivered(Path(job.take.path))
    assert take.count == 284
    assert take.numbers[:2] + take.numbers[-2:] == [(1, 8), (1, 9), (1, 290), (1, 291)]
    assert any("in 2 parts" in note for note in job.take.notes)


def test_same_request_gives_the_same_coded_frames_and_another_seed_gives_others(
    studio: Studio,
) -> None:
    spec = RetakeSpec(studio.shot(sound=True).span(), audio=AudioPolicy.NEW)
    request = studio.request(spec, (20, 33), handles=(3, 3))
    one, again, other = (
        read_delivered(studio.take(replace(request, **changes)))
        for changes in _named(request.shot, {}, {}, {"seed": request.seed + 1})
    )
    assert one.packets == again.packets
    assert np.array_equal(one.sound, again.sound)
    assert all(
        first != second
        for first, second in zip(one.packets[3:-3], other.packets[3:-3], strict=True)
    )
    assert not np.array_equal(one.sound, other.sound)


def _named(shot: str, *changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The same request for shots of their own, so that the queue makes each."""
    return [change | {"shot": f"{shot}_{index}"} for index, change in enumerate(changes)]
