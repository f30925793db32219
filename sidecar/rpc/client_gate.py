"""The gate of the door for other machines: an enrolled client's certificate and the same client's token."""

from __future__ import annotations

import hashlib
import ssl

from interchange.errors import NotAuthenticatedError, Reason
from interchange.model.caller import Caller
from sidecar.pki.register import Register
from sidecar.rpc.auth import PeerFacts


class ClientGate:
    """Lets in who shows a token of the register over a connection with that client's certificate.

    That the certificate is of our authority and valid, TLS has checked before there is a call at all. The local
    token means nothing here.

    Args:
        register: Who is enrolled.
    """

    most_open_calls = 128

    def __init__(self, register: Register) -> None:
        self._register = register

    def holder(self, token: bytes) -> str | None:
        """The client whose token this is, None where it is nobody's."""
        return self._register.holder_of(token)

    def caller(self, holder: str, peer: PeerFacts) -> Caller:
        """The client, where the connection is its own and it has not been revoked.

        Raises:
            NotAuthenticatedError: It is not, or it has (CERTIFICATE_INVALID).
        """
        names = list(peer.get("x509_common_name", ()))
        certificates = list(peer.get("x509_pem_cert", ()))
        client = None
        if names == [holder.encode()] and len(certificates) == 1:
            client = self._register.admitted(holder, _fingerprint(certificates[0]))
        if client is None:
            raise NotAuthenticatedError(
                "The sidecar does not let this machine in: its enrolment was revoked, replaced or has expired. "
                "Ask whoever runs the sidecar for a new enrolment file, then run `ltxbridge pki join`.",
                reason=Reason.CERTIFICATE_INVALID,
            )
        return Caller(client.name, client.role)


def _fingerprint(certificate_pem: bytes) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate_pem.decode("ascii"))).hexdigest()
