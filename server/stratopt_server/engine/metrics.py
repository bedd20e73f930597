"""When a ratio of a run is defined, and when two ways of computing a run agree."""

import math
from dataclasses import dataclass, fields

from stratopt_server.domain.metrics import Metrics, ReturnMoments

NOISE = 1e-10
"""A deviation of returns, or a drawdown, up to this is rounding: no ratio to it is defined."""
RELATIVE, ABSOLUTE = 1e-9, 1e-12
SHAPES = {"skewness", "kurtosis"}
"""Sums of large terms of both signs: near 0 their rounding is not that of their value."""
SHAPE_ROUNDING = 256 * 2.0**-52
"""What rounding does to them, for each fourth power of mean / deviation: the terms cancel down to that."""

RATIOS = {"sharpe_ratio", "sortino_ratio", "calmar_ratio"}
"""Where what they divide by is small, its rounding weighs more."""


@dataclass(frozen=True, slots=True)
class PowerSums:
    """How many returns there are, and the sums of their first four powers."""

    count: int
    first: float
    second: float
    third: float
    fourth: float

    @property
    def mean(self) -> float:
        """Mean return."""
        return self.first / self.count

    @property
    def _variance(self) -> float:
        """Mean squared distance from the mean."""
        return max(0.0, self.second - self.mean * self.first) / self.count

    @property
    def deviation(self) -> float | None:
        """Standard deviation with ddof 1; None of a single return."""
        if self.count < 2:
            return None
        return math.sqrt(self._variance * self.count / (self.count - 1))

    @property
    def skewness(self) -> float | None:
        """m3 / m2^1.5, biased; None where the returns do not vary."""
        mean, variance = self.mean, self._variance
        # Products, not powers: these are infinite where they are too large, and a power raises.
        cube = mean * mean * mean
        third = self.third / self.count - 3.0 * mean * self.second / self.count + 2.0 * cube
        return self._standardised(third, variance * math.sqrt(variance))

    @property
    def kurtosis(self) -> float | None:
        """m4 / m2^2, biased and not excess; None where the returns do not vary."""
        mean, variance = self.mean, self._variance
        fourth = self.fourth / self.count - 4.0 * mean * self.third / self.count
        square = mean * mean
        fourth += 6.0 * square * self.second / self.count - 3.0 * square * square
        return self._standardised(fourth, variance * variance)

    def _standardised(self, moment: float, scale: float) -> float | None:
        if not NOISE < math.sqrt(self._variance) < math.inf:
            return None
        return ratio(moment, scale)

    def moments(self) -> ReturnMoments | None:
        """Put together what the statistics of a Sharpe ratio need; None where the returns do not vary."""
        deviation, skewness, kurtosis = self.deviation, self.skewness, self.kurtosis
        if deviation is None or skewness is None or kurtosis is None:
            return None
        return ReturnMoments(self.count, self.mean / deviation, skewness, kurtosis)


def annual_growth(total_return: float, years_inverse: float) -> float | None:
    """Compute (1 + total_return) ** years_inverse - 1; None where that is beyond all numbers."""
    if total_return <= -1.0:
        return -1.0
    exponent = years_inverse * math.log1p(total_return)
    return math.expm1(exponent) if exponent < 700.0 else None


def ratio(numerator: float, denominator: float, above: float = 0.0) -> float | None:
    """Divide; None where the denominator is not above `above`."""
    return defined(numerator / denominator) if denominator > above else None


def defined(value: float) -> float | None:
    """Give the value itself, or None where it is beyond all numbers."""
    return value if math.isfinite(value) else None


def disagreements(a: Metrics, b: Metrics) -> list[str]:
    """Name each metric on which two computations of one run differ by more than rounding, with both values.

    The tolerance is 1e-9 of the value or 1e-12; for a ratio to a figure below 1, that figure's own 1e-12.
    """
    found = []
    for field in fields(Metrics):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if not _agree(left, right, max(_absolute(field.name, a), _absolute(field.name, b))):
            found.append(f"{field.name}: {left!r} and {right!r}")
    return found


def _absolute(name: str, metrics: Metrics) -> float:
    """Give the absolute tolerance of a metric: of a ratio, what 1e-12 of what it divides by makes of it."""
    if name in SHAPES:
        return RELATIVE + SHAPE_ROUNDING * _steadiness(metrics) ** 4
    value = getattr(metrics, name)
    if name not in RATIOS or value is None:
        return ABSOLUTE
    divisor = _divisor(name, metrics)
    return ABSOLUTE if divisor is None else ABSOLUTE * max(1.0, abs(value)) / min(1.0, max(NOISE, divisor))


def _steadiness(metrics: Metrics) -> float:
    """Estimate |mean| / deviation of the returns; 0 where it is small or not known.

    Sharpe ratio / volatility is mean / variance; the mean of returns that hardly vary is the geometric one.
    """
    total, sharpe, volatility = metrics.total_return, metrics.sharpe_ratio, metrics.volatility
    if total is None or total <= -1.0 or sharpe is None or not volatility:
        return 0.0
    mean = math.expm1(math.log1p(total) / metrics.bar_count)
    return math.sqrt(max(mean * sharpe / volatility, 0.0))


def _divisor(name: str, metrics: Metrics) -> float | None:
    """Find what a ratio divides by; None where it is not defined."""
    if name == "calmar_ratio":
        return metrics.max_drawdown
    volatility = metrics.volatility
    if name == "sharpe_ratio" or volatility is None:
        return volatility
    sharpe, sortino = metrics.sharpe_ratio, metrics.sortino_ratio
    if sharpe is None or not sortino:
        return volatility
    return min(volatility, abs(sharpe * volatility / sortino))


def _agree(left: object, right: object, absolute: float) -> bool:
    """Tell whether two values of a metric are equal within the tolerance."""
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        return left is right
    return abs(left - right) <= absolute + RELATIVE * max(abs(left), abs(right))
