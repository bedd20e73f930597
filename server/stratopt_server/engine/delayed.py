"""A run whose every signal is filled one bar later: what an edge is worth that must be caught at once."""

from dataclasses import replace

import numpy as np

from stratopt_server.domain.market import Bars
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import RunTerms
from stratopt_server.engine.kernels.rules import DCA, decide_nb
from stratopt_server.engine.kernels.signals import LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT
from stratopt_server.engine.kernels.terms import Codes
from stratopt_server.engine.kernels.work import DCA_SHARE, DCA_TARGET
from stratopt_server.engine.names import GRID
from stratopt_server.engine.ready_signals import ReadySignals, SignalSweeper
from stratopt_server.engine.sweep import Sweeper


def delayed_metrics(kernel: str, bars: Bars, params: Params, terms: RunTerms) -> Metrics | None:
    """Run it with each bar's signals one bar later; None for a grid, whose orders rest."""
    if kernel == GRID:
        return None
    number, rule, inputs = Sweeper(kernel, bars, terms).rule_of(params)
    codes: Codes = np.zeros(len(bars), dtype=np.uint8)
    decide_nb(number, inputs.market, inputs.tables, rule, codes)
    late = np.concatenate((np.zeros(1, dtype=np.uint8), codes[:-1]))
    ready = ReadySignals(
        entries=(late & LONG_ENTRY) != 0,
        exits=(late & LONG_EXIT) != 0,
        short_entries=(late & SHORT_ENTRY) != 0,
        short_exits=(late & SHORT_EXIT) != 0,
    )
    if number == DCA:  # its size and its target are its own, as work has them
        share, target = float(rule[DCA_SHARE]), float(rule[DCA_TARGET])
        ready = replace(ready, sizes=share, take_profits=target, adds=True, of_initial=True)
    return SignalSweeper(bars, terms).evaluate([ready])[0]
