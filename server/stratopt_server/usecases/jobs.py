"""What backtests and optimizations have in common as jobs: accept, read, cancel."""

from collections.abc import Callable
from dataclasses import replace

from stratopt_server.domain.clock import Clock, Ids
from stratopt_server.domain.errors import NotFound, Unavailable, WrongStatus
from stratopt_server.domain.jobs import Job, JobKind, JobStatus, OptimizationResult, Progress
from stratopt_server.domain.optimization import StopReason
from stratopt_server.domain.ports import JobFilter, Page, Storage
from stratopt_server.domain.runs import BacktestSpec, OptimizationSpec
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.requests import Call

PREFIXES = {JobKind.BACKTEST: "bt", JobKind.OPTIMIZATION: "opt"}


class Jobs:
    """The queue, as callers see it."""

    def __init__(self, storage: Storage, clock: Clock, ids: Ids, repeats: Repeats) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._repeats = repeats
        self.draining = False
        """True once the server is on its way out: it takes no new job."""

    def accept(
        self,
        kind: JobKind,
        call: Call,
        plan: Callable[[], tuple[BacktestSpec | OptimizationSpec, Progress]],
    ) -> Job:
        """Store a pending job of what `plan` returns, or return the one the same call made before.

        The row is written in one transaction with the answer's request_id; planning, which may take its
        time, comes before it.
        """
        made = self._repeats.resource_of(call)
        if made is not None:
            return self.get(kind, made)
        if self.draining:
            raise Unavailable("the server is shutting down: try again shortly", reason="DRAINING")
        spec, progress = plan()
        with self._storage.transaction():
            made = self._repeats.resource_of(call)
            if made is not None:
                return self.get(kind, made)
            job = Job(
                id=self._ids.new(PREFIXES[kind]),
                spec=spec,
                status=JobStatus.PENDING,
                progress=progress,
                result=None,
                failure=None,
                attempt=0,
                last_sequence=0,
                created_at=self._clock.now(),
                started_at=None,
                completed_at=None,
            )
            self._storage.jobs.add(job)
            self._repeats.remember(call, job.id)
            return job

    def get(self, kind: JobKind, job_id: str) -> Job:
        """Return it; raises NotFound."""
        job = self._storage.jobs.get(kind, job_id)
        if job is None:
            raise NotFound(kind.value, job_id)
        return job

    def page(self, page: Page, wanted: JobFilter) -> list[Job]:
        """Return a page of the jobs that match, newest first."""
        return self._storage.jobs.page(page, wanted)

    def cancel(self, kind: JobKind, job_id: str, call: Call) -> Job:
        """Give a pending or running job the status cancelled; its process is stopped by the runner.

        Raises NotFound, or WrongStatus if it succeeded or failed. Repeats are no error.
        """
        with self._storage.transaction():
            self._repeats.resource_of(call)
            job = self.get(kind, job_id)
            if job.status is JobStatus.CANCELLED:
                return job
            if job.status.is_final:
                raise WrongStatus(
                    kind.value, job_id, status=job.status.value, wanted="pending, running or cancelled"
                )
            result = job.result
            if kind is JobKind.OPTIMIZATION:
                so_far = result if isinstance(result, OptimizationResult) else OptimizationResult()
                result = replace(so_far, stop_reason=StopReason.CANCELLED)
            cancelled = self._storage.jobs.finish(
                job_id, JobStatus.CANCELLED, now=self._clock.now(), result=result
            )
            self._repeats.remember(call, job_id)
            return cancelled
