"""Whether the best of several strategies is better than staying out, as a whole set of tries.

Hansen's test for superior predictive ability (2005) and the stepwise procedure of Romano & Wolf (2005), on
returns: what they are compared with is 0. Each column is divided by its long-run deviation first, so that the
statistic is a t-value.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratopt_server.validation.overfitting.bootstrap import draw_counts, optimal_block_length
from stratopt_server.validation.overfitting.memory import autocovariances

Floats = NDArray[np.float64]

DRAWS = 1_000
SEED = 20_050_407


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """Scaled means, and how they scatter where no column is better than 0."""

    means: Floats
    columns: NDArray[np.int64]
    scattered: Floats
    """Shape (draws, columns)."""


@dataclass(frozen=True, slots=True)
class SuperiorSet:
    """What one set of bootstrap draws says of all columns at once."""

    p_value: float
    """Consistent, that no column has a mean above 0."""
    columns: tuple[int, ...]
    """Those whose mean is above 0 with the family-wise error asked for, in order."""


def superior_set(
    returns: Floats, *, size: float = 0.05, draws: int = DRAWS, seed: int = SEED
) -> SuperiorSet | None:
    """Test the columns of returns, shape (periods, strategies), with a family-wise error of at most `size`.

    None if none of them varies, or there are too few periods.
    """
    drawn = _draw(returns, draws, seed)
    if drawn is None:
        return None
    p_value = float(np.mean(drawn.scattered.max(axis=1) > drawn.means.max()))
    left = np.ones(len(drawn.means), dtype=np.bool_)
    while left.any():
        limit = float(np.percentile(drawn.scattered[:, left].max(axis=1), 100 * (1 - size)))
        better = left & (drawn.means > limit)
        if not better.any():
            break
        left &= ~better
    return SuperiorSet(p_value, tuple(int(column) for column in drawn.columns[~left]))


def superior_predictive_ability(returns: Floats, *, draws: int = DRAWS, seed: int = SEED) -> float | None:
    """The consistent p-value that no column of returns has a mean above 0; None as of `superior_set`."""
    found = superior_set(returns, draws=draws, seed=seed)
    return None if found is None else found.p_value


def stepwise_superior(
    returns: Floats, *, size: float = 0.05, draws: int = DRAWS, seed: int = SEED
) -> list[int] | None:
    """Columns whose mean is above 0 with a family-wise error of at most `size`, in order; None likewise."""
    found = superior_set(returns, size=size, draws=draws, seed=seed)
    return None if found is None else list(found.columns)


def effective_trials(returns: Floats, n_trials: int) -> float | None:
    """How many independent trials so many would be, by the average correlation of the columns given.

    rho + (1 - rho) N (Lopez de Prado 2018). To be looked at, never to be decided by: the variance of the
    Sharpe ratios has the correlation in it already. None for fewer than two columns that vary.
    """
    varying = returns[:, np.ptp(returns, axis=0) > 0] if len(returns) > 1 else returns[:, :0]
    count = varying.shape[1]
    if count < 2:
        return None
    scaled = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    # The mean of all correlations is the variance of the mean column; those with themselves are 1.
    together = float(np.mean(scaled.mean(axis=1) ** 2))
    average = min(max((together * count - 1) / (count - 1), 0.0), 1.0)
    return float(average + (1 - average) * n_trials)


def _draw(returns: Floats, draws: int, seed: int) -> _Drawn | None:
    count = len(returns)
    if count < 2 or not np.isfinite(returns).all():
        return None
    columns = np.flatnonzero(np.ptp(returns, axis=0) > 0)
    if not len(columns):
        return None
    kept = returns[:, columns]
    best = int(np.argmax(kept.mean(axis=0) / kept.std(axis=0)))
    length = optimal_block_length(kept[:, best])
    if length is None:
        return None
    deviation = _long_run_deviation(kept, length)
    varies = deviation > 0
    if not varies.any():
        return None
    scaled = kept[:, varies] / deviation[varies]
    means = scaled.mean(axis=0)
    # A column too bad to matter keeps its own mean, so that adding bad ones changes nothing (Hansen's p_c).
    centre = np.where(means >= -np.sqrt(2 * np.log(np.log(max(count, 3))) / count), means, 0.0)
    rng = np.random.default_rng(np.random.SeedSequence([seed]))
    counts = draw_counts(count, draws, block_length=length, rng=rng)
    return _Drawn(means, columns[varies], counts @ scaled / count - centre)


def _long_run_deviation(returns: Floats, block_length: float) -> Floats:
    """The deviation of sqrt(T) * mean under the stationary bootstrap of that mean length, of each column."""
    count = len(returns)
    covariances = autocovariances(returns, count - 1)
    share = np.arange(1, count) / count
    stay = 1 - 1 / block_length
    weights = (1 - share) * stay ** np.arange(1, count) + share * stay ** (count - np.arange(1, count))
    variance = covariances[0] + 2 * (weights[:, None] * covariances[1:]).sum(axis=0)
    deviation: Floats = np.sqrt(np.maximum(variance, 0.0))
    return deviation
