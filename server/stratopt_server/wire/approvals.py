"""Decisions <-> proto."""

from stratopt.v1 import approval_service_pb2 as service_pb
from stratopt.v1 import decision_pb2 as pb
from stratopt_server.domain.decisions import Decision, Gate, Review
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.ports import DecisionFilter
from stratopt_server.usecases.approvals import ApprovalRequest, Verdict
from stratopt_server.usecases.reviews import ReviewRequest
from stratopt_server.wire.enums import DECISION_OUTCOME, GATE_KIND, GATE_RESULT, REVIEW_WORD
from stratopt_server.wire.evidence import evidence_to_proto
from stratopt_server.wire.packages import package_to_proto
from stratopt_server.wire.policies import criteria_from_proto, criteria_to_proto
from stratopt_server.wire.reading import check_request_id, optional_word
from stratopt_server.wire.times import to_timestamp


def approval_from_proto(request: service_pb.ApproveStrategyRequest) -> ApprovalRequest:
    """Read what to judge; raises RequestRefused."""
    violations = Violations()
    criteria = criteria_from_proto(request.approval_criteria, violations)
    check_request_id(request, violations)
    violations.refuse_if_any()
    return ApprovalRequest(
        strategy_id=request.strategy_id,
        backtest_id=request.backtest_id,
        criteria=criteria,
        policy=request.policy,
    )


def review_from_proto(request: service_pb.RecordReviewRequest) -> ReviewRequest:
    """Read a person's word; raises RequestRefused."""
    violations = Violations()
    check_request_id(request, violations)
    word = optional_word(request.word, REVIEW_WORD, field="word", violations=violations)
    violations.refuse_if_any()
    return ReviewRequest(
        decision_id=request.decision_id, word=word, reviewer=request.reviewer, note=request.note
    )


def verdict_to_proto(verdict: Verdict) -> service_pb.ApproveStrategyResponse:
    """Write the answer to an approval."""
    package = verdict.package
    return service_pb.ApproveStrategyResponse(
        decision=decision_to_proto(verdict.decision),
        parameter_package=None if package is None else package_to_proto(package),
    )


def decision_filter(request: service_pb.ListDecisionsRequest, violations: Violations) -> DecisionFilter:
    """Read which decisions a list is about."""
    return DecisionFilter(
        strategy_id=request.strategy_id or None,
        symbol=request.symbol or None,
        backtest_id=request.backtest_id or None,
        outcome=optional_word(request.outcome, DECISION_OUTCOME, field="outcome", violations=violations),
    )


def decision_to_proto(decision: Decision) -> pb.Decision:
    """Write a decision with its gates and evidence."""
    return pb.Decision(
        id=decision.id,
        backtest_id=decision.backtest_id,
        strategy_id=decision.strategy_id,
        symbol=decision.symbol,
        policy=decision.policy,
        approval_criteria=criteria_to_proto(decision.criteria),
        outcome=DECISION_OUTCOME[decision.outcome],
        reason=decision.reason,
        gates=[_gate_to_proto(gate) for gate in decision.gates],
        not_measured=decision.not_measured,
        evidence=evidence_to_proto(decision.evidence),
        package_id=decision.package_id or "",
        create_time=to_timestamp(decision.created_at),
        review=None if decision.review is None else _review_to_proto(decision.review),
        approved=decision.is_approved,
    )


def _gate_to_proto(gate: Gate) -> pb.Gate:
    return pb.Gate(
        criterion=gate.criterion,
        kind=GATE_KIND[gate.kind],
        result=GATE_RESULT[gate.result],
        measured=gate.measured,
        wanted=gate.wanted,
        explanation=gate.explanation,
    )


def _review_to_proto(review: Review) -> pb.Review:
    return pb.Review(
        word=REVIEW_WORD[review.word],
        reviewer=review.reviewer,
        note=review.note,
        create_time=to_timestamp(review.time),
    )
