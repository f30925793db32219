"""The one facade over the operating system for everything we write.

Every call goes through one door, which does two things: it gives tests one place to make the Nth call fail,
and it turns `OSError` into an error an editor can act on. Durability is explicit: data are on disk after
`fsync_file`, a name is on disk after `fsync_folder`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from interchange.errors import (
    BridgeError,
    ExhaustedError,
    NotAllowedError,
    NotFoundError,
    Reason,
    UnavailableError,
)
from sidecar.open_files import patiently

_BUFFER_BYTES = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# What a share answers while its server, or the way to it, is away. Not EIO: a dying disk answers it as well.
_AWAY = frozenset(
    {errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH}
    | {errno.ENETDOWN, errno.ENETUNREACH}
)
# What `link` answers on volumes without hard links: exFAT, many network shares, some container mounts.
_NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
)


class FileSystem:
    """Writes files; every failure is a `BridgeError` that says which folder and what to do.

    Attributes:
        platform: As `sys.platform`.
    """

    platform: str = sys.platform

    def before(self, operation: str, path: Path) -> None:
        """Called before each operating system call; tests override it to raise `OSError`.

        Args:
            operation: Name of the method, or `write` and `close` for files from `open_new`.
            path: What it is about to touch.
        """

    def make_folder(self, path: Path, *, private: bool = False) -> None:
        """Make a folder and its parents; one that is there already is fine.

        Args:
            path: The folder.
            private: Only this user may look inside (0700), also when it was there before.

        Raises:
            NotAllowedError: It cannot be made.
            ExhaustedError: The disk is full.
        """
        with self._call("make_folder", path):
            if private:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.mkdir(mode=0o700, exist_ok=True)
                if self.platform != "win32":
                    path.chmod(0o700)
            else:
                path.mkdir(parents=True, exist_ok=True)

    def open_new(self, path: Path, *, private: bool = False) -> BinaryIO:
        """Create a file for writing; one that is there already is an error.

        Failures of later writes and of closing are translated too.

        Args:
            path: The file to create; its folder exists.
            private: Only this user may read it (0600).

        Raises:
            NotAllowedError: It exists or cannot be created.
            ExhaustedError: The disk is full.
        """
        with self._call("open_new", path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
            descriptor = os.open(path, flags, 0o600 if private else 0o666)
        return io.BufferedWriter(_GuardedFile(self, path, descriptor), _BUFFER_BYTES)

    def open_to_append(self, path: Path, *, private: bool = False) -> BinaryIO:
        """Open a file to go on writing at its end; it is made where it is not there.

        Failures of later writes and of closing are translated too.

        Args:
            path: The file.
            private: Only this user may read it (0600), where it is made.

        Raises:
            NotAllowedError: It cannot be opened, or is a link.
            ExhaustedError: The disk is full.
        """
        with self._call("open_to_append", path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
            descriptor = os.open(path, flags, 0o600 if private else 0o666)
        return io.BufferedWriter(_GuardedFile(self, path, descriptor), _BUFFER_BYTES)

    def set_modified(self, path: Path, modified_ns: int) -> None:
        """Set a file's modification time, nanoseconds since the epoch."""
        with self._call("set_modified", path):
            os.utime(path, ns=(modified_ns, modified_ns))

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder of ours; one that is gone already is fine."""
        with self._call("remove_folder", path), contextlib.suppress(FileNotFoundError):
            path.rmdir()

    def fsync_file(self, path: Path) -> None:
        """Wait until a file's data are on disk.

        Raises:
            NotFoundError: There is no such file.
            ExhaustedError: The disk is full.
        """
        with self._call("fsync_file", path):
            # Windows flushes only through a handle that may write.
            descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def fsync_folder(self, path: Path) -> None:
        """Wait until a folder's names are on disk.

        Windows has no such call; NTFS journals the rename itself, so there it does nothing.
        """
        with self._call("fsync_folder", path):
            if self.platform == "win32":
                return
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            except OSError as error:
                # Some network shares cannot fsync a folder; the server's own rules hold there.
                if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
                    raise
            finally:
                os.close(descriptor)

    def replace(self, source: Path, destination: Path) -> None:
        """Give a file its final name atomically, over one that may be there; same volume only."""
        with self._call("replace", destination):
            patiently(lambda: _replace(source, destination))

    def publish_new(self, source: Path, destination: Path) -> None:
        """Give a file its final name, never over another; same volume only.

        Raises:
            NotAllowedError: Something has that name already.
        """
        with self._call("publish_new", destination):
            if self.platform == "win32":
                patiently(lambda: _rename(source, destination))  # refuses to overwrite there
                return
            try:
                os.link(source, destination, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                # Not atomic against a stranger between the two lines; our own names are reserved.
                if os.path.lexists(destination):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
                source.rename(destination)
                return
            source.unlink()

    def unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        """Remove a file of ours."""
        with self._call("unlink", path):
            patiently(lambda: path.unlink(missing_ok=missing_ok))

    def rename(self, source: Path, destination: Path) -> None:
        """Give a file or folder another name on the same volume; the caller knows that the name is free.

        Raises:
            NotFoundError: The source is not there any more.
            NotAllowedError: It cannot be; `errno` in the metadata is EXDEV where the volumes differ.
        """
        with self._call("rename", destination):
            patiently(lambda: _rename(source, destination))

    def remove_tree(self, path: Path) -> None:
        """Remove a file, or a folder with all that is in it; links are removed and never followed."""
        with self._call("remove_tree", path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def free_bytes(self, folder: Path) -> int:
        """Space a user may still fill on the volume of a folder, which need not exist yet."""
        with self._call("free_bytes", folder):
            existing = folder
            while not existing.exists() and existing != existing.parent:
                existing = existing.parent
            return shutil.disk_usage(existing).free

    def write_atomic(self, path: Path, content: bytes, *, private: bool = False) -> None:
        """Write a whole file so that a reader sees the old or the new one, and a crash leaves either.

        Args:
            path: The file; one that is there is replaced.
            content: All its bytes.
            private: Only this user may read it (0600).
        """
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self.unlink(part, missing_ok=True)
        try:
            with self.open_new(part, private=private) as file:
                file.write(content)
            self.fsync_file(part)
            self.replace(part, path)
        except BridgeError:
            with contextlib.suppress(BridgeError):
                self.unlink(part, missing_ok=True)
            raise
        self.fsync_folder(path.parent)

    def sha256(self, path: Path) -> str:
        """Digest of a file in lower-case hexadecimal.

        Raises:
            NotFoundError: There is no such file.
            NotAllowedError: It is no plain file.
        """
        # A pipe that somebody put there would hold the open for ever, and a device the reading.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with (
            self._call("sha256", path, verb="read"),
            open(os.open(path, flags), "rb") as file,  # noqa: PTH123 - a descriptor, not a path
        ):
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotAllowedError(
                    f"{path} is not a plain file but a pipe, a folder or a device. Put the file itself there.",
                    reason=Reason.PATH_OUTSIDE_ROOTS,
                    metadata={"path": str(path)},
                )
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextlib.contextmanager
    def _call(self, operation: str, path: Path, *, verb: str = "written") -> Iterator[None]:
        try:
            self.before(operation, path)
            yield
        except BridgeError:  # some are OSErrors too
            raise
        except OSError as error:
            raise _translated(error, path, verb) from error


def _replace(source: Path, destination: Path) -> None:
    source.replace(destination)


def _rename(source: Path, destination: Path) -> None:
    source.rename(destination)


class _GuardedFile(io.FileIO):
    """The raw file under `open_new`'s buffer; its writes fail as `BridgeError`."""

    def __init__(self, filesystem: FileSystem, path: Path, descriptor: int) -> None:
        super().__init__(descriptor, "wb")
        self._filesystem = filesystem
        self._path = path

    def write(self, content: object, /) -> int:
        with self._filesystem._call("write", self._path):  # noqa: SLF001 - one module, one door
            return super().write(cast("bytes", content))

    def close(self) -> None:
        if self.closed:
            return
        try:
            with self._filesystem._call("close", self._path):  # noqa: SLF001
                super().close()
        finally:
            super().close()  # does nothing the second time; the descriptor never leaks


def _translated(error: OSError, path: Path, verb: str) -> BridgeError:
    metadata = {"path": str(path), "errno": errno.errorcode.get(error.errno or 0, "")}
    folder = path.parent
    if error.errno in _FULL:
        return ExhaustedError(
            f"The disk with {folder} is full. Free some space there or choose another folder with "
            "--out, then run it again; nothing half-written was left under a final name.",
            reason=Reason.DISK_FULL,
            metadata=metadata,
        )
    if error.errno in _AWAY:
        return UnavailableError(
            f"{folder} does not answer ({error.strerror}). Check the share and the network.",
            reason=Reason.STORAGE_UNAVAILABLE,
            metadata=metadata,
        )
    if error.errno in _REFUSED:
        return NotAllowedError(
            f"{path} cannot be {verb}: {error.strerror}. Allow writing to {folder} or choose another "
            "folder with --out.",
            reason=Reason.OUTPUT_NOT_WRITABLE,
            metadata=metadata,
        )
    if error.errno == errno.EEXIST:
        return NotAllowedError(
            f"{path} is there already and is never overwritten. Move it away or choose another "
            "folder with --out.",
            reason=Reason.OUTPUT_NOT_WRITABLE,
            metadata=metadata,
        )
    if error.errno == errno.ENOENT:
        return NotFoundError(
            f"{path} is not there. Check that its folder exists and its disk is mounted.",
            reason=Reason.FILE_NOT_FOUND,
            metadata=metadata,
        )
    return NotAllowedError(
        f"{path} cannot be {verb}: {error.strerror or error}. Check the disk or choose another folder "
        "with --out.",
        reason=Reason.OUTPUT_NOT_WRITABLE,
        metadata=metadata,
    )
