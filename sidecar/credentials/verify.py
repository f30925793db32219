"""Read a file's credentials back, offline, and say in words what they are worth."""

from __future__ import annotations

from pathlib import Path

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from sidecar.credentials.bmff import inspect_container, read_manifest_file
from sidecar.credentials.identity import read_anchor
from sidecar.credentials.reading import not_found, read_store
from sidecar.credentials.report import (
    UNTRUSTED,
    failure_codes,
    report_from_store,
)
from sidecar.credentials.statement import CredentialReport

_VALID = frozenset({"Valid", "Trusted"})
_EXPIRED = frozenset({"signingCredential.expired", "claimSignature.outsideValidity"})


def verify_file(
    path: Path, *, identity_folder: Path | None = None, opened: Path | None = None
) -> CredentialReport:
    """Check that a file is what was signed, and read what its credentials say.

    Credentials inside the file come first; only without them does a `.c2pa` file beside it count. Nothing is
    ever fetched.

    Args:
        path: A MOV or MP4 file.
        identity_folder: Where this installation's identity lives, to recognise its own signature; None, or a
            folder without one, recognises nobody.
        opened: A name under which the very file is opened that somebody holds open; None opens the path. What
            lies beside the file is found by its path.

    Returns:
        The report of an intact file, whoever signed it.

    Raises:
        NotFoundError: The file is not there, or has no credentials here (`CREDENTIALS_NOT_FOUND`).
        InvalidInputError: The file or its credentials were changed after signing (`CREDENTIALS_INVALID`).
        UnsupportedError: Neither MOV nor MP4.
        NotAllowedError: It cannot be read.
    """
    content = opened or path
    container = inspect_container(content)
    if container is None:
        raise UnsupportedError(
            f"{path} is neither a MOV nor an MP4 file, and only those are verified. Verify the take itself, "
            "not a picture or a project made from it.",
            reason=Reason.MEDIA_UNSUPPORTED,
            metadata={"path": str(path)},
        )
    beside = None if container.has_credentials else _manifest_beside(path)
    if container.is_damaged:
        if beside is None and not container.has_credentials:
            raise not_found(path)
        raise _invalid(path, "it was cut off or something was put at its end", codes=())
    store = read_store(
        content,
        media_type=container.media_type,
        manifest=beside[1] if beside else None,
        anchor_pem=read_anchor(identity_folder) if identity_folder else None,
    )
    if store.get("validation_state") not in _VALID:
        raise _judged(path, failure_codes(store), is_beside=beside is not None)
    return report_from_store(store, path=str(path), found=str(beside[0]) if beside else "embedded")


def manifest_candidates(path: Path) -> tuple[Path, ...]:
    """Where credentials beside a file may be, in the order they are looked for."""
    return path.with_suffix(".c2pa"), path.with_name(path.name + ".c2pa")


def _manifest_beside(path: Path) -> tuple[Path, bytes] | None:
    for candidate in manifest_candidates(path):
        manifest = read_manifest_file(candidate)
        if manifest is not None:
            return candidate, manifest
    return None


def _judged(path: Path, codes: tuple[str, ...], *, is_beside: bool) -> InvalidInputError:
    if any("Hash.mismatch" in code for code in codes):
        what = "its picture, sound or timing is not what was signed"
        if is_beside:
            what += ", or the .c2pa beside it belongs to another file"
    elif _EXPIRED & set(codes):
        return InvalidInputError(
            f"The certificate {path} was signed with has expired, and no trusted time stamp says that it was "
            "signed before. Its content may be unchanged, but nobody can tell; ask for a file signed anew.",
            reason=Reason.CREDENTIALS_INVALID,
            metadata=_metadata(path, codes),
        )
    else:
        wrong = [code for code in codes if code != UNTRUSTED] or list(codes)
        what = f"its credentials do not hold ({', '.join(wrong) or 'no reason given'})"
    return _invalid(path, what, codes=codes)


def _invalid(path: Path, what: str, *, codes: tuple[str, ...]) -> InvalidInputError:
    return InvalidInputError(
        f"The file was changed after signing: {path}: {what}. Do not use it as delivered; get it again from "
        "where it was made, or make the take again.",
        reason=Reason.CREDENTIALS_INVALID,
        metadata=_metadata(path, codes),
    )


def _metadata(path: Path, codes: tuple[str, ...]) -> dict[str, str]:
    return {"path": str(path), "codes": ",".join(codes)}
