"""Backtests without a server."""

import pytest
from test_jobs_searching import BARS, MA_CROSS, NOW, Clock, Columns, spec_of

from stratopt_server.domain.jobs import BacktestResult, Job, JobKind, JobStatus, Progress
from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.jobs.backtest import run_backtest
from stratopt_server.jobs.channel import JobFailure
from stratopt_server.jobs.context import JobContext
from stratopt_server.storage.memory import MemoryStorage

SPEC = BacktestSpec(
    scenario=spec_of().scenario, params={"fast_period": 3, "slow_period": 12, "signal_threshold": 0.0}
)


def context(storage: MemoryStorage, *, fills_max: int) -> JobContext:
    """A backtest that is running in a storage of its own."""
    storage.jobs.add(
        Job(
            id="bt_1",
            spec=SPEC,
            status=JobStatus.PENDING,
            progress=Progress(done=0, total=3),
            result=None,
            failure=None,
            attempt=0,
            last_sequence=0,
            created_at=NOW,
            started_at=None,
            completed_at=None,
        )
    )
    job = storage.jobs.claim("one", now=NOW, lease_until=NOW)
    assert job is not None
    return JobContext(
        job=job,
        storage=storage,
        columns=Columns(),
        contract=MA_CROSS.contract,
        clock=Clock(),
        fills_max=fills_max,
        changed=lambda: None,
    )


def test_backtest_stores_its_report_and_counts_as_a_trial() -> None:
    """Its result, its report and its place in the ledger come with its final status."""
    storage = MemoryStorage()
    run_backtest(context(storage, fills_max=10_000), SPEC)
    job = storage.jobs.get(JobKind.BACKTEST, "bt_1")
    assert job is not None
    assert job.status is JobStatus.SUCCEEDED
    assert isinstance(job.result, BacktestResult)
    assert job.result.metrics.trade_count > 10
    assert sum(len(part.time) for part in storage.reports.series("bt_1")) == len(BARS.time)
    assert storage.ledger.count(LedgerKey.of(SPEC.scenario)) == 1


def test_report_of_too_many_fills_is_refused() -> None:
    """Before there is room for them, with how many there are and what to do; nothing of it is stored."""
    storage = MemoryStorage()
    with pytest.raises(JobFailure, match="raise report_fills_max") as failure:
        run_backtest(context(storage, fills_max=3), SPEC)
    assert failure.value.reason == "REPORT_TOO_LARGE"
    assert failure.value.facts["report_fills_max"] == "3"
    assert int(failure.value.facts["fills"]) > 20
    assert storage.reports.html("bt_1") is None
    assert storage.ledger.count(LedgerKey.of(SPEC.scenario)) == 0
