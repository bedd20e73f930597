"""Decisions, policies and the evidence of searches, as tables."""

from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from stratopt.v1.decision_pb2 import Decision, GateResult
from stratopt.v1.evidence_pb2 import SearchEvidence
from stratopt.v1.policy_pb2 import Policy
from stratopt_cli._figures import UNDEFINED, assigned, moment, percent, ratio
from stratopt_cli._render import plain_table
from stratopt_client import to_dict

OUTCOMES = {
    "approve": ("approved", "bold green"),
    "review": ("needs review", "bold yellow"),
    "reject": ("rejected", "bold red"),
}
STYLES = {
    GateResult.GATE_RESULT_PASSED: "",
    GateResult.GATE_RESULT_NOT_APPLICABLE: "dim",
    GateResult.GATE_RESULT_WARNING: "yellow",
    GateResult.GATE_RESULT_REVIEW: "bold yellow",
}
QUIET = {GateResult.GATE_RESULT_PASSED, GateResult.GATE_RESULT_NOT_APPLICABLE}


def decision_views(decision: Decision) -> Iterable[Text | Table]:
    """Return a decision: what it came to, every gate, and why."""
    shown = to_dict(decision)
    word, style = OUTCOMES[shown["outcome"]]
    heading = Text(f"{decision.id}  {decision.strategy_id} on {decision.symbol}, by {decision.policy}: ")
    yield heading.append(word, style=style)
    if shown["approval_criteria"]:
        yield Text(f"set otherwise than the policy has it: {assigned(shown['approval_criteria'])}")
    yield Text(_evidence(shown["evidence"]))
    table = plain_table("gate", "kind", "result", "measured", "wanted")
    for gate in decision.gates:
        plain = to_dict(gate)
        result = Text(str(plain["result"]).replace("_", " "), style=STYLES.get(gate.result, "red"))
        table.add_row(gate.criterion, plain["kind"], result, gate.measured or UNDEFINED, gate.wanted)
    yield table
    for gate in decision.gates:
        if gate.result not in QUIET:
            yield Text(f"{gate.criterion}: {gate.explanation}")
    if decision.not_measured:
        yield Text(f"not measured then: {', '.join(decision.not_measured)}")
    yield from _after(decision, shown)


def _after(decision: Decision, shown: dict[str, Any]) -> Iterable[Text]:
    """Say what became of the package."""
    review = shown["review"]
    if review is not None:
        said = f"{review['word']} by {review['reviewer']}"
        yield Text(f"{said}: {review['note']}" if review["note"] else said, style="bold")
    if decision.approved:
        yield Text(f"package {decision.package_id}", style="bold")
    elif decision.package_id and review is None:
        yield Text(
            f"package {decision.package_id} is a draft: stratopt decision review {decision.id} approved "
            "--reviewer NAME publishes it"
        )


def _evidence(evidence: dict[str, Any]) -> str:
    days = evidence["out_of_sample_days"]
    if evidence["source"] == "optimization":
        return (
            f"evidence: {days:,} days held out by {evidence['optimization_id']}, which tried these parameters"
        )
    return f"evidence: a walk-forward of the parameters as they are, {days:,} days; no search tried them"


def decisions_table(decisions: Iterable[Decision]) -> Table:
    """Return decisions, a row each."""
    table = plain_table("decision", "outcome", "strategy", "symbol", "policy", "made", "package")
    for decision in decisions:
        word, style = OUTCOMES[to_dict(decision)["outcome"]]
        table.add_row(
            decision.id,
            Text(word, style=style),
            decision.strategy_id,
            decision.symbol,
            decision.policy,
            moment(decision.create_time),
            decision.package_id or UNDEFINED,
        )
    return table


def policies_table(policies: Iterable[Policy]) -> Table:
    """Return policies, a row each."""
    table = plain_table("policy", "criteria", "package valid", "what it is for")
    for policy in policies:
        name = f"{policy.name} (default)" if policy.is_default else policy.name
        table.add_row(name, str(len(policy.criteria)), f"{policy.validity_days} days", policy.description)
    return table


def policy_views(policy: Policy) -> Iterable[Text | Table]:
    """Return one policy with its criteria."""
    yield Text(policy.name, style="bold")
    yield Text(policy.description)
    table = plain_table("criterion", "kind", "wanted", "review", "warn", "what it measures")
    for criterion in policy.criteria:
        table.add_row(
            criterion.name,
            to_dict(criterion)["kind"],
            criterion.wanted,
            f"{criterion.review:g}" if criterion.HasField("review") else "",
            f"{criterion.warn:g}" if criterion.HasField("warn") else "",
            criterion.description,
        )
    yield table


def search_evidence_views(evidence: SearchEvidence) -> Iterable[Text]:
    """Say in a few lines how much of what a search found may be chance."""
    found = evidence.significance
    if found.HasField("dsr"):
        yield Text(
            f"deflated Sharpe ratio {found.dsr:.1%}: the chance that the best is more than the luck of "
            f"{found.trials:,} trials, which alone would show a Sharpe ratio of {found.expected_maximum:.2f}"
        )
    if evidence.HasField("overfitting"):
        pbo = evidence.overfitting
        yield Text(
            f"probability of overfitting {pbo.pbo:.1%} (0.5 is chance); the best of one half of the bars "
            f"loses in the other half in {pbo.loss_probability:.1%}"
        )
    tests = evidence.out_of_sample
    if tests.HasField("psr"):
        interval = ""
        if tests.HasField("sharpe_low"):
            interval = (
                f", Sharpe ratio between {ratio(tests.sharpe_low)} and {ratio(tests.sharpe_high)} (95 %)"
            )
        yield Text(f"out of sample: {tests.psr:.1%} that the true Sharpe ratio is above 0{interval}")
    if evidence.HasField("superiority"):
        yield Text(
            f"better than staying out: p = {evidence.superiority.p_value:.3f} for the best "
            f"{evidence.superiority.tested} trials as a set"
        )
    if evidence.HasField("monte_carlo"):
        falls = evidence.monte_carlo
        yield Text(f"trades in another order: 95 % of the drawdowns are below {percent(falls.drawdown_q95)}")
