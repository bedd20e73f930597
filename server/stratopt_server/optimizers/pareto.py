"""Which trials no other beats in every figure."""

import numpy as np
from numpy.typing import NDArray

from stratopt_server.optimizers.searcher import Losses


def pareto_front(losses: Losses) -> NDArray[np.int64]:
    """Find the rows that no other row dominates, in ascending order of number.

    A row dominates another if it is nowhere larger and somewhere smaller; equal rows are all kept.
    """
    order = np.lexsort(losses.T[::-1])
    front: list[int] = []
    kept = np.empty_like(losses)
    for place in order.tolist():
        row = losses[place]
        # Whatever dominates a row comes before it in this order.
        ahead = kept[: len(front)]
        nowhere_larger = (ahead <= row).all(axis=1)
        if not (nowhere_larger & (ahead < row).any(axis=1)).any():
            kept[len(front)] = row
            front.append(place)
    return np.array(sorted(front), dtype=np.int64)


def ranks(losses: Losses) -> NDArray[np.int64]:
    """Number the fronts: 0 for the rows that nothing dominates, 1 for those that only rank 0 does, ..."""
    dominates = (losses[:, None] <= losses[None]).all(axis=2) & (losses[:, None] < losses[None]).any(axis=2)
    found = np.full(len(losses), -1, dtype=np.int64)
    rank = 0
    while (left := found < 0).any():
        free = left & ~(dominates & left[:, None]).any(axis=0)
        found[free] = rank
        rank += 1
    return found


def crowding(losses: Losses) -> NDArray[np.float64]:
    """How far the neighbours of each row of a front are apart, over all figures; infinite at its ends."""
    distances = np.zeros(len(losses))
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        distances[order[[0, -1]]] = np.inf
        if span > 0:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distances
