"""Optimizations <-> proto."""

from dataclasses import replace

from stratopt.v1 import job_pb2
from stratopt.v1 import optimization_pb2 as pb
from stratopt.v1 import optimization_service_pb2 as service_pb
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.goals import Goal, Objective, Target
from stratopt_server.domain.jobs import Job, OptimizationResult, Progress
from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.domain.validation import NO_STOP_RULE, StopRule, Validation
from stratopt_server.usecases.requests import OptimizationRequest, ValidationRequest
from stratopt_server.usecases.watching import Watched
from stratopt_server.wire.enums import ALGORITHM, STOP_REASON, TARGET, VALIDATION_METHOD
from stratopt_server.wire.evidence import search_evidence_to_proto
from stratopt_server.wire.jobs import job_fields, progress_to_proto, run_from_proto
from stratopt_server.wire.parameters import (
    params_from_proto,
    params_to_proto,
    ranges_from_proto,
    ranges_to_proto,
)
from stratopt_server.wire.reading import check_request_id, optional_count, optional_number, optional_word
from stratopt_server.wire.results import (
    best_to_proto,
    plateau_to_proto,
    robust_to_proto,
    trial_to_proto,
    walk_forward_to_proto,
)
from stratopt_server.wire.times import to_timestamp


def optimization_to_proto(job: Job) -> pb.Optimization:
    """Write an optimization."""
    spec = job.spec
    assert isinstance(spec, OptimizationSpec), "an optimization is made of an OptimizationSpec"
    result = job.result if isinstance(job.result, OptimizationResult) else OptimizationResult()
    held_out = spec.validation.held_out
    message = pb.Optimization(
        **job_fields(job),
        holdout_start_date=None if held_out is None else to_timestamp(held_out.test.first),
        fixed_params=params_to_proto(spec.fixed_params),
        param_ranges=ranges_to_proto(spec.param_ranges),
        optimization_target=TARGET[spec.goal.target],
        max_iterations=spec.max_iterations,
        algorithm=ALGORITHM[spec.algorithm],
        seed=spec.seed,
        holdout=spec.validation.holdout,
        min_trades=spec.min_trades,
        objectives=_objectives_to_proto(spec.goal),
        constraints=spec.constraints,
        validation=_validation_to_proto(spec.validation),
        stop_rule=_stop_rule_to_proto(spec.stop_rule),
        initial_params=[pb.ParameterSet(params=params_to_proto(params)) for params in spec.initial_params],
        batch_size=spec.batch_size,
    )
    _write_result(result, spec, message)
    return message


def _write_result(result: OptimizationResult, spec: OptimizationSpec, message: pb.Optimization) -> None:
    """Write what was found so far."""
    if result.best is not None:
        message.best.CopyFrom(best_to_proto(result.best))
    if result.stop_reason is not None:
        message.stop_reason = STOP_REASON[result.stop_reason]
    message.warnings.extend(result.warnings)
    message.pareto_front.extend(best_to_proto(best) for best in result.pareto_front)
    if result.robust is not None:
        message.robust.CopyFrom(robust_to_proto(result.robust))
    if result.plateau is not None:
        message.plateau.CopyFrom(plateau_to_proto(result.plateau))
    if spec.validation.windows:
        message.walk_forward.CopyFrom(walk_forward_to_proto(result.walk_forward, spec.validation.windows))
    if result.trials_ever is not None:
        message.trials_ever = result.trials_ever
    if result.evidence is not None:
        message.evidence.CopyFrom(search_evidence_to_proto(result.evidence))


def _objectives_to_proto(goal: Goal) -> list[pb.Objective]:
    """Write the figures where there is more than one."""
    if len(goal.objectives) == 1:
        return []
    return [
        pb.Objective(target=TARGET[objective.target], weight=objective.weight)
        for objective in goal.objectives
    ]


def _validation_to_proto(validation: Validation) -> pb.Validation:
    windows = len(validation.windows)
    return pb.Validation(
        method=VALIDATION_METHOD[validation.method],
        windows=windows or None,
        rolling=validation.rolling,
        purge_bars=validation.purge_bars if windows else None,
        holdout=validation.holdout or None,
    )


def _stop_rule_to_proto(rule: StopRule) -> pb.StopRule | None:
    if rule == NO_STOP_RULE:
        return None
    return pb.StopRule(
        time_budget_seconds=rule.time_budget_seconds, target_score=rule.target_score, plateau=rule.plateau
    )


def optimization_from_proto(request: service_pb.StartOptimizationRequest) -> OptimizationRequest:
    """Read what to search, with what is wrong with how it is written."""
    violations = Violations()
    check_request_id(request, violations)
    wanted = OptimizationRequest(
        run=run_from_proto(request, violations),
        param_ranges=ranges_from_proto(request.param_ranges, violations=violations),
        fixed_params=params_from_proto(request.fixed_params, field="fixed_params", violations=violations),
        constraints=tuple(request.constraints),
        target=optional_word(
            request.optimization_target, TARGET, field="optimization_target", violations=violations
        ),
        objectives=_objectives_from_proto(request, violations),
        max_iterations=optional_count(request, "max_iterations"),
        algorithm=optional_word(request.algorithm, ALGORITHM, field="algorithm", violations=violations),
        seed=optional_count(request, "seed"),
        holdout=optional_number(request, "holdout"),
        validation=_validation_from_proto(request, violations),
        stop_rule=_stop_rule_from_proto(request.stop_rule),
        initial_params=tuple(
            params_from_proto(given.params, field=f"initial_params[{place}].params", violations=violations)
            for place, given in enumerate(request.initial_params)
        ),
        min_trades=optional_count(request, "min_trades"),
    )
    return replace(wanted, faults=violations.found)


def _objectives_from_proto(
    request: service_pb.StartOptimizationRequest, violations: Violations
) -> tuple[Objective, ...]:
    found = []
    for place, given in enumerate(request.objectives):
        at = f"objectives[{place}].target"
        target = optional_word(given.target, TARGET, field=at, violations=violations)
        if given.target == 0:
            violations.add(at, "REQUIRED", "name the figure")
        found.append(Objective(target or Target.SHARPE, optional_number(given, "weight")))
    return tuple(found)


def _validation_from_proto(
    request: service_pb.StartOptimizationRequest, violations: Violations
) -> ValidationRequest | None:
    if not request.HasField("validation"):
        return None
    given = request.validation
    return ValidationRequest(
        method=optional_word(
            given.method, VALIDATION_METHOD, field="validation.method", violations=violations
        ),
        windows=optional_count(given, "windows"),
        rolling=given.rolling,
        purge_bars=optional_count(given, "purge_bars"),
        holdout=optional_number(given, "holdout"),
    )


def _stop_rule_from_proto(given: pb.StopRule) -> StopRule:
    return StopRule(
        time_budget_seconds=optional_number(given, "time_budget_seconds"),
        target_score=optional_number(given, "target_score"),
        plateau=given.plateau,
    )


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
