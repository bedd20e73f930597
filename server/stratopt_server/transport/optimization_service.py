"""OptimizationService over the optimizations use-case."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from stratopt.v1 import optimization_service_pb2 as pb
from stratopt.v1.optimization_service_pb2_grpc import OptimizationServiceServicer
from stratopt_server.domain.errors import Violations, WrongStatus
from stratopt_server.domain.jobs import JobKind, JobStatus, OptimizationResult
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.market.formats import TableFormat
from stratopt_server.pages.search import search_page
from stratopt_server.transport.spool import spool_folder
from stratopt_server.usecases.estimating import Estimating
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.optimizations import Optimizations, TrialExporter
from stratopt_server.usecases.runner import Runner
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.usecases.watching import Watching
from stratopt_server.wire.enums import TABLE_FORMAT
from stratopt_server.wire.jobs import job_filter
from stratopt_server.wire.optimizations import (
    optimization_from_proto,
    optimization_to_proto,
    watched_optimization,
)
from stratopt_server.wire.paging import cursor_key, cut_page, page_of, page_size, read_token
from stratopt_server.wire.reading import call_of, caller_of, optional_word
from stratopt_server.wire.results import trial_to_proto
from stratopt_server.wire.trials import key_of, trial_filter, trial_key, trial_order

EXPORT_CHUNK_BYTES = 262_144


class OptimizationServicer(OptimizationServiceServicer):
    """Parse, call, convert."""

    def __init__(
        self,
        optimizations: Optimizations,
        jobs: Jobs,
        exporter: TrialExporter,
        *,
        estimating: Estimating,
        runner: Runner,
        watching: Watching,
        thread: StorageThread,
        data_dir: Path,
    ) -> None:
        """`data_dir` is where files may lie while they are sent."""
        self._optimizations = optimizations
        self._jobs = jobs
        self._exporter = exporter
        self._data_dir = data_dir
        self._estimating = estimating
        self._runner = runner
        self._watching = watching
        self._thread = thread

    async def StartOptimization(
        self, request: pb.StartOptimizationRequest, context: Any
    ) -> pb.StartOptimizationResponse:
        """Accept a search."""
        wanted = optimization_from_proto(request)
        caller = caller_of(context.invocation_metadata())
        call = call_of(request, "StartOptimization", caller=caller)
        job = await self._thread.run(self._optimizations.start, wanted, call)
        self._runner.wake()
        seconds = await self._thread.run(self._estimating.seconds, job)
        return pb.StartOptimizationResponse(
            optimization=optimization_to_proto(job), estimated_seconds=seconds
        )

    async def GetOptimization(
        self, request: pb.GetOptimizationRequest, context: Any
    ) -> pb.GetOptimizationResponse:
        """Return one optimization."""
        job = await self._thread.run(self._jobs.get, JobKind.OPTIMIZATION, request.optimization_id)
        return pb.GetOptimizationResponse(optimization=optimization_to_proto(job))

    async def GetOptimizationReport(
        self, request: pb.GetOptimizationReportRequest, context: Any
    ) -> pb.GetOptimizationReportResponse:
        """Return the page of a succeeded optimization."""
        job = await self._thread.run(self._jobs.get, JobKind.OPTIMIZATION, request.optimization_id)
        if job.status is not JobStatus.SUCCEEDED:
            raise WrongStatus("optimization", job.id, status=job.status.value, wanted="succeeded")
        assert isinstance(job.spec, OptimizationSpec), "an optimization has an OptimizationSpec"
        assert isinstance(job.result, OptimizationResult), "a succeeded search has its result"
        return pb.GetOptimizationReportResponse(html=search_page(job, job.spec, job.result))

    async def ListOptimizations(
        self, request: pb.ListOptimizationsRequest, context: Any
    ) -> pb.ListOptimizationsResponse:
        """Return a page of optimizations."""
        violations = Violations()
        page = page_of(request, violations)
        wanted = job_filter(request, JobKind.OPTIMIZATION, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(self._jobs.page, page, wanted)
        optimizations, token = cut_page(request, rows, optimization_to_proto, key=cursor_key)
        return pb.ListOptimizationsResponse(optimizations=optimizations, next_page_token=token)

    async def WatchOptimization(
        self, request: pb.WatchOptimizationRequest, context: Any
    ) -> AsyncIterator[pb.WatchOptimizationResponse]:
        """Follow one optimization."""
        async for watched in self._watching.watch(
            JobKind.OPTIMIZATION, request.optimization_id, after_sequence=request.after_sequence
        ):
            yield watched_optimization(watched)

    async def CancelOptimization(
        self, request: pb.CancelOptimizationRequest, context: Any
    ) -> pb.CancelOptimizationResponse:
        """Stop an optimization."""
        call = call_of(request, "CancelOptimization")
        job = await self._thread.run(self._jobs.cancel, JobKind.OPTIMIZATION, request.optimization_id, call)
        self._runner.stop_job(job.id)
        return pb.CancelOptimizationResponse(optimization=optimization_to_proto(job))

    async def PauseOptimization(
        self, request: pb.PauseOptimizationRequest, context: Any
    ) -> pb.PauseOptimizationResponse:
        """Stop an optimization for a while."""
        call = call_of(request, "PauseOptimization")
        job = await self._thread.run(self._jobs.pause, request.optimization_id, call)
        self._runner.stop_job(job.id)
        return pb.PauseOptimizationResponse(optimization=optimization_to_proto(job))

    async def ResumeOptimization(
        self, request: pb.ResumeOptimizationRequest, context: Any
    ) -> pb.ResumeOptimizationResponse:
        """Put a paused optimization back in the queue."""
        call = call_of(request, "ResumeOptimization")
        job = await self._thread.run(self._jobs.resume, request.optimization_id, call)
        self._runner.requeued(job.id)
        return pb.ResumeOptimizationResponse(optimization=optimization_to_proto(job))

    async def ExtendOptimization(
        self, request: pb.ExtendOptimizationRequest, context: Any
    ) -> pb.ExtendOptimizationResponse:
        """Put an optimization that has ended back in the queue, with a larger budget."""
        call = call_of(request, "ExtendOptimization")
        job = await self._thread.run(
            self._optimizations.extend, request.optimization_id, request.max_iterations, call
        )
        self._runner.requeued(job.id)
        return pb.ExtendOptimizationResponse(optimization=optimization_to_proto(job))

    async def ListTrials(self, request: pb.ListTrialsRequest, context: Any) -> pb.ListTrialsResponse:
        """Return a page of trials."""
        violations = Violations()
        limit = page_size(request, violations)
        after = read_token(request, trial_key, violations)
        wanted, order = trial_filter(request, violations), trial_order(request, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(
            self._optimizations.trials,
            request.optimization_id,
            wanted,
            order,
            after=after,
            limit=limit + 1,
        )
        trials, token = cut_page(request, rows, trial_to_proto, key=lambda trial: key_of(trial, order))
        return pb.ListTrialsResponse(trials=trials, next_page_token=token)

    async def ExportTrials(
        self, request: pb.ExportTrialsRequest, context: Any
    ) -> AsyncIterator[pb.ExportTrialsResponse]:
        """Have the trials written to a file in a process of its own, and send it."""
        violations = Violations()
        table_format = optional_word(request.format, TABLE_FORMAT, field="format", violations=violations)
        violations.refuse_if_any()
        job = await self._thread.run(self._jobs.get, JobKind.OPTIMIZATION, request.optimization_id)
        async with spool_folder(self._data_dir) as folder:
            path = folder / "trials"
            await self._exporter.export_trials(job.id, path, table_format or TableFormat.CSV)
            with path.open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, EXPORT_CHUNK_BYTES):
                    yield pb.ExportTrialsResponse(chunk=chunk)
