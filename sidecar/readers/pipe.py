"""How the box and its reader talk: a header of fixed size, a JSON text, and raw bytes beside it.

Both lengths are known, and refused where they are absurd, before a byte of either is read. The text is a value
of `sidecar.serialise`; pictures and documents travel beside it, so that they need no base64.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from interchange.errors import InternalError

CALL, ANSWER, REFUSAL, READY = b"C", b"A", b"E", b"R"

_HEADER = struct.Struct(">cIII")
_MOST_TEXT_BYTES = 64 << 20
_READ_BYTES = 1 << 20
MOST_BYTES = 192 << 20
"""The most that lies beside a message where nothing else is said: a document and what is put into it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message, either way.

    Args:
        kind: `CALL`, `ANSWER`, `REFUSAL` or `READY`.
        text: A JSON text.
        content: Raw bytes that belong to it.
        cpu_s: Processor seconds the answer may take.
    """

    kind: bytes
    text: str = ""
    content: bytes = b""
    cpu_s: int = 0


def send(pipe: BinaryIO, message: Message) -> None:
    """Write a message.

    Raises:
        OSError: Nobody reads.
    """
    text = message.text.encode()
    header = _HEADER.pack(message.kind, message.cpu_s, len(text), len(message.content))
    for part in (header, text, message.content):
        rest = memoryview(part)
        while rest:
            rest = rest[pipe.write(rest) :]
    pipe.flush()


def receive(pipe: BinaryIO, *, most_bytes: int = MOST_BYTES) -> Message | None:
    """Read a message; None where the other side is gone, also in the middle of one.

    Args:
        pipe: Where it comes from.
        most_bytes: The most that may lie beside its text.

    Raises:
        InternalError: What comes is no message.
    """
    header = _exactly(pipe, _HEADER.size)
    if header is None:
        return None
    kind, cpu_s, text_bytes, content_bytes = _HEADER.unpack(header)
    if text_bytes > _MOST_TEXT_BYTES or content_bytes > most_bytes:
        raise InternalError(f"A message of {text_bytes + content_bytes} bytes is not read.")
    text = _exactly(pipe, text_bytes)
    content = _exactly(pipe, content_bytes)
    if text is None or content is None:
        return None
    try:
        return Message(kind, text.decode(), content, cpu_s)
    except UnicodeDecodeError as error:
        raise InternalError("A message is no text.") from error


def _exactly(pipe: BinaryIO, count: int) -> bytes | None:
    """So many bytes, in as many reads as an unbuffered pipe takes; None where it ends before."""
    parts: list[bytes] = []
    while count:
        part = pipe.read(min(count, _READ_BYTES))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
