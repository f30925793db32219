"""A real sidecar that shows its metrics: what it listens on, what it counts, and what it refuses at start."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from support.job_cases import media_request

from interchange.errors import BridgeError, Reason
from ltxbridge.client import BridgeClient, Endpoint
from sidecar.instance import read_discovery
from sidecar.launch import sidecar_for
from sidecar.setting_values import ListenAddress
from sidecar.settings import Settings, command_line


@pytest.fixture
def settings(short_dir):
    return Settings(
        state_dir=short_dir / "state",
        runtime_dir=short_dir / "run",
        media_roots=(short_dir,),
        drain_grace_s=2,
        metrics=ListenAddress("127.0.0.1", 0),
    )


def _page(settings):
    log = (settings.state_dir / "logs" / "sidecar.log").read_text()
    address = log.rpartition("Metrics on ")[2].split('"')[0].split("\\")[0]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=10) as answer:
        return answer.read().decode().splitlines()


def _eventually(settings, line):
    give_up = time.monotonic() + 15
    while line not in (page := _page(settings)):
        assert time.monotonic() < give_up, "\n".join(page)
        time.sleep(0.05)


def test_calls_jobs_and_strangers_are_counted(settings, short_dir):
    with sidecar_for(settings) as endpoint, BridgeClient(endpoint) as client:
        client.list_engines()
        with pytest.raises(BridgeError):
            client.get_job("0" * 32)
        wrong = short_dir / "wrong"
        wrong.write_text("0" * 64)
        with (
            BridgeClient(Endpoint(endpoint.address, wrong)) as stranger,
            pytest.raises(BridgeError),
        ):
            stranger.list_engines()
        for line in (
            'ltxbridge_rpc_total{code="OK",method="ListEngines"} 1.0',
            'ltxbridge_rpc_total{code="NOT_FOUND",method="GetJob"} 1.0',
            'ltxbridge_rpc_in_flight{method="GetJob"} 0.0',
            "ltxbridge_auth_failures_total 1.0",
            'ltxbridge_jobs{state="queued"} 0.0',
            'ltxbridge_worker_starts{engine="animatic"} 0.0',
            "ltxbridge_disk_quota_bytes 0.0",
        ):
            _eventually(settings, line)


def test_a_quota_that_is_used_up_refuses_before_work(settings, short_dir):
    state = settings.state_dir / "cache"
    state.mkdir(parents=True, mode=0o700)
    settings.state_dir.chmod(0o700)
    with (state / "big").open("wb") as file:
        file.truncate(2 * 10**9)
    full = replace(settings, quota_gb=1)
    with sidecar_for(full) as endpoint, BridgeClient(endpoint) as client:
        _eventually(full, "ltxbridge_disk_used_bytes 2e+09")
        with pytest.raises(BridgeError, match="ltxbridge gc") as caught:
            client.create_job(media_request(Path(short_dir).resolve(), engine="animatic"))
        assert caught.value.reason is Reason.QUOTA_FULL
        assert list(client.list_jobs()) == []


def test_a_missing_package_ends_the_start_with_what_to_install(settings, short_dir, monkeypatch):
    (short_dir / "nothing").mkdir()
    (short_dir / "nothing" / "prometheus_client.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(short_dir / "nothing"))
    command = [sys.executable, "-P", "-m", "sidecar", "serve", *command_line(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "ltxbridge[metrics]" in done.stderr
    assert read_discovery(settings.state_dir) is None
