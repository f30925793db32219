"""The books of one installation's other machines: what is made, what is refused, what is never overwritten."""

import errno
import json
import os
import stat
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from support.faulty_filesystem import OPERATIONS, FaultyFileSystem

from interchange.errors import (
    BridgeError,
    ConflictError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    Reason,
)
from interchange.model.caller import Role
from ltxbridge.client import Endpoint
from ltxbridge.client.enrolment import Enrolment, check_name
from sidecar.filesystem import FileSystem
from sidecar.jobs.lock import FolderLock
from sidecar.pki.authority import Identity, check_host
from sidecar.pki.folder import PkiFolder
from sidecar.pki.register import Register
from sidecar.pki.remotes import join, remote_endpoint, remote_names, remote_warnings

NOW = datetime.now(UTC).replace(microsecond=0)  # `join` goes by the machine's own clock
posix = pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")


def _at(days: int = 0):
    return lambda: NOW + timedelta(days=days)


@pytest.fixture
def pki(tmp_path):
    folder = PkiFolder(tmp_path / "state" / "pki", FileSystem(), now=_at())
    folder.init(["sidecar.example", "10.0.0.5", "[2001:db8::1]"])
    return folder


def _enrol(pki, name="anna", role=Role.EDITOR, **options):
    file = pki.path.parent.parent / f"{name}.enrolment"
    options = {"address": "sidecar.example:50051", "file": file} | options
    pki.enrol(name, role, **options)
    return options["file"]


def _read(file: Path) -> Enrolment:
    return Enrolment.from_json(file.read_bytes(), origin=str(file))


@posix
def test_every_file_is_private(pki):
    file = _enrol(pki)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (*pki.path.iterdir(), file)}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(pki.path.stat().st_mode) == 0o700


def test_certificates_last_as_long_as_they_should_and_can_do_no_more(pki):
    authority, server = pki.authority(), pki.server()
    client = Identity.from_pem(_both(_read(_enrol(pki))), origin="x")
    assert authority.expires - NOW == timedelta(days=3653)
    assert server.expires - NOW == client.expires - NOW == timedelta(days=366)
    assert server.hosts == ("sidecar.example", "10.0.0.5", "2001:db8::1")
    parsed = {
        name: x509.load_pem_x509_certificate(identity.certificate_pem)
        for name, identity in (("authority", authority), ("server", server), ("client", client))
    }
    basic = {
        name: certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        for name, certificate in parsed.items()
    }
    assert {name: value.ca for name, value in basic.items()} == {
        "authority": True,
        "server": False,
        "client": False,
    }
    assert basic["authority"].path_length == 0
    purposes = {
        name: [
            purpose._name
            for purpose in parsed[name]
            .extensions.get_extension_for_class(x509.ExtendedKeyUsage)
            .value
        ]
        for name in ("server", "client")
    }
    assert purposes == {"server": ["serverAuth"], "client": ["clientAuth"]}
    assert client.name == "anna"


def _both(enrolment: Enrolment) -> bytes:
    return (enrolment.key_pem + enrolment.certificate_pem).encode()


def test_register_knows_hashes_and_no_secret(pki):
    enrolment = _read(_enrol(pki))
    text = pki.clients_file.read_text()
    assert enrolment.token not in text
    assert enrolment.key_pem not in text
    register = Register(pki.clients_file, now=_at())
    identity = Identity.from_pem(_both(enrolment), origin="x")
    assert register.holder_of(enrolment.token.encode()) == "anna"
    assert register.admitted("anna", identity.fingerprint).role is Role.EDITOR
    assert register.admitted("anna", "0" * 64) is None
    assert Register(pki.clients_file, now=_at(367)).admitted("anna", identity.fingerprint) is None


def test_secrets_are_not_in_the_repr(pki):
    enrolment = _read(_enrol(pki))
    shown = repr(enrolment) + repr(pki.authority()) + repr(Endpoint.of(enrolment))
    assert enrolment.token not in shown
    assert "PRIVATE KEY" not in shown


def test_authority_is_never_made_twice(pki):
    before = {path.name: path.read_bytes() for path in pki.path.iterdir()}
    with pytest.raises(ConflictError, match="has an authority already"):
        pki.init(["other.example"])
    assert {path.name: path.read_bytes() for path in pki.path.iterdir()} == before


def test_name_is_never_given_twice_even_after_it_was_revoked(pki, tmp_path):
    _enrol(pki)
    for _ in range(2):
        with pytest.raises(ConflictError, match="was enrolled before"):
            _enrol(pki, file=tmp_path / "again")
        assert not (tmp_path / "again").exists()
        if pki.clients()[0].revoked is None:
            pki.revoke("anna")
    with pytest.raises(NotFoundError, match="for good"):
        pki.renew("anna", address="10.0.0.5:1", file=tmp_path / "again")
    with pytest.raises(NotFoundError, match="for good"):
        pki.revoke("anna")


def test_enrolment_file_is_never_overwritten_and_nobody_is_enrolled_then(pki, tmp_path):
    file = tmp_path / "precious"
    file.write_text("mine")
    with pytest.raises(NotAllowedError, match="never overwritten"):
        _enrol(pki, file=file)
    assert file.read_text() == "mine"
    assert pki.clients() == ()


def test_renewal_ends_what_the_machine_had(pki, tmp_path):
    old = _read(_enrol(pki, role=Role.OPERATOR))
    pki.renew("anna", address="10.0.0.5:50051", file=tmp_path / "new")
    new = _read(tmp_path / "new")
    register = Register(pki.clients_file, now=_at())
    assert register.holder_of(old.token.encode()) is None
    assert register.holder_of(new.token.encode()) == "anna"
    [client] = pki.clients()
    assert client.role is Role.OPERATOR
    assert client.fingerprint == Identity.from_pem(_both(new), origin="x").fingerprint


def test_address_that_the_certificate_does_not_name_is_refused(pki):
    for address in ("other.example:1", "10.0.0.6:1"):
        with pytest.raises(InvalidInputError, match="clients would refuse it"):
            _enrol(pki, address=address)
    assert _read(_enrol(pki, address="[2001:db8::1]:50051")).address == "[2001:db8::1]:50051"


def test_server_certificate_is_renewed_for_other_hosts_by_the_same_authority(pki):
    authority = pki.authority()
    assert pki.renew_server().hosts == ("sidecar.example", "10.0.0.5", "2001:db8::1")
    assert pki.renew_server(["new.example"]).hosts == ("new.example",)
    assert pki.authority() == authority
    assert pki.server().hosts == ("new.example",)


@pytest.mark.parametrize("days", [-1, 366, 4000])
def test_certificate_out_of_its_time_is_refused(pki, days):
    with pytest.raises(InvalidInputError, match=r"expired on|in the future") as caught:
        replace(pki, now=_at(days)).server()
    assert caught.value.reason is Reason.CERTIFICATE_INVALID


def test_warnings_begin_thirty_days_before(pki):
    _enrol(pki)
    assert list(replace(pki, now=_at(335)).warnings()) == []
    soon = list(replace(pki, now=_at(337)).warnings())
    assert len(soon) == 2
    assert "ltxbridge pki renew" in soon[0]
    assert "pki renew anna -o FILE" in soon[1]
    with pytest.raises(InvalidInputError, match="expired on"):
        list(replace(pki, now=_at(367)).warnings())
    pki.revoke("anna")
    assert len(list(replace(pki, now=_at(337)).warnings())) == 1


def test_nothing_is_there_before_init(tmp_path):
    pki = PkiFolder(tmp_path / "pki", FileSystem())
    for action in (
        pki.server,
        pki.authority,
        pki.renew_server,
        lambda: pki.revoke("anna"),
        lambda: _enrol(pki),
    ):
        with pytest.raises(NotFoundError, match="ltxbridge pki init"):
            action()
    assert list(pki.warnings()) == []
    assert list(tmp_path.iterdir()) == []


def test_two_commands_at_once_take_turns(pki):
    lock = FolderLock(pki.path)
    try:
        with pytest.raises(ConflictError, match="Another `ltxbridge pki` command") as caught:
            _enrol(pki)
    finally:
        lock.release()
    assert caught.value.reason is Reason.ALREADY_RUNNING
    assert _enrol(pki).exists()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_disk_that_fails_leaves_enrolment_whole_or_undone(pki, tmp_path, operation, number):
    _enrol(pki)
    before = pki.clients_file.read_bytes()
    faulty = FaultyFileSystem(operation, errno=errno.ENOSPC, number=number)
    file = tmp_path / "bert.enrolment"
    try:
        replace(pki, filesystem=faulty).enrol("bert", Role.EDITOR, address="10.0.0.5:1", file=file)
    except BridgeError:
        known = {client.name for client in pki.clients()}
        if "bert" not in known:
            assert pki.clients_file.read_bytes() == before
    else:
        assert not faulty.failed
        assert Register(pki.clients_file, now=_at()).holder_of(_read(file).token.encode()) == "bert"
    assert {client.name for client in pki.clients()} >= {"anna"}
    if faulty.failed and operation != "unlink":
        assert list(tmp_path.glob(".*.part")) == []


@posix
@pytest.mark.parametrize("name", ["authority.pem", "server.pem"])
def test_key_that_others_can_read_or_replace_is_refused(pki, tmp_path, name):
    path = pki.path / name
    path.chmod(0o640)
    with pytest.raises(NotAllowedError, match="chmod 600"):
        pki.server()
    path.chmod(0o600)
    path.rename(tmp_path / "elsewhere.pem")
    path.symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(NotAllowedError, match="is a link"):
        pki.server()


@pytest.mark.parametrize("name", ["authority.pem", "server.pem"])
def test_damaged_key_is_told(pki, name):
    path = pki.path / name
    content = path.read_bytes()
    for damaged in (b"", content[:-40], content[40:], b"\0" * 200):
        path.write_bytes(damaged)
        with pytest.raises(InvalidInputError, match="is damaged"):
            pki.server()


@pytest.mark.parametrize(
    "name", ["", "local", "Anna", "a b", "-a", "a-", "a" * 33, "../a", "a/b", "a\n", "ä"]
)
def test_name_that_can_be_no_machine_is_refused(pki, name):
    with pytest.raises(InvalidInputError, match="cannot be the name"):
        _enrol(pki, name, file=pki.path.parent / "x")
    with pytest.raises(InvalidInputError):
        check_name(name)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",  # noqa: S104 - refused
        "::",
        "224.0.0.1",
        "a b",
        "http://x",
        "x/y",
        "-x",
        "1.2.3",
        "127.1",
        "x..y",
        "x_y",
    ],
)
def test_host_that_nobody_can_call_is_refused(host):
    with pytest.raises(InvalidInputError):
        check_host(host)


def test_join_keeps_the_way_and_says_how_it_is_called(pki, tmp_path):
    file = _enrol(pki)
    state = tmp_path / "other" / "state"
    assert join(state, file, name="studio") == "studio"
    assert join(state, file) == "sidecar.example"
    assert remote_names(state) == ("sidecar.example", "studio")
    endpoint = remote_endpoint(state, "studio", now=NOW)
    assert endpoint == Endpoint.of(_read(file))
    assert endpoint.token() == _read(file).token
    with pytest.raises(ConflictError, match="already"):
        join(state, file, name="studio")
    assert list(remote_warnings(state, now=NOW)) == []
    assert len(list(remote_warnings(state, now=_at(340)()))) == 2
    with pytest.raises(InvalidInputError, match="expired on"):
        remote_endpoint(state, "studio", now=_at(370)())
    with pytest.raises(NotFoundError, match=r"known: sidecar\.example, studio"):
        remote_endpoint(state, "other")
    assert {path.suffix for path in (state / "remotes").iterdir()} == {".json"}


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "a..b", ".x", "", "X", "x" * 65, "a\0"])
def test_sidecar_name_that_could_be_a_path_is_refused(tmp_path, name):
    with pytest.raises(InvalidInputError):
        remote_endpoint(tmp_path, name)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "ltxbridge.Enrolment.2"},
        {"name": "../x"},
        {"name": "bert"},
        {"role": "king"},
        {"address": "http://x:1"},
        {"address": "unix:/tmp/x"},
        {"address": "x:1\n"},
        {"token": "x"},
        {"token": 1},
        {"key_pem": ""},
        {"certificate_pem": ""},
        {"authority_pem": "x"},
        {"more": "x"},
    ],
)
def test_enrolment_that_was_meddled_with_is_refused(pki, tmp_path, change):
    file = _enrol(pki)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InvalidInputError) as caught:
        join(tmp_path / "state2", file, name="studio")
    assert caught.value.reason is Reason.CERTIFICATE_INVALID
    assert remote_names(tmp_path / "state2") == ()


@posix
def test_enrolment_that_others_can_read_or_that_is_no_file_is_refused(pki, tmp_path):
    file = _enrol(pki)
    file.chmod(0o644)
    with pytest.raises(NotAllowedError, match="chmod 600"):
        join(tmp_path / "s", file)
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "link").symlink_to(file)
    for place in (tmp_path / "pipe", tmp_path / "link", tmp_path, Path("/dev/null")):
        with pytest.raises(NotAllowedError):
            join(tmp_path / "s", place)
    with pytest.raises(NotFoundError):
        join(tmp_path / "s", tmp_path / "nothing")


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_an_enrolment_or_a_complaint(content):
    with pytest.raises(InvalidInputError):
        Enrolment.from_json(content, origin="x")


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=9), st.lists, max_leaves=9))
def test_any_json_in_the_register_lets_nobody_in(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("register") / "clients.json"
    path.write_text(json.dumps({"schema": "ltxbridge.Clients.1", "clients": value}))
    assert Register(path).holder_of(b"x") is None
