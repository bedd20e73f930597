"""What backtests and optimizations share <-> proto."""

from typing import Any

from stratopt.v1 import job_pb2, metrics_pb2
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.jobs import Failure, Job, JobKind, Progress
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.ports import JobFilter
from stratopt_server.domain.queueing import PRIORITY_MAX, PRIORITY_MIN
from stratopt_server.domain.runs import Fill
from stratopt_server.usecases.requests import RunRequest
from stratopt_server.wire.enums import FILL, JOB_STATUS, RUN_STATUS
from stratopt_server.wire.reading import optional_number, optional_word
from stratopt_server.wire.times import optional_moment, to_timestamp
from stratopt_server.wire.trading import (
    costs_from_proto,
    costs_to_proto,
    trading_from_proto,
    trading_to_proto,
)


def metrics_to_proto(metrics: Metrics) -> metrics_pb2.Metrics:
    """Write metrics; what is not defined stays unset."""
    figures = {name: getattr(metrics, name) for name in Metrics.__dataclass_fields__}
    return metrics_pb2.Metrics(**{**figures, "run_status": RUN_STATUS[metrics.run_status]})


def progress_to_proto(progress: Progress) -> job_pb2.Progress:
    """Write progress."""
    return job_pb2.Progress(
        done=progress.done,
        total=progress.total,
        rate=progress.rate,
        eta_seconds=progress.eta_seconds,
        stage=progress.stage,
        best_score=progress.best_score,
        batch=progress.batch,
    )


def failure_to_proto(failure: Failure) -> job_pb2.Failure:
    """Write why a job failed."""
    return job_pb2.Failure(reason=failure.reason, message=failure.message, metadata=failure.metadata)


def job_fields(job: Job) -> dict[str, Any]:
    """Write the fields that Backtest and Optimization have in common."""
    scenario = job.spec.scenario
    terms = scenario.terms
    return {
        "id": job.id,
        "strategy_id": scenario.strategy_id,
        "code_hash": scenario.code_hash,
        "exchange": scenario.exchange,
        "symbol": scenario.symbol,
        "timeframe": scenario.timeframe,
        "dataset_hash": scenario.dataset_hash,
        "start_date": to_timestamp(scenario.start_date),
        "end_date": to_timestamp(scenario.end_date),
        "costs": costs_to_proto(terms.costs),
        "initial_cash": terms.initial_cash,
        "fill": FILL[terms.fill],
        "trading": trading_to_proto(terms),
        "priority": job.priority,
        "caller": job.caller,
        "status": JOB_STATUS[job.status],
        "progress": progress_to_proto(job.progress),
        "failure": None if job.failure is None else failure_to_proto(job.failure),
        "create_time": to_timestamp(job.created_at),
        "start_time": None if job.started_at is None else to_timestamp(job.started_at),
        "end_time": None if job.completed_at is None else to_timestamp(job.completed_at),
    }


def run_from_proto(request: Any, violations: Violations) -> RunRequest:
    """Read what every run is asked with, off either Start request."""
    fill = optional_word(request.fill, FILL, field="fill", violations=violations)
    return RunRequest(
        symbol=request.symbol,
        strategy_id=request.strategy_id,
        exchange=request.exchange or None,
        timeframe=request.timeframe or None,
        start_date=optional_moment(request, "start_date", violations),
        end_date=optional_moment(request, "end_date", violations),
        costs=costs_from_proto(request),
        initial_cash=optional_number(request, "initial_cash"),
        fill=fill or Fill.NEXT_OPEN,
        trading=trading_from_proto(request, violations),
        priority=priority_from_proto(request, violations),
    )


def priority_from_proto(request: Any, violations: Violations) -> int:
    """Read the place in the queue."""
    priority: int = request.priority
    if not PRIORITY_MIN <= priority <= PRIORITY_MAX:
        violations.add(
            "priority",
            "PRIORITY_OUT_OF_RANGE",
            f"{PRIORITY_MIN} to {PRIORITY_MAX}, not {priority}",
            value=priority,
        )
    return priority


def job_filter(request: Any, kind: JobKind, violations: Violations) -> JobFilter:
    """Read which jobs a list is about, off either List request."""
    return JobFilter(
        kind=kind,
        strategy_id=request.strategy_id or None,
        symbol=request.symbol or None,
        status=optional_word(request.status, JOB_STATUS, field="status", violations=violations),
    )
