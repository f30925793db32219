"""The reader's loop: a call comes in, the function the table names is imported and asked, the answer goes out."""

from __future__ import annotations

import functools
import importlib
import logging
import operator
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from interchange.errors import BridgeError, InternalError, InvalidInputError, Reason
from sidecar.readers.limits import allow_cpu
from sidecar.readers.pipe import ANSWER, READY, REFUSAL, Message, receive, send
from sidecar.serialise import dump, load

_LOG = logging.getLogger(__name__)

Handler = Callable[[Any, bytes], tuple[object, bytes]]
"""Gets a call and the bytes beside it; gives a value and bytes beside that."""

CallTable = Mapping[type, str]
"""Types of calls, and the import string `module:name` of the `Handler` of each.

Where the name is a class, one handler is made of it and kept for the life of the process: one that has something
to keep open between calls.
"""


def serve(commands: int, replies: int, *, calls: str, warm: Sequence[str]) -> None:
    """Answer calls until the pipe is closed.

    Args:
        commands: Descriptor calls come from.
        replies: Descriptor answers go to.
        calls: Import string of the `CallTable`.
        warm: Names of calls whose libraries are loaded before the first call comes.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    table: CallTable = _imported(calls)
    for call in table:
        if call.__name__ in warm:
            _imported(table[call])
    answers = os.fdopen(replies, "wb")
    incoming = _receiving(os.fdopen(commands, "rb"))
    asked = functools.reduce(operator.or_, table)
    handler_of = _handlers(table)
    send(answers, Message(READY))
    while True:
        message = incoming.get()
        allow_cpu(message.cpu_s)
        send(answers, _answer(message, asked, handler_of))


def _receiving(commands: BinaryIO) -> queue.SimpleQueue[Message]:
    """Read calls in a thread of their own, which ends the process with the pipe, also during a call."""
    incoming: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def read() -> None:
        while (message := receive(commands)) is not None:
            incoming.put(message)
        os._exit(0)

    threading.Thread(target=read, name="calls", daemon=True).start()
    return incoming


def _handlers(table: CallTable) -> Callable[[type], Handler]:
    """What finds the handler of a type of calls, imported when it is first asked for."""

    @functools.cache
    def handler_of(call: type) -> Handler:
        found = _imported(table[call])
        handler: Handler = found() if isinstance(found, type) else found
        return handler

    return handler_of


def _answer(message: Message, asked: Any, handler_of: Callable[[type], Handler]) -> Message:
    try:
        call = load(asked, message.text)
        value, content = handler_of(type(call))(call, message.content)
        return Message(ANSWER, dump(value), content)
    except Exception as error:  # noqa: BLE001 - the boundary of the process
        return Message(REFUSAL, dump(_crossing(error)))


def _crossing(error: Exception) -> BridgeError:
    if _ran_out_of_memory(error):
        # The box knows the file's name, and says it.
        return InvalidInputError("It needs too much memory.", reason=Reason.READER_LIMIT)
    if isinstance(error, BridgeError) and not isinstance(error, InternalError):
        return error
    _LOG.error("a reader failed unexpectedly", exc_info=error)
    if isinstance(error, BridgeError):
        return error
    return InternalError(
        f"A reader failed in a way it should not ({type(error).__name__}).",
        metadata={"exception": type(error).__name__},
    )


def _ran_out_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
