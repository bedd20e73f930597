"""Jobs and their events in memory."""

import copy
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from stratopt_server.domain.jobs import (
    BacktestResult,
    Event,
    Failure,
    Job,
    JobEvent,
    JobKind,
    JobStatus,
    OptimizationResult,
    Progress,
    QueuedJob,
    StatusChanged,
)
from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import JobFilter, LeaseLost
from stratopt_server.domain.queueing import in_turn
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.storage.memory.tables import Lease, Memory, cut, one_at_a_time

FINAL = frozenset(status for status in JobStatus if status.is_final)
UNENDED = frozenset(JobStatus) - FINAL


@one_at_a_time
class MemoryJobStore:
    """Jobs, their leases and their events."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add(self, job: Job) -> None:
        """Store a new pending job."""
        with self._memory.transaction():
            self._memory.tables.jobs[job.id] = copy.deepcopy(job)

    def get(self, kind: JobKind, job_id: str) -> Job | None:
        """Return it, or None if there is none of that kind and id."""
        job = self._memory.tables.jobs.get(job_id)
        return copy.deepcopy(job) if job is not None and job.kind is kind else None

    def locked(self, kind: JobKind, job_id: str) -> Job | None:
        """Return it as `get` does."""
        return self.get(kind, job_id)

    def page(self, page: Page, wanted: JobFilter) -> list[Job]:
        """Return a page of the jobs that match, newest first."""
        rows = [
            job
            for job in self._memory.tables.jobs.values()
            if job.kind is wanted.kind
            and wanted.strategy_id in (None, job.spec.scenario.strategy_id)
            and wanted.symbol in (None, job.spec.scenario.symbol)
            and wanted.status in (None, job.status)
        ]
        return cut(rows, page)

    def queue(self) -> list[QueuedJob]:
        """Return the running jobs, then the pending ones in the order in which they are claimed."""
        queued = [_queued(job) for job in self._memory.tables.jobs.values()]
        running = [job for job in queued if job.status is JobStatus.RUNNING]
        pending = [job for job in queued if job.status is JobStatus.PENDING]
        running.sort(key=lambda job: (job.created_at, job.id))
        return running + in_turn(pending, self._served())

    def pending(self) -> int:
        """Count the pending jobs."""
        jobs = self._memory.tables.jobs.values()
        return sum(job.status is JobStatus.PENDING for job in jobs)

    def tally(self) -> dict[str, dict[str, int]]:
        """Count the jobs of each kind by status, those there are."""
        found: dict[str, dict[str, int]] = {}
        for job in self._memory.tables.jobs.values():
            of_kind = found.setdefault(job.kind.value, {})
            of_kind[job.status.value] = of_kind.get(job.status.value, 0) + 1
        return found

    def claim(
        self,
        owner: str,
        *,
        now: datetime,
        lease_until: datetime,
        kinds: frozenset[JobKind] = frozenset(JobKind),
    ) -> Job | None:
        """Turn a pending job of those kinds into a running one of this owner, if one waits."""
        with self._memory.transaction():
            tables = self._memory.tables
            waiting = (job for job in self.queue() if job.status is JobStatus.PENDING)
            first = next((job for job in waiting if job.kind in kinds), None)
            if first is None:
                return None
            tables.leases[first.id] = Lease(owner, lease_until)
            job = tables.jobs[first.id]
            return self._turn(job, JobStatus.RUNNING, attempt=job.attempt + 1, started_at=now)

    def renew(self, owner: str, *, lease_until: datetime) -> None:
        """Prolong every lease the owner holds."""
        with self._memory.transaction():
            leases = self._memory.tables.leases
            held = {job_id for job_id, lease in leases.items() if lease.owner == owner}
            leases.update({job_id: Lease(owner, lease_until) for job_id in held})

    def held(self, owner: str) -> list[tuple[str, int]]:
        """Return the id and the attempt of every running job whose lease the owner holds."""
        tables = self._memory.tables
        mine = [job_id for job_id, lease in tables.leases.items() if lease.owner == owner]
        return [(job_id, tables.jobs[job_id].attempt) for job_id in mine]

    def lapsed(self, now: datetime, *, longest: datetime | None = None) -> list[Job]:
        """Return the running jobs whose lease ended before `now`, or ends after `longest`."""
        tables = self._memory.tables
        over = [
            job_id
            for job_id, lease in tables.leases.items()
            if not now <= lease.until <= (longest or lease.until)
        ]
        return copy.deepcopy([tables.jobs[job_id] for job_id in over])

    def release(self, job_id: str, attempt: int, *, lost: bool = False) -> None:
        """Turn a running job of that attempt back into a pending one; raises LeaseLost if it is not."""
        with self._memory.transaction():
            job = self._running(job_id, attempt)
            self._turn(job, JobStatus.PENDING, losses=job.losses + lost)

    def hold(self, job_id: str, attempt: int) -> None:
        """Raise LeaseLost unless the job is running in that attempt."""
        self._running(job_id, attempt)

    def pause(self, job_id: str) -> Job:
        """Turn a pending or running job into a paused one; raises LeaseLost if it is neither."""
        with self._memory.transaction():
            job = self._found(job_id, JobStatus.PENDING, JobStatus.RUNNING)
            return self._turn(job, JobStatus.PAUSED)

    def resume(self, job_id: str) -> Job:
        """Turn a paused job into a pending one; raises LeaseLost if it is not paused."""
        with self._memory.transaction():
            return self._turn(self._found(job_id, JobStatus.PAUSED), JobStatus.PENDING)

    def reopen(self, job_id: str, spec: OptimizationSpec, *, progress: Progress) -> Job:
        """Turn an ended optimization into a pending one of another spec; raises LeaseLost if it is not."""
        with self._memory.transaction():
            job = self._found(job_id, *FINAL)
            assert job.kind is JobKind.OPTIMIZATION, "a backtest has nothing to go on with"
            result = job.result
            if isinstance(result, OptimizationResult):
                result = replace(result, stop_reason=None)
            return self._turn(
                job,
                JobStatus.PENDING,
                spec=spec,
                progress=progress,
                result=result,
                failure=None,
                completed_at=None,
            )

    def record(
        self,
        job_id: str,
        attempt: int,
        *,
        progress: Progress,
        result: OptimizationResult | None = None,
        improvements: Sequence[Trial] = (),
        announce: bool = True,
    ) -> None:
        """Store where a running job of that attempt stands; raises LeaseLost if it is not running in it."""
        with self._memory.transaction():
            job = self._running(job_id, attempt)
            changed = replace(job, progress=progress, result=job.result if result is None else result)
            self._store(changed, *improvements, *([progress] if announce else []))

    def finish(
        self,
        job_id: str,
        status: JobStatus,
        *,
        now: datetime,
        attempt: int | None = None,
        failure: Failure | None = None,
        result: BacktestResult | OptimizationResult | None = None,
    ) -> Job:
        """Give the job its final status; raises LeaseLost if it is no longer the caller's to end."""
        with self._memory.transaction():
            job = self._found(job_id, *UNENDED) if attempt is None else self._running(job_id, attempt)
            found = job.result if result is None else result
            return self._turn(job, status, completed_at=now, failure=failure, result=found)

    def events(self, job_id: str, after_sequence: int) -> list[JobEvent]:
        """Return what happened later than that, in order."""
        events = self._memory.tables.events.get(job_id, [])
        return copy.deepcopy([event for event in events if event.sequence > after_sequence])

    def _served(self) -> dict[str, datetime]:
        """Tell of each caller when a job of theirs last began, if one has."""
        served: dict[str, datetime] = {}
        for job in self._memory.tables.jobs.values():
            if job.started_at is not None:
                served[job.caller] = max(job.started_at, served.get(job.caller, job.started_at))
        return served

    def _found(self, job_id: str, *statuses: JobStatus) -> Job:
        """Return the job if its status is one of those."""
        job = self._memory.tables.jobs.get(job_id)
        if job is None or job.status not in statuses:
            raise LeaseLost(job_id)
        return job

    def _running(self, job_id: str, attempt: int) -> Job:
        job = self._found(job_id, JobStatus.RUNNING)
        if job.attempt != attempt:
            raise LeaseLost(job_id)
        return job

    def _turn(self, job: Job, status: JobStatus, **changes: Any) -> Job:
        """Store the job with that status, and say so; only running jobs are leased."""
        if status is not JobStatus.RUNNING:
            self._memory.tables.leases.pop(job.id, None)
        return self._store(replace(job, status=status, **changes), StatusChanged())

    def _store(self, job: Job, *events: Event) -> Job:
        """Store the job behind its new events; of progress only the newest stays."""
        kept = list(self._memory.tables.events.get(job.id, []))
        if any(isinstance(event, Progress) for event in events):
            kept = [event for event in kept if not isinstance(event.event, Progress)]
        own = copy.deepcopy(events)
        kept += [JobEvent(job.last_sequence + place, event) for place, event in enumerate(own, start=1)]
        self._memory.tables.events[job.id] = kept
        stored = copy.deepcopy(replace(job, last_sequence=job.last_sequence + len(events)))
        self._memory.tables.jobs[job.id] = stored
        return copy.deepcopy(stored)


def _queued(job: Job) -> QueuedJob:
    return QueuedJob(**{field.name: getattr(job, field.name) for field in fields(QueuedJob)})
