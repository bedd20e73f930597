"""The sweep: metrics of many parameter sets, one pass over the bars each, with no equity stored."""

from collections.abc import Sequence

import numpy as np

from stratopt_server.domain.market import Bars, FloatColumn
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Costs, Direction, Fill, RunTerms
from stratopt_server.engine.catalog import GRID, KERNELS, kernel_named
from stratopt_server.engine.kernels.grid import work_grid_nb
from stratopt_server.engine.kernels.ma_cross import work_ma_cross_nb
from stratopt_server.engine.kernels.rules import MA_CROSS
from stratopt_server.engine.kernels.tables import build_tables, no_tables
from stratopt_server.engine.kernels.terms import Inputs, Totals
from stratopt_server.engine.kernels.work import work_signals_nb
from stratopt_server.engine.many_runs import Hand, ManyRuns, Measured, Work
from stratopt_server.engine.prepare import BLOCKS
from stratopt_server.engine.ready_signals import ReadySignals, SignalSweeper

__all__ = ["KERNELS", "Measured", "Sweeper", "sweep", "warm"]


class Sweeper(ManyRuns[Params]):
    """A kernel on certain bars and terms: what the batches of one job have in common, computed once."""

    def __init__(self, kernel: str, bars: Bars, terms: RunTerms, *, blocks: int = BLOCKS) -> None:
        """Lay out the bars; KeyError for an unknown kernel, ValueError for bars that cannot be run on."""
        self._kernel = kernel_named(kernel)
        super().__init__(bars, terms, blocks=blocks)
        averages = self._kernel.number == MA_CROSS
        tables = build_tables(self.market.close) if averages else no_tables()
        self._inputs = Inputs(self.market, tables, self._kernel_terms)
        self._plain = averages and is_plain(terms)

    def _work_of(self, sets: Sequence[Params]) -> Work:
        """Write the parameters as numbers, and choose the kernel that reads them."""
        rows, number, inputs = self._kernel.encode(sets), self._kernel.number, self._inputs

        def work(totals: Totals, hand: Hand) -> None:
            if self._plain:
                work_ma_cross_nb(inputs, rows, totals, hand)
            elif number == GRID:
                work_grid_nb(inputs, rows, totals, hand)
            else:
                work_signals_nb(number, inputs, rows, totals, hand)

        return work

    def rule_of(self, params: Params) -> tuple[int, FloatColumn, Inputs]:
        """The kernel's number, the parameters as it reads them, and what it runs on."""
        return self._kernel.number, self._kernel.encode([params])[0], self._inputs


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
    SignalSweeper(bars, terms).evaluate([ReadySignals(entries=prices > 1.0, exits=prices > 2.0)])
