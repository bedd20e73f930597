"""Decisions and parameter packages <-> proto."""

from collections.abc import Mapping

from stratopt.v1 import approval_service_pb2 as service_pb
from stratopt.v1 import decision_pb2 as pb
from stratopt.v1 import parameter_package_pb2 as package_pb
from stratopt_server.domain.decisions import CriterionValue, Decision, Gate, ParameterPackage
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.evidence import Evidence
from stratopt_server.domain.ports import DecisionFilter, PackageFilter
from stratopt_server.usecases.approvals import ApprovalRequest
from stratopt_server.wire.enums import DECISION_OUTCOME, EVIDENCE_SOURCE, GATE_KIND, GATE_RESULT
from stratopt_server.wire.jobs import metrics_to_proto
from stratopt_server.wire.parameters import params_to_proto
from stratopt_server.wire.reading import check_request_id, optional_word
from stratopt_server.wire.times import to_timestamp


def approval_from_proto(request: service_pb.ApproveStrategyRequest) -> ApprovalRequest:
    """Read what to judge; raises RequestRefused."""
    violations = Violations()
    criteria: dict[str, CriterionValue] = {}
    for name in sorted(request.approval_criteria):
        message = request.approval_criteria[name]
        kind = message.WhichOneof("kind")
        if kind is None:
            violations.add(f"approval_criteria.{name}", "REQUIRED", "set one of number, flag and word")
        else:
            criteria[name] = getattr(message, kind)
    check_request_id(request, violations)
    violations.refuse_if_any()
    return ApprovalRequest(
        strategy_id=request.strategy_id, backtest_id=request.backtest_id, criteria=criteria
    )


def decision_filter(request: service_pb.ListDecisionsRequest, violations: Violations) -> DecisionFilter:
    """Read which decisions a list is about."""
    return DecisionFilter(
        strategy_id=request.strategy_id or None,
        symbol=request.symbol or None,
        backtest_id=request.backtest_id or None,
        outcome=optional_word(request.outcome, DECISION_OUTCOME, field="outcome", violations=violations),
    )


def package_filter(request: service_pb.ListParameterPackagesRequest) -> PackageFilter:
    """Read which packages a list is about."""
    return PackageFilter(strategy_id=request.strategy_id or None, symbol=request.symbol or None)


def decision_to_proto(decision: Decision) -> pb.Decision:
    """Write a decision with its gates and evidence."""
    return pb.Decision(
        id=decision.id,
        backtest_id=decision.backtest_id,
        strategy_id=decision.strategy_id,
        symbol=decision.symbol,
        policy=decision.policy,
        approval_criteria=_criteria_to_proto(decision.criteria),
        outcome=DECISION_OUTCOME[decision.outcome],
        reason=decision.reason,
        gates=[_gate_to_proto(gate) for gate in decision.gates],
        not_measured=decision.not_measured,
        evidence=_evidence_to_proto(decision.evidence),
        package_id=decision.package_id or "",
        create_time=to_timestamp(decision.created_at),
    )


def _criteria_to_proto(criteria: Mapping[str, CriterionValue]) -> dict[str, pb.CriterionValue]:
    return {name: _criterion_to_proto(value) for name, value in criteria.items()}


def _criterion_to_proto(value: CriterionValue) -> pb.CriterionValue:
    match value:
        case bool():
            return pb.CriterionValue(flag=value)
        case str():
            return pb.CriterionValue(word=value)
        case _:
            return pb.CriterionValue(number=value)


def _gate_to_proto(gate: Gate) -> pb.Gate:
    return pb.Gate(
        criterion=gate.criterion,
        kind=GATE_KIND[gate.kind],
        result=GATE_RESULT[gate.result],
        measured=gate.measured,
        wanted=gate.wanted,
        explanation=gate.explanation,
    )


def _evidence_to_proto(evidence: Evidence) -> pb.Evidence:
    return pb.Evidence(
        source=EVIDENCE_SOURCE[evidence.source],
        optimization_id=evidence.optimization_id or "",
        in_sample=metrics_to_proto(evidence.in_sample),
        out_of_sample=metrics_to_proto(evidence.out_of_sample),
        doubled_costs=metrics_to_proto(evidence.doubled_costs),
        out_of_sample_days=evidence.out_of_sample_days,
        psr_oos=evidence.psr_oos,
        drawdown_q95=evidence.drawdown_q95,
        position_size=evidence.position_size,
        max_drawdown_at_size=evidence.max_drawdown_at_size,
    )


def package_to_proto(package: ParameterPackage) -> package_pb.ParameterPackage:
    """Write a package with its signed bytes."""
    published = package.published_at
    return package_pb.ParameterPackage(
        id=package.id,
        decision_id=package.decision_id,
        backtest_id=package.backtest_id,
        strategy_id=package.strategy_id,
        symbol=package.symbol,
        exchange=package.exchange,
        timeframe=package.timeframe,
        params=params_to_proto(package.params),
        epoch=package.epoch,
        seq=package.seq,
        signed_payload=package.signed_payload,
        signature=package.signature,
        key_id=package.key_id,
        valid_until_time=to_timestamp(package.valid_until),
        create_time=to_timestamp(package.created_at),
        publish_time=None if published is None else to_timestamp(published),
    )
