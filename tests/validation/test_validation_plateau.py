"""Plateaus and peaks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratopt_server.validation.plateau import Landscape, good_share, median_ratio


def lattice(scores: np.ndarray) -> Landscape:
    """A landscape over every point of a lattice."""
    points = np.stack(np.meshgrid(*map(np.arange, scores.shape), indexing="ij"), axis=-1)
    return Landscape(points.reshape(-1, scores.ndim).astype(float), scores.ravel().astype(float), grid=True)


def test_lonely_peak_in_numbers() -> None:
    """A peak of 10 whose eight neighbours are 1, ..., 8: their median is 4.5; two reach 7."""
    scores = np.array([[1, 2, 3], [4, 10, 5], [6, 7, 8]])
    around = lattice(scores).around(4)
    assert around is not None
    assert around.count == 8
    assert median_ratio(around, 10.0) == pytest.approx(0.45)
    assert good_share(around, 10.0) == pytest.approx(0.25)


def test_corner_has_three_neighbours() -> None:
    """Neighbours are one step away, diagonally too, inside the lattice."""
    around = lattice(np.arange(9).reshape(3, 3)).around(0)
    assert around is not None
    assert sorted(around.scores.tolist()) == [1, 3, 4]


def test_robust_pick_stands_on_the_plateau() -> None:
    """A plateau of 5s beats a lonely 9, and its middle beats its edge."""
    scores = np.zeros((12, 12))
    scores[2:7, 2:7] = 5.0
    scores[10, 10] = 9.0
    found = lattice(scores).robust()
    assert found is not None
    place, around = found
    assert scores.ravel()[place] == 5.0
    assert around.median == 5.0


def test_undefined_scores_are_bad() -> None:
    """A best trial among trials without a score has no ratio, and every share counts them."""
    scores = np.full((3, 3), np.nan)
    scores[1, 1] = 2.0
    around = lattice(scores).around(4)
    assert around is not None
    assert median_ratio(around, 2.0) is None
    assert good_share(around, 2.0) == 0.0


def test_no_ratio_at_or_below_zero() -> None:
    """Shares of a score that is not above 0 mean nothing."""
    around = lattice(np.ones((3, 3))).around(4)
    assert around is not None
    assert median_ratio(around, 0.0) is None
    assert good_share(around, -1.0) is None


def test_single_trial_has_no_neighbours() -> None:
    """Nothing can be said of one trial alone."""
    alone = Landscape(np.zeros((1, 2)), np.array([1.0]), grid=True)
    assert alone.around(0) is None
    assert alone.robust() is None


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_continuous_neighbours_are_the_nearest(count: int, seed: int) -> None:
    """At most 20, never the trial itself, and however the axes are stretched."""
    random = np.random.default_rng(seed)
    points, scores = random.random((count, 3)), random.random(count)
    plain = Landscape(points, scores, grid=False)
    stretched = Landscape(points**3 * [1.0, 50.0, 0.1], scores, grid=False)
    for place in range(min(count, 5)):
        around, other = plain.around(place), stretched.around(place)
        assert (around is None) == (count == 1) == (other is None)
        if around is not None and other is not None:
            assert around.count == min(count - 1, 20)
            assert around.scores.tolist() == other.scores.tolist()
