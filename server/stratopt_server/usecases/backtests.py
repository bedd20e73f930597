"""Running a strategy with one set of parameters."""

from dataclasses import replace

from stratopt_server.domain.errors import Violations, WrongStatus
from stratopt_server.domain.jobs import Job, JobKind, JobStatus, Progress
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.ports import ReportFilter, ReportKey, ReportOrder, ReportStore
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.params import check_params
from stratopt_server.usecases.requests import BacktestRequest, Call
from stratopt_server.usecases.results import Results
from stratopt_server.usecases.runs import RunResolver
from stratopt_server.usecases.threads import StorageThread

STAGES = ("loading bars", "running the strategy", "storing the report")
"""What a backtest does, in order; its progress counts them."""
WAITING = Progress(done=0, total=len(STAGES), stage="waiting")


class Backtests:
    """Accepts backtests and hands out their reports."""

    def __init__(
        self, jobs: Jobs, runs: RunResolver, reports: ReportStore, results: Results, thread: StorageThread
    ) -> None:
        self._jobs = jobs
        self._runs = runs
        self.reports = reports
        self._results = results
        self._thread = thread

    async def start(self, wanted: BacktestRequest, call: Call) -> Job:
        """Accept a backtest; raises RequestRefused naming every field that is wrong.

        One that has run before, by this engine, succeeds at once with that result, unless the request says
        that it shall be computed again.
        """
        made = await self._thread.run(self._jobs.made_before, JobKind.BACKTEST, call)
        if made is not None:
            return made
        spec = await self._thread.run(self._plan, wanted)
        known = None if wanted.recompute else await self._results.find(spec)
        job = await self._thread.run(self._accept, spec, call, wanted.run.priority, known)
        if job.status is JobStatus.PENDING:
            await self._results.remember(spec, job.id)
        return job

    def with_report(self, backtest_id: str) -> Job:
        """Return a backtest that has a report; raises NotFound or WrongStatus."""
        job = self._jobs.get(JobKind.BACKTEST, backtest_id)
        if job.status is not JobStatus.SUCCEEDED:
            raise WrongStatus("backtest", backtest_id, status=job.status.value, wanted="succeeded")
        return job

    def reports_page(
        self, wanted: ReportFilter, order: ReportOrder, *, after: ReportKey | None, limit: int
    ) -> list[tuple[ReportKey, Job]]:
        """Return up to `limit` reports behind `after` with their places, best or newest first."""
        keys = self.reports.page(wanted, order, after=after, limit=limit)
        return [(key, self._jobs.get(JobKind.BACKTEST, key.id)) for key in keys]

    def _plan(self, wanted: BacktestRequest) -> BacktestSpec:
        violations = Violations(wanted.faults)
        run = self._runs.resolve(wanted.run, violations)
        params: dict[str, ParameterValue] = {}
        if run.strategy is not None:
            contract, defaults = run.strategy.contract, run.strategy.defaults
            params = check_params(wanted.params, contract, defaults, at="params", violations=violations)
        violations.refuse_if_any()
        return BacktestSpec(scenario=run.scenario(), params=params)

    def _accept(self, spec: BacktestSpec, call: Call, priority: int, known: str | None) -> Job:
        """Store the job: pending, or with the result of the one that is known, if that is what it says."""
        result = None if known is None else self._results.result_of(known, spec)
        if known is None or result is None:
            return self._jobs.accept(JobKind.BACKTEST, call, lambda: (spec, WAITING), priority=priority)
        done = replace(WAITING, done=len(STAGES), stage="done")
        cached = replace(result, cached_from=result.cached_from or known)
        return self._jobs.accept_done(call, spec, done, cached, priority=priority)
