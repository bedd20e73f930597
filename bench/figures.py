"""The three figures that benches compare: Sharpe ratio, return and drawdown, ours and vectorbt's."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratopt_server.domain.market import Bars
from stratopt_server.domain.metrics import Metrics

FEE, SLIPPAGE, CASH = 0.001, 0.0005, 10_000.0


def our_figures(found: Sequence[Metrics]) -> np.ndarray:
    """Read them off our metrics, a row for each parameter set."""
    return np.array([(m.sharpe_ratio, m.total_return, m.max_drawdown) for m in found], dtype=np.float64)


def peer_figures(portfolio: Any) -> np.ndarray:
    """Read them off a vectorbt Portfolio, a row for each column."""
    sharpe = portfolio.sharpe_ratio(year_freq="365 days")
    return np.stack([sharpe, portfolio.total_return(), -portfolio.max_drawdown()], axis=1)


def peer_figures_of_signals(sample: Bars, entries: np.ndarray, exits: np.ndarray, *, freq: str) -> np.ndarray:
    """Simulate signals with vectorbt, a column for each parameter set, and read them off."""
    import vectorbt as vbt  # noqa: PLC0415 - the memory of our own side is measured without it

    portfolio = vbt.Portfolio.from_signals(
        sample.close[:, None],
        entries=entries,
        exits=exits,
        fees=FEE,
        slippage=SLIPPAGE,
        init_cash=CASH,
        freq=freq,
        engine="numba",
    )
    return peer_figures(portfolio)


def largest_difference(left: np.ndarray, right: np.ndarray) -> float:
    """Give the largest relative difference."""
    return float((np.abs(left - right) / np.maximum(np.abs(left), np.abs(right))).max())
