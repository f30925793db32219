"""Whoever makes a file must not learn who looks at it: nothing in it is ever asked for.

The library's settings are ignored without a word where a key is misspelt, so each test also turns the setting
the other way and sees the server asked.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID
from support.credential_examples import facts_of, request_of, write_take

from interchange.errors import NotFoundError, Reason
from sidecar.credentials.identity import SigningIdentity, issue, load_or_create_identity
from sidecar.credentials.reading import make_context
from sidecar.credentials.sign import sign_take
from sidecar.credentials.verify import verify_file
from sidecar.filesystem import FileSystem


def identity_with_revocation_server(url: str) -> SigningIdentity:
    """Our own profile, issued once more with the address of a revocation server in it."""
    model, root = x509.load_pem_x509_certificates(issue(datetime.now(UTC)))
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def copied(certificate: x509.Certificate, subject_key: ec.EllipticCurvePrivateKey):
        builder = (
            x509.CertificateBuilder()
            .subject_name(certificate.subject)
            .issuer_name(certificate.issuer)
            .public_key(subject_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(certificate.not_valid_before_utc)
            .not_valid_after(certificate.not_valid_after_utc)
        )
        for extension in certificate.extensions:
            value = extension.value
            if isinstance(value, x509.SubjectKeyIdentifier):
                value = x509.SubjectKeyIdentifier.from_public_key(subject_key.public_key())
            if isinstance(value, x509.AuthorityKeyIdentifier):
                value = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
            builder = builder.add_extension(value, extension.critical)
        return builder

    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)
            )
        ]
    )
    leaf = copied(model, key).add_extension(access, False).sign(root_key, hashes.SHA256())
    anchor = copied(root, root_key).sign(root_key, hashes.SHA256())
    return SigningIdentity(
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate_pem=leaf.public_bytes(Encoding.PEM),
        root_pem=anchor.public_bytes(Encoding.PEM),
        fingerprint="",
        expires=datetime.now(UTC) + timedelta(days=1),
    )


def test_revocation_servers_are_never_asked(tmp_path: Path, server: tuple[str, list[str]]) -> None:
    from c2pa import Context, Reader

    url, asked = server
    identity = identity_with_revocation_server(url)
    signed = tmp_path / "take.mov"
    sign_take(
        write_take(tmp_path / "raw.mov"),
        destination=signed,
        manifest_path=tmp_path / "take.c2pa",
        facts=facts_of(request_of("generate")),
        identity=identity,
        filesystem=FileSystem(),
    )
    verify_file(signed)
    with (
        make_context(identity.root_pem) as context,
        signed.open("rb") as file,
        Reader("video/quicktime", file, context=context) as reader,
    ):
        assert reader.get_validation_state() == "Trusted"
    assert asked == []
    asking = Context.from_dict(
        {
            "verify": {"ocsp_fetch": True},
            "trust": {
                "trust_config": "1.3.6.1.4.1.62558.2.1",
                "anchors": [
                    {
                        "trust_anchors": identity.root_pem.decode(),
                        "trust_uri": "urn:test",
                        "trust_kind": "manifest",
                    }
                ],
            },
        }
    )
    with asking, signed.open("rb") as file:
        Reader("video/quicktime", file, context=asking).close()
    assert asked


def sign_with_remote_address(
    source: Path, target: Path, url: str, identity: SigningIdentity
) -> None:
    """Leave only an address of credentials in the file, as other programs do."""
    from c2pa import Builder, C2paSignerInfo, C2paSigningAlg, Signer

    definition = {
        "claim_generator_info": [{"name": "other", "version": "1"}],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "actions": [
                        {
                            "action": "c2pa.created",
                            "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
                        }
                    ]
                },
            }
        ],
    }
    info = C2paSignerInfo(C2paSigningAlg.ES256, identity.certificate_pem, identity.key_pem, None)
    with (
        make_context(identity.root_pem) as context,
        Signer.from_info(info) as signer,
        Builder(definition, context=context) as builder,
        source.open("rb") as reading,
        target.open("w+b") as writing,
    ):
        builder.set_no_embed()
        builder.set_remote_url(url)
        builder.sign(signer, "video/quicktime", reading, writing)


def test_remote_credentials_are_said_and_never_fetched(
    tmp_path: Path, server: tuple[str, list[str]]
) -> None:
    from c2pa import C2paError, Reader

    url, asked = server
    identity = load_or_create_identity(tmp_path / "identity")
    take_mov = write_take(tmp_path / "raw.mov")
    remote = tmp_path / "remote.mov"
    sign_with_remote_address(take_mov, remote, f"{url}/take.c2pa", identity)
    with pytest.raises(NotFoundError, match="has remote credentials, not fetched") as caught:
        verify_file(remote)
    assert caught.value.reason is Reason.CREDENTIALS_NOT_FOUND
    notes = sign_take(
        take_mov,
        destination=tmp_path / "child.mov",
        manifest_path=tmp_path / "child.c2pa",
        facts=facts_of(request_of("retake", a=str(remote))),
        identity=identity,
        filesystem=FileSystem(),
    )
    assert notes == ()
    assert asked == []
    with pytest.raises(C2paError), remote.open("rb") as file:
        Reader("video/quicktime", file)
    assert asked == ["/take.c2pa"]
