"""Starts the processes of jobs, imports and decisions from the templates."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from stratopt_server.domain.errors import Exhausted, RequestRefused, StratoptError, Unavailable
from stratopt_server.domain.evidence import Evidence, Reproduction
from stratopt_server.domain.jobs import Failure, Job, JobKind
from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.seals import SealedTest
from stratopt_server.jobs.messages import (
    Changed,
    Done,
    ExportTrials,
    Failed,
    GatherEvidence,
    ImportFile,
    Interrupted,
    OpenSeal,
    Refused,
    Reproduce,
    RunJob,
    Stage,
    Task,
)
from stratopt_server.jobs.supervisor import Template, Templates, Worker
from stratopt_server.market.formats import TableFormat
from stratopt_server.market.importing import Imported
from stratopt_server.settings import Settings
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.usecases.requests import ImportRequest
from stratopt_server.usecases.runner import interrupted, killed
from stratopt_server.usecases.seals import OnStage, nobody


class JobAttempt:
    """One process at work on one job."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._last: Any = None

    async def changes(self) -> AsyncIterator[None]:
        """Yield whenever the job's rows changed, until the process ends."""
        async for message in self._worker.messages():
            self._last = message
            if isinstance(message, Changed):
                yield

    async def failure(self) -> Failure | None:
        """Say, after its end, why the process did not finish the job; None if it says it did."""
        ended = await self._worker.ended()
        match self._last:
            case Failed(reason=reason, message=message, metadata=metadata):
                return Failure(reason=reason, message=message, metadata=metadata)
            case Refused(violations=violations):
                return Failure(reason=violations[0].reason, message=violations[0].message)
            case Interrupted(reason=reason, message=message):
                return interrupted(reason, message)
            case Done():
                return None
        if ended.signal is not None:
            return killed(ended.signal)
        return Failure(
            reason="WORKER_CRASHED",
            message="the job's process failed unexpectedly; the server's log has the details",
            metadata={"exit_code": str(ended.code)},
        )

    def kill(self) -> None:
        """Kill the process."""
        self._worker.kill()


class ProcessLauncher:
    """Starts processes for jobs: backtests from the template that has vectorbt."""

    def __init__(self, templates: Templates, settings: Settings) -> None:
        self._templates = templates
        self._settings = settings
        self._places = asyncio.Semaphore(settings.jobs_running_max)
        self._gathering = 0

    def kinds(self) -> frozenset[JobKind]:
        """Kinds of jobs that a process can be started for now."""
        return frozenset(kind for kind in JobKind if self._template(kind).takes_tasks)

    def ready_in(self, kind: JobKind) -> float:
        """Seconds until a process should start for a job of that kind; 0 is now. From any thread."""
        return self._template(kind).ready_in

    def _template(self, kind: JobKind) -> Template:
        return self._templates.report if kind is JobKind.BACKTEST else self._templates.sweep

    async def launch(self, job: Job) -> JobAttempt:
        """Start the process of a job that was claimed."""
        template = self._template(job.kind)
        task = RunJob(
            kind=job.kind,
            job_id=job.id,
            attempt=job.attempt,
            database_url=self._settings.database,
            bars_dir=str(self._settings.bars_dir),
            memory_mb_max=self._settings.job_memory_mb_max,
            report_fills_max=self._settings.report_fills_max,
        )
        return JobAttempt(await template.fork(task))

    async def import_file(self, path: Path, wanted: ImportRequest) -> Imported:
        """Read, check and store a file of bars; raises what the process says is wrong with it."""
        task = ImportFile(
            path=str(path),
            file_format=wanted.file_format,
            timeframe=wanted.timeframe,
            bars_per_year=wanted.bars_per_year,
            bars_dir=str(self._settings.bars_dir),
            rows_max=self._settings.import_rows_max,
            memory_mb_max=self._settings.job_memory_mb_max,
        )
        return from_json(Imported, await _result(self._templates.sweep, task))

    async def gather(
        self,
        backtest_id: str,
        *,
        optimization_id: str | None,
        searched_by: str | None,
        grade: DataGrade,
        drawdown_max: float,
        on_stage: OnStage,
    ) -> Evidence:
        """Measure what a decision about the backtest rests on; RESOURCE_EXHAUSTED if too many wait."""
        task = GatherEvidence(
            backtest_id=backtest_id,
            optimization_id=optimization_id,
            searched_by=searched_by,
            data_grade=grade,
            drawdown_max=drawdown_max,
            database_url=self._settings.database,
            bars_dir=str(self._settings.bars_dir),
            memory_mb_max=self._settings.job_memory_mb_max,
        )
        if self._gathering >= self._settings.approvals_waiting_max:
            raise Exhausted("approvals under way", limit=self._settings.approvals_waiting_max)
        self._gathering += 1
        try:
            async with self._places:
                found = await _result(self._templates.report, task, on_stage=on_stage)
                return from_json(Evidence, found)
        finally:
            self._gathering -= 1

    async def reproduce(self, recipe: dict[str, Any], metrics: Metrics) -> Reproduction:
        """Run a recipe in a process that knows nothing else, and hold its metrics against those given."""
        said = json.dumps({"recipe": recipe, "metrics": to_json(Metrics, metrics)}).encode()
        # A file: a recipe with funding rates is longer than a message may be.
        with NamedTemporaryFile(dir=self._settings.data_dir, prefix=".recipe-", suffix=".json") as file:
            await asyncio.to_thread(_write, file, said)
            task = Reproduce(
                path=file.name,
                bars_dir=str(self._settings.bars_dir),
                memory_mb_max=self._settings.job_memory_mb_max,
            )
            async with self._places:
                return from_json(Reproduction, await _result(self._templates.report, task))

    async def open_seal(self, backtest_id: str, dataset_hash: str, first_bar_time: datetime) -> SealedTest:
        """Run the parameters of a backtest over sealed bars."""
        task = OpenSeal(
            backtest_id=backtest_id,
            dataset_hash=dataset_hash,
            first_bar_time=first_bar_time,
            database_url=self._settings.database,
            bars_dir=str(self._settings.bars_dir),
            memory_mb_max=self._settings.job_memory_mb_max,
        )
        async with self._places:
            return from_json(SealedTest, await _result(self._templates.report, task))

    async def export_trials(self, optimization_id: str, path: Path, table_format: TableFormat) -> None:
        """Write the trials of an optimization to the file."""
        task = ExportTrials(
            optimization_id=optimization_id,
            path=str(path),
            table_format=table_format,
            database_url=self._settings.database,
            memory_mb_max=self._settings.job_memory_mb_max,
        )
        await _result(self._templates.sweep, task)


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.flush()


async def _result(template: Template, task: Task, *, on_stage: OnStage = nobody) -> Any:
    """Run a task that is no job in a process of its own; raise what the process says is wrong."""
    worker = await template.fork(task)
    try:
        async for message in worker.messages():
            match message:
                case Stage(name=name):
                    on_stage(name)
                case Done(result=result):
                    return result
                case Refused(violations=violations):
                    raise RequestRefused(violations)
                case Failed(reason=reason, message=text, metadata=facts):
                    raise Unavailable(text, reason=reason, facts=facts)
                case Interrupted(reason=reason, message=text):
                    raise Unavailable(text, reason=reason)
        raise _crashed(await worker.ended())
    finally:
        worker.kill()


def _crashed(ended: object) -> StratoptError:
    return Unavailable(
        "the process failed unexpectedly; the server's log has the details",
        reason="WORKER_CRASHED",
        facts={"ended": str(ended)},
    )
