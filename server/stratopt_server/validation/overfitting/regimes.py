"""The Sharpe ratio in each kind of market: a strategy that earned in one of them only may not again."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from stratopt_server.validation.overfitting.sharpe import moments

Floats = NDArray[np.float64]

VOLATILITY_DAYS = 20
"""Days whose deviation is a day's volatility, itself included."""
REGIME_DAYS_MIN = 20
"""A regime of fewer days says nothing."""
TERCILES = ("low volatility", "middle volatility", "high volatility")
SECONDS_A_DAY = 86_400


def regime_sharpes(returns: Floats, market: Floats, days: NDArray[np.int64]) -> dict[str, float | None]:
    """Daily Sharpe ratios by terciles of the market's volatility, and by calendar year.

    `returns` and `market` are daily returns of the strategy and of holding, `days` the days since 1970 they
    belong to (UTC). None where the returns of a regime do not vary; one of fewer than REGIME_DAYS_MIN days is
    left out.
    """
    regimes = _terciles(market) | _years(days)
    return {
        name: None if (found := moments(returns[inside])) is None else found.sharpe
        for name, inside in regimes.items()
        if inside.sum() >= REGIME_DAYS_MIN
    }


def _terciles(market: Floats) -> dict[str, NDArray[np.bool_]]:
    if len(market) < VOLATILITY_DAYS:
        return {}
    windows = np.lib.stride_tricks.sliding_window_view(market, VOLATILITY_DAYS)
    volatility = np.concatenate((np.full(VOLATILITY_DAYS - 1, np.nan), windows.std(axis=1, ddof=1)))
    low, high = np.nanquantile(volatility, [1 / 3, 2 / 3])
    inside = (volatility <= low, (volatility > low) & (volatility <= high), volatility > high)
    return dict(zip(TERCILES, inside, strict=True))


def _years(days: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    years = np.array([datetime.fromtimestamp(day * SECONDS_A_DAY, UTC).year for day in days.tolist()])
    return {str(year): years == year for year in np.unique(years).tolist()}
