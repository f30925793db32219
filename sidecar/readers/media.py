"""Calls about movies and stills, as the reader's process answers them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.model.media import MediaFacts
from sidecar.media.container import open_media, picture_stream
from sidecar.media.probe import probe_media
from sidecar.readers.calls import Digest, FileDigest, MediaOpens, ProbeMedia, Verdict
from sidecar.readers.files import held_open


def probe(call: ProbeMedia, _content: bytes) -> tuple[MediaFacts, bytes]:
    """Find out what a movie is."""
    with held_open(Path(call.path)) as path:
        return replace(probe_media(path), path=call.path), b""


def opens(call: MediaOpens, _content: bytes) -> tuple[Verdict, bytes]:
    """Whether a file opens; what is sound and merely not read by us does.

    Raises:
        NotFoundError: It is not there.
    """
    try:
        with held_open(Path(call.path)) as path, open_media(path) as container:
            picture_stream(container, path)
    except UnsupportedError:
        return Verdict(holds=True), b""
    except InvalidInputError as error:
        if error.reason is Reason.MEDIA_DAMAGED:
            return Verdict(holds=False), b""
        raise
    return Verdict(holds=True), b""


def digest(call: FileDigest, _content: bytes) -> tuple[Digest, bytes]:
    """Read a file from end to end."""
    with held_open(Path(call.path)) as path, path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest()), b""
