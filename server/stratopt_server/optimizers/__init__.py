"""Searchers: ask for candidates, tell the results. No storage, no clock, no global randomness."""

from collections.abc import Sequence

from stratopt_server.domain.runs import Algorithm
from stratopt_server.domain.space import SearchSpace
from stratopt_server.optimizers.genetic import GeneticSearcher
from stratopt_server.optimizers.searcher import Candidate, Searcher
from stratopt_server.optimizers.sequences import (
    SequenceSearcher,
    lattice_sequence,
    random_sequence,
    sobol_sequence,
)
from stratopt_server.optimizers.warm_start import WarmStart


def make_searcher(
    algorithm: Algorithm,
    space: SearchSpace,
    *,
    seed: int,
    budget: int,
    initial: Sequence[Candidate] = (),
) -> Searcher:
    """Make the searcher of that name; the same arguments give the same candidates.

    `budget` is how many trials there will be; `initial` are feasible candidates to propose first.
    """
    searcher = _searcher(algorithm, space, seed=seed, budget=budget)
    return WarmStart(searcher, initial) if initial else searcher


def _searcher(algorithm: Algorithm, space: SearchSpace, *, seed: int, budget: int) -> Searcher:
    match algorithm:
        case Algorithm.GRID:
            assert space.size is not None, "a grid search needs a lattice"
            return SequenceSearcher(lattice_sequence(space))
        case Algorithm.RANDOM:
            return SequenceSearcher(random_sequence(space, seed=seed))
        case Algorithm.SOBOL:
            return SequenceSearcher(sobol_sequence(space, seed=seed))
        case Algorithm.GENETIC | Algorithm.NSGA2:
            return GeneticSearcher(space, seed=seed, budget=budget)
        case Algorithm.BAYESIAN:
            from stratopt_server.optimizers.bayesian import BayesianSearcher  # noqa: PLC0415 - loads sklearn

            return BayesianSearcher(space, seed=seed, budget=budget)
        case Algorithm.TPE:
            from stratopt_server.optimizers.tpe import TpeSearcher  # noqa: PLC0415 - loads Optuna

            return TpeSearcher(space, seed=seed, budget=budget)
