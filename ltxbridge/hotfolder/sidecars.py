"""The sidecar of a watch: the running one, else one of our own, which is started again when it dies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from interchange.errors import NotAuthenticatedError, StoppedError
from interchange.model.caller import Door
from ltxbridge.client import BridgeClient, Endpoint


class KeptSidecar:
    """Hands out a client for as long as there is a sidecar behind it. Thread-safe.

    Args:
        sidecar: Finds or starts one; `sidecar.launch.sidecar_for`.
    """

    def __init__(self, sidecar: Callable[[], AbstractContextManager[Endpoint]]) -> None:
        self._sidecar = sidecar
        self._turn = threading.Lock()
        self._doubted = False
        self._closed = False
        self._running = ExitStack()
        self._client: BridgeClient | None = None
        self._clients = ExitStack()

    def client(self) -> BridgeClient:
        """A client of a sidecar that answered a moment ago.

        Raises:
            BridgeError: There is none and none can be started, or the running one may not use the folder.
            StoppedError: `close` was called.
        """
        with self._turn:
            if self._closed:
                raise StoppedError("The watch was stopped; it goes on with the next start.")
            if self._client is not None and self._doubted and not _serving(self._client):
                # Others may still use that client; it is closed at the end, with all of them.
                self._client = None
                self._running.close()
            self._doubted = False
            if self._client is None:
                endpoint = self._running.enter_context(self._sidecar())
                self._client = self._clients.enter_context(BridgeClient(endpoint, door=Door.WATCH))
            return self._client

    def doubt(self) -> None:
        """A call failed: look whether the sidecar is still there before the next one."""
        self._doubted = True

    def hang_up(self) -> None:
        """Close the connections, so that whoever waits for a job stops waiting; the jobs do not notice."""
        self._closed = True
        self._clients.close()

    def close(self) -> None:
        """End a sidecar of our own; the jobs it has not done stay queued."""
        self.hang_up()
        with self._turn:
            self._running.close()


def _serving(client: BridgeClient) -> bool:
    try:
        return client.serving()
    except NotAuthenticatedError:
        return False
