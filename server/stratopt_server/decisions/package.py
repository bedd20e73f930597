"""What a parameter package says, as canonical bytes.

The fields are those that subscribers of `optimizer.pool.trading` expect, and what ties the parameters to
the code, the bars, the costs and the evidence they were approved on.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stratopt_server.decisions.recipe import recipe_of
from stratopt_server.domain.decisions import Decision, GateResult
from stratopt_server.domain.evidence import Evidence
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.packages import ParameterPackage, Place
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.runs import BacktestSpec, Direction
from stratopt_server.domain.strategy import Strategy

SCHEMA_VERSION = "1.0"
SOURCE = "optimizer"
SHOWN_ABOVE = {"strategy_id", "strategy_hash", "symbol", "exchange", "timeframe", "parameters"}
"""Parts of the recipe that stand at the top of the document."""
LOW_RISK_DRAWDOWN, MEDIUM_RISK_DRAWDOWN = 0.10, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFacts:
    """Everything a package is made of."""

    package_id: str
    place: Place
    strategy: Strategy
    strategy_type: str
    spec: BacktestSpec
    metrics: Metrics
    decision: Decision
    validity: timedelta
    created_at: datetime

    @property
    def valid_until(self) -> datetime:
        """Until when the package may be used."""
        return self.created_at + self.validity


def describe(facts: PackageFacts) -> dict[str, Any]:
    """Say everything the package says."""
    scenario, evidence, decision = facts.spec.scenario, facts.decision.evidence, facts.decision
    params, stops = facts.spec.params, scenario.terms.stops
    return {
        "schema_version": SCHEMA_VERSION,
        "package_id": facts.package_id,
        "epoch": facts.place.epoch,
        "seq": facts.place.seq,
        "source": SOURCE,
        "timestamp": facts.created_at.isoformat(),
        "valid_until": facts.valid_until.isoformat(),
        "strategy_id": scenario.strategy_id,
        "strategy_name": facts.strategy.name,
        "strategy_type": facts.strategy_type,
        "strategy_version": facts.strategy.version,
        "strategy_hash": scenario.code_hash,
        "symbol": scenario.symbol,
        "exchange": scenario.exchange,
        "timeframe": scenario.timeframe,
        "parameters": params,
        "action": _action(scenario.terms.direction, evidence),
        "position_size": evidence.position_size,
        "stop_loss": _number(params.get("stop_loss", stops.stop_loss)),
        "take_profit": _number(params.get("take_profit", stops.take_profit)),
        "expected_return": evidence.out_of_sample.cagr,
        "max_drawdown": evidence.max_drawdown_at_size,
        "risk_level": _risk_level(evidence),
        "confidence": _confidence(evidence),
        "risk_metrics": {
            "sharpe_ratio": evidence.out_of_sample.sharpe_ratio,
            "max_drawdown": evidence.max_drawdown_at_size,
            "var_95": evidence.var_95_oos,
            "expected_return": evidence.out_of_sample.cagr,
        },
        "backtest_results": {
            "total_return": facts.metrics.total_return,
            "sharpe_ratio": facts.metrics.sharpe_ratio,
            "max_drawdown": facts.metrics.max_drawdown,
            "win_rate": facts.metrics.win_rate,
            "profit_factor": facts.metrics.profit_factor,
        },
        "backtest_id": decision.backtest_id,
        "decision_id": decision.id,
        "provenance": _provenance(facts),
    }


def describe_revocation(
    package: ParameterPackage, place: Place, *, reason: str, revoked_by: str, now: datetime
) -> dict[str, Any]:
    """Say that a package may trade no more."""
    return {
        "schema_version": SCHEMA_VERSION,
        "package_id": package.id,
        "epoch": place.epoch,
        "seq": place.seq,
        "source": SOURCE,
        "timestamp": now.isoformat(),
        "strategy_id": package.strategy_id,
        "symbol": package.symbol,
        "reason": reason,
        "revoked_by": revoked_by,
    }


def _provenance(facts: PackageFacts) -> dict[str, Any]:
    """What was run and what it was approved on; with the fields above enough to run it again."""
    decision, evidence = facts.decision, facts.decision.evidence
    recipe = recipe_of(facts.spec, facts.metrics)
    review = decision.review
    return {
        **{name: value for name, value in recipe.items() if name not in SHOWN_ABOVE},
        "policy": decision.policy,
        "approval_criteria": decision.criteria,
        "evidence_source": evidence.source.value,
        "evidence_bars": {
            "dataset_hash": evidence.dataset_hash,
            "start_date": evidence.start_date.isoformat(),
            "out_of_sample_from": evidence.split_date.isoformat(),
            "end_date": evidence.end_date.isoformat(),
        },
        "optimization_id": evidence.optimization_id,
        "seed": evidence.seed,
        "gates": [
            {"criterion": gate.criterion, "measured": gate.measured, "wanted": gate.wanted}
            for gate in decision.gates
        ],
        "warnings": [gate.criterion for gate in decision.gates if gate.result is GateResult.WARNING],
        "review": None
        if review is None
        else {"reviewer": review.reviewer, "note": review.note, "time": review.time.isoformat()},
    }


def _action(direction: Direction, evidence: Evidence) -> str:
    """Say what is held at the last bar: BUY for a long, SELL for a short, HOLD for nothing."""
    if not evidence.in_position:
        return "HOLD"
    if evidence.is_short is not None:
        return "SELL" if evidence.is_short else "BUY"
    # Evidence of an older version does not say which side a strategy holds that may take either.
    return {Direction.LONG: "BUY", Direction.SHORT: "SELL"}.get(direction, "HOLD")


def _confidence(evidence: Evidence) -> float | None:
    """The smaller of the deflated Sharpe ratio and the out-of-sample PSR; of one alone, that one."""
    dsr = None if evidence.significance is None else evidence.significance.dsr
    return min((sure for sure in (dsr, evidence.psr_oos) if sure is not None), default=None)


def _risk_level(evidence: Evidence) -> str:
    drawdown = evidence.max_drawdown_at_size
    if drawdown is not None and drawdown <= LOW_RISK_DRAWDOWN:
        return "low"
    return "medium" if drawdown is not None and drawdown <= MEDIUM_RISK_DRAWDOWN else "high"


def _number(value: ParameterValue | None) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value is not None else None
