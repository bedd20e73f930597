"""Pipelines, routes and dead letters <-> proto."""

import json

from stratopt.v1 import job_pb2
from stratopt.v1 import opportunity_pb2 as opportunity_pb
from stratopt.v1 import pipeline_pb2 as pb
from stratopt.v1 import pipeline_service_pb2 as service_pb
from stratopt.v1.decision_pb2 import DECISION_OUTCOME_UNSPECIFIED
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.jobs import Progress
from stratopt_server.domain.opportunities import Cause, DeadLetter, Opportunity
from stratopt_server.domain.pipelines import PipelineFilter, StrategyRun
from stratopt_server.usecases.pipelines import PipelineView, WatchedPipeline
from stratopt_server.usecases.routes import Route
from stratopt_server.wire.enums import DECISION_OUTCOME, JOB_STATUS, PIPELINE_STEP
from stratopt_server.wire.jobs import failure_to_proto, progress_to_proto
from stratopt_server.wire.reading import optional_word
from stratopt_server.wire.times import to_timestamp


def pipeline_to_proto(view: PipelineView) -> pb.Pipeline:
    """Write a pipeline and how far it has come."""
    pipeline, progress = view.pipeline, view.progress
    started, completed = pipeline.started_at, pipeline.completed_at
    return pb.Pipeline(
        id=pipeline.id,
        opportunity=_opportunity_to_proto(pipeline.opportunity),
        route=pipeline.route,
        status=JOB_STATUS[pipeline.status],
        strategy_runs=[_run_to_proto(run) for run in pipeline.runs],
        progress=None if progress is None else progress_to_proto(progress),
        failure=None if pipeline.failure is None else failure_to_proto(pipeline.failure),
        create_time=to_timestamp(pipeline.created_at),
        start_time=None if started is None else to_timestamp(started),
        complete_time=None if completed is None else to_timestamp(completed),
        sequence=pipeline.sequence,
    )


def _run_to_proto(run: StrategyRun) -> pb.StrategyRun:
    return pb.StrategyRun(
        strategy_id=run.strategy_id,
        step=PIPELINE_STEP[run.step],
        optimization_id=run.optimization_id or "",
        backtest_id=run.backtest_id or "",
        decision_id=run.decision_id or "",
        package_id=run.package_id or "",
        outcome=DECISION_OUTCOME_UNSPECIFIED if run.outcome is None else DECISION_OUTCOME[run.outcome],
        failure=None if run.failure is None else failure_to_proto(run.failure),
    )


def _opportunity_to_proto(opportunity: Opportunity) -> opportunity_pb.Opportunity:
    return opportunity_pb.Opportunity(
        symbol=opportunity.symbol,
        kind=opportunity.kind,
        confidence=opportunity.confidence,
        signal_type=opportunity.signal_type,
        observe_time=to_timestamp(opportunity.observed_at),
        source=opportunity.source,
        correlation_id=opportunity.correlation_id,
        document_json=json.dumps(opportunity.document),
    )


def watched_pipeline(watched: WatchedPipeline) -> service_pb.WatchPipelineResponse:
    """Write one thing a watcher is told."""
    message = service_pb.WatchPipelineResponse(sequence=watched.sequence)
    match watched.event:
        case PipelineView() as view:
            message.snapshot.CopyFrom(pipeline_to_proto(view))
        case Progress() as progress:
            message.progress.CopyFrom(progress_to_proto(progress))
        case _:
            message.heartbeat.CopyFrom(job_pb2.Heartbeat())
    return message


def pipeline_filter(request: service_pb.ListPipelinesRequest, violations: Violations) -> PipelineFilter:
    """Read which pipelines a list is about."""
    return PipelineFilter(
        symbol=request.symbol or None,
        status=optional_word(request.status, JOB_STATUS, field="status", violations=violations),
    )


def route_to_proto(route: Route) -> pb.Route:
    """Write a route."""
    policies = sorted({str(plan.get("policy") or "") for plan in route.plans})
    return pb.Route(
        name=route.name,
        kinds=sorted(route.kinds),
        symbols=sorted(route.symbols),
        confidence_min=route.confidence_min,
        strategy_ids=[plan["strategy_id"] for plan in route.plans],
        policy=", ".join(policies),
    )


def cause_filter(request: service_pb.ListDeadLettersRequest, violations: Violations) -> Cause | None:
    """Read which dead letters a list is about."""
    if not request.cause:
        return None
    causes = {cause.value: cause for cause in Cause}
    cause = causes.get(request.cause.upper())
    if cause is None:
        known = ", ".join(causes)
        violations.add("cause", "UNKNOWN_WORD", f"must be one of {known}, not {request.cause!r}", known=known)
    return cause


def dead_letter_to_proto(letter: DeadLetter) -> opportunity_pb.DeadLetter:
    """Write a message that could not be used."""
    return opportunity_pb.DeadLetter(
        id=letter.id,
        channel=letter.channel.value,
        cause=letter.cause.value,
        detail=letter.detail,
        topic=letter.topic,
        body=letter.body,
        body_bytes=letter.body_bytes,
        create_time=to_timestamp(letter.created_at),
    )
