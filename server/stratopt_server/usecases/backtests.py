"""Running a strategy with one set of parameters."""

from stratopt_server.domain.errors import Violations, WrongStatus
from stratopt_server.domain.jobs import Job, JobKind, JobStatus, Progress
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.ports import ReportFilter, ReportKey, ReportOrder, ReportStore
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.params import check_params
from stratopt_server.usecases.requests import BacktestRequest, Call
from stratopt_server.usecases.runs import RunResolver

STAGES = ("loading bars", "running the strategy", "storing the report")
"""What a backtest does, in order; its progress counts them."""


class Backtests:
    """Accepts backtests and hands out their reports."""

    def __init__(self, jobs: Jobs, runs: RunResolver, reports: ReportStore) -> None:
        self._jobs = jobs
        self._runs = runs
        self.reports = reports

    def start(self, wanted: BacktestRequest, call: Call) -> Job:
        """Accept a backtest; raises RequestRefused naming every field that is wrong."""
        return self._jobs.accept(
            JobKind.BACKTEST, call, lambda: self._plan(wanted), priority=wanted.run.priority
        )

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

    def _plan(self, wanted: BacktestRequest) -> tuple[BacktestSpec, Progress]:
        violations = Violations(wanted.faults)
        run = self._runs.resolve(wanted.run, violations)
        params: dict[str, ParameterValue] = {}
        if run.strategy is not None:
            contract, defaults = run.strategy.contract, run.strategy.defaults
            params = check_params(wanted.params, contract, defaults, at="params", violations=violations)
        violations.refuse_if_any()
        progress = Progress(done=0, total=len(STAGES), stage="waiting")
        return BacktestSpec(scenario=run.scenario(), params=params), progress
