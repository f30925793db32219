"""An installation's identity, a take to sign, and a server on this machine that must not be asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support.credential_examples import write_take

from sidecar.credentials.identity import SigningIdentity, load_or_create_identity


@pytest.fixture(scope="module")
def identity_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state") / "identity"


@pytest.fixture(scope="module")
def identity(identity_folder: Path) -> SigningIdentity:
    return load_or_create_identity(identity_folder)


@pytest.fixture(scope="module")
def take_mov(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_take(tmp_path_factory.mktemp("takes") / "raw.mov")


class _Recorder(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """Its address, and the list of what it was asked."""
    asked: list[str] = []
    handler = type("Handler", (_Recorder,), {"asked": asked})
    with HTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}", asked
        finally:
            listening.shutdown()
            thread.join()
