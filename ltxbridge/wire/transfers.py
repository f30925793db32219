"""Uploads, and the names by which requests speak of them."""

from __future__ import annotations

import re
from datetime import UTC

from google.protobuf.timestamp_pb2 import Timestamp

from interchange.model.upload import CHUNK_BYTES, UPLOAD_NAME, Upload
from ltxbridge.v1 import transfer_service_pb2 as pb
from ltxbridge.wire.fields import at_least, invalid, sending, text

_LONGEST_NAME_BYTES = 255
_SHA256 = re.compile(r"[0-9a-f]{64}")


def upload_id_from_name(name: str, *, at: str = "name") -> str:
    """Read `uploads/{id}`.

    Raises:
        InvalidInputError: Anything else.
    """
    match = UPLOAD_NAME.fullmatch(name)
    if match is None:
        raise invalid(
            at, f"is {name[:80]!r}; an upload is named uploads/ and 32 hexadecimal digits"
        )
    return match[1]


def sha256_from_proto(value: str, *, at: str = "sha256") -> str:
    """Insist on a SHA-256 in lower-case hexadecimal.

    Raises:
        InvalidInputError: Anything else.
    """
    if not _SHA256.fullmatch(value):
        raise invalid(at, "must be 64 hexadecimal digits in lower case")
    return value


def file_name_from_proto(value: str, *, at: str = "file_name") -> str:
    """Insist on the last part of a path, printable.

    Raises:
        InvalidInputError: Anything else.
    """
    name = text(value, at=at, required=True)
    if len(name.encode()) > _LONGEST_NAME_BYTES:
        raise invalid(at, f"has more than {_LONGEST_NAME_BYTES} bytes")
    if not name.isprintable() or {"/", "\\"} & set(name) or name in {".", ".."}:
        raise invalid(at, "must be the last part of a path")
    return name


def chunk_from_proto(chunk: bytes, *, at: str = "chunk") -> bytes:
    """Insist on a chunk that is not too large; an empty one only says where to go on.

    Raises:
        InvalidInputError: It is too large.
    """
    if len(chunk) > CHUNK_BYTES:
        raise invalid(at, f"has {len(chunk)} bytes; a chunk has at most {CHUNK_BYTES}")
    return chunk


def upload_to_proto(upload: Upload) -> pb.Upload:
    """Write an upload.

    Raises:
        InvalidInputError: A value does not fit into its field.
    """
    expires = Timestamp()
    with sending("upload"):
        expires.FromDatetime(upload.expires)
        return pb.Upload(
            name=upload.name,
            file_name=upload.file_name,
            size_bytes=upload.size_bytes,
            sha256=upload.sha256,
            committed_bytes=upload.committed_bytes,
            complete=upload.complete,
            expire_time=expires,
            modified_ns=upload.modified_ns,
            owner=upload.owner,
        )


def upload_from_proto(message: pb.Upload, *, at: str = "upload") -> Upload:
    """Read an upload.

    Raises:
        InvalidInputError: A field is missing or cannot be right.
    """
    size = at_least(message.size_bytes, 1, at=f"{at}.size_bytes")
    committed = at_least(message.committed_bytes, 0, at=f"{at}.committed_bytes")
    if committed > size or (message.complete and committed < size):
        raise invalid(f"{at}.committed_bytes", f"is {committed} of {size}")
    return Upload(
        upload_id=upload_id_from_name(message.name, at=f"{at}.name"),
        owner=text(message.owner, at=f"{at}.owner", required=True),
        file_name=file_name_from_proto(message.file_name, at=f"{at}.file_name"),
        size_bytes=size,
        sha256=sha256_from_proto(message.sha256, at=f"{at}.sha256"),
        committed_bytes=committed,
        complete=message.complete,
        expires=message.expire_time.ToDatetime(UTC),
        modified_ns=message.modified_ns,
    )
