"""From returns and counts to the figures of evidence. Pure; the formulas are those of `overfitting`."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.evidence import (
    Holding,
    MonteCarlo,
    OutOfSample,
    Overfitting,
    Regime,
    Significance,
    Superiority,
)
from stratopt_server.domain.ledger import TrialTally
from stratopt_server.domain.metrics import Metrics, ReturnMoments
from stratopt_server.validation import overfitting as statistics
from stratopt_server.validation.risk import drawdowns, reordered

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
MEMORY_LAGS = 10
"""Days whose autocorrelations a Sharpe ratio is annualised with."""
PATHS_MAX = 2_000
DRAWS_MAX = 4_000_000
"""Trades drawn over all paths, so that a strategy of many trades does not take minutes."""
SEED = 20_120_615
"""Of everything that is drawn: the same returns always give the same figures."""


def significance(
    daily: ReturnMoments | None, tally: TrialTally, *, days: int, days_per_year: float
) -> Significance:
    """Hold all trials against the in-sample daily returns; `days` of them, whether they vary or not."""
    variance = math.nan if tally.variance is None else tally.variance
    benchmark = statistics.expected_maximum_sharpe(tally.count, variance)
    root = math.sqrt(days_per_year)
    sharpe = None if daily is None else daily.sharpe * root
    return Significance(
        days=days,
        days_per_year=days_per_year,
        daily=daily,
        sharpe=sharpe,
        psr=_probability(daily, 0.0),
        dsr=None if benchmark is None else _probability(daily, benchmark),
        expected_maximum=None if benchmark is None else benchmark * root,
        trials=tally.count,
        undefined_trials=tally.undefined,
        sharpe_variance=tally.variance,
        track_record_days=None if benchmark is None else _track_record(daily, benchmark),
        backtest_years=days / days_per_year,
        minimum_backtest_years=None
        if sharpe is None
        else _finite(statistics.minimum_backtest_length(tally.count, sharpe)),
    )


def overfitting(blocks: Floats, bars: int) -> Overfitting | None:
    """Cross-validate a search by its trials' block sums, shape (trials, blocks, 2), over so many bars."""
    if not len(blocks):
        return None
    found = statistics.overfitting_of_blocks(blocks, bars // blocks.shape[1])
    if found is None:
        return None
    return Overfitting(
        pbo=found.pbo,
        loss_probability=found.loss_probability,
        slope=found.slope,
        median_logit=float(np.median(found.logits)),
        trials=found.n_trials,
        blocks=found.n_blocks,
        splits=found.n_splits,
    )


def superiority(returns: Floats) -> Superiority | None:
    """Test the best trials as a set, by their daily returns, shape (days, trials)."""
    found = statistics.superior_set(returns)
    if found is None:
        return None
    return Superiority(p_value=found.p_value, superior=len(found.columns), tested=returns.shape[1])


def out_of_sample(
    returns: Floats,
    windows: Sequence[float],
    *,
    days_per_year: float,
    in_sample: Metrics,
    tested: Metrics,
    efficiency: float | None,
) -> OutOfSample:
    """Measure daily returns out of sample; `windows` are the total returns of the tests they are made of."""
    daily = statistics.moments(returns)
    interval = None if daily is None else statistics.sharpe_interval(returns, seed=SEED)
    root = math.sqrt(days_per_year)
    gains = [gain for gain in windows if gain > 0]
    return OutOfSample(
        days=len(returns),
        daily=daily,
        sharpe=None if daily is None else daily.sharpe * root,
        psr=_probability(daily, 0.0),
        sharpe_low=None if interval is None else interval.low * root,
        sharpe_high=None if interval is None else interval.high * root,
        block_length=None if interval is None else interval.block_length,
        sharpe_lo=_with_memory(returns, daily, days_per_year),
        ljung_box_p=statistics.ljung_box(returns, MEMORY_LAGS),
        sharpe_ratio_kept=_kept(in_sample.sharpe_ratio, tested.sharpe_ratio),
        efficiency=efficiency,
        windows=len(windows),
        profitable_windows=len(gains) / len(windows) if len(windows) > 1 else None,
        largest_window=max(gains) / sum(gains) if len(windows) > 1 and gains else None,
    )


def regimes(
    returns: Floats, market: Floats, days: NDArray[np.int64], *, days_per_year: float
) -> tuple[Regime, ...]:
    """Tell the days' kinds apart; `market` are the daily returns of holding."""
    found = statistics.regime_sharpes(returns, market, days)
    root = math.sqrt(days_per_year)
    return tuple(
        Regime(name=name, sharpe=None if sharpe is None else sharpe * root) for name, sharpe in found.items()
    )


def draw_trades(trade_returns: Floats) -> Floats | None:
    """Draw the trades in other orders, a path a row; None without any."""
    if not len(trade_returns):
        return None
    paths = max(min(PATHS_MAX, DRAWS_MAX // len(trade_returns)), 1)
    return reordered(trade_returns, paths=paths, seed=SEED)


def monte_carlo(draws: Floats, *, limit: float) -> MonteCarlo:
    """Measure the drawdowns of the paths."""
    falls = drawdowns(draws, 1.0)
    q50, q95, q99 = np.quantile(falls, [0.5, 0.95, 0.99]).tolist()
    return MonteCarlo(
        paths=len(draws),
        drawdown_q50=q50,
        drawdown_q95=q95,
        drawdown_q99=q99,
        limit=limit,
        over_limit=float(np.mean(falls > limit)),
    )


def holding(closes: Floats, first_price: float, *, bars_per_year: float) -> Holding:
    """Measure buying at the first price and holding over the closes."""
    equity = np.concatenate(([1.0], closes / first_price))
    moments = statistics.moments(np.diff(equity) / equity[:-1])
    fall = float(np.max(1 - equity / np.maximum.accumulate(equity)))
    growth = math.log(equity[-1]) * bars_per_year / len(closes)
    annual = math.expm1(growth) if growth < 700 else None
    return Holding(
        sharpe=None if moments is None else moments.sharpe * math.sqrt(bars_per_year),
        calmar=annual / fall if annual is not None and fall > 0 else None,
        total_return=float(equity[-1] - 1),
    )


def _probability(daily: ReturnMoments | None, benchmark: float) -> float | None:
    if daily is None:
        return None
    return statistics.probabilistic_sharpe_ratio(
        daily.sharpe, daily.count, daily.skewness, daily.kurtosis, benchmark
    )


def _track_record(daily: ReturnMoments | None, benchmark: float) -> float | None:
    if daily is None:
        return None
    return _finite(
        statistics.minimum_track_record_length(
            daily.sharpe, daily.skewness, daily.kurtosis, benchmark_sharpe=benchmark, confidence=CONFIDENCE
        )
    )


def _with_memory(returns: Floats, daily: ReturnMoments | None, days_per_year: float) -> float | None:
    lags = statistics.autocorrelations(returns, MEMORY_LAGS)
    if daily is None or lags is None:
        return None
    factor = statistics.annualising_factor(round(days_per_year), lags)
    return None if factor is None else daily.sharpe * factor


def _kept(inside: float | None, outside: float | None) -> float | None:
    return outside / inside if inside is not None and outside is not None and inside > 0 else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
