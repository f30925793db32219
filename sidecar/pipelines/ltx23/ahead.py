"""Making the next things while somebody is busy with the last: one thread, bounded, ends with its reader."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from queue import Queue
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


class _Finished:
    pass


@dataclass(frozen=True, slots=True)
class _Made(Generic[_T]):
    thing: _T


def made_ahead(
    things: Callable[[], Iterator[_T]], *, most_waiting: int = 1
) -> Generator[_T, None, None]:
    """Run an iterator on a thread of its own, a little ahead of whoever takes its things.

    The thread stops at its next thing when the reader goes away (closes the generator or drops it), and it has
    ended when this generator has: nothing runs on behind a cancelled job's back.

    Args:
        things: Called on the thread; what it returns is iterated there.
        most_waiting: Things made or in the making and not yet taken.

    Raises:
        BaseException: Whatever the iterator raised, after the things it made before.
    """
    waiting: Queue[_Made[_T] | _Failed | _Finished] = Queue()
    room = threading.Semaphore(most_waiting)
    left = threading.Event()

    def make() -> None:
        try:
            iterator = things()
            while True:
                room.acquire()  # before the work, so that what waits is all there is ahead
                if left.is_set():
                    return
                waiting.put(_Made(next(iterator)))
        except StopIteration:
            waiting.put(_Finished())
        except BaseException as error:  # noqa: BLE001 - raised again where the things are taken
            waiting.put(_Failed(error))

    thread = threading.Thread(target=make, name="ltx23-ahead", daemon=True)
    thread.start()
    try:
        while True:
            match waiting.get():
                case _Made(thing):
                    room.release()
                    yield thing
                case _Failed(error):
                    try:
                        raise error
                    finally:  # or this frame and the error hold each other, and all that the frames in it hold
                        del error
                case _Finished():
                    return
    finally:
        left.set()
        room.release()
        thread.join()
