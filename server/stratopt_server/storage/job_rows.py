"""Jobs <-> their rows."""

from typing import Any

from stratopt_server.domain.jobs import Failure, Job, JobKind, JobStatus, Progress
from stratopt_server.domain.runs import BacktestSpec, OptimizationSpec
from stratopt_server.storage.codec import RESULTS, SPECS, from_json, spec_from_json, to_json


def asked_columns(spec: BacktestSpec | OptimizationSpec) -> dict[str, Any]:
    """What a job is asked, as its row has it."""
    kind = JobKind.BACKTEST if isinstance(spec, BacktestSpec) else JobKind.OPTIMIZATION
    return {
        "strategy_id": spec.scenario.strategy_id,
        "symbol": spec.scenario.symbol,
        "spec": to_json(SPECS[kind], spec),
    }


def job_columns(job: Job) -> dict[str, Any]:
    """The row of a new job."""
    return {
        "id": job.id,
        "kind": job.kind.value,
        **asked_columns(job.spec),
        "status": job.status.value,
        "progress": to_json(Progress, job.progress),
        "result": None,
        "failure": None,
        "attempt": job.attempt,
        "losses": job.losses,
        "priority": job.priority,
        "caller": job.caller,
        "last_sequence": job.last_sequence,
        "created_at": job.created_at,
    }


def job_of(row: Any) -> Job:
    """Turn a whole row back into the job."""
    kind = JobKind(row.kind)
    return Job(
        id=row.id,
        spec=spec_from_json(kind, row.spec),
        status=JobStatus(row.status),
        progress=from_json(Progress, row.progress),
        result=None if row.result is None else from_json(RESULTS[kind], row.result),
        failure=None if row.failure is None else from_json(Failure, row.failure),
        attempt=row.attempt,
        losses=row.losses,
        priority=row.priority,
        caller=row.caller,
        last_sequence=row.last_sequence,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
    )
