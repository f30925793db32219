"""`http://127.0.0.1:PORT/metrics`: one page on loopback, in a thread of its own.

No token: it holds counts, and a scraper that needs none is one that nobody writes a token into a world-readable
file for. A page in a browser must not read it either, by DNS rebinding: the Host header has to be loopback's own.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from interchange.errors import ConflictError, Reason
from sidecar.metrics.meters import CONTENT_TYPE
from sidecar.setting_values import ListenAddress

_LOG = logging.getLogger(__name__)

_READERS_AT_ONCE = 8
_REQUEST_LIMIT_S = 5.0


class MetricsPage:
    """The page while it is served.

    Args:
        address: Loopback address; port 0 for any free one.
        render: Makes the page.

    Raises:
        ConflictError: The address is taken.
    """

    def __init__(self, address: ListenAddress, render: Callable[[], bytes]) -> None:
        handler = type("_Handler", (_Handler,), {"render": staticmethod(render)})
        server_class = _IPv6Server if ":" in address.host else _Server
        try:
            self._server = server_class((address.host, address.port), handler)
        except OSError as error:
            raise ConflictError(
                f"Metrics cannot be shown on {address}: something else listens there, or it may not. Choose "
                "another port for `metrics` in the settings.",
                reason=Reason.ALREADY_RUNNING,
                metadata={"address": str(address)},
            ) from error
        self.address = self._server.bound
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    whole_limit_s = 2 * _REQUEST_LIMIT_S
    # On Windows it would let another program take the port over.
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._places = threading.BoundedSemaphore(_READERS_AT_ONCE)
        self.bound = ListenAddress(*address)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service who we are.
        socketserver.TCPServer.server_bind(self)
        host, port, *_ = self.socket.getsockname()
        self.server_name, self.server_port = host, port
        self.bound = ListenAddress(self.bound.host, port)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # The handler's own limit is for each read: who sends a byte now and then would keep its place for ever.
        ending = threading.Timer(self.whole_limit_s, _hang_up, (request,))
        ending.daemon = True
        ending.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            ending.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as it is called
        _LOG.debug("A reader of the metrics went away", exc_info=True)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        connection.shutdown(socket.SHUT_RDWR)


class _IPv6Server(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    render: Callable[[], bytes]
    server: _Server
    timeout = _REQUEST_LIMIT_S
    server_version = "ltxbridge"
    sys_version = ""

    def do_GET(self) -> None:
        if not self._is_ours():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"not a name of this page\n")
        elif self.path != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, b"see /metrics\n")
        else:
            self._answer(HTTPStatus.OK, self.render(), kind=CONTENT_TYPE)

    def _is_ours(self) -> bool:
        hosts = self.headers.get_all("Host") or []
        port = self.server.bound.port
        names = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")}
        return len(hosts) == 1 and hosts[0].lower() in names | {str(self.server.bound)}

    def _answer(self, status: HTTPStatus, body: bytes, *, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called
        _LOG.debug("metrics: %s", format % args)
