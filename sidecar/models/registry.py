"""The checkpoints of an installation, each pinned file by file, and which one each engine uses."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from interchange.errors import (
    BridgeError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    Reason,
)
from sidecar.filesystem import FileSystem
from sidecar.jobs.lock import FolderLock
from sidecar.models.checkpoint import Checkpoint
from sidecar.models.digests import DigestProgress, Fault, faults_of, modified_ns, pin, unheard
from sidecar.models.layout import Found
from sidecar.serialise import dump, load

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_BYTES = 32 << 20  # a checkpoint in shards has a hundred files of 300 bytes each
_WAIT_S = 0.1
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Installed:
    """What the registry's file holds.

    Args:
        checkpoints: In the order of their names.
        current: The name of the checkpoint each engine uses.
    """

    checkpoints: tuple[Checkpoint, ...] = ()
    current: Mapping[str, str] = field(default_factory=dict)


class ModelRegistry:
    """What is installed. Reads the file anew each time, so that a running sidecar sees what a command changed.

    Args:
        folder: Where `registry.json` is; made with the first checkpoint.
        filesystem: Writes it.
    """

    def __init__(self, folder: Path, filesystem: FileSystem) -> None:
        self.folder = folder
        self._filesystem = filesystem

    @property
    def path(self) -> Path:
        """The file that says what is installed."""
        return self.folder / "registry.json"

    def installed(self) -> Installed:
        """Everything the registry holds.

        Raises:
            InvalidInputError: The file is not one of ours.
        """
        try:
            with self.path.open("rb") as file:
                content = file.read(_MOST_BYTES + 1)
            if len(content) > _MOST_BYTES:
                raise ValueError(f"it has more than {_MOST_BYTES >> 20} MB.")  # noqa: TRY301
            return load(Installed, content.decode())
        except FileNotFoundError:
            return Installed()
        except (OSError, ValueError, BridgeError) as error:
            raise InvalidInputError(
                f"The list of checkpoints {self.path} cannot be read: {error} Move it away and add the "
                "checkpoints again with `ltxbridge models add`; their files are untouched.",
                metadata={"path": str(self.path)},
            ) from error

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """All of them, in the order of their names."""
        return self.installed().checkpoints

    def get(self, name: str) -> Checkpoint:
        """The checkpoint of a name.

        Raises:
            NotFoundError: There is none.
        """
        return _named(self.installed(), name)

    def current(self, engine: str) -> Checkpoint:
        """The checkpoint an engine uses now.

        Raises:
            NotFoundError: None is installed for it.
        """
        installed = self.installed()
        name = installed.current.get(engine)
        if name is None:
            raise NotFoundError(
                f"No checkpoint is installed for {engine}. Run `ltxbridge models pull NAME`, or `ltxbridge models "
                "add PATH` for weights that are on this machine already.",
                reason=Reason.FILE_NOT_FOUND,
                metadata={"engine": engine},
            )
        return _named(installed, name)

    def add(
        self,
        found: Found,
        *,
        name: str,
        engine: str,
        source: str = "",
        progress: DigestProgress = unheard,
        known: Mapping[Path, str] | None = None,
    ) -> Checkpoint:
        """Pin what was found and put it on the list; the first for an engine is also the one it uses.

        Args:
            found: From `layout.inspect`.
            name: What it will be called: letters, digits, `.`, `_` and `-`.
            engine: Which engine loads it.
            source: `repo@revision` where it was pulled.
            progress: Of the digests.
            known: Digests of files that were checked a moment ago.

        Raises:
            InvalidInputError: The name cannot be one.
            ConflictError: Other weights have the name.
            BridgeError: A file cannot be read, or the list not written.
        """
        if not _NAME.fullmatch(name):
            raise InvalidInputError(
                f"{name!r} cannot be a checkpoint's name: letters, digits, '.', '_' and '-' only, at most 64.",
                metadata={"name": name},
            )
        checkpoint = Checkpoint(
            name=name,
            engine=engine,
            path=found.path,
            form=found.form,
            variant=found.variant,
            files=pin(found.files, progress, known=known),
            base=found.base,
            upsampler=found.upsampler,
            text_encoder=found.text_encoder,
            source=source,
        )
        with self._changing() as installed:
            there = next((old for old in installed.checkpoints if old.name == name), None)
            if there is not None and there.identity != checkpoint.identity:
                raise ConflictError(
                    f"Another checkpoint is called {name}: {there.path}. Choose another --name, or "
                    f"`ltxbridge models remove {name}` first.",
                    metadata={"name": name, "path": str(there.path)},
                )
            others = tuple(old for old in installed.checkpoints if old.name != name)
            self._write(
                Installed(
                    tuple(sorted((*others, checkpoint), key=lambda one: one.name)),
                    {engine: name, **installed.current},
                )
            )
        return checkpoint

    def use(self, name: str) -> Checkpoint:
        """Let its engine use a checkpoint from the next job on, without a restart.

        Raises:
            NotFoundError: There is none of this name.
        """
        self.get(name)  # before anything is made
        with self._changing() as installed:
            checkpoint = _named(installed, name)
            self._write(replace(installed, current={**installed.current, checkpoint.engine: name}))
        return checkpoint

    def verify(self, name: str, progress: DigestProgress = unheard) -> tuple[Fault, ...]:
        """Digest every file of a checkpoint and compare it with what was pinned.

        Where all is as it was, times of files that were only touched are pinned anew, so that loading need not digest
        them again.

        Returns:
            What is not as it was; empty where all is.

        Raises:
            NotFoundError: There is none of this name.
        """
        checkpoint = self.get(name)
        times = {file.path: modified_ns(file.path) for file in checkpoint.files}
        faults = faults_of(checkpoint.files, thorough=True, progress=progress)
        fresh = replace(
            checkpoint,
            files=tuple(
                replace(file, modified_ns=times[file.path] or file.modified_ns)
                for file in checkpoint.files
            ),
        )
        if not faults and fresh != checkpoint:
            with self._changing() as installed:
                self._write(
                    replace(
                        installed,
                        checkpoints=tuple(
                            fresh if one == checkpoint else one for one in installed.checkpoints
                        ),
                    )
                )
        return faults

    def remove(self, name: str) -> Checkpoint:
        """Take a checkpoint from the list; its files stay.

        Returns:
            What was on the list.

        Raises:
            NotFoundError: There is none of this name.
        """
        self.get(name)  # before anything is made
        with self._changing() as installed:
            checkpoint = _named(installed, name)
            rest = tuple(one for one in installed.checkpoints if one.name != name)
            current = {engine: used for engine, used in installed.current.items() if used != name}
            self._write(Installed(rest, current))
        return checkpoint

    def describe(self, engine: str) -> str:
        """Which weights an engine uses, in words; their files are looked at, not read.

        Raises:
            NotFoundError: None are installed.
            InvalidInputError: A file is missing or has another length.
        """
        checkpoint = self.current(engine)
        wrong = [
            file
            for file in checkpoint.files
            # Not Path.is_file, which raises where a name is too long for the disk.
            if not os.path.isfile(file.path) or file.path.stat().st_size != file.size_bytes  # noqa: PTH113
        ]
        if wrong:
            raise InvalidInputError(
                f"{checkpoint.name} is not whole: {wrong[0].path} should be {wrong[0].size_bytes:,} bytes "
                f"({len(wrong)} such files).",
                metadata={"path": str(wrong[0].path)},
            )
        return (
            f"{engine} uses {checkpoint.name}: {checkpoint.variant}, {checkpoint.size_bytes / 1e9:.1f} GB, "
            f"{checkpoint.identity}"
        )

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Installed]:
        if not self.folder.parent.exists():  # the state folder, which nobody else may enter
            self._filesystem.make_folder(self.folder.parent, private=True)
        self._filesystem.make_folder(self.folder, private=True)
        lock = self._lock()
        try:
            yield self.installed()
        finally:
            lock.release()

    def _lock(self) -> FolderLock:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return FolderLock(
                    self.folder, name="registry.lock", holder="`ltxbridge models` command"
                )
            except ConflictError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_WAIT_S)

    def _write(self, installed: Installed) -> None:
        self._filesystem.write_atomic(self.path, dump(installed).encode(), private=True)


def _named(installed: Installed, name: str) -> Checkpoint:
    for checkpoint in installed.checkpoints:
        if checkpoint.name == name:
            return checkpoint
    names = ", ".join(checkpoint.name for checkpoint in installed.checkpoints) or "none"
    raise NotFoundError(
        f"No checkpoint is called {name}; installed: {names}. See `ltxbridge models list`.",
        reason=Reason.FILE_NOT_FOUND,
        metadata={"name": name},
    )
