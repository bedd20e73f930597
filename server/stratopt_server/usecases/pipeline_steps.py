"""The steps of a pipeline: search a strategy, run the pick, have it judged, see the package off.

Each step can be made again after a crash: what it starts has a request_id of the pipeline's own, so that it
is started once.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from stratopt_server.domain.decisions import DecisionOutcome
from stratopt_server.domain.errors import StratoptError
from stratopt_server.domain.jobs import Failure, Job, JobKind, JobStatus, OptimizationResult
from stratopt_server.domain.opportunities import Opportunity
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.pipelines import Pipeline, PipelineStep, StrategyRun
from stratopt_server.domain.ports import RequestKey, Storage
from stratopt_server.usecases.approvals import ApprovalRequest, Approvals
from stratopt_server.usecases.backtests import Backtests
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.optimizations import Optimizations
from stratopt_server.usecases.pipelines import job_of
from stratopt_server.usecases.requests import BacktestRequest, Call, OptimizationRequest
from stratopt_server.usecases.routes import Pick, StrategyPlan
from stratopt_server.usecases.runner import Runner
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.usecases.watching import Watching

CALLER = "pipeline"
"""Whose jobs these are in the queue: callers take turns."""
PUBLISHED_POLL_SECONDS = 0.2

Save = Callable[[StrategyRun], Awaitable[None]]
"""Stores how far a strategy is, before a step waits for what it has started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One strategy of one pipeline, about to make a step."""

    pipeline: Pipeline
    place: int
    plan: StrategyPlan
    save: Save

    @property
    def run(self) -> StrategyRun:
        """How far it is."""
        return self.pipeline.runs[self.place]

    def call(self, step: str) -> Call:
        """The same call however often the step is made."""
        return _call(self.pipeline, self.place, step)


def _call(pipeline: Pipeline, place: int, step: str) -> Call:
    request_id = f"{pipeline.id}:{place}:{step}"
    digest = hashlib.sha256(request_id.encode()).hexdigest()
    return Call(RequestKey("Pipeline", request_id), digest, CALLER)


class Steps:
    """What a strategy does at each step, through the use-cases that every door uses."""

    def __init__(
        self,
        storage: Storage,
        jobs: Jobs,
        *,
        repeats: Repeats,
        optimizations: Optimizations,
        backtests: Backtests,
        approvals: Approvals,
        runner: Runner,
        watching: Watching,
        hub: Hub,
        thread: StorageThread,
        publishes: Callable[[], bool],
        announce: Callable[[], None],
    ) -> None:
        """`publishes` tells whether the relay is on; `announce` tells it that a package was added."""
        self._storage = storage
        self._jobs = jobs
        self._repeats = repeats
        self._optimizations = optimizations
        self._backtests = backtests
        self._approvals = approvals
        self._runner = runner
        self._watching = watching
        self._hub = hub
        self._thread = thread
        self._publishes = publishes
        self._announce = announce

    async def make(self, stage: Stage) -> StrategyRun:
        """Make the step that the strategy is at; return how far it is then."""
        match stage.run.step:
            case PipelineStep.WAITING | PipelineStep.OPTIMIZE:
                return await self._optimize(stage)
            case PipelineStep.BACKTEST:
                return await self._backtest(stage)
            case PipelineStep.APPROVE:
                return await self._approve(stage)
            case _:
                return await self._publish(stage)

    async def stop(self, pipeline: Pipeline) -> None:
        """Cancel the jobs of a cancelled pipeline's strategy, also of a step that was just being made."""
        for job_id in await self._thread.run(self._cancel_jobs, pipeline):
            self._runner.stop_job(job_id)

    def _cancel_jobs(self, pipeline: Pipeline) -> list[str]:
        place = pipeline.place
        if place is None:
            return []
        run, cancelled = pipeline.runs[place], []
        for kind, step, known in (
            (JobKind.OPTIMIZATION, "optimize", run.optimization_id),
            (JobKind.BACKTEST, "backtest", run.backtest_id),
        ):
            job_id = known or self._repeats.resource_of(_call(pipeline, place, step))
            if job_id is not None:
                with suppress(StratoptError):  # it has ended
                    self._jobs.cancel(kind, job_id, Call(None, ""))
                    cancelled.append(job_id)
        return cancelled

    async def _optimize(self, stage: Stage) -> StrategyRun:
        run = replace(stage.run, step=PipelineStep.OPTIMIZE)
        if run.optimization_id is None:
            search = search_of(stage.plan, stage.pipeline.opportunity)
            job = await self._thread.run(self._optimizations.start, search, stage.call("optimize"))
            run = replace(run, optimization_id=job.id)
            await self._begun(stage, run)
        ended = await self._ended(stage, run)
        if ended.status is not JobStatus.SUCCEEDED:
            return _failed(run, ended)
        if _pick(stage.plan.pick, ended) is None:
            return replace(run, step=PipelineStep.DONE, failure=NOTHING_FOUND)
        return replace(run, step=PipelineStep.BACKTEST)

    async def _backtest(self, stage: Stage) -> StrategyRun:
        run = stage.run
        if run.backtest_id is None:
            job = await self._start_backtest(stage)
            run = replace(run, backtest_id=job.id)
            await self._begun(stage, run)
        ended = await self._ended(stage, run)
        if ended.status is not JobStatus.SUCCEEDED:
            return _failed(run, ended)
        return replace(run, step=PipelineStep.APPROVE)

    async def _begun(self, stage: Stage, run: StrategyRun) -> None:
        """Store which job was started, and have it looked for."""
        await stage.save(run)
        self._runner.wake()

    async def _start_backtest(self, stage: Stage) -> Job:
        assert stage.run.optimization_id is not None, "the step before had one"
        search = await self._thread.run(self._jobs.get, JobKind.OPTIMIZATION, stage.run.optimization_id)
        params = _pick(stage.plan.pick, search)
        assert params is not None, "a search without a best went no further"
        run = search_of(stage.plan, stage.pipeline.opportunity).run
        wanted = BacktestRequest(run=run, params=dict(params))
        return await self._backtests.start(wanted, stage.call("backtest"))

    async def _approve(self, stage: Stage) -> StrategyRun:
        run = stage.run
        assert run.backtest_id is not None, "the step before had one"
        wanted = ApprovalRequest(
            strategy_id=run.strategy_id,
            backtest_id=run.backtest_id,
            criteria=stage.plan.criteria,
            policy=stage.plan.policy,
        )
        verdict = await self._approvals.approve(wanted, stage.call("approve"))
        self._announce()
        decision = verdict.decision
        approved = decision.outcome is DecisionOutcome.APPROVE
        return replace(
            run,
            step=PipelineStep.PUBLISH if approved else PipelineStep.DONE,
            decision_id=decision.id,
            outcome=decision.outcome,
            package_id=decision.package_id,
        )

    async def _publish(self, stage: Stage) -> StrategyRun:
        """Wait until the package has been handed to the socket; its row in the outbox waits either way."""
        run = stage.run
        assert run.package_id is not None, "what is approved has a package"
        while self._publishes():
            package = await self._thread.run(self._storage.packages.get, run.package_id)
            assert package is not None, "packages stay"
            if package.published_at is not None:
                break
            await asyncio.sleep(PUBLISHED_POLL_SECONDS)
        return replace(run, step=PipelineStep.DONE)

    async def _ended(self, stage: Stage, run: StrategyRun) -> Job:
        """Follow the job that the strategy waits for to its end, telling who follows the pipeline."""
        waits_for = job_of(run)
        assert waits_for is not None, "a job was started"
        events = self._watching.watch(*waits_for, after_sequence=0)
        async with aclosing(events):  # type: ignore[type-var]  # an async generator, typed as what it yields
            async for watched in events:
                if isinstance(watched.event, Job):
                    job = watched.event
                self._hub.notify(stage.pipeline.id)
        return job


NOTHING_FOUND = Failure(
    reason="NOTHING_FOUND",
    message="no trial of the search traded often enough to be the best: widen the ranges or lower min_trades",
)


def search_of(plan: StrategyPlan, opportunity: Opportunity) -> OptimizationRequest:
    """Return the plan's search of the opportunity's symbol."""
    run = replace(plan.search.run, symbol=opportunity.symbol)
    if plan.use_analysis_period:
        first, last = _analysis_period(opportunity)
        run = replace(run, start_date=first or run.start_date, end_date=last or run.end_date)
    return replace(plan.search, run=run)


def _analysis_period(opportunity: Opportunity) -> tuple[datetime | None, datetime | None]:
    period = opportunity.document.get("analysis_period")
    if not isinstance(period, dict):
        return None, None
    return _day(period.get("start"), whole=False), _day(period.get("end"), whole=True)


def _day(text: object, *, whole: bool) -> datetime | None:
    """Read a date or a moment, in UTC; of a date its first moment or its last, None of what is neither."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    if whole and len(str(text)) == len("2024-01-31"):
        moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _pick(pick: Pick, search: Job) -> dict[str, ParameterValue] | None:
    result = search.result
    assert isinstance(result, OptimizationResult), "a succeeded search has its result"
    if pick is Pick.ROBUST and result.robust is not None:
        return result.robust.trial.params
    return None if result.best is None else result.best.trial.params


def _failed(run: StrategyRun, job: Job) -> StrategyRun:
    what = job.kind.value
    failure = job.failure or Failure(
        reason=f"{what.upper()}_{job.status.value.upper()}",
        message=f"the {what} {job.id} was {job.status.value}",
        metadata={f"{what}_id": job.id},
    )
    return replace(run, step=PipelineStep.DONE, failure=failure)
