"""This machine's own signing identity: made on first use, private to the user, never replaced silently.

A root is made, issues one certificate and is forgotten: its key is never stored, so nothing else can ever be
issued under it, and a file whose signature leads to that root was signed with the one key in the folder.
Offline there is no trusted time stamp, without which every file reads as invalid once its certificate has
expired (measured); hence ten years, not the short-lived certificates a public authority would give.

On POSIX the key file is 0600 in a 0700 folder. Windows has no such modes; there the folder belongs in the
user's profile, whose access list already keeps other users out.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import stat
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from interchange.errors import BridgeError, InvalidInputError, NotAllowedError, Reason
from sidecar.filesystem import FileSystem

_log = logging.getLogger(__name__)

IDENTITY_FILE = "signing-identity.pem"
ROOT_FILE = "root-certificate.pem"
STATEMENT = (
    "integrity: valid; signer: this machine's own key, not a verified identity; "
    "other tools will show 'unrecognised signer'"
)

CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")

_LIFETIME = timedelta(days=3653)
_CLOCK_TOLERANCE = timedelta(minutes=5)
# Viewers show the organisation as the signer's name; it must not read like one.
_ORGANISATION = "LTX Bridge local key (identity not verified)"
_MOST_BYTES = 64 * 1024
_KEY_BLOCK = re.compile(
    rb"-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END PRIVATE KEY-----\n"
)
_REMEDY = (
    "Put the file back from a backup, or move it away to have a new key made; takes signed with the old key "
    "will then show an unrecognised signer"
)


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """The key of this installation and what vouches for it, which is only itself.

    Args:
        key_pem: The private key, unencrypted PKCS#8; never logged, never shown.
        certificate_pem: The certificate that goes into every file.
        root_pem: The anchor; whoever trusts it recognises this installation's files.
        fingerprint: SHA-256 of the certificate in lower-case hexadecimal.
        expires: When files signed with it stop reading as valid.
        is_new: Whether this call made it; the doors then tell the user so.
        statement: What a signature by it is worth, in words.
    """

    key_pem: bytes = field(repr=False)
    certificate_pem: bytes
    root_pem: bytes
    fingerprint: str
    expires: datetime
    is_new: bool = False
    statement: str = STATEMENT


def load_or_create_identity(
    folder: Path, *, filesystem: FileSystem | None = None
) -> SigningIdentity:
    """Read this installation's identity, or make one on first use.

    Processes that race agree on one: the file appears under its name complete, or not at all, and the loser
    takes the winner's.

    Args:
        folder: Where it lives; made private to the user.
        filesystem: The door all writing goes through.

    Raises:
        InvalidInputError: The file is damaged or has expired; it is left as it is.
        NotAllowedError: The file is another user's, a link, or cannot be read or written.
        ExhaustedError: The disk is full.
    """
    filesystem = filesystem or FileSystem()
    path = folder / IDENTITY_FILE
    raw = _read_private(path)
    is_new = raw is None and _create(path, filesystem=filesystem)
    if raw is None:
        raw = _read_private(path)
    if raw is None:
        raise _damaged(path, "it disappeared while it was made")
    identity = _parse(path, raw, is_new=is_new)
    if not (folder / ROOT_FILE).exists():
        # Public, and only for other tools that shall recognise this machine.
        filesystem.write_atomic(folder / ROOT_FILE, identity.root_pem)
    return identity


def read_anchor(folder: Path) -> bytes | None:
    """The root certificate of the identity in a folder as PEM, None where there is no identity.

    Raises:
        InvalidInputError: The identity is damaged.
        NotAllowedError: It cannot be read.
    """
    path = folder / IDENTITY_FILE
    raw = _read_private(path)
    return None if raw is None else _pem(_certificates(path, raw)[1])


def _create(path: Path, *, filesystem: FileSystem) -> bool:
    """Make and publish a new identity; False where another process was faster."""
    filesystem.make_folder(path.parent, private=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with filesystem.open_new(part, private=True) as file:
            file.write(issue(datetime.now(UTC)))
        filesystem.fsync_file(part)
        try:
            filesystem.publish_new(part, path)
        except NotAllowedError:
            if not path.exists():
                raise
            return False
    finally:
        with contextlib.suppress(BridgeError):
            filesystem.unlink(part, missing_ok=True)
    filesystem.fsync_folder(path.parent)
    _log.info("made a new signing key in %s: %s", path.parent, STATEMENT)
    return True


def issue(now: datetime) -> bytes:
    """Make a root, one certificate under it and its key, and forget the root's key.

    Args:
        now: The certificate holds from five minutes before, for clocks that differ.

    Returns:
        PEM: key (PKCS#8), certificate, root certificate.
    """
    starts = now - _CLOCK_TOLERANCE
    ends = now + _LIFETIME
    mark = secrets.token_hex(4)
    root_name = _name(f"ltxbridge local root {mark}")
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_id = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = (
        x509.CertificateBuilder()
        .subject_name(root_name)
        .issuer_name(root_name)
        .public_key(root_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(certificates=True), critical=True)
        .add_extension(root_id, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    # All three usages: C2PA's own, and the two that readers with older lists know (measured).
    usages = [CLAIM_SIGNING, DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION]
    leaf = (
        x509.CertificateBuilder()
        .subject_name(_name(f"ltxbridge {mark}"))
        .issuer_name(root_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_id), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return key_pem + _pem(leaf) + _pem(root)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificates(path: Path, raw: bytes) -> tuple[x509.Certificate, x509.Certificate]:
    """The signer's certificate and its root."""
    try:
        leaf, root = x509.load_pem_x509_certificates(raw)
        leaf.verify_directly_issued_by(root)
    except Exception as exc:  # cryptography raises several unrelated types on damaged input
        raise _damaged(path, "its certificates cannot be read") from exc
    return leaf, root


def _parse(path: Path, raw: bytes, *, is_new: bool) -> SigningIdentity:
    leaf, root = _certificates(path, raw)
    block = _KEY_BLOCK.search(raw)
    try:
        key = serialization.load_pem_private_key(block[0] if block else b"", password=None)
    except (ValueError, TypeError) as exc:
        raise _damaged(path, "its private key cannot be read") from exc
    if block is None or key.public_key() != leaf.public_key():
        raise _damaged(path, "its private key and its certificate do not belong together")
    expires = leaf.not_valid_after_utc
    now = datetime.now(UTC)
    if now >= expires:
        raise InvalidInputError(
            f"The signing key in {path} expired on {expires:%Y-%m-%d}; nothing signed now would be "
            "valid. Check this machine's clock; if it is right, move the file away to have a new key made.",
            reason=Reason.CREDENTIALS_INVALID,
            metadata={"path": str(path), "expires": expires.isoformat()},
        )
    if now < leaf.not_valid_before_utc:
        raise InvalidInputError(
            f"The signing key in {path} was made on {leaf.not_valid_before_utc:%Y-%m-%d}, which this "
            "machine's clock says is in the future. Set the clock right and run it again.",
            reason=Reason.CREDENTIALS_INVALID,
            metadata={"path": str(path)},
        )
    return SigningIdentity(
        key_pem=block[0],
        certificate_pem=_pem(leaf),
        root_pem=_pem(root),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        expires=expires,
        is_new=is_new,
    )


def _read_private(path: Path) -> bytes | None:
    """Read the identity file, None where there is none; one that others may read is made private."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # each where the platform has it
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as exc:
        what = "is a link" if exc.errno == errno.ELOOP else f"cannot be read: {exc.strerror}"
        raise NotAllowedError(
            f"The signing key {path} {what}. Make it a plain file that only you can read.",
            metadata={"path": str(path)},
        ) from exc
    with os.fdopen(descriptor, "rb") as file:
        _make_private(descriptor, path)
        raw = file.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise _damaged(path, "it is far too long to be a key")
    return raw


def _make_private(descriptor: int, path: Path) -> None:
    if sys.platform == "win32":
        return
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in {os.geteuid(), 0}:
        raise NotAllowedError(
            f"The signing key {path} is not a plain file of yours, so somebody else decides what it signs. "
            "Choose another state folder, or move it away to have your own key made.",
            metadata={"path": str(path)},
        )
    mode = stat.S_IMODE(facts.st_mode)
    if mode & 0o077:
        try:
            os.fchmod(descriptor, 0o600)
        except OSError as exc:
            raise NotAllowedError(
                f"The signing key {path} can be read by others (mode {mode:04o}) and its mode cannot be "
                f"changed: {exc.strerror}. Run chmod 600 on it, or move it to a folder of your own.",
                metadata={"path": str(path), "mode": f"{mode:04o}"},
            ) from exc
        _log.warning(
            "%s could be read by other users (mode %04o) and is private again; if one of them may have "
            "copied it, move it away to have a new key made",
            path,
            mode,
        )
    _close_folder(path.parent)


def _close_folder(folder: Path) -> None:
    """Keep others from putting a key of theirs in place of ours; a user's umask may have let them."""
    facts = folder.stat()
    mode = stat.S_IMODE(facts.st_mode)
    if not mode & 0o022:
        return
    # A sticky folder is shared on purpose, as /tmp is: not ours to close.
    if facts.st_uid != os.geteuid() or mode & stat.S_ISVTX:
        raise NotAllowedError(
            f"Other users may write to {folder} (mode {mode:04o}) and so replace the signing key. Choose "
            "another state folder, one of your own.",
            metadata={"path": str(folder), "mode": f"{mode:04o}"},
        )
    folder.chmod(mode & ~0o022)
    _log.warning("other users could write to %s (mode %04o) and no longer can", folder, mode)


def _damaged(path: Path, what: str) -> InvalidInputError:
    return InvalidInputError(
        f"The signing key {path} is damaged: {what}. {_REMEDY}.",
        reason=Reason.CREDENTIALS_INVALID,
        metadata={"path": str(path)},
    )
