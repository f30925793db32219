"""What a mark names beside its shot travels to another machine too: stills, sounds, mattes, neighbouring shots."""

import wave
from xml.etree import ElementTree as ET

import cv2
import numpy as np
from support.cutting_room import write_edit
from support.far_sidecar import far_sidecar, process_remotely

from interchange.timebase import FrameRate
from sidecar.credentials.verify import verify_file

RATE = FrameRate(25, 1)
RATE_HZ = 48_000


def write_inputs(folder):
    cv2.imwrite(str(folder / "matte.png"), np.full((108, 192), 255, np.uint8))
    cv2.imwrite(str(folder / "still.png"), np.full((108, 192, 3), 128, np.uint8))
    with wave.open(str(folder / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.arange(RATE_HZ, dtype="<i2").tobytes())


def test_every_file_that_a_mark_names_is_sent_once_and_used(short_dir):
    near = short_dir / "near"
    edit = write_edit(near, rate=RATE, engine="identity")
    write_inputs(near)
    text = edit.path.read_text(encoding="utf-8")
    for old, more in (
        ("wider&quot; seed=7", f" context=sequence matte={near}/matte.png"),
        ("storm&quot;", f" image={near}/still.png audio_file={near}/voice.wav"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, old + more)
    edit.path.write_text(text, encoding="utf-8")

    with far_sidecar(short_dir / "far") as (endpoint, _process):
        delivery, jobs = process_remotely(edit, endpoint, near)
        assert delivery.complete, delivery.report.requests
        sent = len(list((short_dir / "far/state/uploads").iterdir()))
    assert sent == len(edit.originals) + 3
    by_kind = {job.request.kind.value: job for job in jobs}

    retake = by_kind["retake"].request
    assert retake.references
    assert all(path.startswith(str((short_dir / "far").resolve())) for path in retake.files_read)
    takes = {path.name: path for path in (near / "out/takes").glob("*.mov")}
    named = verify_file(takes[by_kind["retake"].take.path.rsplit("/", 1)[1]]).ingredients
    assert [i.relationship for i in named] == ["parentOf", *["inputTo"] * (len(named) - 1)]
    assert len(named) == 1 + len(retake.references) + 1

    # The generated take brings its sound, and the timeline plays it.
    generated = by_kind["generate"].take
    assert (generated.audio_channels, generated.audio_sample_rate_hz) == (1, RATE_HZ)
    (document,) = (near / "out").glob("*.fcpxml")
    tree = ET.parse(document)  # noqa: S314 - our own
    (asset,) = [a for a in tree.iter("asset") if a.get("hasAudio") == "1"]
    clips = [c for c in tree.iter("asset-clip") if c.get("ref") == asset.get("id")]
    assert {c.get("srcEnable", "all") for c in clips} >= {"audio"}
