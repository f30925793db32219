"""SECURITY.md says what listens where; `ss` says whether that is so, for the whole process tree at work."""

import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.model_examples import example_request

from interchange.model.request import GenerateSpec, OutputSpec
from ltxbridge.client import BridgeClient
from sidecar.instance import ALREADY_RUNNING_STATUS
from sidecar.launch import running_sidecar
from sidecar.pki.folder import PkiFolder
from sidecar.setting_values import ListenAddress
from sidecar.settings import Settings, command_line

_ROW = re.compile(r"^\| (?P<run_as>`[^`]+`) \| (?P<listens>[^|]+) \|", re.MULTILINE)
_SOCKET = re.compile(r"`((?:unix|tcp|udp) [^`]+)`")


def _stated(repository):
    """What SECURITY.md states: sockets by the way it is run."""
    text = (repository / "SECURITY.md").read_text(encoding="utf-8")
    section = text.partition("## What listens where\n")[2].partition("\n## ")[0]
    return {
        row["run_as"].strip("`"): set(_SOCKET.findall(row["listens"]))
        for row in _ROW.finditer(section)
    }


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _tree(pid):
    """The process and all its descendants."""
    found = {pid}
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found |= _tree(child)
    return found


def _listening(pids):
    """What ss shows as listening, TCP, UDP and unix, of these processes."""
    found = set()
    for option in ("-ltnp", "-lunp", "-lxnp"):
        shown = subprocess.run(
            ["ss", "-H", option], capture_output=True, text=True, check=True
        ).stdout
        for line in shown.splitlines():
            if not pids & set(map(int, re.findall(r"pid=(\d+)", line))):
                continue
            fields = line.split()
            if option == "-lxnp":
                found.add(f"unix {fields[4]}")
            else:
                host, _, port = fields[3].rpartition(":")
                host = host.strip("[]").removeprefix("::ffff:").replace("*", "0.0.0.0")  # noqa: S104
                found.add(f"{option[2:3].replace('t', 'tcp').replace('u', 'udp')} {host}:{port}")
    return found


def _ways(port):
    """Every row of the table: how the settings say it, and what its words stand for."""
    loopback, everywhere = ListenAddress("127.0.0.1", port), ListenAddress("0.0.0.0", port)  # noqa: S104
    return {
        "serve": {},
        "serve --listen 127.0.0.1:PORT": {"listen": loopback},
        "serve --listen ADDRESS:PORT": {"listen": everywhere},
        'metrics = "127.0.0.1:PORT"': {"metrics": loopback},
    }


@contextmanager
def _served(settings):
    command = [sys.executable, "-P", "-m", "sidecar", "serve", *command_line(settings)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 20
        while (discovery := running_sidecar(settings)) is None:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < give_up, "it does not serve"
            time.sleep(0.05)
        yield process, discovery
    finally:
        process.terminate()
        process.wait(20)


def _settings(folder, **changes):
    settings = Settings(
        folder / "state", folder / "run", media_roots=(folder,), log_level="error", drain_grace_s=1
    )
    PkiFolder.of(settings.state_dir).init(["127.0.0.1"])
    return replace(settings, **changes)


def test_table_is_read_and_every_row_is_tried(repository):
    stated = _stated(repository)
    assert set(stated) == set(_ways(1))
    assert all(stated.values())


@pytest.mark.program("ss")
@pytest.mark.parametrize("way", _ways(0))
def test_sidecar_at_work_listens_on_what_the_table_states_and_nothing_else(
    repository, short_dir, way
):
    port = _free_port()
    settings = _settings(short_dir, **_ways(port)[way])
    with _served(settings) as (process, discovery):
        with BridgeClient(discovery.endpoint(settings.state_dir)) as client:
            request = example_request(
                engine="animatic",
                spec=GenerateSpec(),
                output=OutputSpec(directory=str(short_dir / "takes")),
            )
            client.create_job(request)
            give_up = time.monotonic() + 30
            while len(_tree(process.pid)) < 2:  # the worker is at it
                assert time.monotonic() < give_up, "no worker was started"
                time.sleep(0.05)
            found = {
                re.sub(r"unix .*/[0-9a-f]{16}\.sock$", "unix RUNTIME/*.sock", entry)
                if entry.startswith(f"unix {settings.runtime_dir}/")
                else entry
                for entry in _listening(_tree(process.pid))
            }
        expected = {
            entry.replace("ADDRESS", "0.0.0.0").replace("PORT", str(port))  # noqa: S104
            for entry in _stated(repository)[way]
        }
        assert found == expected


@pytest.mark.parametrize("way", _ways(0))
def test_second_sidecar_on_the_same_state_folder_is_refused_in_every_way(short_dir, way):
    settings = _settings(short_dir, **_ways(_free_port())[way])
    other = replace(settings, **dict.fromkeys(_ways(0)[way]))
    with _served(settings) as (_, discovery):
        for second in (settings, other):
            command = [sys.executable, "-P", "-m", "sidecar", "serve", *command_line(second)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == ALREADY_RUNNING_STATUS
            assert "Another sidecar works with" in done.stderr
        with BridgeClient(discovery.endpoint(settings.state_dir)) as client:
            assert client.serving()


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - refused
def test_network_address_without_an_authority_is_refused_and_nothing_is_started(short_dir, address):
    settings = Settings(
        short_dir / "state", short_dir / "run", listen=ListenAddress(address, _free_port())
    )
    command = [sys.executable, "-P", "-m", "sidecar", "serve", *command_line(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "mutual TLS only" in done.stderr
    assert "ltxbridge pki init" in done.stderr
    assert not Path(settings.state_dir / "token").exists()
    assert not Path(settings.runtime_dir).exists()
