"""Every parser of ours that sees bytes from outside, as a function that may only refuse.

A target reads what it is given and returns, or raises a `BridgeError`; whatever else leaves it is a finding.
`python -m fuzz.run` drives them with atheris for as long as one likes; the tests drive them with their seeds and
a few mutations. `test_fuzz_seeds.py` knows which parsers and RPCs there must be a target for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from fuzz import seeds
from fuzz.model_targets import model_targets
from fuzz.rpc_targets import rpc_targets
from fuzz.stored_targets import stored_targets
from google.protobuf.message import DecodeError
from support.placements import place

from interchange.directive import parse_directive
from interchange.errors import BridgeError
from interchange.formats.fcpxml import apply_takes, read_fcpxml
from interchange.formats.fcpxml.times import parse_time
from interchange.formats.xml_splice import Splice, apply_splices
from interchange.model.job import Job
from interchange.model.request import GenerationRequest
from interchange.timebase import FrameRate, TimeRange, parse_timecode
from interchange.verify import verify_delivery
from ltxbridge import wire
from ltxbridge.v1 import engine_service_pb2, generation_service_pb2
from sidecar import serialise
from sidecar.credentials.bmff import inspect_container, read_manifest_file
from sidecar.credentials.report import report_from_store
from sidecar.credentials.untrusted import mapping
from sidecar.credentials.verify import verify_file
from sidecar.instance import discovery_path, read_discovery
from sidecar.media.audio import count_samples, read_sound
from sidecar.media.paths import PathMapping, PathPolicy
from sidecar.media.probe import probe_media
from sidecar.media.stills import read_picture, read_still
from sidecar.media.timecode_track import timecode_rate
from sidecar.settings import load_settings
from sidecar.worker.messages import read_from_worker, read_to_worker

Parse = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """A parser under fuzzing.

    Args:
        parse: Reads what it is given; only a `BridgeError` may leave it.
        seeds: What fuzzing starts from.
        decodes: Whether it hands the bytes to a decoder in C, which is some hundred times slower.
    """

    parse: Parse
    seeds: tuple[bytes, ...]
    decodes: bool = False

    def run(self, data: bytes) -> None:
        """Parse; a refusal is as good as an answer."""
        with suppress(BridgeError):
            self.parse(data)


def all_targets(folder: Path) -> Mapping[str, Target]:
    """Every target by its name.

    Args:
        folder: For files that a parser wants to open; its own and empty.
    """
    return {
        **_documents(),
        **_texts(folder),
        **_wire(),
        **_files(folder),
        **stored_targets(Target, folder),
        **model_targets(Target, folder),
        **rpc_targets(Target, folder),
    }


def _documents() -> dict[str, Target]:
    return {
        "fcpxml-read": Target(read_fcpxml, seeds.documents()),
        "fcpxml-apply": Target(_apply, seeds.documents()),
        "fcpxml-gate": Target(_gate, seeds.documents()),
    }


def _apply(raw: bytes) -> None:
    """Put a take on every mark of whatever is a timeline, and let the gate judge it."""
    placements = [
        place(segment, TimeRange(start, start + 4, segment.sequence.frame_rate))
        for segment in read_fcpxml(raw).segments[:3]
        for start in (segment.mark_range.start,)
    ]
    if placements:
        patch = apply_takes(raw, placements)
        verify_delivery(
            raw, patch.data, placements, splices=patch.splices, lane_changes=patch.lane_changes
        )


def _gate(data: bytes) -> None:
    """Hand the gate a patch that somebody else wrote."""
    raw = seeds.documents()[0]
    segment = read_fcpxml(raw).segments[0]
    placement = place(segment, TimeRange(30, 38, segment.sequence.frame_rate))
    patch = apply_takes(raw, [placement])
    at = int.from_bytes(data[:2], "big") % len(raw)
    splices = (Splice(at, at, data[2:]), *patch.splices[1:])
    ordered = tuple(sorted(splices, key=lambda splice: splice.start))
    verify_delivery(raw, apply_splices(raw, ordered), [placement], splices=ordered)


def _texts(folder: Path) -> dict[str, Target]:
    policy = PathPolicy((folder,), (PathMapping.parse("/Volumes/SAN=" + str(folder)),))
    paths = (b"file:///Volumes/SAN/a%20b.mov", b"C:\\media\\a.mov", b"//server/share/a", b"../../x")
    rate = FrameRate(30000, 1001)
    return {
        "directive": Target(lambda data: parse_directive(_text(data)), seeds.DIRECTIVES),
        "timecode": Target(
            lambda data: parse_timecode(_text(data), rate), (b"01:00:00;00", b"10:00:00:00")
        ),
        "fcpxml-time": Target(lambda data: parse_time(_text(data)), (b"1001/24000s", b"3600s")),
        "path": Target(lambda data: policy.source(_text(data)), paths),
        "output-folder": Target(lambda data: policy.output_directory(_text(data)), paths),
        "path-mapping": Target(lambda data: PathMapping.parse(_text(data)), (b"/a=/b", b"Z:=/z")),
        "settings": Target(
            _file_target(folder / "config.toml", _settings),
            (
                b'engine = "identity"\nlisten = "127.0.0.1:0"\npath_maps = ["/a=/b"]\nslate = false\n',
            ),
        ),
        "discovery": Target(
            _file_target(discovery_path(folder), lambda path: read_discovery(path.parent)),
            (b'{"address":"unix:/x","pid":1,"version":"0","temporary":false,"media_roots":[]}',),
        ),
    }


def _settings(path: Path) -> object:
    return load_settings(config_file=path, environment={"HOME": str(path.parent)})


def _wire() -> dict[str, Target]:
    lines = seeds.worker_lines()
    return {
        "stored-job": Target(lambda data: serialise.load(Job, _text(data)), seeds.jsons()),
        "stored-request": Target(
            lambda data: serialise.load(GenerationRequest, _text(data)), seeds.jsons()
        ),
        "worker-line": Target(read_from_worker, lines),
        "server-line": Target(read_to_worker, lines),
        "answer-job": Target(
            _message(generation_service_pb2.Job, wire.job_from_proto), seeds.requests()
        ),
        "answer-engine": Target(
            _message(engine_service_pb2.Engine, wire.engine_from_proto), seeds.requests()
        ),
        "manifest-report": Target(_manifest_report, seeds.manifests()),
    }


def _files(folder: Path) -> dict[str, Target]:
    movies = (*seeds.movies(folder), *seeds.sounds())
    identity = seeds.identity(folder / "identity")

    def file_target(name: str, read: Callable[[Path], object]) -> Target:
        return Target(_file_target(folder / name, read), movies, decodes=True)

    return {
        "media-probe": file_target("probe.mov", probe_media),
        "media-picture": file_target("picture.mov", lambda path: read_picture(path, 1)),
        "media-sound": file_target(
            "sound.mov", lambda path: read_sound(path, start=Fraction(0), duration=Fraction(1, 4))
        ),
        "media-samples": file_target("samples.wav", count_samples),
        "media-still": file_target("still.png", read_still),
        "media-timecode": file_target("timecode.mov", timecode_rate),
        "bmff-boxes": file_target("boxes.mov", inspect_container),
        "manifest-file": file_target("take.c2pa", read_manifest_file),
        "credentials": file_target(
            "take.mov", lambda path: verify_file(path, identity_folder=identity)
        ),
    }


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _message(kind: type, read: Callable[..., object]) -> Parse:
    def parse(data: bytes) -> None:
        try:
            message = kind.FromString(data)
        except DecodeError:  # gRPC itself refuses it
            return
        read(message)

    return parse


def _manifest_report(data: bytes) -> None:
    try:
        store = json.loads(data)
    except (ValueError, RecursionError):  # the C2PA library never gives us such
        return
    report_from_store(mapping(store), path="/x.mov", found="embedded")


def _file_target(path: Path, read: Callable[[Path], object]) -> Parse:
    def parse(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    return parse
