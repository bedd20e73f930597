"""Whether a score stands on a plateau or on a peak: the trials around it in the search space.

Neighbours of a grid search are the points one step away in any direction (Chebyshev distance 1); of any
other, whose trials lie scattered, the 20 nearest by ranks along each axis.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

NEIGHBOURS = 20
"""Nearest trials that count where the search was no grid."""
GOOD_SHARE = 0.7
"""Of the best score: what a neighbour on a plateau reaches."""
CANDIDATES_MAX = 2_000
"""Best trials that are looked at as the middle of a plateau."""

Points = NDArray[np.float64]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Around:
    """The scores around one trial."""

    count: int
    median: float
    scores: Scores


class Landscape:
    """Scores of trials at points of the search space, larger being better.

    `points` has shape (trials, axes): whole indices on lattice axes, shares from 0 to 1 on continuous ones.
    """

    def __init__(self, points: Points, scores: Scores, *, grid: bool) -> None:
        """`grid` tells that every point was tried. A score of NaN is not defined, and bad."""
        self._points = points
        self._scores = np.where(np.isnan(scores), -np.inf, scores)
        # Dense ranks: equal values share one, and the next value has the next.
        ranks = [np.unique(column, return_inverse=True)[1] for column in points.T]
        scaled = [rank / max(rank.max(initial=1), 1) for rank in ranks]
        self._ranked = np.column_stack(scaled) if scaled else np.empty((len(points), 0))
        self._by_rank = cKDTree(self._ranked)
        self._by_step = cKDTree(points) if grid else None

    def around(self, place: int) -> Around | None:
        """Look at the neighbours of the trial at that place; None where there are none."""
        near = self._neighbours(place)
        if not len(near):
            return None
        scores = self._scores[near]
        return Around(len(near), float(np.median(scores)), scores)

    def robust(self) -> tuple[int, Around] | None:
        """Find the trial whose neighbourhood, itself included, has the highest median; the earlier of equals.

        None where no trial has a score or neighbours.
        """
        best: tuple[int, Around] | None = None
        best_median = -np.inf
        order = np.argsort(-self._scores, kind="stable")[:CANDIDATES_MAX]
        for place in order.tolist():
            if not np.isfinite(self._scores[place]):
                break
            around = self.around(place)
            if around is None:
                continue
            median = float(np.median(np.append(around.scores, self._scores[place])))
            if median > best_median and np.isfinite(around.median):
                best, best_median = (place, around), median
        return best

    def _neighbours(self, place: int) -> NDArray[np.int64]:
        """Numbers of the neighbours, in order."""
        if self._by_step is not None:
            near = self._by_step.query_ball_point(self._points[place], 1.0 + 1e-9, p=np.inf)
            return np.array(sorted(set(near) - {place}), dtype=np.int64)
        wanted = min(NEIGHBOURS + 1, len(self._points))
        _, nearest = self._by_rank.query(self._ranked[place], k=wanted)
        return np.array(sorted(set(np.atleast_1d(nearest).tolist()) - {place}), dtype=np.int64)


def median_ratio(around: Around, score: float) -> float | None:
    """Median score of the neighbours / the score; None unless the score is above 0."""
    return around.median / score if score > 0 and np.isfinite(around.median) else None


def good_share(around: Around, score: float) -> float | None:
    """Share of the neighbours that reach GOOD_SHARE of the score; None unless the score is above 0."""
    return float(np.mean(around.scores >= GOOD_SHARE * score)) if score > 0 else None
