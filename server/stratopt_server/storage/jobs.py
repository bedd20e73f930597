"""Jobs and their events in a database, with the documented rows that go with them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import peewee

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
from stratopt_server.domain.parameters import ParameterRange
from stratopt_server.domain.ports import JobFilter, LeaseLost, Page
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.storage.codec import (
    RESULTS,
    SPECS,
    event_from_json,
    event_kind,
    event_to_json,
    from_json,
    to_json,
)
from stratopt_server.storage.models import (
    JobEventRow,
    JobRow,
    OptimizationResultRow,
    OptimizationTaskRow,
    bound,
)
from stratopt_server.storage.stores import newest_first

UNENDED = [status.value for status in JobStatus if not status.is_final]


class SqlJobStore:
    """Jobs, their leases and their events."""

    def __init__(self, database: peewee.Database) -> None:
        self._database = database
        self._jobs = bound(JobRow, database)
        self._events = bound(JobEventRow, database)
        self._tasks = bound(OptimizationTaskRow, database)
        self._results = bound(OptimizationResultRow, database)

    def add(self, job: Job) -> None:
        """Store a new pending job, and for an optimization its documented row."""
        with self._database.atomic():
            self._jobs.insert(_job_columns(job)).execute()
            if isinstance(job.spec, OptimizationSpec):
                self._tasks.insert(_task_columns(job, job.spec)).execute()

    def get(self, kind: JobKind, job_id: str) -> Job | None:
        """Return it, or None if there is none of that kind and id."""
        row = self._jobs.get_or_none((self._jobs.id == job_id) & (self._jobs.kind == kind.value))
        return None if row is None else _job(row)

    def page(self, page: Page, wanted: JobFilter) -> list[Job]:
        """Return a page of the jobs that match, newest first."""
        rows = self._jobs
        query = rows.select().where(rows.kind == wanted.kind.value)
        if wanted.strategy_id is not None:
            query = query.where(rows.strategy_id == wanted.strategy_id)
        if wanted.symbol is not None:
            query = query.where(rows.symbol == wanted.symbol)
        if wanted.status is not None:
            query = query.where(rows.status == wanted.status.value)
        return [_job(row) for row in newest_first(query, rows, page)]

    def queue(self) -> list[QueuedJob]:
        """Return the jobs that have not ended, in the order in which they are claimed."""
        rows = self._jobs
        # Without their documents: a queue may be long, and a spec may hold decades of funding.
        query = rows.select(rows.id, rows.kind, rows.status, rows.started_at).where(rows.status.in_(UNENDED))
        return [
            QueuedJob(
                id=row.id, kind=JobKind(row.kind), status=JobStatus(row.status), started_at=row.started_at
            )
            for row in query.order_by(rows.created_at, rows.id).namedtuples()
        ]

    def claim(
        self,
        owner: str,
        *,
        now: datetime,
        lease_until: datetime,
        kinds: frozenset[JobKind] = frozenset(JobKind),
    ) -> Job | None:
        """Turn the oldest pending job of those kinds into a running one of this owner, if one waits."""
        rows = self._jobs
        with self._database.atomic():
            of_kinds = rows.kind.in_([kind.value for kind in kinds])
            waiting = rows.select().where((rows.status == JobStatus.PENDING.value) & of_kinds)
            row = waiting.order_by(rows.created_at, rows.id).first()
            if row is None:
                return None
            row.attempt += 1
            row.status, row.started_at = JobStatus.RUNNING.value, now
            row.lease_owner, row.lease_until = owner, lease_until
            self._append(row, StatusChanged())
            self._store(row)
            return _job(row)

    def renew(self, owner: str, *, lease_until: datetime) -> None:
        """Prolong every lease the owner holds."""
        held = (self._jobs.lease_owner == owner) & (self._jobs.status == JobStatus.RUNNING.value)
        self._jobs.update(lease_until=lease_until).where(held).execute()

    def lapsed(self, now: datetime) -> list[Job]:
        """Return the running jobs whose lease ended before `now`."""
        rows = self._jobs
        query = rows.select().where((rows.status == JobStatus.RUNNING.value) & (rows.lease_until < now))
        return [_job(row) for row in query]

    def release(self, job_id: str, attempt: int) -> None:
        """Turn a running job of that attempt back into a pending one; raises LeaseLost if it is not."""
        with self._database.atomic():
            row = self._running(job_id, attempt)
            row.status, row.lease_owner, row.lease_until = JobStatus.PENDING.value, None, None
            self._append(row, StatusChanged())
            self._store(row)

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
        with self._database.atomic():
            row = self._running(job_id, attempt)
            row.progress = to_json(Progress, progress)
            if result is not None:
                row.result = to_json(OptimizationResult, result)
            for trial in improvements:
                self._append(row, trial)
            if announce:
                self._append(row, progress)
            self._store(row)

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
        with self._database.atomic():
            row = self._unfinished(job_id) if attempt is None else self._running(job_id, attempt)
            row.status, row.completed_at = status.value, now
            row.lease_owner, row.lease_until = None, None
            if failure is not None:
                row.failure = to_json(Failure, failure)
            if result is not None:
                row.result = to_json(RESULTS[JobKind(row.kind)], result)
            self._append(row, StatusChanged())
            self._store(row)
            self._add_documented_result(_job(row), now)
            return _job(row)

    def events(self, job_id: str, after_sequence: int) -> list[JobEvent]:
        """Return what happened later than that, in order."""
        rows = self._events
        query = rows.select().where((rows.job_id == job_id) & (rows.sequence > after_sequence))
        return [event_from_json(row.sequence, row.kind, row.payload) for row in query.order_by(rows.sequence)]

    def _unfinished(self, job_id: str) -> JobRow:
        row = self._jobs.get_or_none(self._jobs.id == job_id)
        if row is None or JobStatus(row.status).is_final:
            raise LeaseLost(job_id)
        return row

    def _running(self, job_id: str, attempt: int) -> JobRow:
        row = self._unfinished(job_id)
        if row.status != JobStatus.RUNNING.value or row.attempt != attempt:
            raise LeaseLost(job_id)
        return row

    def _append(self, row: JobRow, event: Event) -> None:
        """Give the event the next sequence; of progress only the newest row stays."""
        kind = event_kind(event)
        if isinstance(event, Progress):
            older = (self._events.job_id == row.id) & (self._events.kind == kind)
            self._events.delete().where(older).execute()
        row.last_sequence += 1
        self._events.insert(
            job_id=row.id, sequence=row.last_sequence, kind=kind, payload=event_to_json(event)
        ).execute()

    def _store(self, row: JobRow) -> None:
        """Write the job's row, and what the documented row shows of it."""
        row.save()
        if row.kind == JobKind.OPTIMIZATION.value:
            self._tasks.update(
                status=row.status,
                progress=_share_done(from_json(Progress, row.progress)),
                completed_at=row.completed_at,
            ).where(self._tasks.id == row.id).execute()

    def _add_documented_result(self, job: Job, now: datetime) -> None:
        result = job.result
        if job.status is JobStatus.SUCCEEDED and isinstance(result, OptimizationResult) and result.best:
            trial = result.best.trial
            assert trial.score is not None, "the best trial has a score"
            self._results.insert(
                id=job.id,
                optimization_id=job.id,
                best_params=trial.params,
                best_score=trial.score,
                all_results=to_json(OptimizationResult, result),
                created_at=now,
            ).execute()


def _share_done(progress: Progress) -> float:
    return progress.done / progress.total if progress.total else 0.0


def _job_columns(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind.value,
        "strategy_id": job.spec.scenario.strategy_id,
        "symbol": job.spec.scenario.symbol,
        "spec": to_json(SPECS[job.kind], job.spec),
        "status": job.status.value,
        "progress": to_json(Progress, job.progress),
        "result": None,
        "failure": None,
        "attempt": job.attempt,
        "last_sequence": job.last_sequence,
        "created_at": job.created_at,
    }


def _task_columns(job: Job, spec: OptimizationSpec) -> dict[str, Any]:
    return {
        "id": job.id,
        "strategy_id": spec.scenario.strategy_id,
        "symbol": spec.scenario.symbol,
        "param_ranges": to_json(dict[str, ParameterRange], spec.param_ranges),
        "optimization_target": spec.target.value,
        "status": job.status.value,
        "progress": 0.0,
        "created_at": job.created_at,
    }


def _job(row: Any) -> Job:
    kind = JobKind(row.kind)
    return Job(
        id=row.id,
        spec=from_json(SPECS[kind], row.spec),
        status=JobStatus(row.status),
        progress=from_json(Progress, row.progress),
        result=None if row.result is None else from_json(RESULTS[kind], row.result),
        failure=None if row.failure is None else from_json(Failure, row.failure),
        attempt=row.attempt,
        last_sequence=row.last_sequence,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
    )
