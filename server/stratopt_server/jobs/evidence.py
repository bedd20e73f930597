"""Inside the process that gathers the evidence of one decision."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stratopt_server.domain.evidence import (
    BracketRun,
    Evidence,
    EvidenceSource,
    Integrity,
    Overfitting,
    Superiority,
)
from stratopt_server.domain.jobs import Job, JobKind, OptimizationResult
from stratopt_server.domain.ledger import LedgerKey, TrialDigests
from stratopt_server.domain.market import Bars, from_microseconds, to_microseconds
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.optimization import Plateau, Trial
from stratopt_server.domain.ports import Storage, TrialFilter, TrialOrder
from stratopt_server.domain.report import Report
from stratopt_server.domain.runs import BacktestSpec, Costs, OptimizationSpec, RunTerms
from stratopt_server.domain.validation import Span
from stratopt_server.engine.delayed import delayed_metrics
from stratopt_server.engine.report import make_report
from stratopt_server.engine.stitch import Stitched, Test
from stratopt_server.engine.sweep import sweep
from stratopt_server.jobs.backtest import fill_bracket
from stratopt_server.jobs.channel import Channel
from stratopt_server.jobs.context import bars_of
from stratopt_server.jobs.findings import Findings
from stratopt_server.jobs.messages import GatherEvidence
from stratopt_server.jobs.running import contract_of
from stratopt_server.jobs.search_evidence import gain_of
from stratopt_server.jobs.searching import Losses, Tried
from stratopt_server.jobs.terrain import landscape_of, plateau_at
from stratopt_server.jobs.walking import Walk, efficiency
from stratopt_server.market.columns import ColumnStore
from stratopt_server.storage.codec import to_json
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.validation import evidence as statistics
from stratopt_server.validation.overfitting import moments
from stratopt_server.validation.risk import (
    daily_returns,
    drawdown_quantile,
    largest_size,
    max_drawdown_at,
    value_at_risk,
)
from stratopt_server.validation.splits import WINDOWS_DEFAULT, Cut, TooFewBars, walk_forward

DRAWDOWN_QUANTILE = 0.95
VAR_QUANTILE = 0.05
COST_MAX = 0.999
"""Most that a fraction is doubled to: a cost of the whole price is none that can be traded at."""


def gather_evidence(task: GatherEvidence, channel: Channel) -> object:
    """Measure what the policy asks for; return it for the message to the server."""
    storage = SqlStorage.open(task.database_url, migrated=True)
    try:
        backtest = storage.jobs.get(JobKind.BACKTEST, task.backtest_id)
        assert backtest is not None, "the use-case has found it"
        search = None
        if task.optimization_id is not None:
            search = storage.jobs.get(JobKind.OPTIMIZATION, task.optimization_id)
        gathering = Gathering(storage, backtest, search, ColumnStore(Path(task.bars_dir)), task)
        return to_json(Evidence, gathering.evidence(channel))
    finally:
        storage.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Tested:
    """A run out of sample, and the bars that the parameters were chosen on."""

    seen: Bars
    ranked: Bars
    """On which the in-sample Sharpe ratio is held against all trials: the search's, or all."""
    stitched: Stitched
    gains: list[float]
    """Total returns of the tests it is made of."""
    efficiency: float | None = None


class Gathering:
    """The runs that one decision rests on."""

    def __init__(
        self,
        storage: Storage,
        backtest: Job,
        search: Job | None,
        columns: ColumnStore,
        task: GatherEvidence,
    ) -> None:
        assert isinstance(backtest.spec, BacktestSpec), "evidence is gathered for a backtest"
        self._storage = storage
        self._spec = backtest.spec
        self._search = None if search is None else Searched(storage, search)
        self._task = task
        self._kernel = contract_of(backtest).kernel
        self._terms = backtest.spec.scenario.terms
        self._scenario = backtest.spec.scenario if self._search is None else self._search.spec.scenario
        self._bars = bars_of(self._scenario, columns)
        self._walk = Walk(self._kernel, self._bars, self._terms)

    def evidence(self, channel: Channel) -> Evidence:
        """Run what has to be run and measure it.

        Everything is measured on the evidence's own bars, so that the dates of the backtest that is
        asked about cannot be chosen to please.
        """
        channel.stage("running all bars")
        whole = make_report(self._kernel, self._bars, self._spec.params, self._terms)
        channel.stage("testing out of sample")
        tested = self._tested()
        inside = self._metrics(tested.seen, self._terms)
        time = self._bars.time
        found = Evidence(
            **self._source(),
            dataset_hash=self._scenario.dataset_hash,
            start_date=from_microseconds(int(time[0])),
            split_date=from_microseconds(int(tested.stitched.time[0])),
            end_date=from_microseconds(int(time[-1])),
            data_grade=self._task.data_grade,
            costs=self._terms.costs,
            whole=whole.metrics,
            in_sample=inside,
            out_of_sample=tested.stitched.metrics,
            doubled_costs=self._metrics(self._bars, _at_doubled_costs(self._terms)),
            **self._days_of(tested.stitched),
            **self._sizing(whole),
            in_position=bool(whole.series.position[-1] != 0),
            is_short=bool(whole.series.position[-1] < 0),
            delayed=delayed_metrics(self._kernel, self._bars, self._spec.params, self._terms),
            fill_bracket=self._bracket(whole),
        )
        channel.stage("measuring overfitting")
        return replace(found, **self._overfitting(tested, whole, inside))

    def _source(self) -> dict[str, Any]:
        if self._search is None:
            return {
                "source": EvidenceSource.FIXED_PARAMETERS,
                "optimization_id": None,
                "seed": None,
                "searched_by": self._task.searched_by,
            }
        return {
            "source": EvidenceSource.OPTIMIZATION,
            "optimization_id": self._search.id,
            "seed": self._search.spec.seed,
            "searched_by": None,
        }

    def _tested(self) -> _Tested:
        """Run on bars the parameters were not chosen on."""
        if self._search is None:
            return self._fixed()
        split = self._search.spec.validation.held_out
        if split is None:
            return self._walked(self._search)
        first = int(self._bars.time.searchsorted(to_microseconds(split.test.first)))
        seen = self._bars.slice(0, first)
        return self._held_out(first, ranked=seen)

    def _held_out(self, first: int, *, ranked: Bars) -> _Tested:
        test = self._walk.test(self._span(first, len(self._bars)), self._spec.params, warm_up=False)
        stitched = self._walk.stitched([test])
        return _Tested(self._bars.slice(0, first), ranked, stitched, self._gains([test]))

    def _walked(self, search: "Searched") -> _Tested:
        """The tests of a walk-forward, each of what its own window's search found: of the procedure."""
        found = search.window_bests
        tests = [
            self._walk.test(split.test, None if best is None else best.params)
            for split, best in zip(search.spec.validation.windows, found, strict=True)
        ]
        stitched = self._walk.stitched(tests)
        inside = [best.metrics for best in found if best is not None]
        efficient = efficiency(inside, stitched.metrics)
        return _Tested(self._bars, self._bars, stitched, self._gains(tests), efficient)

    def _fixed(self) -> _Tested:
        """A walk-forward of the parameters as they are, over the second half; one test if that is short."""
        try:
            cuts = walk_forward(len(self._bars), WINDOWS_DEFAULT, purge=0, rolling=False)
        except TooFewBars:
            return self._held_out(len(self._bars) // 2, ranked=self._bars)
        tests = [
            self._walk.test(self._span(cut.test_first, cut.test_stop), self._spec.params) for cut in cuts
        ]
        stitched = self._walk.stitched(tests)
        return _Tested(
            self._bars.slice(0, cuts[0].test_first),
            self._bars,
            stitched,
            self._gains(tests),
            efficiency(self._inside(cuts), stitched.metrics),
        )

    def _inside(self, cuts: Sequence[Cut]) -> list[Metrics]:
        """What the parameters did on the bars before each test."""
        spans = [self._bars.slice(cut.train_first, cut.train_stop) for cut in cuts]
        return [self._metrics(bars, self._terms) for bars in spans]

    def _span(self, first: int, stop: int) -> Span:
        time = self._bars.time
        return Span(from_microseconds(int(time[first])), from_microseconds(int(time[stop - 1])))

    def _gains(self, tests: Sequence[Test]) -> list[float]:
        return [gain_of(test, self._terms.initial_cash) for test in tests]

    def _metrics(self, bars: Bars, terms: RunTerms) -> Metrics:
        return sweep(self._kernel, bars, [self._spec.params], terms)[0]

    def _bracket(self, whole: Report) -> tuple[BracketRun, ...]:
        return fill_bracket(self._kernel, self._bars, self._spec.params, self._terms, whole.metrics)

    def _days_of(self, stitched: Stitched) -> dict[str, Any]:
        """Daily returns out of sample, and how sure they are."""
        days = daily_returns(stitched.time, stitched.equity, self._terms.initial_cash)
        return {
            "out_of_sample_days": len(days),
            "psr_oos": None,
            "var_95_oos": value_at_risk(days, quantile=VAR_QUANTILE) if len(days) else None,
            "moments_oos": moments(days),
        }

    def _sizing(self, whole: Report) -> dict[str, Any]:
        """How large a position the drawdowns allow."""
        trades = np.array([trade.return_ for trade in whole.trades if trade.exit_time is not None])
        draws = statistics.draw_trades(trades)
        if draws is None:
            return {"drawdown_q95": None, "position_size": None, "max_drawdown_at_size": None}
        equity = np.concatenate(([self._terms.initial_cash], whole.series.equity))
        returns = np.diff(equity) / equity[:-1]
        limit = self._task.drawdown_max
        size = largest_size(draws, returns, limit=limit, quantile=DRAWDOWN_QUANTILE)
        return {
            "drawdown_q95": drawdown_quantile(draws, 1.0, quantile=DRAWDOWN_QUANTILE),
            "position_size": size,
            "max_drawdown_at_size": max_drawdown_at(returns, size),
            "monte_carlo": statistics.monte_carlo(draws, limit=limit),
        }

    def _overfitting(self, tested: _Tested, whole: Report, inside: Metrics) -> dict[str, Any]:
        """Hold all trials there ever were against the parameters, and look closer at the tests."""
        ranked = Findings(self._kernel, tested.ranked, self._terms)
        findings = ranked if tested.ranked is self._bars else Findings(self._kernel, self._bars, self._terms)
        tally = self._storage.ledger.tally(LedgerKey.of(self._scenario))
        tests = findings.out_of_sample(
            tested.stitched, tested.gains, in_sample=inside, efficiency=tested.efficiency
        )
        found: dict[str, Any] = {
            "significance": ranked.significance(self._spec.params, tally),
            "tests": tests,
            "psr_oos": None if self._task.searched_by is not None else tests.psr,
            "regimes": findings.regimes(whole.series.equity),
            "holding": findings.holding(),
            "integrity": self._integrity(),
        }
        if self._search is not None:
            found |= self._search.overfitting(len(tested.ranked))
            found["plateau"] = self._search.plateau(self._spec)
        return found

    def _integrity(self) -> Integrity:
        """Code that is not built in has no contract, and would have been refused before."""
        if self._search is not None:
            return Integrity(code_proven=True, trials_recorded=self._search.is_recorded())
        recorded = self._storage.ledger.count(LedgerKey.of(self._scenario)) > 0
        return Integrity(code_proven=True, trials_recorded=recorded)


class Searched:
    """A complete search, as it is stored."""

    def __init__(self, storage: Storage, job: Job) -> None:
        assert isinstance(job.spec, OptimizationSpec), "evidence comes from a search"
        assert isinstance(job.result, OptimizationResult), "a succeeded search has its result"
        self.id = job.id
        self.spec = job.spec
        self._storage = storage
        self._result = job.result
        self._trials = storage.trials.page(
            job.id, TrialFilter(), TrialOrder(), after=None, limit=job.spec.trials_max
        )

    @property
    def window_bests(self) -> list[Trial | None]:
        """What the search of each window of a walk-forward found."""
        assert self._result.walk_forward is not None, "a search that held nothing out is no evidence"
        windows = self._result.walk_forward.windows
        return [None if window.best is None else window.best.trial for window in windows]

    def overfitting(self, bars: int) -> dict[str, Overfitting | Superiority | None]:
        """Its cross-validation over so many bars, and the test of its best trials as a set."""
        blocks = self._storage.trials.blocks(self.id, TrialFilter())
        known = self._result.evidence
        return {
            "overfitting": statistics.overfitting(blocks, bars),
            "superiority": None if known is None else known.superiority,
        }

    def plateau(self, spec: BacktestSpec) -> Plateau | None:
        """How its score stands around the parameters."""
        places = [place for place, trial in enumerate(self._trials) if trial.params == spec.params]
        if not places:
            return None
        tried = Tried()
        tried.add(self._trials, Losses(self.spec.goal).of(self._trials))
        return plateau_at(landscape_of(self.spec, tried), tried, places[0])

    def is_recorded(self) -> bool:
        """Tell whether all its trials are there, and in the ledger."""
        batches = self._storage.trials.batches(self.id)
        made = sum(batch.count for batch in batches if batch.window is None and batch.candidates is None)
        digests = TrialDigests(self.spec.scenario)
        distinct = {digests.of(trial.params) for trial in self._trials}
        known = self._storage.ledger.count(LedgerKey.of(self.spec.scenario))
        return made == len(self._trials) and known >= len(distinct)


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
