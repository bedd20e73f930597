"""Searchers: ask for candidates, tell the results. No storage, no clock, no global randomness."""

from stratopt_server.domain.runs import Algorithm
from stratopt_server.domain.space import SearchSpace
from stratopt_server.optimizers.grid import GridSearcher
from stratopt_server.optimizers.random import RandomSearcher
from stratopt_server.optimizers.searcher import Searcher


def make_searcher(algorithm: Algorithm, space: SearchSpace, *, seed: int) -> Searcher:
    """Make the searcher of that name; the same space and seed give the same candidates."""
    match algorithm:
        case Algorithm.GRID:
            return GridSearcher(space)
        case Algorithm.RANDOM:
            return RandomSearcher(space, seed=seed)
