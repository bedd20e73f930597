"""Inside the process that gathers the evidence of one decision."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.evidence import Evidence, EvidenceSource
from stratopt_server.domain.jobs import Job, JobKind, OptimizationResult
from stratopt_server.domain.market import Bars, FloatColumn, from_microseconds, to_microseconds
from stratopt_server.domain.metrics import Metrics, ReturnMoments
from stratopt_server.domain.report import Report
from stratopt_server.domain.runs import BacktestSpec, Costs, OptimizationSpec, RunTerms
from stratopt_server.engine.report import make_report
from stratopt_server.engine.sweep import sweep
from stratopt_server.jobs.context import bars_of
from stratopt_server.jobs.messages import GatherEvidence
from stratopt_server.jobs.running import contract_of
from stratopt_server.jobs.walking import Walk
from stratopt_server.market.columns import ColumnStore
from stratopt_server.storage.codec import to_json
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.validation.overfitting import (
    moments,
    probabilistic_sharpe_ratio,
)
from stratopt_server.validation.risk import (
    daily_returns,
    drawdown_quantile,
    largest_size,
    max_drawdown_at,
    reordered,
    value_at_risk,
)

DRAWDOWN_QUANTILE = 0.95
VAR_QUANTILE = 0.05
COST_MAX = 0.999
"""Most that a fraction is doubled to: a cost of the whole price is none that can be traded at."""
PATHS_MAX = 2_000
DRAWS_MAX = 4_000_000
"""Trades drawn over all paths, so that a strategy of many trades does not take minutes."""
SEED = 20_120_615
"""Of the reordered trades: the same backtest is always sized the same."""


def gather_evidence(task: GatherEvidence) -> object:
    """Measure what the policy asks for; return it for the message to the server."""
    storage = SqlStorage.open(task.database_url, migrated=True)
    try:
        backtest = storage.jobs.get(JobKind.BACKTEST, task.backtest_id)
        assert backtest is not None, "the use-case has found it"
        search = None
        if task.optimization_id is not None:
            search = storage.jobs.get(JobKind.OPTIMIZATION, task.optimization_id)
    finally:
        storage.close()
    gathering = Gathering(backtest, search, ColumnStore(Path(task.bars_dir)), task)
    return to_json(Evidence, gathering.evidence())


@dataclass(frozen=True, slots=True, eq=False)
class _Tested:
    """A run out of sample, and the bars that the parameters were chosen on."""

    seen: Bars
    metrics: Metrics
    time: NDArray[np.int64]
    equity: FloatColumn


class Gathering:
    """The runs that one decision rests on."""

    def __init__(self, backtest: Job, search: Job | None, columns: ColumnStore, task: GatherEvidence) -> None:
        assert isinstance(backtest.spec, BacktestSpec), "evidence is gathered for a backtest"
        self._spec = backtest.spec
        self._search = search
        self._columns = columns
        self._task = task
        self._kernel = contract_of(backtest).kernel
        self._terms = backtest.spec.scenario.terms
        self._scenario = backtest.spec.scenario if search is None else _search_spec(search).scenario

    def evidence(self) -> Evidence:
        """Run what has to be run and measure it.

        Everything is measured on the evidence's own bars, so that the dates of the backtest that is
        asked about cannot be chosen to please.
        """
        bars = bars_of(self._scenario, self._columns)
        whole = self._report(bars)
        tested = self._tested(bars)
        days = daily_returns(tested.time, tested.equity, self._terms.initial_cash)
        measured = moments(days)
        return Evidence(
            **self._source(),
            dataset_hash=self._scenario.dataset_hash,
            start_date=from_microseconds(int(bars.time[0])),
            split_date=from_microseconds(int(tested.time[0])),
            end_date=from_microseconds(int(bars.time[-1])),
            data_grade=self._task.data_grade,
            costs=self._terms.costs,
            whole=whole.metrics,
            in_sample=self._metrics(tested.seen, self._terms),
            out_of_sample=tested.metrics,
            doubled_costs=self._metrics(bars, _at_doubled_costs(self._terms)),
            out_of_sample_days=len(days),
            psr_oos=None if self._task.searched_by is not None else _psr(measured),
            var_95_oos=value_at_risk(days, quantile=VAR_QUANTILE) if len(days) else None,
            moments_oos=measured,
            **self._sizing(whole),
            in_position=bool(whole.series.position[-1] != 0),
        )

    def _source(self) -> dict[str, Any]:
        if self._search is None:
            source = EvidenceSource.FIXED_PARAMETERS
            return {
                "source": source,
                "optimization_id": None,
                "seed": None,
                "searched_by": self._task.searched_by,
            }
        return {
            "source": EvidenceSource.OPTIMIZATION,
            "optimization_id": self._search.id,
            "seed": _search_spec(self._search).seed,
            "searched_by": None,
        }

    def _tested(self, bars: Bars) -> "_Tested":
        """Run on bars the parameters were not chosen on: the search's, else the second half."""
        if self._search is None:
            return self._held_out(bars, len(bars) // 2)
        split = _search_spec(self._search).validation.held_out
        if split is not None:
            return self._held_out(bars, int(bars.time.searchsorted(to_microseconds(split.test.first))))
        return self._walked(bars, self._search)

    def _held_out(self, bars: Bars, first: int) -> "_Tested":
        report = self._report(bars.slice(first, len(bars)))
        return _Tested(bars.slice(0, first), report.metrics, report.series.time, report.series.equity)

    def _walked(self, bars: Bars, search: Job) -> "_Tested":
        """The tests of a walk-forward, each of what its own window's search found: of the procedure."""
        result, splits = search.result, _search_spec(search).validation.windows
        assert isinstance(result, OptimizationResult), "a succeeded search has its result"
        assert result.walk_forward is not None, "a search that held nothing out is no evidence"
        walk = Walk(self._kernel, bars, self._terms)
        found = [window.best for window in result.walk_forward.windows]
        tests = [
            walk.test(split.test, None if best is None else best.trial.params)
            for split, best in zip(splits, found, strict=True)
        ]
        stitched = walk.stitched(tests)
        return _Tested(bars, stitched.metrics, stitched.time, stitched.equity)

    def _report(self, bars: Bars) -> Report:
        return make_report(self._kernel, bars, self._spec.params, self._terms)

    def _metrics(self, bars: Bars, terms: RunTerms) -> Metrics:
        return sweep(self._kernel, bars, [self._spec.params], terms)[0]

    def _sizing(self, whole: Report) -> dict[str, Any]:
        """How large a position the drawdowns allow."""
        trades = np.array([trade.return_ for trade in whole.trades if trade.exit_time is not None])
        if not len(trades):
            return {"drawdown_q95": None, "position_size": None, "max_drawdown_at_size": None}
        paths = max(min(PATHS_MAX, DRAWS_MAX // len(trades)), 1)
        draws = reordered(trades, paths=paths, seed=SEED)
        size = largest_size(draws, limit=self._task.drawdown_max, quantile=DRAWDOWN_QUANTILE)
        equity = np.concatenate(([self._terms.initial_cash], whole.series.equity))
        return {
            "drawdown_q95": drawdown_quantile(draws, 1.0, quantile=DRAWDOWN_QUANTILE),
            "position_size": size,
            "max_drawdown_at_size": max_drawdown_at(np.diff(equity) / equity[:-1], size),
        }


def _search_spec(search: Job) -> OptimizationSpec:
    assert isinstance(search.spec, OptimizationSpec), "evidence comes from a search"
    return search.spec


def _psr(measured: ReturnMoments | None) -> float | None:
    if measured is None:
        return None
    return probabilistic_sharpe_ratio(measured.sharpe, measured.count, measured.skewness, measured.kurtosis)


def _at_doubled_costs(terms: RunTerms) -> RunTerms:
    costs = terms.costs
    doubled = Costs(
        taker_fee=min(2 * costs.taker_fee, COST_MAX),
        slippage=min(2 * costs.slippage, COST_MAX),
        maker_fee=None if costs.maker_fee is None else min(2 * costs.maker_fee, COST_MAX),
        fixed_fee=2 * costs.fixed_fee,
        impact=2 * costs.impact,
    )
    return replace(terms, costs=doubled)
