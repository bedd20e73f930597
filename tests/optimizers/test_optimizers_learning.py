"""The searchers that think longer: the same law, and better than chance."""

import numpy as np
import pytest
from test_optimizers_search import SPACES, feasible_set, frozen, losses_of, square

from stratopt_server.domain.runs import Algorithm
from stratopt_server.domain.space import SearchSpace
from stratopt_server.optimizers import make_searcher
from stratopt_server.optimizers.bayesian import HAND_OVER
from stratopt_server.optimizers.searcher import Candidate, Losses, Searcher

LEARNING = (Algorithm.BAYESIAN, Algorithm.TPE)
learning = pytest.mark.parametrize("algorithm", LEARNING)


def told(searcher: Searcher, sizes: list[int]) -> list[list[Candidate]]:
    """Ask for batches of those sizes and tell them."""
    journal = []
    for size in sizes:
        batch = searcher.ask(size)
        searcher.tell(batch, losses_of(batch))
        journal.append(batch)
    return journal


@learning
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_asking_is_a_function_of_what_was_told(algorithm: Algorithm, space: SearchSpace) -> None:
    """Asking changes nothing; a new searcher told the same goes on alike; feasible, and none twice."""
    searcher, again = (make_searcher(algorithm, space, seed=2**64 - 1, budget=100) for _ in range(2))
    journal = told(searcher, [6, 6, 6, 6])
    assert searcher.ask(5) == searcher.ask(5)
    for batch in journal:
        again.tell(batch, losses_of(batch))
    assert again.ask(5) == searcher.ask(5)
    points = [point for batch in journal for point in batch]
    assert len(points) >= 20
    assert len(set(frozen(points))) == len(points)
    assert all(space.feasible(point) for point in points)
    for point in points:
        assert [type(value) for value in point.values()] == [type(value) for value in points[0].values()]


@learning
def test_exhausts_the_feasible_set(algorithm: Algorithm) -> None:
    """Asked to the end, it proposes each feasible point once."""
    space = square(7, "x < y")
    searcher = make_searcher(algorithm, space, seed=3, budget=100)
    found: list[Candidate] = []
    while batch := searcher.ask(4):
        searcher.tell(batch, losses_of(batch))
        found += batch
    assert sorted(frozen(found)) == sorted(frozen(feasible_set(space)))


@learning
def test_flat_losses(algorithm: Algorithm) -> None:
    """Where every trial is equally good there is nothing to fit, and it goes on."""
    space = square(100)
    searcher = make_searcher(algorithm, space, seed=3, budget=100)
    found: list[Candidate] = []
    for _ in range(6):
        batch = searcher.ask(5)
        searcher.tell(batch, np.zeros((len(batch), 1)))
        found += batch
    assert len(set(frozen(found))) == len(found) >= 28


def bowl(points: list[Candidate]) -> Losses:
    """Lowest at (700, 123) of a thousand by a thousand."""
    return np.array([[((p["x"] - 700) / 1e3) ** 2 + ((p["y"] - 123) / 1e3) ** 2] for p in points])


@pytest.mark.parametrize(("algorithm", "low"), [(Algorithm.BAYESIAN, 1e-4), (Algorithm.TPE, 3e-3)])
def test_finds_the_bottom_of_a_bowl(algorithm: Algorithm, low: float) -> None:
    """Within 60 trials of a million points a smooth loss is nearly as low as it can be."""
    searcher = make_searcher(algorithm, square(1_000), seed=5, budget=60)
    lowest = np.inf
    for _ in range(10):
        batch = searcher.ask(6)
        losses = bowl(batch)
        searcher.tell(batch, losses)
        lowest = min(lowest, float(losses.min()))
    assert lowest < low, "a random search comes to about 5e-3"


def test_many_trials_are_handed_over() -> None:
    """Told of more trials than it fits, it fits some; of many more, a genetic search goes on."""
    space = square(1_000)
    foreign = make_searcher(Algorithm.SOBOL, space, seed=1, budget=1_000).ask(HAND_OVER + 10)
    some, all_of_them = (make_searcher(Algorithm.BAYESIAN, space, seed=1, budget=1_000) for _ in range(2))
    some.tell(foreign[:400], bowl(foreign[:400]))
    proposed = some.ask(5)
    assert np.median(bowl(proposed)) < 1e-3
    all_of_them.tell(foreign, bowl(foreign))
    genetic = make_searcher(Algorithm.GENETIC, space, seed=1, budget=1_000)
    genetic.tell(foreign, bowl(foreign))
    assert all_of_them.ask(20) == genetic.ask(20)
