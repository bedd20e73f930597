"""Bayesian search: a Gaussian process of the loss, and the points where the most may be gained.

One fit for each batch. Points of a batch are picked one after the other by expected improvement, the variance
falling around each (Jones et al., 1998, for the criterion); the rest of it is bred from the best trials.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from threadpoolctl import threadpool_limits

from stratopt_server.domain.parameters import ChoiceList
from stratopt_server.domain.space import SearchSpace, Vectors
from stratopt_server.optimizers.genetic import GeneticSearcher
from stratopt_server.optimizers.searcher import Candidate, Key, Losses, batch_rng, key_of
from stratopt_server.optimizers.sequences import SequenceSearcher, random_sequence, sobol_sequence
from stratopt_server.optimizers.surrogate import Posterior, Surrogate

HAND_OVER = 500
"""Trials after which a genetic search goes on: a further fit takes longer than it is worth."""
FIRST_MIN = 8
FIRST_PER_AXIS = 2
"""Trials that fill the space before there is a fit: so many an axis, at least FIRST_MIN."""
FITTED_MAX = 240
"""Trials that are fitted: a third of them the best, a third the newest, a third spread over the rest."""
STRANGERS = 1_000
"""Candidates drawn evenly."""
CHILDREN = 500
"""Candidates bred from the best trials."""
CHILDREN_SHARE = 0.4
"""Of a batch: children of the best trials as they are, for losses too rugged for any surrogate."""
LISTED_MAX = 2_000
"""A lattice up to this size is looked at whole."""


class BayesianSearcher:
    """Looks where the expected improvement is largest."""

    def __init__(self, space: SearchSpace, *, seed: int, budget: int) -> None:
        """`budget` is how many trials there will be."""
        self._space = space
        self._seed = seed
        self._first = max(FIRST_MIN, FIRST_PER_AXIS * len(space.axes) + 2)
        self._filling = SequenceSearcher(sobol_sequence(space, seed=seed))
        self._genetic = GeneticSearcher(space, seed=seed, budget=budget)
        self._told: set[Key] = set()
        self._vectors: list[Vectors] = []
        self._losses: list[Losses] = []
        self._batches = 0

    def ask(self, count: int) -> list[Candidate]:
        """Propose the points that promise most; at first, points that fill the space."""
        if len(self._told) >= HAND_OVER:
            return self._genetic.ask(count)
        if len(self._told) < self._first:
            return self._filling.ask(min(count, self._first - len(self._told)))
        losses = np.concatenate(self._losses)[:, 0]
        if losses.min() == losses.max():
            return self._filling.ask(count)
        with threadpool_limits(limits=1):
            return self._promising(count, losses)

    def tell(self, candidates: Sequence[Candidate], losses: Losses) -> None:
        """Keep them for the next fit."""
        self._batches += 1
        self._told.update(key_of(candidate) for candidate in candidates)
        self._vectors.append(self._space.encode(candidates))
        self._losses.append(losses)
        self._filling.tell(candidates, losses)
        self._genetic.tell(candidates, losses)

    def _promising(self, count: int, losses: NDArray[np.float64]) -> list[Candidate]:
        candidates = self._candidates(count)
        if len(candidates) <= count:
            return candidates
        points = self._cube(np.concatenate(self._vectors))
        fitted = _fitted(losses)
        surrogate = Surrogate(points[fitted], _tamed(losses[fitted]), seed=self._seed)
        # What is believed of the best point, not what it showed: a lucky one is no mark to beat.
        best = float(surrogate.posterior(points[fitted]).mean.min())
        posterior = surrogate.posterior(self._cube(self._space.encode(candidates)))
        children = round(count * CHILDREN_SHARE)
        chosen = {
            key_of(candidates[place]): candidates[place]
            for place in _greedy(posterior, best, count - children)
        }
        for child in self._genetic.ask(count):
            if len(chosen) == count:
                break
            chosen.setdefault(key_of(child), child)
        return list(chosen.values())

    def _candidates(self, count: int) -> list[Candidate]:
        """Feasible points that were not told: all there are, or children of the best and strangers."""
        size = self._space.size
        if size is not None and size <= LISTED_MAX:
            numbers = self._space.feasible_numbers(0, size).tolist()
            every = [self._space.params(self._space.lattice_point(number)) for number in numbers]
            return [candidate for candidate in every if key_of(candidate) not in self._told]
        rng = batch_rng(self._seed, self._batches)
        drawn = random_sequence(self._space, seed=int(rng.integers(2**63)))
        found = {key_of(candidate): candidate for candidate in self._genetic.ask(max(CHILDREN, count))}
        wanted = len(found) + STRANGERS
        for candidate in drawn:
            key = key_of(candidate)
            if key not in self._told:
                found.setdefault(key, candidate)
            if len(found) >= wanted:
                break
        return list(found.values())

    def _cube(self, vectors: Vectors) -> Vectors:
        """Write vectors as points of the unit cube, a choice as one corner for each of its values."""
        scaled = self._space.scaled(vectors)
        columns = []
        for place, axis in enumerate(self._space.axes):
            if isinstance(axis.range, ChoiceList):
                columns += [vectors[:, place] == value for value in range(axis.size or 0)]
            else:
                columns.append(scaled[:, place])
        return np.column_stack(columns).astype(np.float64)


def _fitted(losses: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which trials are fitted."""
    count = len(losses)
    if count <= FITTED_MAX:
        return np.arange(count)
    third = FITTED_MAX // 3
    best, newest = np.argsort(losses, kind="stable")[:third], np.arange(count - third, count)
    rest = np.setdiff1d(np.arange(count), np.concatenate((best, newest)))
    spread = rest[np.linspace(0, len(rest) - 1, third).astype(np.int64)]
    return np.unique(np.concatenate((best, newest, spread)))


def _tamed(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut bad losses off: how bad they are says little about where the good ones lie."""
    best, middle = losses.min(), np.median(losses)
    return np.minimum(losses, middle + (middle - best)) if middle > best else losses


def _greedy(posterior: Posterior, best: float, count: int) -> list[int]:
    """Pick candidates one after the other by expected improvement; of equals the earlier."""
    picked: list[int] = []
    for _ in range(count):
        gain = _expected_improvement(posterior.mean, posterior.deviation, best)
        gain[picked] = -np.inf
        place = int(np.argmax(gain))
        picked.append(place)
        posterior.pick(place)
    return picked


def _expected_improvement(
    mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """E max(best - loss, 0) of a normal loss."""
    gain = best - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(deviation > 0, gain / deviation, 0.0)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    improvement: NDArray[np.float64] = np.where(
        deviation > 0, gain * ndtr(z) + deviation * density, np.maximum(gain, 0.0)
    )
    return improvement
