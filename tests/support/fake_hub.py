"""A model hub on loopback: the shape of the real one's API, with the faults a test asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
_LARGE = 4096  # from this size on a file counts as one of the large store, with a SHA-256


@dataclass
class Repository:
    """Files by name, and what goes wrong with them: what is sent is not what was said, breaks off, lies elsewhere."""

    files: dict[str, bytes]
    commit: str = COMMIT
    gated: bool = False
    lies: set[str] = field(default_factory=set)
    cuts: dict[str, int] = field(default_factory=dict)
    away: dict[str, str] = field(default_factory=dict)
    listing: Callable[[dict[str, Any]], object] = lambda honest: honest


@dataclass
class Hub:
    """The hub's state; tests change it between requests."""

    repositories: dict[str, Repository]
    token: str = "hf_good"  # noqa: S105 - opens nothing but this
    endpoint: str = ""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    shown: list[str | None] = field(default_factory=list)


def repository_of(folder: Path) -> Repository:
    """A repository with the files of a folder."""
    return Repository(
        {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }
    )


@contextmanager
def running(repositories: dict[str, Repository]) -> Iterator[Hub]:
    """Serve until the context is left."""
    hub = Hub(repositories)

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Hub

    def log_message(self, *arguments: object) -> None:  # noqa: ARG002
        return

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.served.asked.append((self.command, path, self.headers.get("Range")))
        self.served.shown.append(self.headers.get("Authorization"))
        parts = path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        name = "/".join(parts[2:4] if api else parts[:2])
        repository = self.served.repositories.get(name)
        if repository is None:
            return self._refuse(404, "RepoNotFound")
        if repository.gated and self.headers.get("Authorization") != f"Bearer {self.served.token}":
            return self._refuse(401, "GatedRepo")
        if api:
            return self._info(name, repository)
        if parts[2] != "resolve" or parts[3] != repository.commit:
            return self._refuse(404, "RevisionNotFound")
        file = "/".join(parts[4:])
        if file not in repository.files:
            return self._refuse(404, "EntryNotFound")
        return self._file(repository, file)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _info(self, name: str, repository: Repository) -> None:
        siblings = []
        for file, content in repository.files.items():
            entry: dict[str, object] = {
                "rfilename": file,
                "size": len(content),
                "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),  # noqa: S324
            }
            if len(content) >= _LARGE:
                entry["lfs"] = {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "size": len(content),
                    "pointerSize": 130,
                }
            siblings.append(entry)
        honest = {"id": name, "modelId": name, "sha": repository.commit, "siblings": siblings}
        body = json.dumps(repository.listing(honest)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, repository: Repository, file: str) -> None:
        if file in repository.away:
            self.send_response(302)
            self.send_header("Location", repository.away[file])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = repository.files[file]
        etag = hashlib.sha256(content).hexdigest()
        if file in repository.lies:
            content = bytes([content[0] ^ 1]) + content[1:]
        start = 0
        wanted = self.headers.get("Range")
        if wanted:
            start = int(wanted.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if repository.cuts.get(file, 0) > 0:
            repository.cuts[file] -= 1
            self.wfile.write(content[start : start + max(1, (len(content) - start) // 2)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(content[start:])
