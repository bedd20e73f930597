"""Many runs on the same bars and terms: dealt out to threads, a row of totals each, no equity stored."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numba
import numpy as np

from stratopt_server.domain.market import Bars
from stratopt_server.domain.metrics import Metrics, ReturnMoments
from stratopt_server.domain.runs import RunTerms
from stratopt_server.engine.kernels.columns import ORDERS, TOTALS
from stratopt_server.engine.kernels.orders import ORDER
from stratopt_server.engine.kernels.terms import Floats2, Floats3, Totals
from stratopt_server.engine.prepare import BLOCKS, market_of, terms_of
from stratopt_server.engine.totals import to_daily, to_metrics

Hand = tuple[int, int]
"""What one thread runs: from which number on, and every how many."""
Work = Callable[[Totals, Hand], None]
"""Runs a hand, and writes its totals."""
Set = TypeVar("Set")


class TooManyFills(Exception):
    """A run has more fills than may be kept."""

    def __init__(self, fills: int) -> None:
        super().__init__(f"{fills} fills")
        self.fills = fills


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What is known of many runs, in their order."""

    metrics: list[Metrics]
    blocks: Floats3
    """Sums of r and of r^2 of each of the blocks, shape (sets, blocks, 2). Blocks are equally long; the bars
    that do not fill them are left out at the start. Zeros where there are fewer bars than blocks."""
    daily: list[ReturnMoments | None]
    """Moments of the returns from one UTC day's last close to the next; None where they do not vary."""


class ManyRuns(ABC, Generic[Set]):
    """Bars and terms, laid out once for all sets that are run on them: sets of whatever makes a run.

    What a set yields depends neither on its company nor on the threads, of which numba says how many.
    """

    def __init__(self, bars: Bars, terms: RunTerms, *, blocks: int = BLOCKS) -> None:
        """Lay out the bars; ValueError for bars that cannot be run on."""
        self.market = market_of(bars, terms.carry, blocks)
        self._terms = terms
        self._kernel_terms = terms_of(terms)
        self._blocks = blocks

    @abstractmethod
    def _work_of(self, sets: Sequence[Set]) -> Work:
        """Make ready what runs the sets; ValueError if one of them cannot be run."""

    def evaluate(self, sets: Sequence[Set]) -> list[Metrics]:
        """Compute the metrics of each set, in their order; ValueError if one of them cannot be run."""
        return self._metrics(self.totals(sets))

    def measure(self, sets: Sequence[Set]) -> Measured:
        """As `evaluate`, with what the overfitting statistics need of each set."""
        totals = self.totals(sets)
        return Measured(self._metrics(totals), totals.blocks, to_daily(totals.rows))

    def totals(self, sets: Sequence[Set]) -> Totals:
        """Run the sets: a row of `kernels.columns` and the sums of its blocks for each."""
        work, totals = self._work_of(sets), self._room(len(sets), 0)
        workers = min(len(sets), numba.get_num_threads())
        if workers == 1:
            work(totals, (0, 1))
        elif workers > 1:
            with ThreadPoolExecutor(workers) as pool:
                for done in [pool.submit(work, totals, (first, workers)) for first in range(workers)]:
                    done.result()
        return totals

    def orders(self, one: Set, *, fills_max: int | None = None) -> tuple[Floats2, Metrics]:
        """Run one set; return its fills, a row each (see `kernels.orders`), and its metrics.

        TooManyFills, before there is room for them, if there are more than `fills_max`.
        """
        work, totals = self._work_of([one]), self._room(1, 0)
        work(totals, (0, 1))
        # First they are counted, then kept: a run may fill several orders a bar, and most fill few.
        fills = int(totals.rows[0, ORDERS])
        if fills_max is not None and fills > fills_max:
            raise TooManyFills(fills)
        totals = self._room(1, fills)
        work(totals, (0, 1))
        return totals.orders, self._metrics(totals)[0]

    def _room(self, sets: int, orders: int) -> Totals:
        """Make room for what so many sets yield, and for so many fills."""
        return Totals(np.empty((sets, TOTALS)), np.empty((sets, self._blocks, 2)), np.empty((orders, ORDER)))

    def _metrics(self, totals: Totals) -> list[Metrics]:
        return to_metrics(totals.rows, len(self.market.close), self._terms)
