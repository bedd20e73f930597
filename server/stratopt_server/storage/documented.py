"""The documented rows of optimizations, as other services read them; the job's row holds the rest."""

from datetime import datetime
from typing import Any

from stratopt_server.domain.goals import Objective
from stratopt_server.domain.jobs import Job, JobStatus, OptimizationResult, Progress
from stratopt_server.domain.parameters import ParameterRange
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import JobRow, OptimizationResultRow, OptimizationTaskRow, bound


class DocumentedSearches:
    """Tasks and results: a task for each optimization, a result for each that has succeeded."""

    def __init__(self, database: Database) -> None:
        self._tasks = bound(OptimizationTaskRow, database)
        self._results = bound(OptimizationResultRow, database)

    def add(self, job: Job, spec: OptimizationSpec) -> None:
        """Show a new optimization."""
        self._tasks.insert(
            id=job.id, status=job.status.value, progress=0.0, created_at=job.created_at, **_asked(spec)
        ).execute()

    def follow(self, row: JobRow) -> None:
        """Show where the job's row says that it stands."""
        self._tasks.update(
            status=row.status,
            progress=_share_done(from_json(Progress, row.progress)),
            completed_at=row.completed_at,
        ).where(self._tasks.id == row.id).execute()

    def reopen(self, job_id: str, spec: OptimizationSpec) -> None:
        """Show what it is now asked, and no result."""
        self._tasks.update(**_asked(spec)).where(self._tasks.id == job_id).execute()
        self._results.delete().where(self._results.optimization_id == job_id).execute()

    def end(self, job: Job, now: datetime) -> None:
        """Show what it found, if it succeeded and found anything."""
        result = job.result
        if job.status is JobStatus.SUCCEEDED and isinstance(result, OptimizationResult) and result.best:
            trial = result.best.trial
            assert trial.score is not None, "the best trial has a score"
            self._results.insert(
                id=job.id,
                optimization_id=job.id,
                best_params=trial.params,
                best_score=trial.score,
                all_results=to_json(OptimizationResult, result),
                created_at=now,
            ).execute()


def _asked(spec: OptimizationSpec) -> dict[str, Any]:
    return {
        "strategy_id": spec.scenario.strategy_id,
        "symbol": spec.scenario.symbol,
        "param_ranges": to_json(dict[str, ParameterRange], spec.param_ranges),
        "optimization_target": spec.goal.name,
        "objectives": to_json(tuple[Objective, ...], spec.goal.objectives),
    }


def _share_done(progress: Progress) -> float:
    return progress.done / progress.total if progress.total else 0.0
