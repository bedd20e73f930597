"""Pipelines in memory."""

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from stratopt_server.domain.jobs import JobStatus
from stratopt_server.domain.paging import Page
from stratopt_server.domain.pipelines import Pipeline, PipelineFilter
from stratopt_server.domain.ports import LeaseLost
from stratopt_server.storage.memory.tables import HeldPipeline, Lease, Memory, cut, one_at_a_time


@one_at_a_time
class MemoryPipelineStore:
    """Pipelines and their leases."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add(self, pipeline: Pipeline) -> None:
        """Store a new one."""
        with self._memory.transaction():
            self._memory.tables.pipelines[pipeline.id] = HeldPipeline(copy.deepcopy(pipeline))

    def get(self, pipeline_id: str) -> Pipeline | None:
        """Return it, or None if there is none of that id."""
        held = self._memory.tables.pipelines.get(pipeline_id)
        return None if held is None else copy.deepcopy(held.pipeline)

    def page(self, page: Page, wanted: PipelineFilter) -> list[Pipeline]:
        """Return a page of the pipelines that match, newest first."""
        rows = [
            held.pipeline
            for held in self._memory.tables.pipelines.values()
            if wanted.symbol in (None, held.pipeline.opportunity.symbol)
            and wanted.status in (None, held.pipeline.status)
        ]
        return cut(rows, page)

    def has(self, duplicate_key: str, *, since: datetime | None) -> bool:
        """Tell whether one of that key was stored, at or after `since` if that is given."""
        return any(
            held.pipeline.duplicate_key == duplicate_key
            and (since is None or held.pipeline.created_at >= since)
            for held in self._memory.tables.pipelines.values()
        )

    def pending(self) -> int:
        """Count the pending ones."""
        rows = self._memory.tables.pipelines.values()
        return sum(held.pipeline.status is JobStatus.PENDING for held in rows)

    def oldest_pending(self) -> Pipeline | None:
        """Return the one that waits longest, or None."""
        held = self._oldest(lambda held: held.pipeline.status is JobStatus.PENDING)
        return None if held is None else copy.deepcopy(held.pipeline)

    def claim(
        self, owner: str, *, now: datetime, lease_until: datetime, longest: datetime | None = None
    ) -> Pipeline | None:
        """Make the oldest one running and the owner's, if one is pending or its lease has lapsed."""

        def free(held: HeldPipeline) -> bool:
            lapsed = held.lease is None or not now <= held.lease.until <= (longest or held.lease.until)
            status = held.pipeline.status
            return status is JobStatus.PENDING or (status is JobStatus.RUNNING and lapsed)

        with self._memory.transaction():
            held = self._oldest(free)
            if held is None:
                return None
            begun = replace(
                held.pipeline,
                status=JobStatus.RUNNING,
                started_at=held.pipeline.started_at or now,
                sequence=held.pipeline.sequence + 1,
            )
            return self._put(begun, Lease(owner, lease_until))

    def renew(self, owner: str, *, lease_until: datetime, ids: frozenset[str]) -> None:
        """Prolong the leases that the owner holds of these."""
        self._hold_all(owner, Lease(owner, lease_until), ids=ids)

    def release(self, owner: str) -> None:
        """Let go of everything the owner holds: it may be claimed at once."""
        self._hold_all(owner, None)

    def save(self, pipeline: Pipeline, *, owner: str) -> Pipeline:
        """Store a change; raises LeaseLost unless it is running and the owner's. Returns it as stored."""
        with self._memory.transaction():
            held = self._memory.tables.pipelines.get(pipeline.id)
            ours = held is not None and held.lease is not None and held.lease.owner == owner
            if held is None or not ours or held.pipeline.status is not JobStatus.RUNNING:
                raise LeaseLost(pipeline.id)
            saved = replace(pipeline, sequence=held.pipeline.sequence + 1)
            return self._put(saved, None if saved.status.is_final else held.lease)

    def end(self, pipeline: Pipeline) -> Pipeline:
        """Give one that has not ended its final status, whoever holds it; raises LeaseLost if it has."""
        with self._memory.transaction():
            held = self._memory.tables.pipelines.get(pipeline.id)
            if held is None or held.pipeline.status.is_final:
                raise LeaseLost(pipeline.id)
            return self._put(replace(pipeline, sequence=held.pipeline.sequence + 1), None)

    def _put(self, pipeline: Pipeline, lease: Lease | None) -> Pipeline:
        self._memory.tables.pipelines[pipeline.id] = HeldPipeline(copy.deepcopy(pipeline), lease)
        return pipeline

    def _hold_all(self, owner: str, lease: Lease | None, *, ids: frozenset[str] | None = None) -> None:
        with self._memory.transaction():
            pipelines = self._memory.tables.pipelines
            for pipeline_id, held in list(pipelines.items()):
                chosen = ids is None or pipeline_id in ids
                if chosen and held.lease is not None and held.lease.owner == owner:
                    pipelines[pipeline_id] = HeldPipeline(held.pipeline, lease)

    def _oldest(self, condition: Callable[[HeldPipeline], bool]) -> HeldPipeline | None:
        rows = [held for held in self._memory.tables.pipelines.values() if condition(held)]
        return min(rows, key=lambda held: (held.pipeline.created_at, held.pipeline.id), default=None)
