"""What jobs and pipelines do, as messages that may be lost."""

import asyncio
from typing import Any

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.jobs import Job, JobKind
from stratopt_server.domain.pipelines import Pipeline
from stratopt_server.domain.ports import Storage
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.jobs import PREFIXES
from stratopt_server.usecases.threads import StorageThread

IDS_MAX = 1_000
"""Jobs with news that wait to be told of; more of them are not told of this time."""


class ProgressFeed:
    """Follows every job and pipeline of this server."""

    def __init__(self, storage: Storage, hub: Hub, thread: StorageThread, clock: Clock) -> None:
        self._storage = storage
        self._thread = thread
        self._clock = clock
        self._changed: set[str] = set()
        self._news = asyncio.Event()
        hub.follow(self._note)

    async def next(self) -> list[dict[str, Any]]:
        """Wait for news; return a document for each job or pipeline that has some."""
        await self._news.wait()
        self._news.clear()
        changed, self._changed = self._changed, set()
        return await self._thread.run(self._documents, sorted(changed))

    def forget(self) -> None:
        """Drop the news so far: another server tells them."""
        self._changed.clear()

    def _note(self, changed_id: str) -> None:
        if len(self._changed) < IDS_MAX:
            self._changed.add(changed_id)
            self._news.set()

    def _documents(self, ids: list[str]) -> list[dict[str, Any]]:
        found = [self._document(one) for one in ids]
        return [{**document, "timestamp": self._clock.now().isoformat()} for document in found if document]

    def _document(self, changed_id: str) -> dict[str, Any] | None:
        for kind, prefix in PREFIXES.items():
            if changed_id.startswith(f"{prefix}_"):
                job = self._storage.jobs.get(kind, changed_id)
                return None if job is None else _of_job(job, kind)
        pipeline = self._storage.pipelines.get(changed_id)
        return None if pipeline is None else _of_pipeline(pipeline)


def _of_job(job: Job, kind: JobKind) -> dict[str, Any]:
    scenario, progress = job.spec.scenario, job.progress
    return {
        "kind": kind.value,
        "id": job.id,
        "status": job.status.value,
        "strategy_id": scenario.strategy_id,
        "symbol": scenario.symbol,
        "progress": progress.done / progress.total if progress.total else 0.0,
        "stage": progress.stage,
        "best_score": progress.best_score,
        "eta_seconds": progress.eta_seconds,
    }


def _of_pipeline(pipeline: Pipeline) -> dict[str, Any]:
    at = pipeline.place
    run = None if at is None else pipeline.runs[at]
    return {
        "kind": "pipeline",
        "id": pipeline.id,
        "status": pipeline.status.value,
        "route": pipeline.route,
        "symbol": pipeline.opportunity.symbol,
        "correlation_id": pipeline.opportunity.correlation_id or None,
        "strategy_id": None if run is None else run.strategy_id,
        "step": None if run is None else run.step.value,
        "outcomes": {run.strategy_id: run.outcome.value for run in pipeline.runs if run.outcome is not None},
    }
