"""Decisions as tests need them."""

from typing import Any

from domain_samples import NOW, at, make_metrics

from stratopt_server.domain.decisions import Decision, DecisionOutcome, Gate, GateKind, GateResult
from stratopt_server.domain.evidence import Evidence, EvidenceSource
from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.metrics import ReturnMoments
from stratopt_server.domain.runs import Costs


def make_evidence(**changes: Any) -> Evidence:
    """Evidence with every figure present but one."""
    facts: dict[str, Any] = {
        "source": EvidenceSource.OPTIMIZATION,
        "optimization_id": "opt_1",
        "seed": 2**64 - 1,
        "data_grade": DataGrade.USABLE,
        "costs": Costs(taker_fee=0.001, slippage=0.0005),
        "whole": make_metrics(),
        "in_sample": make_metrics(),
        "out_of_sample": make_metrics(),
        "doubled_costs": make_metrics(),
        "out_of_sample_days": 100,
        "psr_oos": 0.1 + 0.2,
        "var_95_oos": 0.02,
        "moments_oos": ReturnMoments(100, 0.1 + 0.2, -0.5, 4.0),
        "searched_by": None,
        "dataset_hash": "cd" * 32,
        "start_date": at(0),
        "split_date": at(1.5),
        "end_date": at(2),
        "drawdown_q95": 0.3,
        "position_size": 1 / 3,
        "max_drawdown_at_size": None,
        "in_position": True,
    }
    return Evidence(**(facts | changes))


def make_decision(decision_id: str = "dec_1", **changes: Any) -> Decision:
    """A decision about bt_1."""
    gate = Gate(
        criterion="psr_oos",
        kind=GateKind.HARD,
        result=GateResult.NOT_COMPUTABLE,
        measured="",
        wanted=">= 0.95",
        explanation="Nothing to judge.",
    )
    facts: dict[str, Any] = {
        "id": decision_id,
        "backtest_id": "bt_1",
        "strategy_id": "ma_cross_v1.0",
        "symbol": "BTC/USDT",
        "policy": "starter/v1",
        "criteria": {"psr_oos": 0.5, "costs": False, "data_grade": "GOOD"},
        "outcome": DecisionOutcome.REJECT,
        "reason": "Rejected: …",
        "gates": (gate,),
        "not_measured": ("dsr",),
        "evidence": make_evidence(),
        "package_id": None,
        "created_at": NOW,
    }
    return Decision(**(facts | changes))
