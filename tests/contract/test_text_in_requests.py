"""Every text that a request can carry, found in the descriptors, and what a hostile one does: nothing.

A new field must be classified here, or the first test fails.
"""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from support.every_method import every_method
from support.model_examples import JOB_ID, example_request
from support.network_door import bearer
from support.numbered import write_numbered_movie

from interchange.model.directive import Aspect
from interchange.model.media import BT709, Raster
from interchange.model.request import (
    BridgeSpec,
    ExtendSpec,
    GenerateSpec,
    OutputSpec,
    ReframeSpec,
    RegenerateSpec,
    RestyleSpec,
    RetakeSpec,
    SourceSpan,
)
from interchange.timebase import FrameRate, TimeRange
from ltxbridge import wire
from ltxbridge.v1 import generation_service_pb2 as generation
from sidecar.launch import sidecar_for
from sidecar.settings import Settings

RATE = FrameRate(25)
SIZE = (384, 216)
OURS = {path: method for path, method in every_method() if path.startswith("/ltxbridge.")}

KINDS = {
    # paths: mapped, resolved and held against the roots
    "request.output.directory": "folder",
    "request.retake.source.path": "path",
    "request.retake.matte_path": "path",
    "request.regenerate.source.path": "path",
    "request.bridge.outgoing.path": "path",
    "request.bridge.incoming.path": "path",
    "request.extend.source.path": "path",
    "request.generate.image_path": "path",
    "request.generate.audio_path": "path",
    "request.restyle.source.path": "path",
    "request.restyle.matte_path": "path",
    "request.reframe.source.path": "path",
    "request.references.path": "path",
    # part of a file name that the sidecar makes
    "request.shot": "file name",
    "file_name": "last part of a path elsewhere",
    # names of the server's own making, or that it knows
    "name": "name",
    "request_id": "pattern",
    "sha256": "pattern",
    "page_token": "pattern",
    "request.engine": "name",
    # words: shown and stored, never a place
    "request.sequence_name": "words",
    "request.reel": "words",
    "request.prompt": "words",
    "request.negative_prompt": "words",
    "request.preset": "words",
    # content
    "chunk": "content",
}


@dataclass(frozen=True)
class TextField:
    """A field that holds text or bytes, by the path of its names."""

    method: str
    at: str


def _text_fields(message, at: str = "") -> Iterator[str]:
    for field in message.fields:
        where = f"{at}.{field.name}" if at else field.name
        if field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
            yield where
        elif field.message_type is not None:
            yield from _text_fields(field.message_type, where)


FIELDS = [
    TextField(path, at) for path, method in OURS.items() for at in _text_fields(method.input_type)
]


def test_every_text_field_of_every_request_is_classified():
    assert {field.at for field in FIELDS} == set(KINDS)


def _places(folder: Path) -> dict[str, str]:
    """Hostile texts for a folder that holds one movie; some need something on disk first."""
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.mov").write_bytes((folder / "A001.mov").read_bytes())
    (folder / "link.mov").symlink_to(outside / "secret.mov")
    (folder / "folder-link").symlink_to(outside)
    (folder / "loop.mov").symlink_to(folder / "loop.mov")
    (folder / "dangling.mov").symlink_to(outside / "nothing.mov")
    os.mkfifo(folder / "pipe.mov")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s.mov"))
    (folder / "device.mov").symlink_to("/dev/zero")
    return {
        "outside": str(outside / "secret.mov"),
        "dots": f"{folder}/../outside/secret.mov",
        "dots in a URL": f"file://{folder}/%2e%2e/outside/secret.mov",
        "dots that come back": f"{folder}/../{folder.name}/A001.mov",
        "link out": str(folder / "link.mov"),
        "folder link out": str(folder / "folder-link" / "secret.mov"),
        "loop": str(folder / "loop.mov"),
        "dangling": str(folder / "dangling.mov"),
        "pipe": str(folder / "pipe.mov"),
        "socket": str(folder / "s.mov"),
        "device by link": str(folder / "device.mov"),
        "device": "/dev/zero",
        "process memory": "/proc/self/mem",
        "password file": "/etc/passwd",
        "http": "http://127.0.0.1:9/x.mov",
        "https": "https://media.invalid/x.mov",
        "upper case": "HTTP://media.invalid/x.mov",
        "ftp": "ftp://media.invalid/x.mov",
        "concat": f"concat:{folder}/A001.mov|{folder}/A001.mov",
        "subfile": f"subfile,,start,0,end,9,,:{folder}/A001.mov",
        "data": "data:video/quicktime;base64,AAAA",
        "UNC": "\\\\server\\share\\x.mov",
        "UNC with slashes": "//server/share/x.mov",
        "UNC by URL": "file://server/share/x.mov",
        "drive": "C:\\media\\x.mov",
        "device name": "\\\\.\\pipe\\x",
        "relative": "A001.mov",
        "home": "~/A001.mov",
        "variable": "$HOME/A001.mov",
        "NUL": f"{folder}/A001.mov\0.txt",
        "NUL in a URL": f"file://{folder}/A001.mov%00.txt",
        "blank": " ",
        "too long": f"{folder}/" + "a" * 5000,
        "long name": f"{folder}/" + "a" * 300,
        "upload not there": f"uploads/{'0' * 32}",
        "upload with dots": "uploads/../../state/token",
        "spool with more": "spool/../token",
    }


# Places a take may go to, for all that they look odd: inside the roots, or made there.
HARMLESS_AS_FOLDER = {"dangling", "long name"}


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors") / "media"
    folder.mkdir()
    write_numbered_movie(folder / "A001.mov", rate=RATE, count=30, size=SIZE)
    return folder


@pytest.fixture(scope="module")
def hostile(media):
    return _places(media)


@pytest.fixture(scope="module")
def sidecar(media, tmp_path_factory):
    base = tmp_path_factory.mktemp("state")
    settings = Settings(base / "state", base / "run", log_level="error", drain_grace_s=1)
    with (
        sidecar_for(settings, extra_roots=[media]) as endpoint,
        grpc.insecure_channel(endpoint.address) as channel,
    ):
        yield channel, bearer(endpoint.token())


def _request(media: Path, at: str):
    """A request that is admitted as it stands, of the kind that has the field."""
    facts = (media / "A001.mov").stat()
    span = SourceSpan(
        path=str(media / "A001.mov"),
        media_rate=RATE,
        record_range=TimeRange(1000, 1030, RATE),
        first_frame=Fraction(0),
        step=Fraction(1),
        colour=BT709,
        size_bytes=facts.st_size,
        modified_ns=facts.st_mtime_ns,
    )
    specs = {
        "retake": RetakeSpec(source=span),
        "regenerate": RegenerateSpec(source=span),
        "bridge": BridgeSpec(outgoing=span, incoming=span, cut=1013),
        "extend": ExtendSpec(source=span),
        "generate": GenerateSpec(),
        "restyle": RestyleSpec(source=span),
        "reframe": ReframeSpec(source=span, aspect=Aspect(9, 16)),
    }
    request = example_request(
        frame_rate=RATE,
        record_range=TimeRange(1010, 1016, RATE),
        head_handle_frames=0,
        tail_handle_frames=0,
        raster=Raster(*SIZE),
        engine="animatic",
        spec=specs.get(at.split(".")[1], specs["retake"]),
        output=OutputSpec(directory=str(media / "takes")),
        references=(span,) if at.startswith("request.references") else (),
    )
    return generation.CreateJobRequest(request=wire.request_to_proto(request), validate_only=True)


def _set(message, at: str, value: object) -> None:
    *parents, last = at.split(".")
    for parent in parents:
        message = getattr(message, parent)
        if hasattr(message, "add"):  # a repeated field: its first
            message = message[0]
    setattr(message, last, value)


def _reason(sidecar, path: str, message) -> str:
    """Why a call is refused; empty where it is not."""
    channel, metadata = sidecar
    method = OURS[path]
    content = message.SerializeToString()
    kinds = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
    }
    stub = kinds[method.client_streaming, method.server_streaming](path)
    request = iter([content]) if method.client_streaming else content
    try:
        answer = stub(request, metadata=metadata, timeout=20)
        if method.server_streaming:
            next(answer)
            answer.cancel()
    except grpc.RpcError as error:
        refusal = error
    else:
        return ""
    status = rpc_status.from_call(refusal)
    assert status is not None, f"{refusal.code()}: {refusal.details()}"
    detail = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(detail)
    return detail.reason


PLACES = sorted(at for at, kind in KINDS.items() if kind in {"path", "folder"})
CREATE = "/ltxbridge.v1.GenerationService/CreateJob"
# The embedded engine takes no mattes, images, sounds and presets, and says so once the paths have been resolved.
ADMITTED = {"", "ENGINE_LIMIT"}
REFUSALS = {
    "PATH_OUTSIDE_ROOTS",
    "INVALID_ARGUMENT",
    "MEDIA_NOT_FOUND",
    "UPLOAD_NOT_FOUND",
    "NOT_PERMITTED",
}


@pytest.mark.parametrize("at", PLACES)
def test_request_is_admitted_with_a_place_that_is_ours(sidecar, media, at):
    """Guards the test below against requests that are refused for another reason."""
    message = _request(media, at)
    if KINDS[at] == "path":
        _set(message, at, str(media / "A001.mov"))
    assert _reason(sidecar, CREATE, message) in ADMITTED


@pytest.mark.parametrize("at", PLACES)
def test_hostile_place_is_refused(sidecar, media, hostile, at):
    admitted = {}
    for what, text in hostile.items():
        message = _request(media, at)
        _set(message, at, text)
        reason = _reason(sidecar, CREATE, message)
        if reason not in REFUSALS and not (KINDS[at] == "folder" and what in HARMLESS_AS_FOLDER):
            admitted[what] = reason
    assert admitted == {}


NAMES = [field for field in FIELDS if KINDS[field.at] in {"name", "pattern"}]
NOT_THERE = {"INVALID_ARGUMENT", "JOB_NOT_FOUND", "ENGINE_NOT_FOUND", "UPLOAD_NOT_FOUND"}


@pytest.mark.parametrize("field", NAMES, ids=[f"{field.method} {field.at}" for field in NAMES])
def test_name_that_is_a_place_is_refused(sidecar, media, hostile, field):
    texts = [
        *(text for text in hostile.values() if text.strip() and len(text) < 1000),
        f"jobs/{JOB_ID}/../../token",
        f"jobs/{JOB_ID.upper()}x",
        f"jobs/../{JOB_ID}",
        f"uploads/{'0' * 31}",
        f"uploads/{'0' * 32}\n",
        "engines/../animatic",
        "jobs/%2e%2e",
        "A" * 63,
        "A" * 64,
        f"{'0' * 64}\n",
    ]
    accepted = {}
    for text in texts:
        message = (
            _request(media, "request.retake")
            if field.method == CREATE
            else GetMessageClass(OURS[field.method].input_type)()
        )
        if field.at == "sha256":
            message.file_name, message.size_bytes = "x.mov", 1
        _set(message, field.at, text)
        reason = _reason(sidecar, field.method, message)
        if reason not in NOT_THERE:
            accepted[text] = reason
    assert accepted == {}


def test_shot_that_is_a_place_is_refused(sidecar, media, hostile):
    accepted = {}
    for what, text in hostile.items():
        message = _request(media, "request.shot")
        message.request.shot = text
        reason = _reason(sidecar, CREATE, message)
        if reason != "INVALID_ARGUMENT" and set(text) & set("/\\:\0"):
            accepted[what] = reason
    assert accepted == {}


def test_announced_file_name_never_becomes_a_place(sidecar, media, hostile):
    before = {path for path in media.parent.rglob("*") if not path.is_symlink()}
    create = GetMessageClass(OURS["/ltxbridge.v1.TransferService/CreateUpload"].input_type)
    for number, text in enumerate(hostile.values()):
        message = create(file_name=text, size_bytes=1, sha256=f"{number:064x}")
        reason = _reason(sidecar, "/ltxbridge.v1.TransferService/CreateUpload", message)
        if set(text) & set("/\\\0"):
            assert reason == "INVALID_ARGUMENT", text
    assert {path for path in media.parent.rglob("*") if not path.is_symlink()} == before


@pytest.mark.parametrize("at", [at for at, kind in KINDS.items() if kind == "words"])
def test_words_that_look_like_a_place_are_words(sidecar, media, hostile, at):
    for what in ("outside", "http", "pipe", "UNC", "dots"):
        message = _request(media, "request.retake")
        _set(message, at, hostile[what])
        assert _reason(sidecar, CREATE, message) in ADMITTED
