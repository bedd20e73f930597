"""How sure a Sharpe ratio is: its standard error, its probability, and how long a record it needs."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.metrics import ReturnMoments

NORMAL = NormalDist()
SMALLEST_DISTANCE = 1e-12
"""Sharpe ratios closer than this to their benchmark are at it: no track record tells them apart."""
SMALLEST_SPREAD = 1e-12
"""Deviation / largest size below which returns are one value and its rounding."""
ROUNDING = 1e-12
"""A variance up to this share of the mean square is the rounding of numbers that are one."""


def moments(returns: NDArray[np.float64]) -> ReturnMoments | None:
    """Measure a series of returns per period.

    None if it has fewer than two returns, does not vary but for rounding, or holds what is no number.
    """
    if len(returns) < 2 or not np.isfinite(returns).all():
        return None
    deviations = returns - returns.mean()
    spread = math.sqrt(float(np.mean(deviations**2)))
    if spread <= SMALLEST_SPREAD * float(np.abs(returns).max()):
        return None
    scaled = deviations / spread
    return ReturnMoments(
        count=len(returns),
        sharpe=float(returns.mean() / returns.std(ddof=1)),
        skewness=float(np.mean(scaled**3)),
        kurtosis=float(np.mean(scaled**4)),
    )


def sharpe_standard_error(sharpe: float, n_bars: int, skew: float, kurtosis: float) -> float | None:
    """Standard error of a Sharpe ratio per bar (Bailey & Lopez de Prado 2012).

    sqrt([1 - g3 SR + (g4 - 1) / 4 SR^2] / (T - 1)). None if the bracket is not above 0 or there are fewer
    than two bars.
    """
    core = _variance_core(sharpe, skew, kurtosis)
    return None if core is None or n_bars < 2 else math.sqrt(core / (n_bars - 1))


def probabilistic_sharpe_ratio(
    sharpe: float, n_bars: int, skew: float, kurtosis: float, benchmark_sharpe: float = 0.0
) -> float | None:
    """Probability that the true Sharpe ratio is above the benchmark (Bailey & Lopez de Prado 2012).

    Phi[(SR - SR*) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2)], all per bar. None if the term under
    the root is not above 0, there are fewer than two bars, or a figure is not finite.
    """
    error = sharpe_standard_error(sharpe, n_bars, skew, kurtosis)
    if error is None or not math.isfinite(benchmark_sharpe):
        return None
    return NORMAL.cdf((sharpe - benchmark_sharpe) / error)


def probabilistic_sharpe_ratio_at_null(
    sharpe: float,
    n_bars: int,
    skew: float,
    kurtosis: float,
    *,
    benchmark_sharpe: float = 0.0,
    autocorrelation: float = 0.0,
) -> float | None:
    """A second opinion: the same probability, with the variance of the benchmark and T instead of T - 1.

    `autocorrelation` is that of a first-order process, in (-1, 1) (Lopez de Prado, Lipton & Zoonekynd 2025).
    None where it cannot be computed, as above.
    """
    if not -1 < autocorrelation < 1 or n_bars < 1:
        return None
    once = autocorrelation / (1 - autocorrelation)
    twice = autocorrelation**2 / (1 - autocorrelation**2)
    variance = (1 + 2 * once) - (1 + once + twice) * skew * benchmark_sharpe
    variance += (1 + 2 * twice) * (kurtosis - 1) / 4 * benchmark_sharpe**2
    if not (math.isfinite(variance) and variance > 0 and math.isfinite(sharpe)):
        return None
    return NORMAL.cdf((sharpe - benchmark_sharpe) * math.sqrt(n_bars / variance))


def minimum_track_record_length(
    sharpe: float, skew: float, kurtosis: float, *, benchmark_sharpe: float = 0.0, confidence: float = 0.95
) -> float | None:
    """Bars after which the same moments would reach that confidence (Bailey & Lopez de Prado 2012).

    1 + [1 - g3 SR + (g4 - 1) / 4 SR^2] (z_c / (SR - SR*))^2. Infinite if SR <= SR*, None if the bracket is
    not above 0 or the confidence not in (0.5, 1).
    """
    core = _variance_core(sharpe, skew, kurtosis)
    if core is None or not 0.5 < confidence < 1 or math.isnan(benchmark_sharpe):
        return None
    distance = sharpe - benchmark_sharpe
    if distance <= SMALLEST_DISTANCE:
        return math.inf
    return 1 + core * (NORMAL.inv_cdf(confidence) / distance) ** 2


def independent_standard_error(sharpe: float, n_bars: int) -> float | None:
    """Standard error of a Sharpe ratio of independent normal returns: sqrt((1 + SR^2 / 2) / T) (Lo 2002)."""
    return math.sqrt((1 + sharpe**2 / 2) / n_bars) if n_bars > 0 and math.isfinite(sharpe) else None


def annualising_factor(periods: int, autocorrelations: NDArray[np.float64]) -> float | None:
    """What a Sharpe ratio per period is multiplied by for `periods` of them together (Lo 2002).

    q / sqrt(q + 2 sum_{k<q} (q - k) rho_k), with `autocorrelations[k - 1]` that of lag k; lags that are not
    given count as 0. sqrt(q) where all are 0. None if the term under the root is not above 0.
    """
    lags = np.arange(1, min(periods, len(autocorrelations) + 1))
    under = periods + 2 * float(np.sum((periods - lags) * autocorrelations[: len(lags)]))
    return periods / math.sqrt(under) if periods >= 1 and under > 0 else None


def _variance_core(sharpe: float, skew: float, kurtosis: float) -> float | None:
    """The variance of sqrt(T - 1) * Sharpe ratio; None if it is not above 0."""
    core = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return core if math.isfinite(core) and core > 0 else None
