"""Small files of ours that others could write: journals on a share, enrolments by mail, records and answers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz import seeds

from interchange.model.caller import LOCAL_CALLER
from interchange.model.job import Progress
from interchange.model.media import MediaFacts
from interchange.model.segment import Reading
from ltxbridge.client.enrolment import Enrolment
from ltxbridge.hotfolder.claims import Claims
from ltxbridge.hotfolder.layout import HotFolder
from ltxbridge.hotfolder.ledger import Ledger
from ltxbridge.hotfolder.names import document_name, error_name, name_flaw, numbered
from sidecar import serialise
from sidecar.filesystem import FileSystem
from sidecar.pki.register import read_clients
from sidecar.readers.pipe import receive
from sidecar.transfers.store import UploadStore

JOURNAL = {
    "schema": "ltxbridge.Claim.1",
    "relative": "a/b.fcpxml",
    "name": "b.fcpxml",
    "ending": None,
}
ENDING = {"verdict": "failed", "message": "m", "place": "failed/b", "notes": [], "path": ""}
LEDGER = {"document": "a", "timeline": "b", "report": "c", "files": [{"path": "/x", "sha256": "0"}]}
CLIENT = {
    "name": "grading",
    "role": "editor",
    "fingerprint": "0" * 64,
    "token_sha256": "0" * 64,
    "enrolled": "2026-01-01T00:00:00+00:00",
    "expires": "2027-01-01T00:00:00+00:00",
    "revoked": "",
}
ENROLMENT = {
    "schema": "ltxbridge.Enrolment.1",
    "name": "grading",
    "role": "editor",
    "address": "10.0.0.5:50051",
    "authority_pem": "-----BEGIN CERTIFICATE-----",
    "certificate_pem": "-----BEGIN CERTIFICATE-----",
    "key_pem": "-----BEGIN PRIVATE KEY-----",
    "token": "0" * 64,
}


def stored_targets(kind: Callable[..., Any], folder: Path) -> dict[str, Any]:
    """One target for each."""
    hot = HotFolder(folder / "hot")
    hot.root.mkdir()
    hot.create(FileSystem())
    claims = Claims(hot, filesystem=FileSystem())
    ledger = Ledger(hot, filesystem=FileSystem())
    uploads = UploadStore(folder / "uploads", filesystem=FileSystem())
    journal = hot.work / ("0" * 32) / "claim.json"
    upload = uploads.create(
        caller=LOCAL_CALLER, file_name="a.mov", size_bytes=9, sha256="0" * 64
    ).upload_id
    record = next(path for path in (folder / "uploads" / upload).iterdir())
    answers = (serialise.dump(Progress()).encode(), b"R\0\0\0\0\0\0\0\1\0\0\0\0x")
    return {
        "hot-journal": kind(
            _written(journal, lambda: list(claims.open_claims())),
            (_json(JOURNAL), _json(JOURNAL | {"ending": ENDING})),
        ),
        "hot-ledger": kind(
            _written(hot.ledger / "digest.json", lambda: ledger.find("digest")), (_json(LEDGER),)
        ),
        "hot-name": kind(
            _names, (b"NAME_v002.fcpxml", "e\u0301\U0001f3ac.fcpxmld".encode(), b"CON")
        ),
        "enrolment": kind(
            lambda data: Enrolment.from_json(data, origin="a file"), (_json(ENROLMENT),)
        ),
        "clients": kind(
            _written(folder / "clients.json", lambda: read_clients(folder / "clients.json")),
            (_json({"schema": "ltxbridge.Clients.1", "clients": [CLIENT]}),),
        ),
        "upload-record": kind(
            _written(record, lambda: uploads.get(upload, caller=LOCAL_CALLER)),
            (record.read_bytes(),),
        ),
        "reader-message": kind(lambda data: receive(io.BytesIO(data)), answers),
        "reader-answer": kind(_answers, (*seeds.jsons(), answers[0])),
    }


def _answers(data: bytes) -> None:
    text = data.decode(errors="replace")
    serialise.load(Reading, text)
    serialise.load(MediaFacts, text)


def _names(data: bytes) -> None:
    name = data.decode(errors="surrogateescape").replace("/", "_").replace("\0", "_")
    name_flaw(name)
    for derived in (document_name(name), numbered(document_name(name), 12), error_name(name)):
        assert 0 < len(derived.encode(errors="surrogateescape")) <= 255, derived
        assert "/" not in derived, derived


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


def _written(path: Path, read: Callable[[], object]) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return read()

    return parse
