"""Probability of backtest overfitting, by combinatorially symmetric cross-validation.

Bailey, Borwein, Lopez de Prado & Zhu (2016). The bars are cut into an even number of equal blocks. For each
half of the blocks the best trial in it is picked, and its rank among all trials in the other half found:
a search that finds what lasts ranks high there, one that fits noise ranks anywhere.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from stratopt_server.validation.overfitting.sharpe import ROUNDING

BLOCKS_DEFAULT = 16
BLOCKS_MAX = 16
"""Of 18 blocks there are 48,620 halves, and they say no more."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BacktestOverfitting:
    """What the halves say."""

    pbo: float
    """Share of the halves whose best ranks in the lower half of the trials in the other half."""
    logits: Floats
    """ln(omega / (1 - omega)) of each half, omega its best's average rank in the other half / (N + 1)."""
    loss_probability: float
    """Share of the halves whose best loses in the other half."""
    slope: float | None
    """Of the best's Sharpe ratio per bar in the other half on that in its own; None where that is one."""
    n_blocks: int
    n_trials: int
    """Trials that were ranked: all that vary."""

    @property
    def n_splits(self) -> int:
        """Halves that were looked at."""
        return len(self.logits)


def probability_of_backtest_overfitting(
    returns: Floats, n_blocks: int = BLOCKS_DEFAULT, *, metric: str = "sharpe"
) -> BacktestOverfitting | None:
    """Compute it from returns of shape (bars, trials).

    `metric` is what the best is best in: `sharpe` or `mean`. Bars that do not fill the blocks are left out
    at the start. None for fewer than two trials that vary, or fewer than two bars in a half; ValueError for
    an odd number of blocks or one out of 2 .. BLOCKS_MAX.
    """
    _check(n_blocks, metric)
    length = len(returns) // n_blocks
    kept = returns[len(returns) - length * n_blocks :].reshape(n_blocks, length, returns.shape[1])
    sums = np.stack([kept.sum(axis=1), (kept**2).sum(axis=1)], axis=-1).transpose(1, 0, 2)
    return overfitting_of_blocks(sums, length, metric=metric)


def overfitting_of_blocks(
    blocks: Floats, bars_a_block: int, *, metric: str = "sharpe"
) -> BacktestOverfitting | None:
    """Compute the same from sums of r and of r^2 over the blocks, shape (trials, blocks, 2).

    Trials whose returns do not vary are left out: they have no Sharpe ratio. One that does not vary in some
    half has 0 there.
    """
    n_blocks = blocks.shape[1]
    _check(n_blocks, metric)
    blocks = blocks[_vary(blocks, bars_a_block * n_blocks)]
    bars = bars_a_block * n_blocks // 2
    if len(blocks) < 2 or bars < 2:
        return None
    # Numba comes with it, and whoever only asks for a formula needs none: the server among them.
    from stratopt_server.validation.overfitting.cscv_kernel import pick_and_rank_nb  # noqa: PLC0415

    halves = _halves(n_blocks)
    picked = np.empty((2 * len(halves), 3))
    # Each block's trials side by side: the kernel walks along them.
    sums = np.ascontiguousarray(blocks.transpose(2, 1, 0))
    pick_and_rank_nb(sums, halves, bars, metric == "mean", picked)
    omega = picked[:, 2] / (len(blocks) + 1)
    logits = np.log(omega / (1 - omega))
    return BacktestOverfitting(
        pbo=float(np.mean(logits <= 0)),
        logits=logits,
        loss_probability=float(np.mean(picked[:, 1] < 0)),
        slope=_slope(picked[:, 0], picked[:, 1]),
        n_blocks=n_blocks,
        n_trials=len(blocks),
    )


def combinatorial_counts(n_groups: int, n_tested: int) -> tuple[int, int]:
    """Splits, and paths through all groups, where so many of the groups are tested at a time.

    C(N, k), and k / N of that (Lopez de Prado, Advances in Financial Machine Learning, chapter 12).
    """
    splits = math.comb(n_groups, n_tested)
    return splits, splits * n_tested // n_groups


def _check(n_blocks: int, metric: str) -> None:
    if n_blocks % 2 or not 2 <= n_blocks <= BLOCKS_MAX:
        raise ValueError(f"the number of blocks must be even, from 2 to {BLOCKS_MAX}, not {n_blocks}")
    if metric not in {"sharpe", "mean"}:
        raise ValueError(f"the metric must be sharpe or mean, not {metric!r}")


def _halves(n_blocks: int) -> NDArray[np.int64]:
    """Blocks of the halves that hold the first block, a row each: the others are what these leave."""
    rows = [(0, *rest) for rest in combinations(range(1, n_blocks), n_blocks // 2 - 1)]
    return np.array(rows, dtype=np.int64)


def _vary(blocks: Floats, bars: int) -> NDArray[np.bool_]:
    """Tell which trials vary by more than rounding."""
    sums, squares = blocks[:, :, 0].sum(axis=1), blocks[:, :, 1].sum(axis=1)
    varies: NDArray[np.bool_] = squares * bars - sums**2 > ROUNDING * squares * bars
    return varies


def _slope(x: Floats, y: Floats) -> float | None:
    """The slope of least squares."""
    deviations = x - x.mean()
    spread = float(deviations @ deviations)
    return float(deviations @ y) / spread if spread > 1e-24 * float(x @ x) else None
