"""From gates to an outcome with its reason."""

from collections.abc import Iterable

from stratopt_server.domain.decisions import DecisionOutcome, Gate, GateKind, GateResult

UNMET = {GateResult.FAILED, GateResult.NOT_COMPUTABLE}


def outcome_of(gates: tuple[Gate, ...]) -> DecisionOutcome:
    """Reject if any hard gate failed or could not be measured; ask a person where a gate says so."""
    if _stopping(gates):
        return DecisionOutcome.REJECT
    return DecisionOutcome.REVIEW if _doubtful(gates) else DecisionOutcome.APPROVE


def reason_of(policy: str, gates: tuple[Gate, ...]) -> str:
    """Say why, in words a trader understands: each gate that stands in the way with measured and wanted."""
    stopping, doubtful = _stopping(gates), _doubtful(gates)
    warned = [gate.criterion for gate in gates if _warns(gate)]
    asked = [gate for gate in gates if gate.result is not GateResult.NOT_APPLICABLE]
    left_out = [gate.criterion for gate in gates if gate.result is GateResult.NOT_APPLICABLE]
    after = f" Warnings: {', '.join(warned)}." if warned else ""
    after += f" Not applicable: {', '.join(left_out)}." if left_out else ""
    if stopping:
        hard = [gate for gate in asked if gate.kind is GateKind.HARD]
        before = f"Rejected by {policy}: {len(stopping)} of {len(hard)} hard gates failed."
        return f"{before} {_told(stopping)}{after}"
    if doubtful:
        return f"needs review by {policy}: {_told(doubtful)}{after}"
    return (
        f"Approved by {policy}: all {len(asked) - len(warned)} other gates passed.{after}"
        if warned
        else (f"Approved by {policy}: all {len(asked)} gates passed.{after}")
    )


def _told(gates: Iterable[Gate]) -> str:
    return "; ".join(
        f"{gate.criterion} is {gate.measured or 'not computable'}, wanted {gate.wanted}. {gate.explanation}"
        for gate in gates
    )


def _stopping(gates: tuple[Gate, ...]) -> list[Gate]:
    return [gate for gate in gates if gate.kind is GateKind.HARD and gate.result in UNMET]


def _doubtful(gates: tuple[Gate, ...]) -> list[Gate]:
    """Those that a person is asked about; of kind review one that cannot be measured is, too."""
    return [
        gate
        for gate in gates
        if gate.result is GateResult.REVIEW or (gate.kind is GateKind.REVIEW and gate.result in UNMET)
    ]


def _warns(gate: Gate) -> bool:
    return gate.result is GateResult.WARNING or (gate.kind is GateKind.WARN and gate.result in UNMET)
