"""`ltxbridge process --server` over mutual TLS, as an editor on another machine runs it."""

import json
import socket
import subprocess
import threading
from pathlib import Path

from support.command import environment, ltxbridge, program
from support.cutting_room import write_edit

from interchange.timebase import FrameRate
from sidecar.instance import read_discovery


def test_an_enrolled_machine_gets_its_takes(short_dir):
    far, near = short_dir / "far", short_dir / "near"
    edit = write_edit(near, rate=FrameRate(25, 1), engine="identity")
    originals = {path: path.read_bytes() for path in edit.originals}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ltxbridge("pki", "init", "--host", "localhost", folder=far)
    key = short_dir / "anna.json"
    ltxbridge("pki", "enrol", "anna", "--address", f"localhost:{port}", "--out", key, folder=far)
    ltxbridge("pki", "join", key, "--as", "studio", folder=near)
    process = subprocess.Popen(
        [program(), "serve", "--listen", f"0.0.0.0:{port}"],
        env=environment(far),
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(400):
            if read_discovery(far / "state") is not None:
                break
            threading.Event().wait(0.05)
        done = ltxbridge("process", "--json", "--server", "studio", edit.path, folder=near)
        (delivery,) = json.loads(done.stdout)
        assert delivery["not_delivered"] == []
        assert all(path.startswith(str(near)) for path in delivery["delivered"])
        listed = ltxbridge("jobs", "--server", "studio", "list", "--json", folder=near)
        assert {job["state"] for job in json.loads(listed.stdout)} == {"succeeded"}
        report = json.loads(Path(delivery["report"]).read_text())
        assert "the key of the sidecar studio" in report["signer"]
        assert all(request["credentials"]["valid"] for request in report["requests"])
        assert "%" not in done.stderr  # no bars in a script
        ltxbridge("verify", delivery["delivered"][0], folder=near)
    finally:
        process.terminate()
        process.wait(30)
    assert {path: path.read_bytes() for path in edit.originals} == originals
