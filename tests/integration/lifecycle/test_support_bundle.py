"""`ltxbridge support` on a machine that is full of secrets: none of them is in the bundle."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from support.command import environment, ltxbridge
from support.crashing_collection import settings_for

from interchange.model.request import GenerationRequest
from sidecar.launch import sidecar_for
from sidecar.serialise import dump, load

CANARY = "XYZZYCANARY"
PROMPT = f'a "{CANARY}" door, déjà\nvu'
SEQUENCE = f"Reel {CANARY}"


@pytest.fixture
def planted(made):
    """The root of two real takes, with a secret in every place there is."""
    root, _ = made
    state = root / "state"
    (state / "token").write_text(CANARY + "5" * 53)
    (state / "identity").mkdir(exist_ok=True)
    (state / "identity" / "key.pem").write_text(f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n")
    (state / f"{CANARY}.txt").write_text(CANARY)
    logs = state / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    entries = [
        {"level": "DEBUG", "message": f"prompt {CANARY}"},
        {"level": "ERROR", "message": f"cannot read /Volumes/{CANARY} disk/a b.mov today"},
        {"level": "ERROR", "message": "x", "traceback": f"OSError: [Errno 2] No: '/srv/{CANARY}'"},
        {"level": "INFO", "message": "job 1: succeeded"},
    ]
    lines = [json.dumps(entry) for entry in entries]
    (logs / "sidecar.log").write_text("\n".join([f"raw {CANARY}", *lines]))
    with sqlite3.connect(state / "jobs.sqlite3") as connection:
        [(text,)] = connection.execute("SELECT request FROM job LIMIT 1").fetchall()
        request = load(GenerationRequest, text)
        told = replace(
            request, prompt=PROMPT, negative_prompt=f"no {CANARY}", sequence_name=SEQUENCE
        )
        connection.execute("UPDATE job SET request = ?, shot = ?", (dump(told), CANARY))
    connection.close()
    with (logs / "sidecar.log").open("a") as log:
        for words in (PROMPT, repr(PROMPT), json.dumps(PROMPT), f"no {CANARY}, in {SEQUENCE}"):
            log.write("\n" + json.dumps({"level": "INFO", "message": f"said {words} aloud"}))
    (root / "config.toml").write_text(
        f'media_roots = ["/Volumes/{CANARY}"]\noutput_roots = ["/out/{CANARY}"]\n'
        f'path_maps = ["/V/{CANARY}=/m/{CANARY}"]\nnotify_command = ["tell", "{CANARY}"]\n'
    )
    return root


def _bundle(root, name="b.zip"):
    hot = root / f"hot {CANARY}"
    (hot / "in").mkdir(parents=True, exist_ok=True)
    (hot / "in" / f"{CANARY}.fcpxml").write_text("x")
    ltxbridge(
        "support",
        "-o",
        root / name,
        "--hot-folder",
        hot,
        "--config",
        root / "config.toml",
        folder=root,
    )
    with zipfile.ZipFile(root / name) as bundle:
        return {entry: bundle.read(entry).decode() for entry in bundle.namelist()}


def _clean(texts):
    leaks = [
        (name, line)
        for name, text in texts.items()
        for line in text.splitlines()
        if CANARY.lower() in (name + line).lower()
    ]
    assert leaks == []


def test_no_secret_prompt_or_path_is_in_it(planted):
    texts = _bundle(planted)
    _clean(texts)
    assert str(planted) not in "".join(texts.values())
    assert "job 1: succeeded" in texts["logs/sidecar.log.txt"]
    assert texts["logs/sidecar.log.txt"].count("<prompt>") >= 5
    jobs = json.loads(texts["jobs.json"])["jobs"]
    assert jobs["counts"] == {"succeeded": 2}
    assert jobs["integrity"] == ["ok"]
    assert jobs["schema_version"] >= 3
    assert json.loads(texts["versions.json"])["versions"]["packages"]["ltxbridge"]
    assert json.loads(texts["engines.json"])["engines"] == "no sidecar runs"
    assert json.loads(texts["hotfolders.json"])["hotfolders"][0]["entries"]["in"] == 1
    if os.name == "posix":
        assert (planted / "b.zip").stat().st_mode & 0o777 == 0o600


def test_it_works_while_the_sidecar_runs(planted):
    with sidecar_for(settings_for(planted)):
        texts = _bundle(planted)
        _clean(texts)
        token = (planted / "state" / "token").read_text()
    assert token not in "".join(texts.values())
    engines = json.loads(texts["engines.json"])["engines"]
    assert {"animatic", "identity"} <= {engine["engine"] for engine in engines}


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 500, None])
def test_it_works_with_a_damaged_or_missing_job_table(planted, damage):
    table = planted / "state" / "jobs.sqlite3"
    if damage is None:
        table.unlink()
    else:
        table.write_bytes(damage)
    texts = _bundle(planted)
    leaks = [name for name, text in texts.items() if CANARY in text and "said" not in text]
    assert leaks == []
    assert "failed" in json.loads(texts["jobs.json"])["jobs"]


def test_it_works_where_nothing_was_ever_done(tmp_path):
    ltxbridge("support", "-o", tmp_path / "b.zip", folder=tmp_path)
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        assert {"README.txt", "doctor.json", "versions.json"} <= set(bundle.namelist())
    assert not (tmp_path / "state").exists()


def test_a_file_that_is_there_is_never_overwritten(tmp_path):
    path = tmp_path / "b.zip"
    path.write_text("mine")
    ltxbridge("support", "-o", path, folder=tmp_path, expect=2)
    assert path.read_text() == "mine"


def test_it_can_be_read_by_anything_that_reads_zips(planted):
    _bundle(planted)
    done = subprocess.run(
        [sys.executable, "-m", "zipfile", "-t", str(planted / "b.zip")],
        capture_output=True,
        check=True,
        text=True,
        env=environment(planted),
    )
    assert "Done testing" in done.stdout
    assert io.BytesIO(Path(planted / "b.zip").read_bytes()).getbuffer().nbytes < 200_000
