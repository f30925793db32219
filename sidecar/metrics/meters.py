"""What is counted. In a registry of its own, so that nothing else in the process appears in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from interchange.errors import Reason, UnsupportedError
from interchange.model.job import EngineStatus, Job, JobState

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# A retake of a second takes the embedded engine seconds and a model minutes.
_JOB_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_RPC_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)


class CallMeter(Protocol):
    """Told of every call, by the transport."""

    def call_began(self, method: str) -> None:
        """A call of a method came in."""
        ...

    def call_ended(self, method: str, *, code: str, seconds: float) -> None:
        """It was answered, with gRPC's name for how."""
        ...


class Meters:
    """All counters of one sidecar; safe to use from several threads.

    Raises:
        UnsupportedError: The package is not installed (DEPENDENCY_MISSING).
    """

    def __init__(self) -> None:
        try:
            import prometheus_client as prometheus  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise UnsupportedError(
                "The settings ask for metrics, but their package is not installed. Run "
                "`pip install 'ltxbridge[metrics]'`, or take `metrics` out of the settings.",
                reason=Reason.DEPENDENCY_MISSING,
                metadata={"extra": "metrics"},
            ) from error
        self._render = prometheus.generate_latest
        self._registry: CollectorRegistry = prometheus.CollectorRegistry(auto_describe=False)
        registry = self._registry
        self._calls = prometheus.Counter(
            "ltxbridge_rpc", "Calls answered.", ("method", "code"), registry=registry
        )
        self._call_seconds = prometheus.Histogram(
            "ltxbridge_rpc_seconds",
            "From a call to its answer; streams as long as they are open.",
            ("method",),
            buckets=_RPC_SECONDS,
            registry=registry,
        )
        self._in_flight = prometheus.Gauge(
            "ltxbridge_rpc_in_flight", "Calls being answered.", ("method",), registry=registry
        )
        self._refused = prometheus.Counter(
            "ltxbridge_auth_failures", "Calls without the right token.", registry=registry
        )
        self._waiting = prometheus.Gauge(
            "ltxbridge_jobs", "Jobs that have not ended.", ("state",), registry=registry
        )
        self._ended = prometheus.Counter(
            "ltxbridge_jobs_ended",
            "Jobs that have ended since the start.",
            ("state", "kind", "engine"),
            registry=registry,
        )
        self._queue_seconds = prometheus.Histogram(
            "ltxbridge_job_queue_seconds",
            "From a job's creation to its start.",
            ("engine",),
            buckets=_JOB_SECONDS,
            registry=registry,
        )
        self._job_seconds = prometheus.Histogram(
            "ltxbridge_job_seconds",
            "From a job's first start to its end.",
            ("kind", "engine"),
            buckets=_JOB_SECONDS,
            registry=registry,
        )
        self._worker_starts = prometheus.Gauge(
            "ltxbridge_worker_starts",
            "Times an engine's worker was started; more than one means that it died or was killed.",
            ("engine",),
            registry=registry,
        )
        self._worker_memory = prometheus.Gauge(
            "ltxbridge_worker_memory_bytes", "Resident memory.", ("engine",), registry=registry
        )
        self._used = prometheus.Gauge(
            "ltxbridge_disk_used_bytes", "Takes, uploads, spool and caches.", registry=registry
        )
        self._quota = prometheus.Gauge(
            "ltxbridge_disk_quota_bytes", "The limit; 0 for none.", registry=registry
        )

    def call_began(self, method: str) -> None:
        """A call of a method came in."""
        self._in_flight.labels(method).inc()

    def call_ended(self, method: str, *, code: str, seconds: float) -> None:
        """It was answered."""
        self._in_flight.labels(method).dec()
        self._calls.labels(method, code).inc()
        self._call_seconds.labels(method).observe(seconds)
        if code == "UNAUTHENTICATED":
            self._refused.inc()

    def jobs_waiting(self, counts: Mapping[JobState, int]) -> None:
        """How many jobs there are in each state that is not an end."""
        for state in JobState:
            if not state.terminal:
                self._waiting.labels(state.value).set(counts.get(state, 0))

    def job_ended(self, job: Job) -> None:
        """A job came to its end."""
        kind, engine = job.request.kind.value, job.request.engine
        self._ended.labels(job.state.value, kind, engine).inc()
        if job.created and job.started:
            waited = (job.started - job.created).total_seconds()
            self._queue_seconds.labels(engine).observe(max(0.0, waited))
        if job.started and job.ended:
            took = (job.ended - job.started).total_seconds()
            self._job_seconds.labels(kind, engine).observe(max(0.0, took))

    def watch_disk(self, *, used: Callable[[], int], limit_bytes: int) -> None:
        """Where to ask for the disk's numbers, at each look."""
        self._used.set_function(used)
        self._quota.set(limit_bytes)

    def engines(self, statuses: Mapping[str, EngineStatus], starts: Mapping[str, int]) -> None:
        """How the workers are."""
        for name, status in statuses.items():
            self._worker_memory.labels(name).set(status.worker_memory_bytes)
            self._worker_starts.labels(name).set(starts.get(name, 0))

    def page(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return self._render(self._registry)
