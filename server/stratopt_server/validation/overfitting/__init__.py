"""Statistics that say how much of a backtest may be chance. Pure functions.

Conventions: returns are net simple returns per bar or per day, flat bars kept as 0. Sharpe ratios are per
period (mean / std with ddof 1), never annual unless their name says so; skewness is m3 / m2^1.5 and kurtosis
m4 / m2^2, both biased, kurtosis not excess (normal: 3). What is not computable is None, never NaN.
"""

from stratopt_server.validation.overfitting.bootstrap import (
    SharpeInterval,
    optimal_block_length,
    sharpe_interval,
)
from stratopt_server.validation.overfitting.cscv import (
    BacktestOverfitting,
    combinatorial_counts,
    overfitting_of_blocks,
    probability_of_backtest_overfitting,
)
from stratopt_server.validation.overfitting.deflation import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    minimum_backtest_length,
    minimum_backtest_length_bound,
)
from stratopt_server.validation.overfitting.memory import autocorrelations, ljung_box
from stratopt_server.validation.overfitting.regimes import regime_sharpes
from stratopt_server.validation.overfitting.sharpe import (
    annualising_factor,
    independent_standard_error,
    minimum_track_record_length,
    moments,
    probabilistic_sharpe_ratio,
    probabilistic_sharpe_ratio_at_null,
    sharpe_standard_error,
)
from stratopt_server.validation.overfitting.superior import (
    effective_trials,
    stepwise_superior,
    superior_predictive_ability,
    superior_set,
)

__all__ = [
    "BacktestOverfitting",
    "SharpeInterval",
    "annualising_factor",
    "autocorrelations",
    "combinatorial_counts",
    "deflated_sharpe_ratio",
    "effective_trials",
    "expected_maximum_sharpe",
    "independent_standard_error",
    "ljung_box",
    "minimum_backtest_length",
    "minimum_backtest_length_bound",
    "minimum_track_record_length",
    "moments",
    "optimal_block_length",
    "overfitting_of_blocks",
    "probabilistic_sharpe_ratio",
    "probabilistic_sharpe_ratio_at_null",
    "probability_of_backtest_overfitting",
    "regime_sharpes",
    "sharpe_interval",
    "sharpe_standard_error",
    "stepwise_superior",
    "superior_predictive_ability",
    "superior_set",
]
