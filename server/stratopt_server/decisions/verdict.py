"""From gates to an outcome with its reason."""

from stratopt_server.decisions.policy import Policy
from stratopt_server.domain.decisions import DecisionOutcome, Gate, GateKind, GateResult


def outcome_of(gates: tuple[Gate, ...]) -> DecisionOutcome:
    """Reject if any hard gate failed or could not be measured."""
    return DecisionOutcome.REJECT if _stopped(gates) else DecisionOutcome.APPROVE


def reason_of(policy: Policy, gates: tuple[Gate, ...]) -> str:
    """Say why, in words a trader understands: each failed gate with what was measured and wanted."""
    stopped = _stopped(gates)
    unmeasured = f" Not measured yet: {', '.join(policy.not_measured)}." if policy.not_measured else ""
    if not stopped:
        return f"Approved by {policy.name}: all {len(gates)} gates passed.{unmeasured}"
    parts = "; ".join(
        f"{gate.criterion} is {gate.measured or 'not computable'}, wanted {gate.wanted}. {gate.explanation}"
        for gate in stopped
    )
    return f"Rejected by {policy.name}: {len(stopped)} of {len(gates)} gates failed. {parts}{unmeasured}"


def _stopped(gates: tuple[Gate, ...]) -> list[Gate]:
    return [gate for gate in gates if gate.kind is GateKind.HARD and gate.result is not GateResult.PASSED]
