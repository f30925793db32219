"""Gives a finished take its final name, so that a reader sees all of it or nothing.

Order: data fsynced, manifest named, media named, folder fsynced. The media's name is what people and
timelines look for, so it comes last. Every step can be repeated: after a crash anywhere in here the same call
carries on where it stopped.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from interchange.errors import BridgeError, NotFoundError, Reason
from interchange.model.take import Take
from sidecar.filesystem import FileSystem
from sidecar.jobs.work import TakeDraft, parts_of


def publish(draft: TakeDraft, *, filesystem: FileSystem) -> Take:
    """Publish a draft, or finish publishing it.

    Args:
        draft: Verified files under their work names.
        filesystem: Where they are.

    Returns:
        The take, on disk under its final name.

    Raises:
        NotFoundError: The work files are gone and the final ones are not there; make the take again.
        NotAllowedError: Somebody else's file has the name, or the folder cannot be written.
        ExhaustedError: The disk is full.
    """
    take = draft.take
    manifest, media = Path(take.manifest_path), Path(take.path)
    try:
        _give_name(Path(draft.manifest_part), manifest, draft.manifest_sha256, filesystem)
        _give_name(Path(draft.media_part), media, take.sha256, filesystem)
        filesystem.fsync_folder(media.parent)
    except BridgeError:
        withdraw(draft, filesystem=filesystem)
        raise
    return take


def published(draft: TakeDraft, *, filesystem: FileSystem) -> bool:
    """Whether both files of a draft have their final names, and are what was verified."""
    return _is(Path(draft.take.path), draft.take.sha256, filesystem) and _is(
        Path(draft.take.manifest_path), draft.manifest_sha256, filesystem
    )


def withdraw(draft: TakeDraft, *, filesystem: FileSystem) -> None:
    """Take back the names given to a draft whose job does not succeed; touches nobody else's files."""
    for final, sha256 in (
        (Path(draft.take.path), draft.take.sha256),
        (Path(draft.take.manifest_path), draft.manifest_sha256),
    ):
        with suppress(BridgeError):  # the cause is being reported already
            if _is(final, sha256, filesystem):
                filesystem.unlink(final)


def sweep(
    folder: Path, job_id: str, *, filesystem: FileSystem, keep: TakeDraft | None = None
) -> None:
    """Remove the work files of a job, except those a draft still needs."""
    kept = set() if keep is None else {Path(keep.media_part), Path(keep.manifest_part)}
    for part in parts_of(folder, job_id):
        if part not in kept:
            with suppress(BridgeError):  # they are hidden, and swept again at the next start
                filesystem.unlink(part, missing_ok=True)


def _give_name(part: Path, final: Path, sha256: str, filesystem: FileSystem) -> None:
    if _is(final, sha256, filesystem):
        # An earlier attempt came this far; it may have died between link and unlink.
        filesystem.unlink(part, missing_ok=True)
        return
    if not part.exists():
        raise NotFoundError(
            f"The finished take {part.name} vanished before it could be published. Run the job again.",
            reason=Reason.FILE_NOT_FOUND,
            metadata={"path": str(part)},
        )
    filesystem.fsync_file(part)
    filesystem.publish_new(part, final)


def _is(path: Path, sha256: str, filesystem: FileSystem) -> bool:
    return path.is_file() and filesystem.sha256(path) == sha256
