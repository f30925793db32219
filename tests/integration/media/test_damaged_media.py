"""Broken media end in a typed error that names the file, never in a wrong picture, a crash or a hang."""

import random

import cv2
import numpy as np
import pytest
from support.numbered import read_number, write_numbered_movie

from interchange.errors import (
    BridgeError,
    InvalidInputError,
    NotFoundError,
    Reason,
    UnsupportedError,
)
from interchange.timebase import FrameRate
from sidecar.media.audio import read_sound
from sidecar.media.decode import FrameReader
from sidecar.media.probe import probe_media


@pytest.fixture(scope="module")
def healthy_movies(tmp_path_factory):
    """Healthy files: (H.264 with its index in front, ProRes with its index at the end)."""
    folder = tmp_path_factory.mktemp("healthy")
    front = write_numbered_movie(
        folder / "front.mp4",
        rate=FrameRate(25),
        count=60,
        size=(192, 108),
        options={"preset": "medium"},
    )
    import av

    moved = folder / "faststart.mp4"
    with (
        av.open(str(front)) as source,
        av.open(str(moved), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    back = write_numbered_movie(
        folder / "back.mov", rate=FrameRate(25), count=12, size=(192, 108), codec="prores"
    )
    return moved, back


def read_all(path):
    with FrameReader(path) as reader:
        return [
            read_number(reader.frame(n).planes[0], bit_depth=reader.frame(n).bit_depth)[1]
            for n in range(reader.frame_count)
        ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.MEDIA_DAMAGED),
        (b"Dear diary, this is not a movie.\n" * 50, Reason.MEDIA_DAMAGED),
        (bytes(range(256)) * 64, Reason.MEDIA_DAMAGED),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", Reason.MEDIA_UNSUPPORTED),
    ],
)
def test_no_movie_at_all_is_refused(tmp_path, content, reason):
    path = tmp_path / "clip.mov"
    path.write_bytes(content)
    with pytest.raises((InvalidInputError, UnsupportedError), match=r"clip\.mov") as caught:
        probe_media(path)
    assert caught.value.reason is reason


def test_a_playlist_named_mov_opens_nothing(tmp_path):
    target = write_numbered_movie(
        tmp_path / "target.ts", rate=FrameRate(25), count=5, size=(96, 54)
    )
    path = tmp_path / "clip.mov"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n")
    with pytest.raises((InvalidInputError, UnsupportedError)):
        probe_media(path)


def test_a_still_is_no_movie(tmp_path):
    path = tmp_path / "still.mov"
    path.write_bytes(cv2.imencode(".png", np.zeros((32, 32, 3), np.uint8))[1].tobytes())
    with pytest.raises(UnsupportedError) as caught:
        probe_media(path)
    assert caught.value.reason is Reason.MEDIA_UNSUPPORTED


def test_missing_and_folder_are_told_apart(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        probe_media(tmp_path / "gone.mov")
    assert caught.value.reason is Reason.MEDIA_NOT_FOUND
    with pytest.raises(UnsupportedError):
        probe_media(tmp_path)


def test_index_at_the_end_cut_off_is_damaged(tmp_path, healthy_movies):
    path = tmp_path / "cut.mov"
    path.write_bytes(healthy_movies[1].read_bytes()[:-400])
    with pytest.raises(InvalidInputError) as caught:
        probe_media(path)
    assert caught.value.reason is Reason.MEDIA_DAMAGED


@pytest.mark.parametrize("share", [0.5, 0.8, 0.99])
def test_index_in_front_of_a_file_cut_short_is_damaged(tmp_path, healthy_movies, share):
    """The index promises 60 pictures: a probe that believed it would plan frames that are not there."""
    whole = healthy_movies[0].read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InvalidInputError, match="cut short") as caught:
        probe_media(path)
    assert caught.value.reason is Reason.MEDIA_DAMAGED


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("which", [0, 1])
def test_flipped_bytes_end_in_a_typed_error_or_in_pictures(tmp_path, healthy_movies, which, seed):
    content = bytearray(healthy_movies[which].read_bytes())
    generator = random.Random(seed)
    for _ in range(12):
        content[generator.randrange(64, len(content))] ^= 0xFF
    path = tmp_path / f"flipped{healthy_movies[which].suffix}"
    path.write_bytes(content)
    try:
        probe_media(path)
        found = read_all(path)
        read_sound(path, start=0, duration=1)
    except BridgeError as error:
        assert str(path) in str(error)  # noqa: PT017 - either outcome is legal, the message is not free
    else:
        assert 0 < len(found) <= 60  # a flipped index may well describe a shorter movie


def test_a_corrupt_picture_is_refused_by_its_number(tmp_path, healthy_movies):
    """FFmpeg conceals damage and goes on; a concealed picture must never be taken for the original."""
    import av

    with av.open(str(healthy_movies[0])) as container:
        keys = [packet for packet in container.demux(video=0) if packet.is_keyframe and packet.size]
        position, size, wanted = keys[2].pos, keys[2].size, keys[2].pts
    content = bytearray(healthy_movies[0].read_bytes())
    for offset in range(position + size // 2, position + size):
        content[offset] ^= 0xA5
    path = tmp_path / "spoilt.mp4"
    path.write_bytes(content)
    with FrameReader(path) as reader:
        number = reader.index.pts.index(wanted)
        for spoilt in (number, number + 1):  # the next one refers to it
            with pytest.raises(InvalidInputError, match=f"frame {spoilt}") as caught:
                reader.frame(spoilt)
            assert caught.value.reason is Reason.MEDIA_DAMAGED
        assert read_number(reader.frame(0).planes[0], bit_depth=8)[1] == 0
