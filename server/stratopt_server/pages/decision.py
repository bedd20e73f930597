"""The page of a decision: what a risk officer reads before money is at stake."""

from stratopt_server.domain.decisions import Decision, Gate
from stratopt_server.domain.evidence import Evidence, EvidenceSource
from stratopt_server.domain.metrics import Metrics
from stratopt_server.pages import evidence as pictures
from stratopt_server.pages.frame import NOT_DEFINED, cell, headline, number, page, paragraph, percent, table

WORDS = {"approve": "approved", "review": "needs review", "reject": "rejected"}
RUNS = (
    ("all bars", "whole"),
    ("in sample", "in_sample"),
    ("out of sample", "out_of_sample"),
    ("doubled costs", "doubled_costs"),
    ("one bar late", "delayed"),
)


def decision_page(decision: Decision) -> str:
    """Show a decision with its pictures and every gate."""
    evidence = decision.evidence
    title = f"{decision.strategy_id} on {decision.symbol}: {WORDS[decision.outcome.value]}"
    made = f"{decision.id} by {decision.policy}, {decision.created_at:%Y-%m-%d %H:%M} UTC."
    return page(
        title,
        f"{made} {_ground(evidence)}",
        [
            headline(_figures(evidence)),
            f"<section><h2>Why</h2>{paragraph(decision.reason)}{_review(decision)}</section>",
            pictures.sharpe_picture(evidence.significance, evidence.tests, evidence.holding),
            pictures.chance_picture(evidence.significance, evidence.tests, evidence.overfitting),
            table(
                "Gates",
                ("Criterion", "Kind", "Result", "Measured", "Wanted", "What it means"),
                [_gate(gate) for gate in decision.gates],
            ),
            table(
                "Runs",
                ("Run", "Sharpe ratio", "Return", "Largest drawdown", "Round trips"),
                [_run(name, run) for name, run in _runs(evidence)],
            ),
            pictures.regime_picture(evidence.regimes),
            pictures.drawdown_picture(evidence.monte_carlo),
            table(
                "What it rests on", ("", ""), [[cell(name), cell(value)] for name, value in _facts(evidence)]
            ),
        ],
    )


def _ground(evidence: Evidence) -> str:
    span = f"{evidence.start_date:%Y-%m-%d} to {evidence.end_date:%Y-%m-%d}"
    tested = f"tested from {evidence.split_date:%Y-%m-%d} on"
    if evidence.source is EvidenceSource.OPTIMIZATION:
        return f"Search {evidence.optimization_id}, {span}, {tested}."
    return f"The parameters as they are, {span}, {tested}."


def _figures(evidence: Evidence) -> list[tuple[str, str]]:
    significance, overfitting = evidence.significance, evidence.overfitting
    return [
        ("Deflated Sharpe ratio", percent(None if significance is None else significance.dsr)),
        ("Sharpe above 0, out of sample", percent(evidence.psr_oos)),
        ("Overfitted (PBO)", percent(None if overfitting is None else overfitting.pbo)),
        ("Trials ever made", "0" if significance is None else f"{significance.trials:,}"),
        ("Position size", percent(evidence.position_size)),
        ("Drawdown at that size", percent(evidence.max_drawdown_at_size)),
    ]


def _review(decision: Decision) -> str:
    review = decision.review
    if review is None:
        return ""
    said = f"{review.word.value} by {review.reviewer}, {review.time:%Y-%m-%d %H:%M} UTC"
    return paragraph(said) + paragraph(review.note)


def _gate(gate: Gate) -> list[str]:
    result = gate.result.value
    return [
        cell(gate.criterion),
        cell(gate.kind.value),
        cell(result.replace("_", " "), result),
        cell(gate.measured or NOT_DEFINED, "wrap"),
        cell(gate.wanted, "wrap"),
        cell(gate.explanation, "words"),
    ]


def _runs(evidence: Evidence) -> list[tuple[str, Metrics]]:
    found = [(name, getattr(evidence, field)) for name, field in RUNS]
    found += [(f"fills: {run.fill_model.value}", run.metrics) for run in evidence.fill_bracket]
    return [(name, run) for name, run in found if run is not None]


def _run(name: str, run: Metrics) -> list[str]:
    return [
        cell(name),
        cell(number(run.sharpe_ratio)),
        cell(percent(run.total_return)),
        cell(percent(run.max_drawdown)),
        cell(f"{run.trade_count:,}"),
    ]


def _facts(evidence: Evidence) -> list[tuple[str, str]]:
    costs, again, sealed = evidence.costs, evidence.reproduction, evidence.sealed
    facts = [
        ("Bars", f"{evidence.whole.bar_count:,}, graded {evidence.data_grade.value}"),
        ("Content of the bars", evidence.dataset_hash),
        ("Costs", f"fee {percent(costs.taker_fee)}, slippage {costs.slippage:.2%}"),
    ]
    if again is not None:
        facts.append(("Run once more", "the same" if again.same else "; ".join(again.differences)))
        facts.append(("Hash of the metrics", again.metrics_hash))
    if sealed is not None:
        facts.append(("Sealed holdout", f"{sealed.id}: {sealed.state.value}"))
    return facts
