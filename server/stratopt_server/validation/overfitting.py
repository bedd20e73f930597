"""Statistics that say how much of a Sharpe ratio may be chance.

Conventions: Sharpe ratios are per period (mean / std with ddof 1), never annual; skewness is m3 / m2^1.5
and kurtosis m4 / m2^2, both biased, kurtosis not excess (normal: 3). What is not computable is None.
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.metrics import ReturnMoments

NORMAL = NormalDist()
SMALLEST_DISTANCE = 1e-12
"""Sharpe ratios closer than this to their benchmark are at it: no track record tells them apart."""


def moments(returns: NDArray[np.float64]) -> ReturnMoments | None:
    """Measure the series; None if it has fewer than two returns or does not vary."""
    if len(returns) < 2 or float(np.ptp(returns)) == 0.0:
        return None
    deviations = returns - returns.mean()
    m2 = float(np.mean(deviations**2))
    if m2 <= 0:
        return None
    return ReturnMoments(
        count=len(returns),
        sharpe=float(returns.mean() / returns.std(ddof=1)),
        skewness=float(np.mean(deviations**3)) / m2**1.5,
        kurtosis=float(np.mean(deviations**4)) / m2**2,
    )


def probabilistic_sharpe_ratio(
    sharpe: float, n_bars: int, skew: float, kurtosis: float, benchmark_sharpe: float = 0.0
) -> float | None:
    """Probability that the true Sharpe ratio is above the benchmark (Bailey & Lopez de Prado 2012).

    Phi[(SR - SR*) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2)]. None if the term under the root is
    not above 0 or there are fewer than two bars.
    """
    core = _variance_core(sharpe, skew, kurtosis)
    if core <= 0 or n_bars < 2:
        return None
    return NORMAL.cdf((sharpe - benchmark_sharpe) * math.sqrt(n_bars - 1) / math.sqrt(core))


def minimum_track_record_length(
    sharpe: float, skew: float, kurtosis: float, *, benchmark_sharpe: float = 0.0, confidence: float = 0.95
) -> float | None:
    """Bars after which the same moments would reach that confidence (Bailey & Lopez de Prado 2012).

    1 + [1 - g3 SR + (g4 - 1) / 4 SR^2] (z_c / (SR - SR*))^2. Infinite if SR <= SR*, None if the bracket is
    not above 0.
    """
    core = _variance_core(sharpe, skew, kurtosis)
    if core <= 0:
        return None
    distance = sharpe - benchmark_sharpe
    if distance <= SMALLEST_DISTANCE:
        return math.inf
    return 1 + core * (NORMAL.inv_cdf(confidence) / distance) ** 2


def _variance_core(sharpe: float, skew: float, kurtosis: float) -> float:
    return 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
