"""Pipelines, as callers see them: read, follow, cancel."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.errors import NotFound, Unavailable, WrongStatus
from stratopt_server.domain.jobs import JobKind, JobStatus, Progress
from stratopt_server.domain.paging import Page
from stratopt_server.domain.pipelines import Pipeline, PipelineFilter, PipelineStep, StrategyRun
from stratopt_server.domain.ports import LeaseLost, Storage
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.requests import Call
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.usecases.watching import POLL_SECONDS, Beat, check_after_sequence


@dataclass(frozen=True, slots=True)
class PipelineView:
    """A pipeline, and how far the job has come that it waits for."""

    pipeline: Pipeline
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class WatchedPipeline:
    """One thing a watcher is told."""

    sequence: int
    event: PipelineView | Progress | Beat


def job_of(run: StrategyRun) -> tuple[JobKind, str] | None:
    """Return the job that a strategy waits for, if it waits for one."""
    if run.step is PipelineStep.OPTIMIZE and run.optimization_id is not None:
        return JobKind.OPTIMIZATION, run.optimization_id
    if run.step is PipelineStep.BACKTEST and run.backtest_id is not None:
        return JobKind.BACKTEST, run.backtest_id
    return None


class Pipelines:
    """What became of opportunities."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        repeats: Repeats,
        *,
        hub: Hub,
        thread: StorageThread,
        beat_seconds: float,
    ) -> None:
        """`beat_seconds` is the longest silence of a Watch."""
        self._storage = storage
        self._clock = clock
        self._repeats = repeats
        self._hub = hub
        self._thread = thread
        self._beat_seconds = beat_seconds
        self._closing = False

    def close(self) -> None:
        """Tell every watcher to come back later, or elsewhere."""
        self._closing = True
        self._hub.notify_all()

    def view(self, pipeline_id: str) -> PipelineView:
        """Return it; raises NotFound."""
        return self._view(self._get(pipeline_id))

    def page(self, page: Page, wanted: PipelineFilter) -> list[PipelineView]:
        """Return a page of the pipelines that match, newest first."""
        return [self._view(pipeline) for pipeline in self._storage.pipelines.page(page, wanted)]

    def cancel(self, pipeline_id: str, call: Call) -> PipelineView:
        """Give one that has not ended the status cancelled; raises NotFound, or WrongStatus if it has.

        Repeats are no error.
        """
        with self._storage.transaction():
            self._repeats.resource_of(call)
            pipeline = self._get(pipeline_id)
            if pipeline.status is not JobStatus.CANCELLED:
                now = self._clock.now()
                try:
                    pipeline = self._storage.pipelines.end(
                        replace(pipeline, status=JobStatus.CANCELLED, completed_at=now)
                    )
                except LeaseLost:
                    raise WrongStatus(
                        "pipeline",
                        pipeline_id,
                        status=pipeline.status.value,
                        wanted="pending, running or cancelled",
                    ) from None
            self._repeats.remember(call, pipeline_id)
            return PipelineView(pipeline, None)

    async def watch(self, pipeline_id: str, *, after_sequence: int) -> AsyncIterator[WatchedPipeline]:
        """Yield a snapshot, then one at each change, progress between them, up to the final status."""
        check_after_sequence(after_sequence)
        with self._hub.listening(pipeline_id) as news:
            seen = await self._thread.run(self.view, pipeline_id)
            yield WatchedPipeline(seen.pipeline.sequence, seen)
            while not seen.pipeline.status.is_final:
                news.clear()
                found = await self._hear(news, seen)
                if found is None:
                    yield WatchedPipeline(seen.pipeline.sequence, Beat())
                    continue
                changed = found.pipeline.sequence > seen.pipeline.sequence
                seen = found
                event = seen if changed or seen.progress is None else seen.progress
                yield WatchedPipeline(seen.pipeline.sequence, event)

    async def _hear(self, news: asyncio.Event, seen: PipelineView) -> PipelineView | None:
        """Wait until it is another than was seen; None if it is not for so long that a beat is due."""
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._beat_seconds
        while True:
            if self._closing:
                raise Unavailable("the server is shutting down: watch again", reason="DRAINING")
            found = await self._thread.run(self.view, seen.pipeline.id)
            if found != seen:
                return found
            left = beat_at - loop.time()
            if left <= 0:
                return None
            try:
                async with asyncio.timeout(min(left, POLL_SECONDS)):
                    await news.wait()
            except TimeoutError:
                continue
            news.clear()

    def _get(self, pipeline_id: str) -> Pipeline:
        pipeline = self._storage.pipelines.get(pipeline_id)
        if pipeline is None:
            raise NotFound("pipeline", pipeline_id)
        return pipeline

    def _view(self, pipeline: Pipeline) -> PipelineView:
        at = pipeline.place
        waits_for = None if at is None or pipeline.status.is_final else job_of(pipeline.runs[at])
        job = None if waits_for is None else self._storage.jobs.get(*waits_for)
        return PipelineView(pipeline, None if job is None else job.progress)
