"""Pipelines in a database."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from stratopt_server.domain.jobs import JobStatus
from stratopt_server.domain.paging import Page
from stratopt_server.domain.pipelines import Pipeline, PipelineFilter
from stratopt_server.domain.ports import LeaseLost
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import PipelineRow, bound
from stratopt_server.storage.stores import newest_first


class SqlPipelineStore:
    """Pipelines and their leases."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = bound(PipelineRow, database)

    def add(self, pipeline: Pipeline) -> None:
        """Store a new one."""
        self._rows.insert(
            id=pipeline.id,
            symbol=pipeline.opportunity.symbol,
            duplicate_key=pipeline.duplicate_key,
            created_at=pipeline.created_at,
            **_changing(pipeline),
        ).execute()

    def get(self, pipeline_id: str) -> Pipeline | None:
        """Return it, or None if there is none of that id."""
        row = self._rows.get_or_none(self._rows.id == pipeline_id)
        return None if row is None else _pipeline(row)

    def page(self, page: Page, wanted: PipelineFilter) -> list[Pipeline]:
        """Return a page of the pipelines that match, newest first."""
        rows = self._rows
        query = rows.select()
        if wanted.symbol is not None:
            query = query.where(rows.symbol == wanted.symbol)
        if wanted.status is not None:
            query = query.where(rows.status == wanted.status.value)
        return [_pipeline(row) for row in newest_first(query, rows, page)]

    def has(self, duplicate_key: str, *, since: datetime | None) -> bool:
        """Tell whether one of that key was stored, at or after `since` if that is given."""
        rows = self._rows
        same = rows.duplicate_key == duplicate_key
        if since is not None:
            same &= rows.created_at >= since
        return bool(rows.select().where(same).exists())

    def pending(self) -> int:
        """Count the pending ones."""
        count: int = self._rows.select().where(self._rows.status == JobStatus.PENDING.value).count()
        return count

    def oldest_pending(self) -> Pipeline | None:
        """Return the one that waits longest, or None."""
        row = self._oldest(self._rows.status == JobStatus.PENDING.value).first()
        return None if row is None else _pipeline(row)

    def claim(
        self, owner: str, *, now: datetime, lease_until: datetime, longest: datetime | None = None
    ) -> Pipeline | None:
        """Make the oldest one running and the owner's, if one is pending or its lease has lapsed."""
        rows = self._rows
        with self._database.atomic():
            lapsed = rows.lease_until.is_null() | (rows.lease_until < now)
            if longest is not None:
                lapsed |= rows.lease_until > longest
            row = self._database.locked(
                self._oldest(
                    (rows.status == JobStatus.PENDING.value)
                    | ((rows.status == JobStatus.RUNNING.value) & lapsed)
                ),
                skip=True,
            ).first()
            if row is None:
                return None
            pipeline = _pipeline(row)
            begun = replace(
                pipeline,
                status=JobStatus.RUNNING,
                started_at=pipeline.started_at or now,
                sequence=pipeline.sequence + 1,
            )
            self._put(begun, lease_owner=owner, lease_until=lease_until)
            return begun

    def renew(self, owner: str, *, lease_until: datetime, ids: frozenset[str]) -> None:
        """Prolong the leases that the owner holds of these."""
        rows = self._rows
        held = (rows.lease_owner == owner) & rows.id.in_(sorted(ids))
        rows.update(lease_until=lease_until).where(held).execute()

    def release(self, owner: str) -> None:
        """Let go of everything the owner holds: it may be claimed at once."""
        rows = self._rows
        rows.update(lease_owner=None, lease_until=None).where(rows.lease_owner == owner).execute()

    def save(self, pipeline: Pipeline, *, owner: str) -> Pipeline:
        """Store a change; raises LeaseLost unless it is running and the owner's. Returns it as stored."""
        with self._database.atomic():
            row = self._locked(pipeline.id)
            if row is None or row.status != JobStatus.RUNNING.value or row.lease_owner != owner:
                raise LeaseLost(pipeline.id)
            saved = replace(pipeline, sequence=row.sequence + 1)
            held = {} if not saved.status.is_final else {"lease_owner": None, "lease_until": None}
            self._put(saved, **held)
            return saved

    def end(self, pipeline: Pipeline) -> Pipeline:
        """Give one that has not ended its final status, whoever holds it; raises LeaseLost if it has."""
        with self._database.atomic():
            row = self._locked(pipeline.id)
            if row is None or JobStatus(row.status).is_final:
                raise LeaseLost(pipeline.id)
            ended = replace(pipeline, sequence=row.sequence + 1)
            self._put(ended, lease_owner=None, lease_until=None)
            return ended

    def _locked(self, pipeline_id: str) -> Any:
        query = self._rows.select().where(self._rows.id == pipeline_id)
        return self._database.locked(query).first()

    def _oldest(self, condition: Any) -> Any:
        rows = self._rows
        return rows.select().where(condition).order_by(rows.created_at, rows.id)

    def _put(self, pipeline: Pipeline, **held: Any) -> None:
        columns = {**_changing(pipeline), **held}
        self._rows.update(columns).where(self._rows.id == pipeline.id).execute()


def _changing(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "status": pipeline.status.value,
        "sequence": pipeline.sequence,
        "document": to_json(Pipeline, pipeline),
    }


def _pipeline(row: Any) -> Pipeline:
    return from_json(Pipeline, row.document)
