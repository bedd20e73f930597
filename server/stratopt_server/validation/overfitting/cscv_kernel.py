"""The compiled part of cross-validation: for each half, who is best in it and how that ranks in the other.

Scores are compared as sign(m) m^2 / v, which orders as m / sqrt(v) does and needs no root. Loops are plain,
and go along the trials, so that the compiler makes vectors of them.
"""

from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

from stratopt_server.validation.overfitting.sharpe import ROUNDING

njit = cast("Any", numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"}))
"""No score is NaN, and 0 is 0 whatever its sign: so a maximum is a vector operation."""


@njit  # type: ignore[untyped-decorator]
def pick_and_rank_nb(
    blocks: NDArray[np.float64],
    halves: NDArray[np.int64],
    bars: int,
    by_mean: bool,
    picked: NDArray[np.float64],
) -> None:
    """Fill `picked`: the best's Sharpe ratio in its half, in the other, and its average rank there.

    `blocks` has shape (2, blocks, trials): sums of r, and of r^2; each row of `halves` has the numbers of
    a half's blocks; `picked` has shape (2 x halves, 3): each half, then its complement.
    """
    sums, squares = blocks[0], blocks[1]
    trials = sums.shape[1]
    whole, whole_square = np.zeros(trials), np.zeros(trials)
    for block in range(len(sums)):
        for trial in range(trials):
            whole[trial] += sums[block, trial]
            whole_square[trial] += squares[block, trial]
    here, here_square = np.empty(trials), np.empty(trials)
    there, there_square = np.empty(trials), np.empty(trials)
    score, other_score = np.empty(trials), np.empty(trials)
    for half in range(len(halves)):
        _add_up_nb(sums, halves[half], here)
        _add_up_nb(squares, halves[half], here_square)
        for trial in range(trials):
            there[trial] = whole[trial] - here[trial]
            there_square[trial] = whole_square[trial] - here_square[trial]
        _score_nb(here, here_square, bars, by_mean, score)
        _score_nb(there, there_square, bars, by_mean, other_score)
        best, other_best = _best_nb(score), _best_nb(other_score)
        row, other_row = picked[2 * half], picked[2 * half + 1]
        row[0] = _sharpe_nb(here[best], here_square[best], bars)
        row[1] = _sharpe_nb(there[best], there_square[best], bars)
        row[2] = _rank_nb(other_score, best)
        other_row[0] = _sharpe_nb(there[other_best], there_square[other_best], bars)
        other_row[1] = _sharpe_nb(here[other_best], here_square[other_best], bars)
        other_row[2] = _rank_nb(score, other_best)


@njit  # type: ignore[untyped-decorator]
def _add_up_nb(rows: NDArray[np.float64], chosen: NDArray[np.int64], total: NDArray[np.float64]) -> None:
    """Add the chosen rows up."""
    total[:] = 0.0
    for row in chosen:
        for place in range(len(total)):
            total[place] += rows[row, place]


@njit  # type: ignore[untyped-decorator]
def _score_nb(
    total: NDArray[np.float64],
    square: NDArray[np.float64],
    bars: int,
    by_mean: bool,
    score: NDArray[np.float64],
) -> None:
    """Fill in numbers that order as the Sharpe ratios do, or as the means; 0 where there is no variance."""
    for trial in range(len(total)):
        spread = square[trial] * bars - total[trial] * total[trial]
        ratio = total[trial] * abs(total[trial]) / spread
        varies = spread > ROUNDING * square[trial] * bars
        score[trial] = total[trial] if by_mean else (ratio if varies else 0.0)


@njit  # type: ignore[untyped-decorator]
def _sharpe_nb(total: float, square: float, bars: int) -> float:
    """Sharpe ratio per bar, ddof 1; 0 where there is no variance."""
    spread = square * bars - total * total
    return total / np.sqrt(spread * bars / (bars - 1)) if spread > ROUNDING * square * bars else 0.0


@njit  # type: ignore[untyped-decorator]
def _best_nb(scores: NDArray[np.float64]) -> int:
    """The place of the largest; the earliest of equals."""
    largest = scores[0]
    for score in scores:
        largest = max(largest, score)
    place = 0
    while scores[place] != largest:
        place += 1
    return place


@njit  # type: ignore[untyped-decorator]
def _rank_nb(scores: NDArray[np.float64], place: int) -> float:
    """The average rank of the one at that place, from 1 for the smallest."""
    own, below, equal = scores[place], 0, 0
    for score in scores:
        below += score < own
        equal += score == own
    return below + (equal + 1) / 2
