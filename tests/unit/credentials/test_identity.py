"""The local key: private, complete or absent, one for all processes, never replaced."""

from __future__ import annotations

import logging
import stat
import sys
from datetime import UTC, datetime, timedelta
from errno import ENOSPC
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from support.faulty_filesystem import FaultyFileSystem

from interchange.errors import ExhaustedError, InvalidInputError, NotAllowedError, Reason
from sidecar.credentials import identity as identity_module
from sidecar.credentials.identity import (
    IDENTITY_FILE,
    ROOT_FILE,
    issue,
    load_or_create_identity,
    read_anchor,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
def test_first_use_makes_a_private_key_and_says_what_it_is_worth(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "identity"
    identity = load_or_create_identity(folder)
    assert identity.is_new
    assert (mode(folder), mode(folder / IDENTITY_FILE)) == (0o700, 0o600)
    assert "not a verified identity" in identity.statement
    assert "unrecognised signer" in identity.statement
    assert identity.expires - datetime.now(UTC) > timedelta(days=3650)
    assert "PRIVATE" not in repr(identity)
    again = load_or_create_identity(folder)
    assert not again.is_new
    assert again.key_pem == identity.key_pem
    assert again.root_pem == read_anchor(folder) == (folder / ROOT_FILE).read_bytes()
    assert sorted(p.name for p in folder.iterdir()) == [ROOT_FILE, IDENTITY_FILE]


def test_the_root_key_is_nowhere(tmp_path: Path) -> None:
    """Whoever finds the folder can sign as this machine, but cannot issue another certificate under its root."""
    identity = load_or_create_identity(tmp_path)
    raw = (tmp_path / IDENTITY_FILE).read_bytes()
    assert raw.count(b"PRIVATE KEY-----") == 2  # the begin and the end of one
    root = x509.load_pem_x509_certificate(identity.root_pem)
    assert load_pem_private_key(identity.key_pem, None).public_key() != root.public_key()


def test_the_certificate_has_the_profile_every_verifier_accepts(tmp_path: Path) -> None:
    identity = load_or_create_identity(tmp_path)
    leaf = x509.load_pem_x509_certificate(identity.certificate_pem)
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {usage.dotted_string for usage in usages} == {
        "1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.36", "1.3.6.1.5.5.7.3.4",
    }  # fmt: skip
    assert leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    assert "identity not verified" in leaf.subject.rfc4514_string()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda _: b"", "certificates cannot be read"),
        (lambda raw: raw[: len(raw) // 2], "certificates cannot be read"),
        (lambda raw: raw[:-300], "certificates cannot be read"),
        (lambda _: b"\x00\xff" * 500, "certificates cannot be read"),
        (lambda raw: raw[raw.index(b"-----BEGIN CERT") :], "private key cannot be read"),
        (lambda raw: raw[:40] + b"A" * 20 + raw[60:], "private key cannot be read"),
        (
            lambda raw: (
                issue(datetime.now(UTC)).split(b"-----BEGIN CERT")[0]
                + raw[raw.index(b"-----BEGIN CERT") :]
            ),
            "do not belong together",
        ),
        (lambda raw: raw + b"\n" * 70_000, "too long"),
    ],
    ids=["empty", "half", "short", "garbage", "no key", "bad key", "other key", "long"],
)
def test_a_damaged_key_is_refused_with_what_to_do_and_left_alone(
    damage: object, words: str, tmp_path: Path
) -> None:
    load_or_create_identity(tmp_path)
    path = tmp_path / IDENTITY_FILE
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(InvalidInputError, match=words) as caught:
        load_or_create_identity(tmp_path)
    assert caught.value.reason is Reason.CREDENTIALS_INVALID
    assert "backup" in caught.value.message
    assert path.read_bytes() == damaged


@pytest.mark.parametrize(
    ("issued", "words"),
    [(timedelta(days=-4000), "expired on"), (timedelta(days=2), "in the future")],
    ids=["expired", "not yet"],
)
def test_a_key_out_of_its_time_is_refused(issued: timedelta, words: str, tmp_path: Path) -> None:
    path = tmp_path / IDENTITY_FILE
    path.write_bytes(issue(datetime.now(UTC) + issued))
    path.chmod(0o600)
    with pytest.raises(InvalidInputError, match=words) as caught:
        load_or_create_identity(tmp_path)
    assert "clock" in caught.value.message


@posix
def test_a_key_that_others_may_read_is_made_private_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = load_or_create_identity(tmp_path).key_pem
    path = tmp_path / IDENTITY_FILE
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert load_or_create_identity(tmp_path).key_pem == key
    assert mode(path) == 0o600
    assert "could be read by other users (mode 0644)" in caplog.text


@posix
def test_a_folder_that_others_may_write_to_is_closed_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_or_create_identity(tmp_path / "id")
    (tmp_path / "id").chmod(0o775)
    with caplog.at_level(logging.WARNING):
        load_or_create_identity(tmp_path / "id")
    assert mode(tmp_path / "id") == 0o755
    assert "other users could write" in caplog.text


@posix
def test_a_shared_folder_or_a_link_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "identity"
    load_or_create_identity(folder)
    folder.chmod(0o1777)
    with pytest.raises(NotAllowedError, match="Other users may write"):
        load_or_create_identity(folder)
    assert mode(folder) == 0o1777
    folder.chmod(0o700)
    linked = tmp_path / "linked"
    linked.mkdir(mode=0o700)
    (linked / IDENTITY_FILE).symlink_to(folder / IDENTITY_FILE)
    with pytest.raises(NotAllowedError, match="is a link"):
        load_or_create_identity(linked)


@pytest.mark.parametrize("operation", ["make_folder", "open_new", "write", "fsync_file"])
def test_a_full_disk_leaves_no_key_behind(operation: str, tmp_path: Path) -> None:
    with pytest.raises(ExhaustedError):
        load_or_create_identity(
            tmp_path / "id", filesystem=FaultyFileSystem(operation, errno=ENOSPC)
        )
    assert not (tmp_path / "id").exists() or list((tmp_path / "id").iterdir()) == []
    assert load_or_create_identity(tmp_path / "id").is_new


def test_the_loser_of_a_race_takes_the_winner_s_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process publishes its key while ours is being made."""
    real_issue = issue
    winners = []

    def overtaken(now: datetime) -> bytes:
        monkeypatch.setattr(identity_module, "issue", real_issue)
        winners.append(load_or_create_identity(tmp_path))
        return real_issue(now)

    monkeypatch.setattr(identity_module, "issue", overtaken)
    loser = load_or_create_identity(tmp_path)
    assert not loser.is_new
    assert loser.key_pem == winners[0].key_pem
    assert sorted(p.name for p in tmp_path.iterdir()) == [ROOT_FILE, IDENTITY_FILE]


def test_no_identity_means_no_anchor_and_makes_none(tmp_path: Path) -> None:
    assert read_anchor(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()
