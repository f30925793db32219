"""The certificates of one installation: its own authority, the server's, and one for each client.

Nobody outside vouches for them, and nobody needs to: a client is handed the authority's certificate with its own.
EC P-256 throughout. The authority lasts ten years, what it issues one year.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from interchange.errors import InvalidInputError, Reason

AUTHORITY_LIFETIME = timedelta(days=3653)
LIFETIME = timedelta(days=366)
WARN_BEFORE = timedelta(days=30)

_CLOCK_TOLERANCE = timedelta(minutes=5)
_ORGANISATION = "ltxbridge"
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
_KEY_BLOCK = re.compile(
    rb"-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END PRIVATE KEY-----\n"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key and the certificate that goes with it.

    Args:
        key_pem: Unencrypted PKCS#8; never logged, never shown.
        certificate_pem: The certificate.
        name: Its common name.
        fingerprint: SHA-256 of the certificate, lower-case hexadecimal.
        starts: Valid from.
        expires: Valid until.
        hosts: Names and addresses it stands for; empty for all but the server's.
    """

    key_pem: bytes = field(repr=False)
    certificate_pem: bytes
    name: str
    fingerprint: str
    starts: datetime
    expires: datetime
    hosts: tuple[str, ...]

    @property
    def pem(self) -> bytes:
        """Key and certificate in one file, so that they cannot part."""
        return self.key_pem + self.certificate_pem

    @classmethod
    def from_pem(cls, pem: bytes, *, origin: str) -> Identity:
        """Read what `pem` wrote.

        Raises:
            InvalidInputError: It is damaged, or key and certificate do not belong together
                (CERTIFICATE_INVALID).
        """
        block = _KEY_BLOCK.search(pem)
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            key = serialization.load_pem_private_key(block[0] if block else b"", password=None)
        except Exception as error:  # cryptography raises several unrelated types on damaged input
            raise damaged(origin, "its key or its certificate cannot be read") from error
        if block is None or key.public_key() != certificate.public_key():
            raise damaged(origin, "its key and its certificate do not belong together")
        return cls(
            key_pem=block[0],
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
            name=_common_name(certificate),
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
            starts=certificate.not_valid_before_utc,
            expires=certificate.not_valid_after_utc,
            hosts=_hosts_in(certificate),
        )


def new_authority(now: datetime) -> Identity:
    """Make an authority that may issue certificates for clients and servers, and no other authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"ltxbridge authority {x509.random_serial_number():x}"[:40])
    certificate = (
        _builder(name, name, key, now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _identity(key, certificate)


def issue_server(authority: Identity, hosts: Sequence[str], now: datetime) -> Identity:
    """Issue the server's certificate.

    Args:
        authority: Signs it.
        hosts: Names and addresses by which clients will call it, from `check_host`.
        now: It holds from five minutes before, for clocks that differ.
    """
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    return _issue(authority, "ltxbridge sidecar", ExtendedKeyUsageOID.SERVER_AUTH, now, names)


def issue_client(authority: Identity, name: str, now: datetime) -> Identity:
    """Issue a client's certificate, whose common name is the client's."""
    return _issue(authority, name, ExtendedKeyUsageOID.CLIENT_AUTH, now, None)


def check_host(host: str) -> str:
    """Insist on an address or a host name; returns it in its usual spelling.

    Raises:
        InvalidInputError: It is neither, or an address that no client can call.
    """
    bare = host.strip("[]").lower()
    try:
        address = ip_address(bare)
    except ValueError:
        if _HOST_NAME.fullmatch(bare) is None or bare.replace(".", "").isdigit():
            raise InvalidInputError(
                f"{host[:80]!r} is neither an address nor a host name. Name this machine as the others call it, "
                "such as --host sidecar.studio.example or --host 10.0.0.5.",
                metadata={"host": host[:80]},
            ) from None
        return bare
    if address.is_unspecified or address.is_multicast:
        raise InvalidInputError(
            f"{host} stands for every address of this machine; clients need one they can call.",
            metadata={"host": host},
        )
    return str(address)


def check_issued(identity: Identity, authority_pem: bytes, now: datetime, *, origin: str) -> None:
    """Make sure that a certificate is the authority's and valid now.

    Raises:
        InvalidInputError: It is not; says since when, and what to do (CERTIFICATE_INVALID).
    """
    try:
        issuer = x509.load_pem_x509_certificate(authority_pem)
        certificate = x509.load_pem_x509_certificate(identity.certificate_pem)
        certificate.verify_directly_issued_by(issuer)
    except Exception as error:  # as above
        raise damaged(origin, "its certificate is not of the authority beside it") from error
    check_valid(identity, now, origin=origin)


def check_valid(identity: Identity, now: datetime, *, origin: str) -> None:
    """Make sure that a certificate is valid now.

    Raises:
        InvalidInputError: It is not (CERTIFICATE_INVALID).
    """
    if now >= identity.expires:
        raise InvalidInputError(
            f"The certificate in {origin} expired on {identity.expires:%Y-%m-%d}. Check this machine's clock; "
            "if it is right, run `ltxbridge pki renew` on the sidecar's machine.",
            reason=Reason.CERTIFICATE_INVALID,
            metadata={"path": origin, "expires": identity.expires.isoformat()},
        )
    if now < identity.starts:
        raise InvalidInputError(
            f"The certificate in {origin} was made on {identity.starts:%Y-%m-%d}, which this machine's clock "
            "says is in the future. Set the clock right.",
            reason=Reason.CERTIFICATE_INVALID,
            metadata={"path": origin},
        )


def damaged(origin: str, what: str) -> InvalidInputError:
    """The complaint about a file of ours that cannot be used."""
    return InvalidInputError(
        f"{origin} is damaged: {what}. Put it back from a backup, or move the folder `pki` away and start again "
        "with `ltxbridge pki init`; every client must then be enrolled anew.",
        reason=Reason.CERTIFICATE_INVALID,
        metadata={"path": origin},
    )


def _issue(
    authority: Identity,
    name: str,
    purpose: x509.ObjectIdentifier,
    now: datetime,
    hosts: x509.SubjectAlternativeName | None,
) -> Identity:
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem)
    issuer_key = serialization.load_pem_private_key(authority.key_pem, password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise damaged("The authority", "its key is of another kind")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(name), issuer.subject, key, now, LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if hosts is not None:
        builder = builder.add_extension(hosts, critical=False)
    return _identity(key, builder.sign(issuer_key, hashes.SHA256()))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_TOLERANCE)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _identity(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Identity:
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
    return Identity.from_pem(key_pem + certificate_pem, origin="The new certificate")


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _hosts_in(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
