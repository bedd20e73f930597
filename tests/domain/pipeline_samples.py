"""Pipelines for tests of what stores and restores them."""

from dataclasses import replace
from typing import Any

from domain_samples import NOW, at

from stratopt_server.domain.opportunities import Opportunity
from stratopt_server.domain.pipelines import Pipeline, StrategyRun


def make_pipeline(number: int = 1, **changes: Any) -> Pipeline:
    """A pending pipeline."""
    made = Pipeline(
        id=f"pl_{number}",
        opportunity=Opportunity(
            symbol="BTC/USDT",
            kind="breakout",
            confidence=0.1 + 0.2,
            signal_type="BUY",
            observed_at=NOW,
            source="scanner",
            correlation_id="",
            document={"symbol": "BTCUSDT", "x": [1, 2.5, None, {"é": True}]},
        ),
        route="all",
        runs=(StrategyRun(plan={"strategy_id": "ma_cross_v1.0", "param_ranges": {"a": {"min": 1.0}}}),),
        duplicate_key=f"key {number}",
        created_at=at(number),
    )
    return replace(made, **changes)
