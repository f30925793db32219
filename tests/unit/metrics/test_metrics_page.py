"""The metrics page: on loopback, for programs that ask for it by its own name."""

from __future__ import annotations

import http.client
import socket
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.model_examples import example_engine, example_job

from interchange.errors import ConflictError, Reason, UnsupportedError
from interchange.model.job import JobState
from sidecar.metrics.meters import Meters
from sidecar.metrics.page import MetricsPage
from sidecar.setting_values import ListenAddress


@pytest.fixture(scope="module")
def page():
    served = MetricsPage(ListenAddress("127.0.0.1", 0), lambda: b"numbers 1\n")
    yield served
    served.close()


def _get(page, path="/metrics", method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", page.address.port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_the_page_is_shown_and_says_nothing_of_the_machine(page):
    answer, body = _get(page)
    assert (answer.status, body) == (200, b"numbers 1\n")
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert "Python" not in (answer.getheader("Server") or "")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_loopback_may_be_called_by_its_names(page, name):
    assert _get(page, Host=f"{name}:{page.address.port}")[0].status == 200


@pytest.mark.parametrize(
    "host", ["evil.example:{port}", "127.0.0.1.evil.example", "127.0.0.1", "", "null"]
)
def test_a_name_rebound_to_loopback_is_refused(page, host):
    answer, body = _get(page, Host=host.format(port=page.address.port))
    assert answer.status == 421
    assert b"numbers" not in body


@pytest.mark.parametrize("path", ["/", "/metrics?x", "/../metrics", "/metrics/"])
def test_there_is_no_other_page(page, path):
    assert _get(page, path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_but_reading_is_understood(page, method):
    assert _get(page, method=method)[0].status == 501


def test_readers_who_say_nothing_leave_the_port_to_others(page):
    silent = [socket.create_connection(("127.0.0.1", page.address.port)) for _ in range(20)]
    try:
        for connection in silent[8:]:  # past the places there are: hung up on
            connection.settimeout(10)
            assert connection.recv(1) == b""
    finally:
        for connection in silent:
            connection.close()
    for _ in range(50):
        try:
            if _get(page)[0].status == 200:
                break
        except (ConnectionError, http.client.HTTPException):
            continue
    else:
        pytest.fail("the page never came back")


def test_a_port_that_is_taken_is_refused_with_what_to_do(page):
    with pytest.raises(ConflictError, match="another port") as caught:
        MetricsPage(page.address, lambda: b"")
    assert caught.value.reason is Reason.ALREADY_RUNNING


def test_the_meters_count_what_they_are_told():
    meters = Meters()
    began = datetime(2026, 11, 21, tzinfo=UTC)
    job = replace(
        example_job(),
        state=JobState.SUCCEEDED,
        created=began,
        started=began + timedelta(seconds=3),
        ended=began + timedelta(seconds=10),
    )
    meters.job_ended(job)
    meters.jobs_waiting({JobState.QUEUED: 4})
    for code in ("OK", "UNAUTHENTICATED"):
        meters.call_began("GetJob")
        meters.call_ended("GetJob", code=code, seconds=0.01)
    meters.call_began("WatchJob")
    meters.watch_disk(used=lambda: 123, limit_bytes=1000)
    status = example_engine()
    meters.engines({"animatic": status}, {"animatic": 2})
    kind, engine = job.request.kind.value, job.request.engine
    page = meters.page().decode()
    for line in (
        f'ltxbridge_jobs_ended_total{{engine="{engine}",kind="{kind}",state="succeeded"}} 1.0',
        f'ltxbridge_job_queue_seconds_sum{{engine="{engine}"}} 3.0',
        f'ltxbridge_job_seconds_sum{{engine="{engine}",kind="{kind}"}} 7.0',
        'ltxbridge_jobs{state="queued"} 4.0',
        'ltxbridge_jobs{state="running"} 0.0',
        'ltxbridge_rpc_total{code="OK",method="GetJob"} 1.0',
        "ltxbridge_auth_failures_total 1.0",
        'ltxbridge_rpc_in_flight{method="GetJob"} 0.0',
        'ltxbridge_rpc_in_flight{method="WatchJob"} 1.0',
        "ltxbridge_disk_used_bytes 123.0",
        "ltxbridge_disk_quota_bytes 1000.0",
        'ltxbridge_worker_starts{engine="animatic"} 2.0',
    ):
        assert line in page.splitlines(), line
    assert "python_info" not in page  # nothing of the process's own registry
    assert Meters().page() != meters.page()


def test_a_missing_package_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(UnsupportedError, match=r"ltxbridge\[metrics\]") as caught:
        Meters()
    assert caught.value.reason is Reason.DEPENDENCY_MISSING
