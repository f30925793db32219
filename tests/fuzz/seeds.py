"""What fuzzing starts from: small honest inputs of every kind, made when they are needed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from support.fcpxml_builder import Clip, Document, Gap, Mark, Storyline
from support.model_examples import JOB_ID, example_engine, example_job, example_request
from support.numbered import write_numbered_movie

from interchange.model.directive import Aspect
from interchange.model.job import Progress
from interchange.model.request import GenerationRequest, ReframeSpec
from interchange.timebase import FrameRate
from ltxbridge import wire
from sidecar.credentials.identity import load_or_create_identity
from sidecar.serialise import dump
from sidecar.worker.messages import Advanced, Heartbeat, Hello, Ready, Stop, to_line

RATE = FrameRate(24000, 1001)

DIRECTIVES = (
    b'LTX: retake prompt="a door opens" len=24 seed=7 takes=2 audio=new',
    b"LTX: bridge len=12 engine=animatic quality=draft",
    "LTX: regenerate prompt=\u201cquoted\u201d strength=0.5 from=clip".encode(),
    b"LTX: extend edge=head len=48 box=1,2,30,40 aspect=9:16 clips=colour:Blue",
    b"ltx:retake",
)


def documents() -> tuple[bytes, ...]:
    """FCPXML of several versions, with marks, lanes, gaps and a nested storyline."""
    marked = Clip(40, name="B", marks=(Mark(5, 'LTX: retake len=8 prompt="x"'),))
    spine = [Clip(20, connected=(Clip(9, name="title", lane=1, at=4),)), Gap(5), marked]
    nested = [Clip(30, connected=(Storyline(1, (Clip(8, name="in"), Gap(2)), at=3),)), marked]
    return (
        Document(RATE, spine).xml(),
        Document(RATE, nested, version="1.8").xml(),
        Document(FrameRate(30000, 1001), spine, version="1.13", drop_frame=True).xml(),
        b"<?xml version='1.0'?><!DOCTYPE fcpxml><fcpxml version='1.10'/>",
    )


def movies(folder: Path) -> tuple[bytes, ...]:
    """A few frames in the containers and codecs editors use."""
    found = []
    for codec in ("h264", "prores"):
        path = folder / f"seed-{codec}.mov"
        write_numbered_movie(path, rate=RATE, count=3, size=(96, 54), codec=codec)
        found.append(path.read_bytes())
    for suffix, codec in (("mkv", "mpeg4"), ("avi", "mjpeg"), ("mxf", "mpeg2video")):
        path = folder / f"seed.{suffix}"
        _write_plain(path, codec)
        found.append(path.read_bytes())
    return tuple(found)


def sounds() -> tuple[bytes, ...]:
    """A WAV file with a handful of samples."""
    size = 64
    head = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    form = b"\x01\x00\x02\x00" + (48_000).to_bytes(4, "little") + (192_000).to_bytes(4, "little")
    return (head + form + b"\x04\x00\x10\x00data" + size.to_bytes(4, "little") + bytes(size),)


def jsons() -> tuple[bytes, ...]:
    """Stored model values."""
    values = (example_job(), example_request(), _with_everything())
    return tuple(dump(value).encode() for value in values)


def worker_lines() -> tuple[bytes, ...]:
    """Lines of the worker's pipe."""
    hello = Hello("identity", "a:b", "c:d", "/state", "0", 1.0)
    further = Advanced("0" * 32, Progress("denoising", 1, 8, 0.1, b"\xff\xd8"))
    messages = (hello, Heartbeat(5), Ready("x"), further, Stop("0" * 32))
    return tuple(to_line(message) for message in messages)


def requests() -> tuple[bytes, ...]:
    """Requests, jobs and engines as they cross the wire."""
    return (
        wire.request_to_proto(example_request()).SerializeToString(),
        wire.request_to_proto(_with_everything()).SerializeToString(),
        wire.job_to_proto(example_job()).SerializeToString(),
        wire.engine_to_proto(example_engine()).SerializeToString(),
    )


def _with_everything() -> GenerationRequest:
    """A reframe that names another shot."""
    plain = example_request()
    (span,) = plain.sources
    return replace(plain, spec=ReframeSpec(span, Aspect(9, 16)), references=(span,))


def calls(kind: type[Message], method: MethodDescriptor) -> tuple[bytes, ...]:
    """An empty request, and one with every field it has in common with an honest one."""
    honest = kind()
    for field in honest.DESCRIPTOR.fields:
        if field.name == "name":
            honest.name = f"{_COLLECTIONS[method.containing_service.name]}/{JOB_ID}"
        elif field.name == "request":
            honest.request.CopyFrom(wire.request_to_proto(example_request()))
        elif field.type == field.TYPE_STRING:
            setattr(honest, field.name, "0" * 64)
        elif field.type == field.TYPE_BYTES:
            setattr(honest, field.name, b"bytes")
        elif field.type == field.TYPE_INT64:
            setattr(honest, field.name, 5)
    message = honest.SerializeToString()
    if method.client_streaming:
        message = (bytes([len(message)]) + message) * 2
    return (b"", message)


_COLLECTIONS = {
    "EngineService": "engines",
    "GenerationService": "jobs",
    "TransferService": "uploads",
}


def manifests() -> tuple[bytes, ...]:
    """The C2PA library's report of a store, much shortened."""
    store = {
        "active_manifest": "m",
        "validation_results": {
            "activeManifest": {"success": [{"code": "claimSignature.validated"}]}
        },
        "manifests": {
            "m": {
                "title": "take.mov",
                "claim_generator_info": [{"name": "ltxbridge", "version": "0.1"}],
                "signature_info": {"issuer": "x"},
                "ingredients": [{"title": "a.mov", "relationship": "parentOf"}],
                "assertions": [
                    {"label": "c2pa.actions.v2", "data": {"actions": [{"action": "c2pa.created"}]}},
                    {"label": "org.ltxbridge.generation", "data": {"runs": [{"start": 1}]}},
                ],
            }
        },
    }
    return (json.dumps(store).encode(),)


def identity(folder: Path) -> Path:
    """A folder with a signing identity."""
    load_or_create_identity(folder)
    return folder


def _write_plain(path: Path, codec: str) -> None:
    with av.open(str(path), "w") as container:
        rate = 25 if codec == "mpeg2video" else RATE.fraction
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = 96, 64
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame(96, 64, stream.pix_fmt)))
        container.mux(stream.encode())
