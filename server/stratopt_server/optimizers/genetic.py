"""Genetic search on the lattice: parents by tournament, crossover, steps; only feasible points not told yet.

The pool of parents is the best of everything told: nothing good is ever lost. With several objectives it is
the best fronts, thinned where they are crowded (NSGA-II: Deb et al., 2002).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.parameters import ChoiceList
from stratopt_server.domain.space import SearchSpace, Vectors
from stratopt_server.optimizers.pareto import crowding, ranks
from stratopt_server.optimizers.searcher import Candidate, Key, Losses, batch_rng, key_of
from stratopt_server.optimizers.sequences import random_sequence

POOL_MIN, POOL_MAX = 10, 60
POOL_SHARE = 0.06
"""Of the budget: how many parents there are."""
FIRST_SHARE = 0.12
"""Of the budget: how many trials are drawn evenly before there are parents."""
FIRST_MIN, FIRST_MAX = 16, 160
TOURNAMENT = 2
BROODS_MAX = 12
"""Broods that are bred for one batch before the rest of it is drawn at random."""
BROOD_FACTOR = 3
"""Children bred for each that is wanted: many are infeasible or were tried before."""
RANDOM_SHARE = 0.05
"""Of the children: drawn evenly, against being stuck."""
STEP_SHARE_MAX = 0.25
"""Largest usual step of a mutation, as a share of the axis."""


class GeneticSearcher:
    """Breeds from the best so far; for one objective or several."""

    def __init__(self, space: SearchSpace, *, seed: int, budget: int) -> None:
        """`budget` is how many trials there will be: it sets the size of the pool."""
        self._space = space
        self._seed = seed
        self._pool_size = int(np.clip(POOL_SHARE * budget, POOL_MIN, POOL_MAX))
        self._first = int(np.clip(FIRST_SHARE * budget, FIRST_MIN, FIRST_MAX))
        self._sizes = np.array([axis.size or 0 for axis in space.axes], dtype=np.float64)
        self._is_choice = np.array([isinstance(axis.range, ChoiceList) for axis in space.axes])
        self._pool: Vectors = np.empty((0, len(space.axes)))
        self._pool_losses: Losses = np.empty((0, 1))
        self._told: set[Key] = set()
        self._batches = 0

    def ask(self, count: int) -> list[Candidate]:
        """Propose children of the pool; while there is none to speak of, points drawn evenly."""
        rng = batch_rng(self._seed, self._batches)
        found: dict[Key, Candidate] = {}
        if len(self._told) >= self._first:
            for _ in range(BROODS_MAX):
                brood = self._brood((count - len(found)) * BROOD_FACTOR, rng)
                self._take(self._space.decode(brood[self._space.feasible_mask(brood)]), count, found)
                if len(found) == count:
                    break
        if len(found) < count:
            self._take(random_sequence(self._space, seed=int(rng.integers(2**63))), count, found)
        return list(found.values())

    def tell(self, candidates: Sequence[Candidate], losses: Losses) -> None:
        """Let the best of these and of the pool be the pool."""
        self._batches += 1
        self._told.update(key_of(candidate) for candidate in candidates)
        if not len(self._pool):
            self._pool_losses = np.empty((0, losses.shape[1]))
        pool = np.concatenate((self._pool, self._space.encode(candidates)))
        pool_losses = np.concatenate((self._pool_losses, losses))
        best = fittest(pool_losses, self._pool_size)
        self._pool, self._pool_losses = pool[best], pool_losses[best]

    def _take(
        self, candidates: Sequence[Candidate] | Iterator[Candidate], count: int, found: dict[Key, Candidate]
    ) -> None:
        """Add candidates that are new, until there are `count`."""
        for candidate in candidates:
            if len(found) == count:
                return
            key = key_of(candidate)
            if key not in self._told:
                found.setdefault(key, candidate)

    def _brood(self, count: int, rng: np.random.Generator) -> Vectors:
        """Breed vectors: crossed, mutated, on their axes, feasible or not."""
        mothers, fathers = self._parents(count, rng), self._parents(count, rng)
        children = self._mutated(self._crossed(mothers, fathers, rng), rng)
        strangers = rng.random(count) < RANDOM_SHARE
        children[strangers] = self._space.draw(int(strangers.sum()), rng)
        return children

    def _parents(self, count: int, rng: np.random.Generator) -> Vectors:
        """Pick by tournament; the pool is in order of fitness."""
        winners = rng.integers(len(self._pool), size=(count, TOURNAMENT)).min(axis=1)
        parents: Vectors = self._pool[winners]
        return parents

    def _crossed(self, mothers: Vectors, fathers: Vectors, rng: np.random.Generator) -> Vectors:
        """Take each axis from either parent, or a point on the line between them."""
        shape = mothers.shape
        uniform = np.where(rng.random(shape) < 0.5, mothers, fathers)
        share = rng.uniform(-0.25, 1.25, (len(mothers), 1))
        between = mothers + share * (fathers - mothers)
        blends = (rng.random((len(mothers), 1)) < 0.5) & ~self._is_choice
        return self._placed(np.where(blends, between, uniform))

    def _mutated(self, children: Vectors, rng: np.random.Generator) -> Vectors:
        """Move about one axis of each child by a step: mostly small, sometimes large."""
        shape = children.shape
        moved = rng.random(shape) < 1.0 / shape[1]
        moved[np.arange(len(children)), rng.integers(shape[1], size=len(children))] |= (
            rng.random(len(children)) < 0.5
        )
        span = np.where(self._sizes > 0, np.maximum(self._sizes - 1, 1), 1.0)
        least = np.where(self._sizes > 0, 1.0 / span, 1e-4)
        scale = least * (np.maximum(STEP_SHARE_MAX / least, 1.0)) ** rng.random(shape)
        steps = rng.standard_normal(shape) * scale * span
        whole = self._sizes > 0
        steps = np.where(whole, np.sign(steps) * np.maximum(np.round(np.abs(steps)), 1.0), steps)
        jumps = np.floor(rng.random(shape) * np.maximum(self._sizes, 1))
        mutants = np.where(self._is_choice, jumps, children + steps)
        return self._placed(np.where(moved, mutants, children))

    def _placed(self, vectors: Vectors) -> Vectors:
        """Round to the lattice, and bring back onto the axes."""
        whole = self._sizes > 0
        placed: Vectors = np.where(
            whole,
            np.clip(np.round(vectors), 0, np.maximum(self._sizes - 1, 0)),
            np.clip(vectors, 0.0, 1.0),
        )
        return placed


def fittest(losses: Losses, count: int) -> NDArray[np.int64]:
    """Order rows by fitness and keep the first `count`; of equals the earlier."""
    if losses.shape[1] == 1:
        return np.argsort(losses[:, 0], kind="stable")[:count]
    rank = ranks(losses)
    spread = np.zeros(len(losses))
    for front in np.unique(rank):
        spread[rank == front] = crowding(losses[rank == front])
    return np.lexsort((-spread, rank))[:count]
