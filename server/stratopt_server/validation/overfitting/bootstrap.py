"""Drawing returns again in blocks, so that what follows on what stays so: the stationary bootstrap.

Politis & Romano (1994): blocks of geometric length begin anywhere, and the series is a circle. The mean
length is Politis & White's (2004), as Patton, Politis & White corrected it (2009).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratopt_server.validation.overfitting.memory import autocovariances

Floats = NDArray[np.float64]

CELLS_MAX = 4_000_000
"""Returns that are drawn at a time."""


@dataclass(frozen=True, slots=True)
class SharpeInterval:
    """Where the true Sharpe ratio per period lies, by quantiles (linear) of the draws."""

    low: float
    high: float
    confidence: float
    block_length: float


def optimal_block_length(returns: Floats) -> float | None:
    """The mean length of blocks that estimates the variance of a mean best; None if the returns do not vary.

    At least 1, and at most min(3 sqrt(T), T / 3) rounded up.
    """
    count = len(returns)
    run = max(5, int(math.log10(max(count, 1))))
    lags_max = math.ceil(math.sqrt(count)) + run
    if count <= lags_max or not np.isfinite(returns).all() or np.ptp(returns) == 0:
        return None
    covariances = autocovariances(returns, lags_max)
    band = 2 * math.sqrt(math.log10(count) / count)
    small = np.abs(covariances[1:] / covariances[0]) < band
    # The first lag from which on a whole run of correlations is small.
    quiet = np.flatnonzero(np.convolve(small, np.ones(run), mode="valid") == run)
    width = lags_max if not len(quiet) else min(2 * (int(quiet[0]) + 1), lags_max)
    lags = np.arange(1, width + 1)
    weights = np.minimum(1.0, 2 * (1 - lags / width))
    slope = 2 * float(np.sum(weights * lags * covariances[1 : width + 1]))
    long_run = float(covariances[0] + 2 * np.sum(weights * covariances[1 : width + 1]))
    if long_run == 0:
        return None
    length = float((slope**2 / long_run**2 * count) ** (1 / 3))
    return min(max(length, 1.0), float(math.ceil(min(3 * math.sqrt(count), count / 3))))


def draw_places(
    count: int, draws: int, *, block_length: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw places of returns, shape (draws, count): blocks of that mean length, one behind the other."""
    time = np.arange(count)
    begins = rng.random((draws, count)) < 1 / block_length
    begins[:, 0] = True
    block = np.maximum.accumulate(np.where(begins, time, 0), axis=1)
    first = np.take_along_axis(rng.integers(count, size=(draws, count)), block, axis=1)
    return (first + time - block) % count


def draw_counts(count: int, draws: int, *, block_length: float, rng: np.random.Generator) -> Floats:
    """How often each return is drawn, shape (draws, count): a mean of a draw is a product with it."""
    places = draw_places(count, draws, block_length=block_length, rng=rng)
    flat = places + np.arange(draws)[:, None] * count
    return np.bincount(flat.ravel(), minlength=draws * count).reshape(draws, count).astype(np.float64)


def sharpe_interval(
    returns: Floats, *, confidence: float = 0.95, draws: int = 2_000, seed: int = 0
) -> SharpeInterval | None:
    """Find the interval that so many draws give; None if the returns do not vary or are too few."""
    length = optimal_block_length(returns)
    if length is None:
        return None
    rng = np.random.default_rng(np.random.SeedSequence([seed]))
    found: list[Floats] = []
    chunk = max(CELLS_MAX // len(returns), 1)
    for first in range(0, draws, chunk):
        size = min(chunk, draws - first)
        drawn = returns[draw_places(len(returns), size, block_length=length, rng=rng)]
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(drawn.mean(axis=1) / drawn.std(axis=1, ddof=1))
    sharpes = np.concatenate(found)
    sharpes = sharpes[np.isfinite(sharpes)]
    if not len(sharpes):
        return None
    low, high = np.quantile(sharpes, [(1 - confidence) / 2, (1 + confidence) / 2])
    return SharpeInterval(float(low), float(high), confidence, length)
