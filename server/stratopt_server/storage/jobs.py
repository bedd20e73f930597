"""Jobs and their events in a database, with the documented rows that go with them."""

from collections.abc import Sequence
from dataclasses import fields, replace
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
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import JobFilter, LeaseLost
from stratopt_server.domain.queueing import in_turn
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.storage.codec import (
    RESULTS,
    event_from_json,
    event_kind,
    event_to_json,
    to_json,
)
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.documented import DocumentedSearches
from stratopt_server.storage.job_rows import asked_columns, job_columns, job_of
from stratopt_server.storage.models import JobEventRow, JobRow, UtcField, bound
from stratopt_server.storage.stores import newest_first

FINAL = frozenset(status for status in JobStatus if status.is_final)
UNENDED = frozenset(JobStatus) - FINAL
PLACE = tuple(field.name for field in fields(QueuedJob))
SERVED = (
    "SELECT caller, (SELECT MAX(started_at) FROM jobs WHERE jobs.caller = waiting.caller) "
    "FROM (SELECT DISTINCT caller FROM jobs WHERE status = 'pending') AS waiting"
)
"""When a job of each caller that waits last began: one look into the index for each."""
MOMENT = UtcField()


class SqlJobStore:
    """Jobs, their leases and their events."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs = bound(JobRow, database)
        self._events = bound(JobEventRow, database)
        self._documented = DocumentedSearches(database)

    def add(self, job: Job) -> None:
        """Store a new pending job, and for an optimization its documented row."""
        with self._database.atomic():
            self._jobs.insert(job_columns(job)).execute()
            if isinstance(job.spec, OptimizationSpec):
                self._documented.add(job, job.spec)

    def get(self, kind: JobKind, job_id: str) -> Job | None:
        """Return it, or None if there is none of that kind and id."""
        row = self._jobs.get_or_none((self._jobs.id == job_id) & (self._jobs.kind == kind.value))
        return None if row is None else job_of(row)

    def locked(self, kind: JobKind, job_id: str) -> Job | None:
        """Return it as `get` does; nobody changes it until the transaction ends."""
        rows = self._jobs
        query = rows.select().where((rows.id == job_id) & (rows.kind == kind.value))
        row = self._database.locked(query).first()
        return None if row is None else job_of(row)

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
        return [job_of(row) for row in newest_first(query, rows, page)]

    def queue(self) -> list[QueuedJob]:
        """Return the running jobs, then the pending ones in the order in which they are claimed."""
        rows = self._jobs
        # Without their documents: a queue may be long, and a spec may hold decades of funding.
        query: Any = rows.select(*(getattr(rows, name) for name in PLACE))
        at_work = query.where(rows.status.in_([JobStatus.PENDING.value, JobStatus.RUNNING.value]))
        queued = [_queued(row) for row in at_work.order_by(rows.created_at, rows.id).tuples()]
        running = [job for job in queued if job.status is JobStatus.RUNNING]
        pending = [job for job in queued if job.status is JobStatus.PENDING]
        return running + in_turn(pending, self._served())

    def pending(self) -> int:
        """Count the pending jobs."""
        waiting = self._jobs.status == JobStatus.PENDING.value
        count: int = self._jobs.select().where(waiting).count()
        return count

    def tally(self) -> dict[str, dict[str, int]]:
        """Count the jobs of each kind by status, those there are."""
        rows = self._jobs
        query: Any = rows.select(rows.kind, rows.status, peewee.fn.COUNT(rows.id))
        found: dict[str, dict[str, int]] = {}
        for kind, status, count in query.group_by(rows.kind, rows.status).tuples():
            found.setdefault(kind, {})[status] = count
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
        with self._database.atomic():
            waiting = [job for job in self.queue() if job.status is JobStatus.PENDING]
            for job in waiting:
                row = self._locked(job.id, skip=True) if job.kind in kinds else None
                if row is not None and row.status == JobStatus.PENDING.value:
                    row.attempt += 1
                    row.started_at = now
                    row.lease_owner, row.lease_until = owner, lease_until
                    return self._turn(row, JobStatus.RUNNING)
            return None

    def renew(self, owner: str, *, lease_until: datetime) -> None:
        """Prolong every lease the owner holds."""
        held = (self._jobs.lease_owner == owner) & (self._jobs.status == JobStatus.RUNNING.value)
        self._jobs.update(lease_until=lease_until).where(held).execute()

    def held(self, owner: str) -> list[tuple[str, int]]:
        """Return the id and the attempt of every running job whose lease the owner holds."""
        rows = self._jobs
        mine = (rows.lease_owner == owner) & (rows.status == JobStatus.RUNNING.value)
        query: Any = rows.select(rows.id, rows.attempt).where(mine)
        return [(job_id, attempt) for job_id, attempt in query.tuples()]

    def lapsed(self, now: datetime, *, longest: datetime | None = None) -> list[Job]:
        """Lock and return the running jobs whose lease ended before `now`, or ends after `longest`.

        Those that another transaction holds are not lapsed: they are being renewed, or taken back.
        """
        rows = self._jobs
        over = rows.lease_until < now
        if longest is not None:
            over |= rows.lease_until > longest
        query = rows.select().where((rows.status == JobStatus.RUNNING.value) & over)
        return [job_of(row) for row in self._database.locked(query, skip=True)]

    def release(self, job_id: str, attempt: int, *, lost: bool = False) -> None:
        """Turn a running job of that attempt back into a pending one; raises LeaseLost if it is not."""
        with self._database.atomic():
            row = self._running(job_id, attempt)
            row.losses += lost
            self._turn(row, JobStatus.PENDING)

    def hold(self, job_id: str, attempt: int) -> None:
        """Raise LeaseLost unless the job is running in that attempt."""
        self._running(job_id, attempt)

    def pause(self, job_id: str) -> Job:
        """Turn a pending or running job into a paused one; raises LeaseLost if it is neither."""
        with self._database.atomic():
            row = self._found(job_id, JobStatus.PENDING, JobStatus.RUNNING)
            return self._turn(row, JobStatus.PAUSED)

    def resume(self, job_id: str) -> Job:
        """Turn a paused job into a pending one; raises LeaseLost if it is not paused."""
        with self._database.atomic():
            return self._turn(self._found(job_id, JobStatus.PAUSED), JobStatus.PENDING)

    def reopen(self, job_id: str, spec: OptimizationSpec, *, progress: Progress) -> Job:
        """Turn an ended optimization into a pending one of another spec; raises LeaseLost if it is not.

        Its result stays, without a stop reason; its documented result goes.
        """
        with self._database.atomic():
            row = self._found(job_id, *FINAL)
            assert row.kind == JobKind.OPTIMIZATION.value, "a backtest has nothing to go on with"
            result = job_of(self._jobs.get_by_id(job_id)).result
            if isinstance(result, OptimizationResult):
                row.result = to_json(OptimizationResult, replace(result, stop_reason=None))
            for name, value in asked_columns(spec).items():
                setattr(row, name, value)
            row.progress = to_json(Progress, progress)
            row.failure, row.completed_at = None, None
            self._documented.reopen(job_id, spec)
            return self._turn(row, JobStatus.PENDING)

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
            row = self._found(job_id, *UNENDED) if attempt is None else self._running(job_id, attempt)
            row.completed_at = now
            if failure is not None:
                row.failure = to_json(Failure, failure)
            if result is not None:
                row.result = to_json(RESULTS[JobKind(row.kind)], result)
            job = self._turn(row, status)
            self._documented.end(job, now)
            return job

    def events(self, job_id: str, after_sequence: int) -> list[JobEvent]:
        """Return what happened later than that, in order."""
        rows = self._events
        query = rows.select().where((rows.job_id == job_id) & (rows.sequence > after_sequence))
        return [event_from_json(row.sequence, row.kind, row.payload) for row in query.order_by(rows.sequence)]

    def _served(self) -> dict[str, datetime]:
        """Tell of each caller who waits when a job of theirs last began, if one has."""
        began = self._database.execute_sql(SERVED).fetchall()
        moments = {caller: MOMENT.python_value(last) for caller, last in began}
        return {caller: moment for caller, moment in moments.items() if moment is not None}

    def _found(self, job_id: str, *statuses: JobStatus) -> JobRow:
        """Lock the job's row and return it if its status is one of those; raises LeaseLost if it is not."""
        row = self._locked(job_id)
        if row is None or JobStatus(row.status) not in statuses:
            raise LeaseLost(job_id)
        return row

    def _locked(self, job_id: str, *, skip: bool = False) -> JobRow | None:
        """Lock the job's row and return it, without what most writes leave as it is; None if there is none.

        With `skip` also None if another transaction holds it.
        """
        rows = self._jobs
        columns = (rows.id, rows.kind, rows.status, rows.progress, rows.attempt, rows.losses)
        query = rows.select(*columns, rows.last_sequence, rows.completed_at).where(rows.id == job_id)
        row: JobRow | None = self._database.locked(query, skip=skip).first()
        return row

    def _running(self, job_id: str, attempt: int) -> JobRow:
        row = self._found(job_id, JobStatus.RUNNING)
        if row.attempt != attempt:
            raise LeaseLost(job_id)
        return row

    def _turn(self, row: JobRow, status: JobStatus) -> Job:
        """Store the row with that status, and say so; only running jobs are leased."""
        row.status = status.value
        if status is not JobStatus.RUNNING:
            row.lease_owner, row.lease_until = None, None
        self._append(row, StatusChanged())
        self._store(row)
        return job_of(self._jobs.get_by_id(row.id))

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
        """Write what was changed of the job's row, and what the documented row shows of it."""
        row.save()
        if row.kind == JobKind.OPTIMIZATION.value:
            self._documented.follow(row)


def _queued(row: Sequence[Any]) -> QueuedJob:
    named = dict(zip(PLACE, row, strict=True))
    return QueuedJob(**{**named, "kind": JobKind(named["kind"]), "status": JobStatus(named["status"])})
