"""Which algorithm a search takes where nobody said, in what batches, and whether it can find anything."""

import numpy as np

from stratopt_server.domain.runs import Algorithm
from stratopt_server.domain.space import SearchSpace
from stratopt_server.optimizers.searcher import batch_rng

SLOW_EVALUATION_SECONDS = 0.1
"""A run that takes longer is worth a search that thinks longer."""
BAYESIAN_BUDGET_MAX = 200
BATCHES_WANTED = 50
"""Of a search that does not learn."""
BATCH_MIN, BATCH_MAX = 10, 1_000
GENERATIONS_WANTED = 20
"""Fewest batches that a genetic search learns from."""
GENERATION_MIN, GENERATION_MAX = 10, 100
FITS_WANTED = 10
"""Batches of a Bayesian search, each of which takes one fit."""
FITTED_BATCH_MAX = 25
SHARE_DRAWS = 200_000
"""Points that are looked at to estimate how many are feasible."""


def choose(points: int | None, budget: int, *, seconds_per_evaluation: float, objectives: int) -> Algorithm:
    """Choose an algorithm; `points` is how many feasible points there are, as far as that is known."""
    if objectives > 1:
        return Algorithm.NSGA2
    if points is not None and points <= budget:
        return Algorithm.GRID
    if seconds_per_evaluation > SLOW_EVALUATION_SECONDS or budget <= BAYESIAN_BUDGET_MAX:
        return Algorithm.BAYESIAN
    return Algorithm.GENETIC


def batch_size(algorithm: Algorithm, budget: int) -> int:
    """How many trials are proposed at a time; not how many workers there are, so one seed is one search."""
    match algorithm:
        case Algorithm.GENETIC | Algorithm.NSGA2:
            return min(max(budget // GENERATIONS_WANTED, GENERATION_MIN), GENERATION_MAX)
        case Algorithm.BAYESIAN | Algorithm.TPE:
            return min(max(budget // FITS_WANTED, 1), FITTED_BATCH_MAX)
        case _:
            return min(max(budget // BATCHES_WANTED, BATCH_MIN), BATCH_MAX)


def feasible_share(space: SearchSpace, *, seed: int) -> float:
    """Estimate the share of points that satisfy every constraint, from SHARE_DRAWS of them."""
    return float(np.mean(space.feasible_mask(space.draw(SHARE_DRAWS, batch_rng(seed, 0)))))
