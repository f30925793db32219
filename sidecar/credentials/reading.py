"""The one door to the C2PA library's reader, and the settings both reader and signer run under.

Values in and out are plain and picklable, and failures are `BridgeError`, so that the reader can be moved into
a child process with limits of its own without a change for callers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from c2pa import C2paError, Context, Reader

from interchange.errors import InvalidInputError, NotFoundError, Reason
from sidecar.credentials.bmff import open_to_read
from sidecar.credentials.untrusted import safe_text

ANCHOR_NAME = "urn:ltxbridge:this-installation"

# Claim signing, document signing, e-mail protection, Microsoft's document signing. Without this list at the top
# level of `trust`, the first two read as invalid; inside an anchor it has no effect (both measured).
_USAGES = "1.3.6.1.4.1.62558.2.1\n1.3.6.1.5.5.7.3.36\n1.3.6.1.5.5.7.3.4\n1.3.6.1.4.1.311.76.59.1.9"


def make_context(anchor_pem: bytes | None) -> Context:
    """Make the settings for one use of the library: nothing leaves this machine, one anchor at most.

    Unknown keys are ignored without a word, so the tests check the effect of each. Made anew for each use: it
    takes under a millisecond, and one that was inherited over a fork is dead. Merkle trees stay off; another
    verifier refuses them.

    Args:
        anchor_pem: The root that makes a signer recognised. Its kind is not enforced by the library, so no
            other anchor may ever be added here.
    """
    anchors = []
    if anchor_pem is not None:
        anchors.append(
            {
                "trust_anchors": anchor_pem.decode("ascii"),
                "trust_uri": ANCHOR_NAME,
                "trust_kind": "manifest",
            }
        )
    return Context.from_dict(
        {
            "verify": {
                "remote_manifest_fetch": False,
                "ocsp_fetch": False,
                "verify_after_sign": True,
            },
            "core": {
                "allowed_network_hosts": [],
                "allow_redirects": False,
                "max_decompressed_manifest_size_in_mb": 16,
                "backing_store_memory_threshold_in_mb": 64,
            },
            "builder": {"thumbnail": {"enabled": False}},
            "trust": {"trust_config": _USAGES, "anchors": anchors},
        }
    )


def read_store(
    path: Path, *, media_type: str, manifest: bytes | None, anchor_pem: bytes | None
) -> dict[str, Any]:
    """Read and validate the credentials of a file.

    Args:
        path: The media file.
        media_type: Its container.
        manifest: Credentials from beside the file, None for those inside.
        anchor_pem: The root that makes a signer recognised.

    Returns:
        The library's report. Every string in it was written by whoever made the file.

    Raises:
        NotFoundError: There are none here; they may be on a server, which is never asked.
        InvalidInputError: They cannot be read.
    """
    with open_to_read(path) as file, make_context(anchor_pem) as context:
        try:
            with Reader(media_type, file, manifest_data=manifest, context=context) as reader:
                store: dict[str, Any] = json.loads(reader.json())
        except C2paError.ManifestNotFound as exc:
            raise not_found(path) from exc
        except (C2paError, ValueError, RecursionError) as exc:
            raise _unreadable(path, exc) from exc
    return store


def not_found(path: Path) -> NotFoundError:
    """The answer for a file without credentials."""
    return NotFoundError(
        f"{path} has no content credentials, neither inside nor in a .c2pa file beside it. An edit or a "
        "transcode in another program removes them; verify the file as ltxbridge delivered it.",
        reason=Reason.CREDENTIALS_NOT_FOUND,
        metadata={"path": str(path)},
    )


def _unreadable(path: Path, exc: Exception) -> NotFoundError | InvalidInputError:
    detail = safe_text(str(exc))
    if str(exc).startswith("Remote"):
        return NotFoundError(
            f"{path} has remote credentials, not fetched: ltxbridge never connects to other machines. Fetch "
            "them in another program, or put them beside the file as .c2pa.",
            reason=Reason.CREDENTIALS_NOT_FOUND,
            metadata={"path": str(path), "detail": detail},
        )
    return InvalidInputError(
        f"The file was changed after signing: the credentials or the structure of {path} cannot be read any "
        "more. Get the file again from where it was made.",
        reason=Reason.CREDENTIALS_INVALID,
        metadata={"path": str(path), "detail": detail},
    )
