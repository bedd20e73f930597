"""Policies -> proto, and the thresholds of requests -> domain."""

from collections.abc import Mapping

from stratopt.v1 import decision_pb2 as decision_pb
from stratopt.v1 import policy_pb2 as pb
from stratopt_server.decisions.policy import Criterion, Policy
from stratopt_server.domain.decisions import CriterionValue
from stratopt_server.domain.errors import Violations
from stratopt_server.wire.enums import GATE_KIND


def criteria_from_proto(
    given: Mapping[str, decision_pb.CriterionValue], violations: Violations
) -> dict[str, CriterionValue]:
    """Read thresholds by name; note those without a value."""
    criteria: dict[str, CriterionValue] = {}
    for name in sorted(given):
        kind = given[name].WhichOneof("kind")
        if kind is None:
            violations.add(f"approval_criteria.{name}", "REQUIRED", "set one of number, flag and word")
        else:
            criteria[name] = getattr(given[name], kind)
    return criteria


def criteria_to_proto(criteria: Mapping[str, CriterionValue]) -> dict[str, decision_pb.CriterionValue]:
    """Write thresholds by name."""
    return {name: criterion_to_proto(value) for name, value in criteria.items()}


def criterion_to_proto(value: CriterionValue) -> decision_pb.CriterionValue:
    """Write a threshold."""
    match value:
        case bool():
            return decision_pb.CriterionValue(flag=value)
        case str():
            return decision_pb.CriterionValue(word=value)
        case _:
            return decision_pb.CriterionValue(number=value)


def policy_to_proto(policy: Policy, *, default: str) -> pb.Policy:
    """Write a policy."""
    return pb.Policy(
        name=policy.name,
        description=policy.description,
        validity_days=policy.validity.days,
        criteria=[_criterion(criterion) for criterion in policy.criteria],
        is_default=policy.name == default,
    )


def _criterion(criterion: Criterion) -> pb.PolicyCriterion:
    definition = criterion.definition
    return pb.PolicyCriterion(
        name=criterion.name,
        kind=GATE_KIND[criterion.kind],
        wanted=criterion.wanted,
        threshold=criterion_to_proto(criterion.threshold),
        review=criterion.review,
        warn=criterion.warn,
        description=definition.description,
        allowed=definition.allowed,
    )
