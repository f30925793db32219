"""The door for other machines, over real TLS: every RPC there is, with every wrong thing to show."""

import logging
import socket
import ssl
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from support.every_method import call, code_of, every_method
from support.model_examples import example_request
from support.network_door import bearer, channel_of, new_pki, open_door
from support.rpc_harness import TOKEN

from interchange.errors import ExhaustedError, NotAuthenticatedError, Reason, UnavailableError
from interchange.model.caller import LOCAL_CALLER, Caller, Door, Role
from ltxbridge.client import BridgeClient, Endpoint
from sidecar.rpc.client_gate import ClientGate

METHODS = list(every_method())
each_method = pytest.mark.parametrize(
    ("path", "method"), METHODS, ids=[path for path, _ in METHODS]
)
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture(scope="module")
def door():
    with tempfile.TemporaryDirectory(prefix="ltxb-") as folder, open_door(Path(folder)) as opened:
        yield opened


@pytest.fixture(scope="module")
def anna(door):
    return door.enrol("anna")


@pytest.fixture(scope="module")
def bert(door):
    return door.enrol("bert", Role.OPERATOR)


@pytest.fixture(scope="module")
def strangers(door, anna, bert, tmp_path_factory):
    """(certificate shown, token shown) of everybody who must not come in, by what is wrong."""
    revoked = door.enrol("revoked")
    door.pki.revoke("revoked")
    replaced = door.enrol("replaced")
    renewed = door.renew("replaced")
    other = new_pki(tmp_path_factory.mktemp("other"))
    foreign = door.enrol("foreign", pki=other)
    return {
        "no token": (anna, ()),
        "wrong token": (anna, bearer("6" * 64)),
        "token of another client": (anna, bearer(bert.token)),
        "certificate of another client": (bert, bearer(anna.token)),
        "the local token": (bert, bearer(TOKEN)),
        "two tokens": (anna, (*bearer(anna.token), *bearer(bert.token))),
        "revoked": (revoked, bearer(revoked.token)),
        "replaced": (replaced, bearer(replaced.token)),
        "old certificate, new token": (replaced, bearer(renewed.token)),
        "new certificate, old token": (renewed, bearer(replaced.token)),
        "another authority": (
            replace(foreign, authority_pem=anna.authority_pem),
            bearer(foreign.token),
        ),
        "another authority, good token": (
            replace(foreign, authority_pem=anna.authority_pem),
            bearer(anna.token),
        ),
        "expired": (door.expired, bearer(door.expired.token)),
        "expired, good token": (door.expired, bearer(anna.token)),
    }


IN_THE_HANDSHAKE = {
    "another authority",
    "another authority, good token",
    "expired",
    "expired, good token",
}


@each_method
def test_every_call_of_a_stranger_is_refused(strangers, path, method):
    codes = {}
    for wrong, (enrolment, metadata) in strangers.items():
        with channel_of(enrolment) as channel:
            codes[wrong] = code_of(channel, path, method, metadata)
    assert codes == {
        wrong: UNAVAILABLE if wrong in IN_THE_HANDSHAKE else UNAUTHENTICATED for wrong in strangers
    }


@each_method
def test_every_call_without_a_certificate_ends_in_the_handshake(door, anna, path, method):
    bare = grpc.ssl_channel_credentials(anna.authority_pem.encode())
    with (
        grpc.secure_channel(door.address, bare) as over_tls,
        grpc.insecure_channel(door.address) as plain,
    ):
        assert code_of(over_tls, path, method, bearer(anna.token)) is UNAVAILABLE
        assert code_of(plain, path, method, bearer(anna.token)) is UNAVAILABLE


@pytest.mark.parametrize(
    ("path", "method"), [entry for entry in METHODS if not entry[0].endswith("Health/Watch")]
)
def test_every_call_of_an_enrolled_client_passes_the_gate(anna, path, method):
    """Guards the tests above against a door that is simply shut."""
    with channel_of(anna) as channel:
        assert code_of(channel, path, method, bearer(anna.token)) not in {
            UNAUTHENTICATED,
            UNAVAILABLE,
        }


def test_token_of_an_enrolled_client_is_worth_nothing_at_the_local_door(door, anna, bert):
    with grpc.insecure_channel(door.local.endpoint.address) as channel:
        for path, method in METHODS:
            for enrolment in (anna, bert):
                assert code_of(channel, path, method, bearer(enrolment.token)) is UNAUTHENTICATED


def test_caller_is_who_the_certificate_says_with_its_role_and_door(door, anna, bert):
    seen = []
    create = door.local.jobs.create

    async def watched(*arguments, caller, **options):
        seen.append(caller)
        return await create(*arguments, caller=caller, **options)

    door.local.jobs.create = watched
    try:
        for endpoint, program in (
            (Endpoint.of(anna), Door.RESOLVE),
            (Endpoint.of(bert), Door.WATCH),
            (door.local.endpoint, Door.CLI),
        ):
            with BridgeClient(endpoint, door=program) as client:
                client.create_job(example_request(), validate_only=True)
    finally:
        door.local.jobs.create = create
    assert seen == [
        Caller("anna", Role.EDITOR, Door.RESOLVE),
        Caller("bert", Role.OPERATOR, Door.WATCH),
        replace(LOCAL_CALLER, door=Door.CLI),
    ]


def test_revoked_client_is_told_so_without_a_restart(door):
    enrolment = door.enrol("leaving")
    with BridgeClient(Endpoint.of(enrolment)) as client:
        assert client.serving()
        door.pki.revoke("leaving")
        with pytest.raises(NotAuthenticatedError, match="revoked") as caught:
            client.list_engines()
    assert caught.value.reason is Reason.CERTIFICATE_INVALID


def test_open_watch_of_a_revoked_client_ends_with_its_next_message(door):
    enrolment = door.enrol("watching")
    with BridgeClient(Endpoint.of(enrolment)) as client:
        job = client.create_job(example_request())
        watch = client.watch_job(job.job_id)
        assert next(watch).revision == job.revision
        door.pki.revoke("watching")
        door.local.run(door.local.jobs.advance(job.job_id))
        with pytest.raises(NotAuthenticatedError):
            next(watch)


def test_damaged_register_lets_nobody_in_until_it_is_mended(door, anna, caplog):
    content = door.pki.clients_file.read_bytes()
    with BridgeClient(Endpoint.of(anna)) as client, caplog.at_level(logging.ERROR):
        assert client.serving()
        door.pki.clients_file.write_bytes(content[:-20])
        with pytest.raises(NotAuthenticatedError):
            client.list_engines()
        assert "No other machine is let in" in caplog.text
        door.pki.clients_file.write_bytes(content + b"\n")
        assert client.list_engines()


def test_sidecar_of_another_authority_is_not_talked_to(anna, tmp_path):
    """The client's side: whoever answers at the address must be the sidecar it was enrolled with."""
    other = new_pki(tmp_path)
    impostor = replace(anna, authority_pem=other.authority().certificate_pem.decode())
    with BridgeClient(Endpoint.of(impostor), timeout_s=5) as client:
        with pytest.raises(UnavailableError, match="certificate"):
            client.list_engines()
        assert not client.serving()


def test_certificate_is_for_the_hosts_it_names_only(door, anna):
    elsewhere = replace(anna, address=door.address.replace("127.0.0.1", "127.0.0.2"))
    by_name = replace(anna, address=door.address.replace("127.0.0.1", "localhost"))
    for enrolment in (elsewhere, by_name):
        with (
            BridgeClient(Endpoint.of(enrolment), timeout_s=5) as client,
            pytest.raises(UnavailableError),
        ):
            client.list_engines()


def _handshake(door, anna, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")  # the local library alone would refuse the old versions
    context.minimum_version = context.maximum_version = version
    context.load_verify_locations(cadata=anna.authority_pem)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(anna.key_pem + anna.certificate_pem)
        file.flush()
        context.load_cert_chain(file.name)
    context.set_alpn_protocols(["h2"])
    host, _, port = door.address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return secure.version()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_is_1_2_or_later(door, anna):
    assert _handshake(door, anna, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert _handshake(door, anna, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.raises(OSError, match=r"(?i)protocol|version|alert|reset|EOF"):
        _handshake(door, anna, ssl.TLSVersion.TLSv1_1)


def test_client_with_too_many_open_calls_is_refused_and_the_others_are_not(anna, bert, monkeypatch):
    monkeypatch.setattr(ClientGate, "most_open_calls", 3)
    request = health_pb2.HealthCheckRequest()
    with channel_of(anna) as channel, BridgeClient(Endpoint.of(bert)) as other:
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        )
        streams = [watch(request, metadata=bearer(anna.token)) for _ in range(3)]
        for stream in streams:
            next(stream)
        with (
            BridgeClient(Endpoint.of(anna)) as client,
            pytest.raises(ExhaustedError, match="open already"),
        ):
            client.list_engines()
        assert other.list_engines()
        for stream in streams:
            stream.cancel()
        freed = threading.Event()
        give_up = time.monotonic() + 10
        with BridgeClient(Endpoint.of(anna)) as client:
            while time.monotonic() < give_up and not freed.wait(0.05):
                try:
                    if client.list_engines():
                        freed.set()
                except ExhaustedError:
                    continue
        assert freed.is_set()


def test_log_of_refused_calls_is_bounded_and_holds_no_secret(short_dir, caplog):
    with (
        caplog.at_level(logging.DEBUG),
        open_door(short_dir) as door,
    ):
        carl = door.enrol("carl")
        with channel_of(carl) as channel:
            for number in range(50):
                path, method = METHODS[number % len(METHODS)]
                with pytest.raises(grpc.RpcError):
                    call(channel, path, method, bearer(f"{number:064x}"))
    lines = [record.getMessage() for record in caplog.records if "Refused" in record.getMessage()]
    assert len(lines) == 1
    assert "0" * 60 not in caplog.text
    assert carl.token not in caplog.text
