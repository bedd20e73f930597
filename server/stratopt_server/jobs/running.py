"""Inside the process of one backtest or optimization."""

from pathlib import Path

from stratopt_server.domain.clock import SystemClock
from stratopt_server.domain.jobs import Job, JobStatus
from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.domain.ports import LeaseLost
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.domain.strategy import StrategyContract
from stratopt_server.jobs.channel import Channel, JobFailure
from stratopt_server.jobs.context import JobContext
from stratopt_server.jobs.messages import RunJob
from stratopt_server.jobs.optimization import run_optimization
from stratopt_server.market.columns import ColumnStore
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.strategies.catalog import Catalog


def run_job(task: RunJob, channel: Channel) -> None:
    """Run one attempt of a job to its end and store what came of it."""
    storage = SqlStorage.open(task.database_url, migrated=True)
    try:
        job = storage.jobs.get(task.kind, task.job_id)
        if job is None or job.status is not JobStatus.RUNNING or job.attempt != task.attempt:
            raise LeaseLost(task.job_id)
        refuse_sealed(job, storage)
        context = JobContext(
            job=job,
            storage=storage,
            columns=ColumnStore(Path(task.bars_dir)),
            contract=contract_of(job),
            clock=SystemClock(),
            fills_max=task.report_fills_max,
            changed=channel.changed,
        )
        if isinstance(job.spec, BacktestSpec):
            from stratopt_server.jobs.backtest import run_backtest  # noqa: PLC0415 - loads vectorbt

            run_backtest(context, job.spec)
        else:
            run_optimization(context, job.spec)
        channel.changed()
    finally:
        storage.close()


def refuse_sealed(job: Job, storage: SqlStorage) -> None:
    """Fail a job that was accepted before the bars it asks for were sealed."""
    scenario = job.spec.scenario
    seal = storage.seals.latest(LedgerKey.of(scenario))
    if seal is not None and not seal.is_spent and scenario.end_date >= seal.first_bar_time:
        raise JobFailure(
            "SEALED_HOLDOUT",
            f"the bars from {seal.first_bar_time.isoformat()} on were sealed by {seal.id} meanwhile: "
            "start it again",
            sealed_holdout_id=seal.id,
        )


def contract_of(job: Job) -> StrategyContract:
    """What the job's code declares; raises JobFailure if it is no built-in code of this server."""
    code_hash = job.spec.scenario.code_hash
    contract = Catalog(kernels=()).contract(code_hash)
    if contract is None:
        raise JobFailure(
            "STRATEGY_CODE_GONE",
            "the strategy's code is not one this server can run any more: start the job again",
            code_hash=code_hash,
        )
    return contract
