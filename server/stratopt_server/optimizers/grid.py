"""Exhaustive search: every feasible lattice point in order, streamed."""

from collections import deque
from collections.abc import Sequence

from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.space import CHUNK_POINTS, SearchSpace
from stratopt_server.optimizers.searcher import Candidate


class GridSearcher:
    """Walks the lattice with its last axis varying fastest; holds one chunk of numbers at a time."""

    def __init__(self, space: SearchSpace) -> None:
        """`space` has no continuous axis."""
        size = space.size
        assert size is not None, "a grid search needs a lattice"
        self._space = space
        self._size = size
        self._next = 0
        self._waiting: deque[int] = deque()

    def ask(self, count: int) -> list[Candidate]:
        """Propose the next feasible points."""
        while len(self._waiting) < count and self._next < self._size:
            stop = min(self._next + CHUNK_POINTS, self._size)
            self._waiting.extend(self._space.feasible_numbers(self._next, stop).tolist())
            self._next = stop
        numbers = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        return [self._space.params(self._space.lattice_point(number)) for number in numbers]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Nothing to learn: the order is fixed."""
