"""Takes pipelines from their queue and sees each one through, so many at a time."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from stratopt_server import logs
from stratopt_server.domain.clock import Clock
from stratopt_server.domain.errors import Code, StratoptError
from stratopt_server.domain.jobs import Failure, JobStatus
from stratopt_server.domain.pipelines import Pipeline, PipelineStep, StrategyRun
from stratopt_server.domain.ports import LeaseLost, Storage
from stratopt_server.usecases.going_on import going_on
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.lease_terms import LeaseTerm
from stratopt_server.usecases.pipeline_steps import Stage, Steps
from stratopt_server.usecases.routes import StrategyPlan
from stratopt_server.usecases.runner import HEARTBEATS_A_LEASE, POLL_SECONDS
from stratopt_server.usecases.threads import StorageThread

log = logging.getLogger(__name__)

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 1.0, 30.0
FAULTS_MAX = 5
"""Unforeseen faults of one step in a row after which the strategy is given up."""
PASSING = frozenset({Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE})
"""Codes of what later may go well: the step is made again, for as long as it takes."""

ReadPlan = Callable[[Mapping[str, Any]], StrategyPlan]


class PipelineRunner:
    """One server's share of the pipelines."""

    def __init__(
        self,
        storage: Storage,
        steps: Steps,
        read_plan: ReadPlan,
        *,
        hub: Hub,
        thread: StorageThread,
        clock: Clock,
        owner: str,
        running_max: int,
        lease_seconds: float,
    ) -> None:
        """`owner` names this server in leases; `read_plan` reads what a route says of a strategy."""
        self._storage = storage
        self._steps = steps
        self._read_plan = read_plan
        self._hub = hub
        self._thread = thread
        self._clock = clock
        self._owner = owner
        self._running_max = running_max
        self._lease = timedelta(seconds=lease_seconds)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._publishing: set[str] = set()
        """Of pipelines that only wait for the relay: they take no room."""
        self._loops: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    @property
    def running(self) -> int:
        """Pipelines this server works on now."""
        return len(self._tasks) - len(self._publishing)

    def start(self) -> None:
        """Begin to take pipelines."""
        self._loops = [
            asyncio.create_task(self._take(), name="take pipelines"),
            asyncio.create_task(self._keep_leases(), name="keep leases of pipelines"),
        ]

    def wake(self) -> None:
        """Say that a pipeline was added."""
        self._news.set()

    async def cancelled(self, pipeline: Pipeline) -> None:
        """Stop work on one that was cancelled, and the job it waits for; tell who watches."""
        task = self._tasks.get(pipeline.id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._steps.stop(pipeline)
        self._hub.notify(pipeline.id)

    async def stop(self) -> None:
        """Let go of everything: another server, or this one when it is back, goes on where each is."""
        for task in (*self._loops, *self._tasks.values()):
            task.cancel()
        running = [*self._loops, *self._tasks.values()]
        if running:
            await asyncio.wait(running)
        await self._thread.run(self._storage.pipelines.release, self._owner)

    async def _take(self) -> None:
        while True:
            self._news.clear()
            with going_on(log, "the queue of pipelines could not be read"):
                while self.running < self._running_max and (pipeline := await self._claim()) is not None:
                    if pipeline.id in self._tasks:
                        continue  # this process slept longer than its lease
                    task = asyncio.create_task(self._see_through(pipeline), name=pipeline.id)
                    self._tasks[pipeline.id] = task
                    task.add_done_callback(partial(self._finished, pipeline.id))
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._news.wait()

    def _finished(self, pipeline_id: str, _: asyncio.Task[None]) -> None:
        self._tasks.pop(pipeline_id, None)
        self._publishing.discard(pipeline_id)
        self._news.set()

    async def _claim(self) -> Pipeline | None:
        return await self._thread.run(self._claim_now)

    def _claim_now(self) -> Pipeline | None:
        term = self._term()
        return self._storage.pipelines.claim(
            self._owner, now=term.now, lease_until=term.until, longest=term.longest
        )

    def _term(self) -> LeaseTerm:
        return LeaseTerm.begin(self._storage, self._clock, self._lease)

    def _renew(self, ids: frozenset[str]) -> None:
        """Prolong what is at work: one whose claim was answered to nobody shall lapse."""
        self._storage.pipelines.renew(self._owner, lease_until=self._term().until, ids=ids)

    async def _keep_leases(self) -> None:
        while True:
            with going_on(log, "the leases of pipelines could not be kept"):
                await self._thread.run(self._renew, frozenset(self._tasks))
            await asyncio.sleep(self._lease.total_seconds() / HEARTBEATS_A_LEASE)

    async def _see_through(self, pipeline: Pipeline) -> None:
        """Make every step of every strategy; afterwards the pipeline has a final status."""
        logs.bind(pipeline_id=pipeline.id)
        log.info("pipeline %s: %s on %s", pipeline.id, pipeline.route, pipeline.opportunity.symbol)
        at_work = _AtWork(pipeline, self)
        try:
            while (place := at_work.pipeline.place) is not None:
                await self._advance(at_work, place)
            await at_work.store(_ended(at_work.pipeline, self._clock))
            log.info("pipeline %s: %s", pipeline.id, at_work.pipeline.status.value)
        except LeaseLost:  # another server has it, or it was cancelled by way of one
            with going_on(log, f"the jobs of pipeline {pipeline.id} were not stopped"):
                await self._stop_if_ended(pipeline.id)

    async def _stop_if_ended(self, pipeline_id: str) -> None:
        """Cancel the job that was being started while the pipeline was cancelled."""
        stored = await self._thread.run(self._storage.pipelines.get, pipeline_id)
        if stored is not None and stored.status.is_final:
            await self._steps.stop(stored)

    async def _advance(self, at_work: "_AtWork", place: int) -> None:
        """Make one step; what goes wrong with it ends the strategy, or is tried again where it may pass."""
        faults, pause = 0, RETRY_SECONDS_MIN
        while True:
            run = at_work.pipeline.runs[place]
            try:
                stage = Stage(
                    pipeline=at_work.pipeline,
                    place=place,
                    plan=self._read_plan(run.plan),
                    save=partial(at_work.save, place),
                )
                if run.step is PipelineStep.PUBLISH:
                    self._publishing.add(at_work.pipeline.id)
                    self._news.set()
                await at_work.save(place, await self._steps.make(stage))
            except LeaseLost:
                raise
            except StratoptError as error:
                if error.code not in PASSING:
                    await at_work.save(place, _given_up(at_work.pipeline.runs[place], _failure_of(error)))
                    return
                log.warning("pipeline %s waits: %s", at_work.pipeline.id, error)
            except Exception:
                faults += 1
                log.exception("pipeline %s: step %s failed", at_work.pipeline.id, run.step.value)
                if faults >= FAULTS_MAX:
                    await at_work.save(place, _given_up(at_work.pipeline.runs[place], UNFORESEEN))
                    return
            else:
                return
            finally:
                self._publishing.discard(at_work.pipeline.id)
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_SECONDS_MAX)

    async def _store(self, pipeline: Pipeline) -> Pipeline:
        saved = await self._thread.run(self._storage.pipelines.save, pipeline, owner=self._owner)
        self._hub.notify(pipeline.id)
        return saved


class _AtWork:
    """A pipeline that this server works on, as it is stored."""

    def __init__(self, pipeline: Pipeline, runner: PipelineRunner) -> None:
        self.pipeline = pipeline
        self._runner = runner

    async def save(self, place: int, run: StrategyRun) -> None:
        """Store how far one of its strategies is."""
        runs = list(self.pipeline.runs)
        if runs[place] != run:
            runs[place] = run
            await self.store(replace(self.pipeline, runs=tuple(runs)))

    async def store(self, pipeline: Pipeline) -> None:
        """Store a change; raises LeaseLost."""
        self.pipeline = await self._runner._store(pipeline)  # noqa: SLF001 - a part of the runner


UNFORESEEN = Failure(
    reason="INTERNAL", message="the server failed unexpectedly; its log has the details", metadata={}
)


def _failure_of(error: StratoptError) -> Failure:
    return Failure(reason=error.reason, message=error.message, metadata=error.facts)


def _given_up(run: StrategyRun, failure: Failure) -> StrategyRun:
    return replace(run, step=PipelineStep.DONE, failure=failure)


def _ended(pipeline: Pipeline, clock: Clock) -> Pipeline:
    """It succeeded if any of its strategies was judged; else it failed as the first of them did."""
    judged = any(run.outcome is not None for run in pipeline.runs)
    failure = None if judged else next((run.failure for run in pipeline.runs if run.failure), None)
    return replace(
        pipeline,
        status=JobStatus.SUCCEEDED if judged else JobStatus.FAILED,
        failure=failure,
        completed_at=clock.now(),
    )
