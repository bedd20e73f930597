"""Searchers that do not learn: points in an order that is fixed beforehand, streamed."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count as counted

import numpy as np

from stratopt_server.domain.space import CHUNK_POINTS, SearchSpace, Vectors
from stratopt_server.optimizers.searcher import Candidate, Key, Losses, batch_rng, key_of

LISTED_POINTS_MAX = 1_000_000
"""A lattice up to this size is listed and shuffled; a larger one is drawn from."""
DRAWN_POINTS = 4_096
"""Points of a larger space that are drawn together."""
DECODED_POINTS = 64
"""Points that are turned into parameters together: who asks for a few should not wait for thousands."""
FRUITLESS_DRAWS_MAX = 250
"""Draws of so many points in a row without a new feasible one, after which the space counts as used up."""
SOBOL_POINTS = 1_024
SOBOL_FRUITLESS_MAX = 8
"""Stretches of a Sobol sequence without a new feasible point, after which points are drawn at random."""


class SequenceSearcher:
    """Proposes the points of a sequence, in its order, but for those that were told already."""

    def __init__(self, sequence: Iterator[Candidate]) -> None:
        """`sequence` yields feasible candidates; repeats are passed over."""
        self._sequence = sequence
        self._next: deque[Candidate] = deque()
        self._met: set[Key] = set()
        """Told, or waiting in `_next`."""

    def ask(self, count: int) -> list[Candidate]:
        """Propose the next points."""
        while len(self._next) < count and (candidate := next(self._sequence, None)) is not None:
            key = key_of(candidate)
            if key not in self._met:
                self._met.add(key)
                self._next.append(candidate)
        return [dict(self._next[place]) for place in range(min(count, len(self._next)))]

    def tell(self, candidates: Sequence[Candidate], losses: Losses) -> None:  # noqa: ARG002 - the port's
        """Pass over these points; there is nothing to learn."""
        told = {key_of(candidate) for candidate in candidates}
        self._met |= told
        self._next = deque(candidate for candidate in self._next if key_of(candidate) not in told)


def lattice_sequence(space: SearchSpace) -> Iterator[Candidate]:
    """Walk the feasible lattice points, the last axis varying fastest; a chunk of numbers at a time."""
    size = space.size
    assert size is not None, "a continuous axis has no lattice"
    for first in range(0, size, CHUNK_POINTS):
        for number in space.feasible_numbers(first, min(first + CHUNK_POINTS, size)).tolist():
            yield space.params(space.lattice_point(number))


def random_sequence(space: SearchSpace, *, seed: int) -> Iterator[Candidate]:
    """Draw feasible points evenly, none of them twice, until there are no others."""
    size = space.size
    if size is not None and size <= LISTED_POINTS_MAX:
        numbers = space.feasible_numbers(0, size)
        batch_rng(seed, 0).shuffle(numbers)
        for number in numbers.tolist():
            yield space.params(space.lattice_point(number))
        return
    yield from _new_points(
        space,
        (space.draw(DRAWN_POINTS, batch_rng(seed, piece)) for piece in counted()),
        fruitless_max=FRUITLESS_DRAWS_MAX,
    )


def sobol_sequence(space: SearchSpace, *, seed: int) -> Iterator[Candidate]:
    """Walk a scrambled Sobol sequence; once it only repeats itself, draw the rest at random."""
    yield from _new_points(space, _sobol_pieces(space, seed), fruitless_max=SOBOL_FRUITLESS_MAX)
    yield from random_sequence(space, seed=seed)


def _sobol_pieces(space: SearchSpace, seed: int) -> Iterator[Vectors]:
    from scipy.stats import qmc  # noqa: PLC0415 - takes a second to load, and the server needs none of it

    sobol = qmc.Sobol(len(space.axes), scramble=True, rng=np.random.default_rng(seed))
    while sobol.num_generated < sobol.maxn - SOBOL_POINTS:
        yield from_shares(space, sobol.random(SOBOL_POINTS))


def from_shares(space: SearchSpace, shares: Vectors) -> Vectors:
    """Turn points of the unit cube, 1 not included, into vectors of the space."""
    vectors = shares.copy()
    for column, axis in enumerate(space.axes):
        if axis.size is not None:
            vectors[:, column] = np.minimum(np.floor(shares[:, column] * axis.size), axis.size - 1)
    return vectors


def _new_points(space: SearchSpace, pieces: Iterator[Vectors], *, fruitless_max: int) -> Iterator[Candidate]:
    """Yield the feasible points of the pieces, each once, until `fruitless_max` pieces in a row had none."""
    met: set[Key] = set()
    fruitless = 0
    for vectors in pieces:
        before = len(met)
        feasible = vectors[space.feasible_mask(vectors)]
        for first in range(0, len(feasible), DECODED_POINTS):
            for candidate in space.decode(feasible[first : first + DECODED_POINTS]):
                key = key_of(candidate)
                if key not in met:
                    met.add(key)
                    yield candidate
        fruitless = 0 if len(met) > before else fruitless + 1
        if fruitless >= fruitless_max:
            return
