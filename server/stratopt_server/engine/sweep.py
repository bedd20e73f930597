"""The sweep: metrics of many parameter sets, one pass over the bars each, with no equity stored."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from stratopt_server.domain.market import Bars
from stratopt_server.domain.metrics import Metrics, ReturnMoments
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Costs, Direction, Fill, RunTerms
from stratopt_server.engine.catalog import GRID, KERNELS, kernel_named
from stratopt_server.engine.kernels.columns import ORDERS, TOTALS
from stratopt_server.engine.kernels.grid import work_grid_nb
from stratopt_server.engine.kernels.ma_cross import work_ma_cross_nb
from stratopt_server.engine.kernels.orders import ORDER
from stratopt_server.engine.kernels.rules import MA_CROSS
from stratopt_server.engine.kernels.tables import build_tables, no_tables
from stratopt_server.engine.kernels.terms import Floats2, Floats3, Inputs, Totals
from stratopt_server.engine.kernels.work import work_signals_nb
from stratopt_server.engine.prepare import BLOCKS, market_of, terms_of
from stratopt_server.engine.totals import to_daily, to_metrics

__all__ = ["KERNELS", "Measured", "Sweeper", "sweep", "warm"]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What a sweep knows of its parameter sets, in their order."""

    metrics: list[Metrics]
    blocks: Floats3
    """Sums of r and of r^2 of each of the blocks, shape (sets, blocks, 2). Blocks are equally long; the bars
    that do not fill them are left out at the start. Zeros where there are fewer bars than blocks."""
    daily: list[ReturnMoments | None]
    """Moments of the returns from one UTC day's last close to the next; None where they do not vary."""


class Sweeper:
    """A kernel on certain bars and terms: what the batches of one job have in common, computed once."""

    def __init__(self, kernel: str, bars: Bars, terms: RunTerms, *, blocks: int = BLOCKS) -> None:
        """Lay out the bars; KeyError for an unknown kernel, ValueError for bars that cannot be run on."""
        self._kernel = kernel_named(kernel)
        self._terms = terms
        self._blocks = blocks
        self.market = market_of(bars, terms.carry, blocks)
        averages = self._kernel.number == MA_CROSS
        tables = build_tables(self.market.close) if averages else no_tables()
        self._inputs = Inputs(self.market, tables, terms_of(terms))
        self._plain = averages and is_plain(terms)

    def evaluate(self, param_sets: Sequence[Params]) -> list[Metrics]:
        """Compute the metrics of each parameter set, in their order, on the threads numba is set to use.

        ValueError if a set is not one the kernel can run. The result does not depend on the threads.
        """
        return self._metrics(self.totals(param_sets))

    def measure(self, param_sets: Sequence[Params]) -> Measured:
        """As `evaluate`, with what the overfitting statistics need of each set."""
        totals = self.totals(param_sets)
        return Measured(self._metrics(totals), totals.blocks, to_daily(totals.rows))

    def _metrics(self, totals: Totals) -> list[Metrics]:
        return to_metrics(totals.rows, len(self.market.close), self._terms)

    def totals(self, param_sets: Sequence[Params]) -> Totals:
        """Run the sets; return what the kernels count of each (see `kernels.columns`)."""
        totals = Totals(
            np.empty((len(param_sets), TOTALS)),
            np.empty((len(param_sets), self._blocks, 2)),
            np.empty((0, ORDER)),
        )
        if param_sets:
            self._run(self._kernel.encode(param_sets), totals, min(len(param_sets), numba.get_num_threads()))
        return totals

    def orders(self, params: Params) -> tuple[Floats2, Metrics]:
        """Run one parameter set; return its fills, a row each (see `kernels.orders`), and its metrics."""
        rule, orders = self._kernel.encode([params]), np.empty((0, ORDER))
        # First they are counted, then kept: a run may fill several orders a bar, and most fill few.
        for _ in range(2):
            totals = Totals(np.empty((1, TOTALS)), np.empty((1, self._blocks, 2)), orders)
            self._run(rule, totals, 1)
            orders = np.empty((int(totals.rows[0, ORDERS]), ORDER))
        return totals.orders, self._metrics(totals)[0]

    def _run(self, rows: Floats2, totals: Totals, workers: int) -> None:
        """Deal the sets out to so many threads, like cards."""
        if workers == 1:
            self._work(rows, totals, (0, 1))
            return
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(self._work, rows, totals, (first, workers)) for first in range(workers)]:
                done.result()

    def _work(self, rows: Floats2, totals: Totals, hand: tuple[int, int]) -> None:
        """Run one hand; the kernels let other threads run meanwhile."""
        if self._plain:
            work_ma_cross_nb(self._inputs, rows, totals, hand)
        elif self._kernel.number == GRID:
            work_grid_nb(self.market, self._inputs.terms, rows, totals, hand)
        else:
            work_signals_nb(self._kernel.number, self._inputs, rows, totals, hand)


def is_plain(terms: RunTerms) -> bool:
    """Tell whether nothing but a signal can end a position: long, no stops, no funding."""
    stops = (terms.stops.stop_loss, terms.stops.take_profit, terms.stops.trailing_stop)
    return terms.direction is Direction.LONG and not terms.carry.funding and stops == (None, None, None)


def sweep(kernel: str, bars: Bars, param_sets: Sequence[Params], terms: RunTerms) -> list[Metrics]:
    """Compute the metrics of each parameter set on the bars, in their order."""
    return Sweeper(kernel, bars, terms).evaluate(param_sets)


def warm() -> None:
    """Compile every kernel, or load it from numba's cache, so that the next call computes at once."""
    prices = np.array([1.0, 2.0, 3.0, 1.0, 1.0])
    bars = Bars(np.arange(5), prices, prices, prices, prices, prices)
    terms = RunTerms(
        costs=Costs(taker_fee=0.0, slippage=0.0), initial_cash=1.0, fill=Fill.NEXT_OPEN, bars_per_year=1.0
    )
    sweep("ma_cross", bars, [{"fast_period": 1, "slow_period": 2, "signal_threshold": 0.0}], terms)
    sweep("momentum", bars, [{"lookback": 1, "threshold": 0.0}], terms)
    sweep("grid", bars, [{"grid_num": 1, "profit_ratio": 0.1, "stop_loss": 0.1}], terms)
