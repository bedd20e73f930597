"""Optimizations and their trials <-> proto."""

from dataclasses import replace

from stratopt.v1 import job_pb2
from stratopt.v1 import optimization_pb2 as pb
from stratopt.v1 import optimization_service_pb2 as service_pb
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.jobs import Job, OptimizationResult, Progress
from stratopt_server.domain.optimization import BestTrial, Trial
from stratopt_server.domain.runs import OptimizationSpec, Target
from stratopt_server.usecases.requests import OptimizationRequest
from stratopt_server.usecases.watching import Watched
from stratopt_server.wire.enums import ALGORITHM, STOP_REASON, TARGET, TRIAL_STATUS
from stratopt_server.wire.jobs import job_fields, metrics_to_proto, progress_to_proto, run_from_proto
from stratopt_server.wire.parameters import (
    params_from_proto,
    params_to_proto,
    ranges_from_proto,
    ranges_to_proto,
)
from stratopt_server.wire.reading import check_request_id, optional_count, optional_number, optional_word
from stratopt_server.wire.times import to_timestamp


def optimization_to_proto(job: Job) -> pb.Optimization:
    """Write an optimization."""
    spec = job.spec
    assert isinstance(spec, OptimizationSpec), "an optimization is made of an OptimizationSpec"
    result = job.result if isinstance(job.result, OptimizationResult) else OptimizationResult()
    split = spec.holdout_start_date
    return pb.Optimization(
        **job_fields(job),
        holdout_start_date=None if split is None else to_timestamp(split),
        fixed_params=params_to_proto(spec.fixed_params),
        param_ranges=ranges_to_proto(spec.param_ranges),
        optimization_target=TARGET[spec.target],
        max_iterations=spec.max_iterations,
        algorithm=ALGORITHM[spec.algorithm],
        seed=spec.seed,
        holdout=spec.holdout,
        min_trades=spec.min_trades,
        best=None if result.best is None else _best_to_proto(result.best),
        stop_reason=pb.STOP_REASON_UNSPECIFIED
        if result.stop_reason is None
        else STOP_REASON[result.stop_reason],
        warnings=result.warnings,
    )


def _best_to_proto(best: BestTrial) -> pb.BestTrial:
    out_of_sample = None if best.out_of_sample is None else metrics_to_proto(best.out_of_sample)
    return pb.BestTrial(trial=trial_to_proto(best.trial), out_of_sample=out_of_sample)


def trial_to_proto(trial: Trial) -> pb.Trial:
    """Write one trial."""
    return pb.Trial(
        number=trial.number,
        params=params_to_proto(trial.params),
        status=TRIAL_STATUS[trial.status],
        score=trial.score,
        metrics=metrics_to_proto(trial.metrics),
    )


def optimization_from_proto(request: service_pb.StartOptimizationRequest) -> OptimizationRequest:
    """Read what to search, with what is wrong with how it is written."""
    violations = Violations()
    check_request_id(request, violations)
    target = optional_word(
        request.optimization_target, TARGET, field="optimization_target", violations=violations
    )
    algorithm = optional_word(request.algorithm, ALGORITHM, field="algorithm", violations=violations)
    wanted = OptimizationRequest(
        run=run_from_proto(request, violations),
        param_ranges=ranges_from_proto(request.param_ranges, violations=violations),
        fixed_params=params_from_proto(request.fixed_params, field="fixed_params", violations=violations),
        target=target or Target.SHARPE,
        max_iterations=optional_count(request, "max_iterations"),
        algorithm=algorithm,
        seed=optional_count(request, "seed"),
        holdout=optional_number(request, "holdout"),
        min_trades=optional_count(request, "min_trades"),
    )
    return replace(wanted, faults=violations.found)


def watched_optimization(watched: Watched) -> service_pb.WatchOptimizationResponse:
    """Write one thing a watcher is told."""
    message = service_pb.WatchOptimizationResponse(sequence=watched.sequence)
    match watched.event:
        case Job() as job:
            message.snapshot.CopyFrom(optimization_to_proto(job))
        case Progress() as progress:
            message.progress.CopyFrom(progress_to_proto(progress))
        case Trial() as trial:
            message.improvement.CopyFrom(trial_to_proto(trial))
        case _:
            message.heartbeat.CopyFrom(job_pb2.Heartbeat())
    return message
