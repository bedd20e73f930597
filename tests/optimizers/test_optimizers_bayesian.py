"""The Gaussian process believes what scikit-optimize's does, and neither threads nor hashes sway a search."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stratopt_server.optimizers.surrogate import Points, Posterior, Surrogate

PROPOSE = """
import sys
import numpy as np
from test_optimizers_search import SPACES, losses_of
from stratopt_server.domain.runs import Algorithm
from stratopt_server.optimizers import make_searcher

for space in SPACES.values():
    searcher = make_searcher(Algorithm[sys.argv[1]], space, seed=7, budget=200)
    for size in (8, 20, 20):
        batch = searcher.ask(size)
        searcher.tell(batch, losses_of(batch))
        print(batch)
"""
"""Three batches of every kind of space, as text: floats by their shortest digits, so bit for bit."""


def fitted(seed: int) -> tuple[Surrogate, Points]:
    """A process fitted to 40 points of a bowl with noise, and 60 candidates beside them."""
    rng = np.random.default_rng(seed)
    points, candidates = rng.random((40, 3)), rng.random((60, 3))
    losses = 1e3 + 50.0 * ((points - 0.4) ** 2).sum(axis=1) + rng.normal(0.0, 0.5, 40)
    return Surrogate(points, losses, seed=seed), candidates


def peers(surrogate: Surrogate, candidates: Points) -> tuple[Points, Points]:
    """The mean and the joint covariance that scikit-optimize's own process gives the candidates.

    Not its deviations: those go through an explicit inverse, which leaves them four digits.
    """
    mean, covariance = surrogate._process.predict(candidates, return_cov=True)
    return np.asarray(mean), np.asarray(covariance)


@pytest.mark.parametrize("seed", range(3))
def test_posterior_is_that_of_scikit_optimize(seed: int) -> None:
    """Mean and variance are what scikit-optimize predicts, in the losses' own units."""
    surrogate, candidates = fitted(seed)
    mean, covariance = peers(surrogate, candidates)
    posterior = surrogate.posterior(candidates)
    np.testing.assert_allclose(posterior.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(posterior.deviation**2, np.diag(covariance), rtol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_picking_conditions_on_the_picked(seed: int) -> None:
    """After picks the variance is that of the joint normal given the values there, whatever they are."""
    surrogate, candidates = fitted(seed)
    posterior: Posterior = surrogate.posterior(candidates)
    picked, rest = [3, 17, 41], [place for place in range(60) if place not in (3, 17, 41)]
    mean = posterior.mean.copy()
    for place in picked:
        posterior.pick(place)
    _, joint = peers(surrogate, candidates)
    known = np.linalg.solve(joint[np.ix_(picked, picked)], joint[np.ix_(picked, rest)])
    expected = np.diag(joint)[rest] - (joint[np.ix_(rest, picked)] * known.T).sum(axis=1)
    np.testing.assert_allclose(posterior.deviation[rest] ** 2, expected, rtol=1e-6)
    assert not posterior.deviation[picked].any()
    np.testing.assert_array_equal(posterior.mean, mean)


def test_picking_twice_changes_nothing() -> None:
    """A candidate that was picked has no variance left to lose."""
    surrogate, candidates = fitted(5)
    posterior = surrogate.posterior(candidates)
    posterior.pick(9)
    once = posterior.deviation
    posterior.pick(9)
    np.testing.assert_array_equal(posterior.deviation, once)


def proposed(algorithm: str, *, threads: int, hash_seed: int) -> str:
    """What a process with so many threads and that hash seed proposes."""
    counts = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    environment = {**os.environ, **counts, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-c", PROPOSE, algorithm]
    folder = Path(__file__).parent
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("algorithm", ["BAYESIAN", "TPE"])
def test_same_in_any_process(algorithm: str) -> None:
    """Neither the number of threads nor the order of hashes changes a digit of a proposal."""
    first = proposed(algorithm, threads=1, hash_seed=0)
    assert len(first.splitlines()) == 15
    assert proposed(algorithm, threads=2, hash_seed=4242) == first
