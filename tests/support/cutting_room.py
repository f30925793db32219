"""A small edit with every kind of mark, its media numbered in the pixels, and what each take must show.

Written by hand as text, without any of the product's own document code.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from support.numbered import write_numbered_movie

from interchange.timebase import FrameRate

TAG_A, TAG_B = 1, 2
MEDIA_FRAMES = 100
HANDLES = 12


@dataclass(frozen=True)
class Edit:
    """A timeline on disk.

    Args:
        path: The FCPXML.
        rate: Sequence and media rate.
        drop_frame: Timecode of the sequence.
        start: First record frame.
        originals: The media files.
    """

    path: Path
    rate: FrameRate
    drop_frame: bool
    start: int
    originals: tuple[Path, ...]

    def expected(self) -> dict[str, tuple[int, list[tuple[int, int]]]]:
        """For each verb: record in relative to the start, and (tag, number) of every covered frame."""
        chart = [(None, (self.start + 150 + n) & 0xFFFF) for n in range(12)]
        return {
            "retake": (10, [(TAG_A, 30 + n) for n in range(16)]),
            "bridge gap": (
                40,
                [(TAG_A, 60 + n) for n in range(5)] + [(TAG_B, 25 + n) for n in range(5)],
            ),
            "regenerate": (50, [(TAG_B, 30 + n) for n in range(40)]),
            "bridge cut": (
                127,
                [(TAG_A, 42 + n) for n in range(3)] + [(TAG_B, 10 + n) for n in range(4)],
            ),
            "extend": (170, [(TAG_B, 50 + n) for n in range(10)]),
            "generate": (150, chart),
        }


def write_edit(
    folder: Path,
    *,
    rate: FrameRate,
    drop_frame: bool = False,
    engine: str = "",
    size: tuple[int, int] = (192, 108),
) -> Edit:
    """Write media and timeline: clip, gap, clip, clip, clip; starts at 01:00:00:00."""
    folder.mkdir(parents=True, exist_ok=True)
    hour = 3600 * rate.nominal - (108 * rate.nominal // 30 if drop_frame else 0)
    label = "01:00:00" + (";" if drop_frame else ":") + "0" * (3 if rate.nominal > 100 else 2)
    movies = []
    for name, tag in (("A001", TAG_A), ("B002", TAG_B)):
        movie = folder / "media" / f"{name} plate.mov"
        movie.parent.mkdir(exist_ok=True)
        write_numbered_movie(
            movie,
            rate=rate,
            count=MEDIA_FRAMES,
            size=size,
            tag=tag,
            start_timecode=label,
            reel=name,
        )
        movies.append(movie)
    path = folder / f"cut {rate}.fcpxml".replace("/", "-")
    path.write_text(_document(rate, hour, drop_frame, movies, engine, size), encoding="utf-8")
    return Edit(path, rate, drop_frame, hour, tuple(movies))


def _document(
    rate: FrameRate,
    hour: int,
    drop_frame: bool,
    movies: list[Path],
    engine: str,
    size: tuple[int, int],
) -> str:
    def at(frames: int) -> str:
        seconds: Fraction = frames * rate.frame_duration
        return f"{seconds.numerator}/{seconds.denominator}s"

    choice = f" engine={engine}" if engine else ""
    form = "DF" if drop_frame else "NDF"

    def clip(ref: str, name: str, offset: int, source: int, length: int, inside: str = "") -> str:
        return (
            f'<asset-clip ref="{ref}" name="{name}" offset="{at(hour + offset)}" '
            f'start="{at(hour + source)}" duration="{at(length)}" tcFormat="{form}">{inside}</asset-clip>'
        )

    def marker(frame: int, value: str, note: str = "") -> str:
        noted = f' note="{note}"' if note else ""
        return f'<marker start="{at(hour + frame)}" duration="{at(1)}" value="{value}"{noted}/>'

    retake = marker(30, "LTX: retake len=16", f"prompt=&quot;wider&quot; seed=7{choice}")
    extend = marker(49, f"LTX: extend len=10{choice}")
    generate = marker(30, f"LTX: generate len=12{choice} prompt=&quot;storm&quot;")
    assets = "".join(
        f'<asset id="r{i}" name="{movie.stem}" start="{at(hour)}" duration="{at(MEDIA_FRAMES)}" '
        f'hasVideo="1" format="r1"><media-rep kind="original-media" src="{movie.as_uri()}"/></asset>'
        for i, movie in enumerate(movies, start=2)
    )
    spine = "\n".join(
        (
            clip("r2", "A001 one", 0, 20, 40, retake),
            f'<gap name="Gap" offset="{at(hour + 40)}" start="{at(hour)}" duration="{at(10)}">'
            + marker(3, f"LTX: bridge{choice}")
            + "</gap>",
            clip("r3", f"LTX: regenerate seed=3{choice}", 50, 30, 40),
            clip("r2", "A001 two", 90, 5, 40, marker(44, f"LTX: bridge len=7{choice}")),
            clip("r3", "B002 four", 130, 10, 40, generate + extend),
        )
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE fcpxml>

<fcpxml version="1.11">
    <resources>
        <format id="r1" frameDuration="{at(1)}" width="{size[0]}" height="{size[1]}" colorSpace="1-1-1 (Rec. 709)"/>
        {assets}
    </resources>
    <library><event name="e"><project name="cut">
        <sequence format="r1" duration="{at(170)}" tcStart="{at(hour)}" tcFormat="{form}">
            <spine>
{spine}
            </spine>
        </sequence>
    </project></event></library>
</fcpxml>
"""
