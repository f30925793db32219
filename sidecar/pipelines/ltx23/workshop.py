"""Has the model open that a job needs, in the memory tier it fits, and moves it down one where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import torch

from interchange.errors import ExhaustedError, InternalError, Reason
from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.base import EngineFolders, ProgressCallback
from sidecar.pipelines.ltx23.devices import ran_out_of_memory
from sidecar.pipelines.ltx23.runtime import Runtime
from sidecar.pipelines.ltx23.tiers import Tier, lower_tier

_LOG = logging.getLogger(__name__)

_T = TypeVar("_T")


class OpenRuntime(Protocol):
    """Opens a checkpoint; `sidecar.pipelines.ltx23.runtime.open_runtime`."""

    def __call__(
        self,
        checkpoint: Checkpoint,
        *,
        tier: Tier,
        device: torch.device,
        folders: EngineFolders,
        progress: ProgressCallback,
    ) -> Runtime:
        """Open."""
        ...


class Workshop:
    """At most one open model at a time; for one thread.

    Args:
        device: What computes.
        folders: For the model's caches.
        open_model: Opens one.
    """

    def __init__(
        self, *, device: torch.device, folders: EngineFolders, open_model: OpenRuntime
    ) -> None:
        self.device = device
        self._folders = folders
        self._open_model = open_model
        self._runtime: Runtime | None = None
        self._opened: tuple[Checkpoint, Tier] | None = None
        self._progress: ProgressCallback = _unheard
        self._stepped_down = False
        self.remarks: tuple[str, ...] = ()

    @property
    def runtime(self) -> Runtime:
        """The open model.

        Raises:
            InternalError: None is.
        """
        if self._runtime is None:
            raise InternalError("The engine was asked for work before it was loaded.")
        return self._runtime

    def prepare(self, checkpoint: Checkpoint, tier: Tier, progress: ProgressCallback) -> None:
        """Have a checkpoint open in a tier for a job; what was open before goes first, memory is for one.

        Args:
            checkpoint: What the job needs.
            tier: That it fits.
            progress: Told while it loads.
        """
        self._progress = progress
        self._stepped_down = False
        self.remarks = ()
        if self._runtime is None or self._opened != (checkpoint, tier):
            self._open(checkpoint, tier)

    def attempt(self, work: Callable[[Runtime], _T]) -> _T:
        """Do a piece of work; where memory runs out, once more in the next lower tier.

        Raises:
            ExhaustedError: It ran out again, or there is no lower tier (MEMORY_FULL).
        """
        while True:
            try:
                return work(self.runtime)
            except (RuntimeError, MemoryError) as error:
                failure = _out_of_memory(error)
            self._step_down(failure)

    def attempt_stream(self, work: Callable[[Runtime], Iterator[_T]]) -> Iterator[_T]:
        """`attempt` for work that yields: after a step down it goes on behind what it has yielded.

        Raises:
            ExhaustedError: As `attempt` does.
        """
        given = 0
        while True:
            skipped = given
            try:
                for index, thing in enumerate(work(self.runtime)):
                    if index >= skipped:
                        given += 1
                        yield thing
            except (RuntimeError, MemoryError) as error:
                failure = _out_of_memory(error)
            else:
                return
            self._step_down(failure)

    def close(self) -> None:
        """Let go of the model."""
        if self._runtime is not None:
            self._runtime.close()
        self._runtime = self._opened = None

    def _open(self, checkpoint: Checkpoint, tier: Tier) -> None:
        self.close()
        try:
            self._runtime = self._open_model(
                checkpoint,
                tier=tier,
                device=self.device,
                folders=self._folders,
                progress=self._progress,
            )
        except (RuntimeError, MemoryError) as error:
            failure = _out_of_memory(error)
        else:
            self._opened = (checkpoint, tier)
            return
        self._open_lower(checkpoint, tier, failure)

    def _step_down(self, cause: Exception) -> None:
        if self._opened is None:
            raise InternalError("Memory ran out with no model open.") from cause
        self._open_lower(*self._opened, cause)

    def _open_lower(self, checkpoint: Checkpoint, tier: Tier, cause: Exception) -> None:
        lower = lower_tier(tier)
        self.close()
        if self._stepped_down or lower is None:
            raise ExhaustedError(
                f"The job does not fit into the memory of {self.device}, not even with the memory plan {tier.name!r}. "
                "Close other programs that use it, or write quality=draft, a shorter range or a smaller size.",
                reason=Reason.MEMORY_FULL,
                metadata={"device": str(self.device), "tier": tier.name},
            ) from cause
        _LOG.warning("out of memory in tier %s, going on in %s", tier.name, lower.name)
        self._stepped_down = True
        self.remarks = (
            f"Memory ran out in the plan {tier.name!r}; the take was finished in {lower.name!r}, which is slower.",
        )
        self._open(checkpoint, lower)


def _out_of_memory(error: Exception) -> Exception:
    """The error without its frames, which hold the tensors that filled the memory; any other is raised again."""
    if not ran_out_of_memory(error):
        raise error
    return error.with_traceback(None)


def _unheard(_phase: str, _done: int, _total: int) -> None:
    return
