"""What the door for other machines is made of, read from the state folder when the sidecar starts."""

from __future__ import annotations

import logging
from pathlib import Path

from interchange.errors import BridgeError, InvalidInputError, Reason
from sidecar.pki.folder import PkiFolder
from sidecar.pki.register import Register
from sidecar.rpc.client_gate import ClientGate
from sidecar.rpc.server import NetworkDoor
from sidecar.setting_values import ListenAddress

_LOG = logging.getLogger(__name__)


def network_door(listen: ListenAddress | None, state_dir: Path) -> NetworkDoor | None:
    """The door for other machines; None where the settings want none.

    There is no setting, and there will be none, that opens one without certificates.

    Raises:
        InvalidInputError: An address that others can reach is to be listened on, and the certificates for that
            are missing, damaged or have expired (CERTIFICATE_INVALID).
    """
    if listen is None or listen.loopback:
        return None
    folder = PkiFolder.of(state_dir)
    try:
        server = folder.server()
        authority = folder.authority()
        for warning in folder.warnings():
            _LOG.warning("%s", warning)
    except BridgeError as error:
        raise InvalidInputError(
            f"Other machines can reach {listen}, and it is opened with mutual TLS only. {error}",
            reason=Reason.CERTIFICATE_INVALID,
            metadata={"address": str(listen)} | error.metadata,
        ) from error
    return NetworkDoor(
        host=listen.host,
        port=listen.port,
        key_pem=server.key_pem,
        certificate_pem=server.certificate_pem,
        authority_pem=authority.certificate_pem,
        gate=ClientGate(Register(folder.clients_file)),
    )
