"""The sweep: metrics of many parameter sets, one pass over the bars each, with no equity stored."""

from collections.abc import Sequence

import numba
import numpy as np

from stratopt_server.domain.market import Bars
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Costs, Fill, RunTerms
from stratopt_server.engine.catalog import KERNELS, kernel_named
from stratopt_server.engine.kernels.account import TOTALS
from stratopt_server.engine.prepare import account_terms, prepare
from stratopt_server.engine.totals import to_metrics

__all__ = ["KERNELS", "Sweeper", "sweep", "warm"]

WARM_PARAMS: dict[str, Params] = {
    "ma_cross": {"fast_period": 1, "slow_period": 2, "signal_threshold": 0.0},
}
"""A parameter set by kernel, to compile it with."""


class Sweeper:
    """A kernel on certain bars and terms: what the batches of one job have in common, computed once."""

    def __init__(self, kernel: str, bars: Bars, terms: RunTerms) -> None:
        """Build the tables; KeyError for an unknown kernel, ValueError for bars that cannot be run on."""
        self._kernel = kernel_named(kernel)
        self._bar_count = len(bars)
        self._terms = terms
        self._tables = prepare(bars, terms.fill)

    def evaluate(self, param_sets: Sequence[Params]) -> list[Metrics]:
        """Compute the metrics of each parameter set, in their order, on the threads numba is set to use.

        ValueError if a set is not one the kernel can run. The result does not depend on the threads.
        """
        if not param_sets:
            return []
        rules = self._kernel.encode(param_sets)
        totals = np.empty((len(param_sets), TOTALS))
        workers = min(len(param_sets), numba.get_num_threads())
        self._kernel.sweep(self._tables, rules, account_terms(self._terms), totals, workers)
        return to_metrics(totals, self._bar_count, self._terms)


def sweep(kernel: str, bars: Bars, param_sets: Sequence[Params], terms: RunTerms) -> list[Metrics]:
    """Compute the metrics of each parameter set on the bars, in their order."""
    return Sweeper(kernel, bars, terms).evaluate(param_sets)


def warm() -> None:
    """Compile every kernel, or load it from numba's cache, so that the next call computes at once."""
    prices = np.array([1.0, 2.0, 3.0, 1.0, 1.0])
    bars = Bars(np.arange(5), prices, prices, prices, prices, prices)
    costs = Costs(taker_fee=0.0, slippage=0.0)
    for name, kernel in KERNELS.items():
        params = WARM_PARAMS[name]
        for fill in Fill:
            terms = RunTerms(costs=costs, initial_cash=1.0, fill=fill, bars_per_year=1.0)
            sweep(name, bars, [params, params], terms)
            kernel.signals(prepare(bars, fill), kernel.encode([params]))
