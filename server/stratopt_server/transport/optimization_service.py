"""OptimizationService over the optimizations use-case."""

from collections.abc import AsyncIterator
from typing import Any

from stratopt.v1 import optimization_service_pb2 as pb
from stratopt.v1.optimization_service_pb2_grpc import OptimizationServiceServicer
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.jobs import JobKind
from stratopt_server.usecases.estimating import Estimating
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.optimizations import Optimizations
from stratopt_server.usecases.runner import Runner
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.usecases.watching import Watching
from stratopt_server.wire.enums import TRIAL_STATUS
from stratopt_server.wire.jobs import job_filter
from stratopt_server.wire.optimizations import (
    optimization_from_proto,
    optimization_to_proto,
    trial_to_proto,
    watched_optimization,
)
from stratopt_server.wire.paging import cursor_key, cut_page, page_of, page_size, read_token, trial_number
from stratopt_server.wire.reading import call_of, optional_word

BEFORE_THE_FIRST = -1
"""Number of the trial that the first page comes behind."""


class OptimizationServicer(OptimizationServiceServicer):
    """Parse, call, convert."""

    def __init__(
        self,
        optimizations: Optimizations,
        jobs: Jobs,
        *,
        estimating: Estimating,
        runner: Runner,
        watching: Watching,
        thread: StorageThread,
    ) -> None:
        self._optimizations = optimizations
        self._jobs = jobs
        self._estimating = estimating
        self._runner = runner
        self._watching = watching
        self._thread = thread

    async def StartOptimization(
        self, request: pb.StartOptimizationRequest, context: Any
    ) -> pb.StartOptimizationResponse:
        """Accept a search."""
        wanted = optimization_from_proto(request)
        call = call_of(request, "StartOptimization")
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

    async def ListTrials(self, request: pb.ListTrialsRequest, context: Any) -> pb.ListTrialsResponse:
        """Return a page of trials."""
        violations = Violations()
        limit = page_size(request, violations)
        after = read_token(request, trial_number, violations)
        status = optional_word(request.status, TRIAL_STATUS, field="status", violations=violations)
        violations.refuse_if_any()
        rows = await self._thread.run(
            self._optimizations.trials,
            request.optimization_id,
            after=BEFORE_THE_FIRST if after is None else after,
            limit=limit + 1,
            status=status,
        )
        trials, token = cut_page(request, rows, trial_to_proto, key=lambda trial: trial.number)
        return pb.ListTrialsResponse(trials=trials, next_page_token=token)
