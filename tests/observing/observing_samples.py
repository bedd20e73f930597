"""What the tests of this folder run."""

from typing import Any

SYMBOL = "SEEN/USDT"
RUN: dict[str, Any] = {
    "strategy_id": "ma_cross_v1.0",
    "params": {"fast_period": 5, "slow_period": 30, "signal_threshold": 0.0},
}
SEARCH: dict[str, Any] = {
    "strategy_id": "ma_cross_v1.0",
    "param_ranges": {"fast_period": [5, 8], "slow_period": [20, 40]},
    "fixed_params": {"signal_threshold": 0.0},
    "holdout": 0.3,
}
