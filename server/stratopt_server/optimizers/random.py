"""Random search: feasible points drawn evenly, none of them twice."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.space import Axis, SearchSpace
from stratopt_server.optimizers.searcher import Candidate

LISTED_POINTS_MAX = 1_000_000
"""A lattice up to this size is listed and shuffled; a larger one is drawn from, with rejection."""
DRAWS_PER_POINT_MAX = 10_000
"""Draws without a new feasible point after which a larger space counts as used up."""


class RandomSearcher:
    """Draws each batch from its own stream, `SeedSequence([seed, batch])`."""

    def __init__(self, space: SearchSpace, *, seed: int) -> None:
        """The same space and seed give the same candidates."""
        self._space = space
        self._seed = seed
        self._batch = 0
        self._used_up = False
        self._seen: set[tuple[ParameterValue, ...]] = set()
        size = space.size
        self._shuffled: NDArray[np.int64] | None = None
        if size is not None and size <= LISTED_POINTS_MAX:
            numbers = space.feasible_numbers(0, size)
            np.random.default_rng(np.random.SeedSequence([seed])).shuffle(numbers)
            self._shuffled = numbers

    def ask(self, count: int) -> list[Candidate]:
        """Propose points that were not proposed before."""
        if self._shuffled is not None:
            numbers, self._shuffled = self._shuffled[:count], self._shuffled[count:]
            return [self._space.params(self._space.lattice_point(number)) for number in numbers.tolist()]
        if self._used_up:
            return []
        self._batch += 1
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, self._batch]))
        points = self._draw(count, rng)
        self._used_up = len(points) < count
        return [self._space.params(point) for point in points]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Nothing to learn: the draws do not depend on results."""

    def _draw(self, count: int, rng: np.random.Generator) -> list[dict[str, ParameterValue]]:
        points: list[dict[str, ParameterValue]] = []
        misses = 0
        while len(points) < count and misses < DRAWS_PER_POINT_MAX:
            point = {axis.name: _draw_value(axis, rng) for axis in self._space.axes}
            key = tuple(point.values())
            if key in self._seen or not self._space.feasible(point):
                misses += 1
                continue
            misses = 0
            self._seen.add(key)
            points.append(point)
        return points


def _draw_value(axis: Axis, rng: np.random.Generator) -> ParameterValue:
    size = axis.size
    return axis.at(float(rng.random())) if size is None else axis.value(int(rng.integers(size)))
