"""What a parameter package says, as canonical bytes.

The fields are those that subscribers of `optimizer.pool.trading` expect, and what ties the parameters to
the code, the bars, the costs and the evidence they were approved on.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from stratopt_server import __version__
from stratopt_server.decisions.policy import Policy
from stratopt_server.domain.decisions import Decision, Place
from stratopt_server.domain.evidence import Evidence
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.runs import BacktestSpec, Costs, Direction, RunTerms, Scenario, SizingKind
from stratopt_server.domain.strategy import Strategy

SCHEMA_VERSION = "1.0"
SOURCE = "optimizer"
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
    policy: Policy
    created_at: datetime

    @property
    def valid_until(self) -> datetime:
        """Until when the package may be used."""
        return self.created_at + self.policy.validity


def canonical(document: Any) -> bytes:
    """Write a document so that equal ones are equal bytes: sorted keys, no white space, exact numbers."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


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
        "confidence": evidence.psr_oos,
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
        "provenance": _provenance(scenario, decision, evidence),
    }


def _provenance(scenario: Scenario, decision: Decision, evidence: Evidence) -> dict[str, Any]:
    terms = scenario.terms
    return {
        "dataset_hash": scenario.dataset_hash,
        "start_date": scenario.start_date.isoformat(),
        "end_date": scenario.end_date.isoformat(),
        "engine_version": __version__,
        "costs": _costs(terms.costs),
        "fill": terms.fill.value,
        "trading": _trading(terms),
        "initial_cash": terms.initial_cash,
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
        "not_measured": list(decision.not_measured),
    }


def _costs(costs: Costs) -> dict[str, float]:
    return {
        "taker_fee": costs.taker_fee,
        "slippage": costs.slippage,
        "maker_fee": costs.resting_fee,
        "fixed_fee": costs.fixed_fee,
        "impact": costs.impact,
    }


def _trading(terms: RunTerms) -> dict[str, Any]:
    """Say how the approved run traded; of its funding how many rates there were."""
    amount = None if terms.sizing.kind is SizingKind.ALL_IN else terms.sizing.amount
    return {
        "direction": terms.direction.value,
        "sizing": {"kind": terms.sizing.kind.value, "amount": amount},
        "stops": asdict(terms.stops),
        "rules": asdict(terms.rules),
        "borrow_rate": terms.carry.borrow_rate,
        "funding_rates": len(terms.carry.funding),
        "fill_model": terms.fill_model.value,
        "participation": terms.participation,
    }


def _action(direction: Direction, evidence: Evidence) -> str:
    """Say what is held at the last bar; of a strategy that takes either side, evidence does not say which."""
    if not evidence.in_position or direction is Direction.BOTH:
        return "HOLD"
    return "SELL" if direction is Direction.SHORT else "BUY"


def _risk_level(evidence: Evidence) -> str:
    drawdown = evidence.max_drawdown_at_size
    if drawdown is not None and drawdown <= LOW_RISK_DRAWDOWN:
        return "low"
    return "medium" if drawdown is not None and drawdown <= MEDIUM_RISK_DRAWDOWN else "high"


def _number(value: ParameterValue | None) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value is not None else None
