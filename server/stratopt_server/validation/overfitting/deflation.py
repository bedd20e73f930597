"""What trying many parameter sets does to the best Sharpe ratio among them."""

import math

from stratopt_server.validation.overfitting.sharpe import NORMAL, probabilistic_sharpe_ratio

EULER_MASCHERONI = 0.5772156649015329


def expected_maximum_sharpe(n_trials: int, variance: float) -> float | None:
    """Sharpe ratio that the best of so many worthless trials is expected to show.

    Bailey & Lopez de Prado (2014): sqrt(V) Z_N with Z_N = (1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e)),
    g the Euler-Mascheroni constant; 0 for one trial. `variance` (ddof 1) is that of all trials' Sharpe
    ratios; the result has their unit.
    None for no trial, or a variance that is not finite or below 0.
    """
    if n_trials < 1 or (n_trials > 1 and not (math.isfinite(variance) and variance >= 0)):
        return None
    return 0.0 if n_trials == 1 else math.sqrt(variance) * _expected_maximum(n_trials)


def deflated_sharpe_ratio(  # noqa: PLR0917 - the figures, in the order of the formula
    sharpe: float, n_bars: int, skew: float, kurtosis: float, n_trials: int, variance: float
) -> float | None:
    """Probability that the true Sharpe ratio is above what the best of worthless trials would show (2014).

    The probabilistic Sharpe ratio against `expected_maximum_sharpe(n_trials, variance)`, all per bar. None
    where either is.
    """
    benchmark = expected_maximum_sharpe(n_trials, variance)
    if benchmark is None:
        return None
    return probabilistic_sharpe_ratio(sharpe, n_bars, skew, kurtosis, benchmark)


def minimum_backtest_length(n_trials: int, annual_sharpe: float) -> float | None:
    """Years of bars below which so many worthless trials are expected to show that Sharpe ratio (2014).

    (Z_N / SR)^2. Infinite if the Sharpe ratio is not above 0, None for no trial.
    """
    if n_trials < 1 or math.isnan(annual_sharpe):
        return None
    if annual_sharpe <= 0:
        return math.inf
    return 0.0 if n_trials == 1 else (_expected_maximum(n_trials) / annual_sharpe) ** 2


def minimum_backtest_length_bound(n_trials: int, annual_sharpe: float) -> float | None:
    """An upper bound of `minimum_backtest_length`, in years: 2 ln N / SR^2; None or infinite as it is."""
    if n_trials < 1 or math.isnan(annual_sharpe):
        return None
    return math.inf if annual_sharpe <= 0 else 2 * math.log(n_trials) / annual_sharpe**2


def _expected_maximum(n_trials: int) -> float:
    """Z_N: the expected maximum of so many standard normal numbers, for N > 1."""
    # -Phi^-1(p) is Phi^-1(1 - p), and keeps its digits where p is small.
    return -(1 - EULER_MASCHERONI) * NORMAL.inv_cdf(1 / n_trials) - EULER_MASCHERONI * NORMAL.inv_cdf(
        1 / (n_trials * math.e)
    )
