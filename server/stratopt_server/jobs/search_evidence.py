"""What a search says, when it is complete, of how much of its best may be chance."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stratopt_server.domain.evidence import OutOfSample, SearchEvidence
from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.ports import TrialFilter
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.engine.round_trips import round_trip_returns
from stratopt_server.engine.stitch import Stitched, Test, run_test
from stratopt_server.engine.sweep import Sweeper
from stratopt_server.jobs.context import JobContext
from stratopt_server.jobs.findings import Findings
from stratopt_server.jobs.searching import Search
from stratopt_server.jobs.walking import Walk, WindowTests, efficiency
from stratopt_server.validation import evidence

SUPERIORITY_TRIALS_MAX = 200
"""Best trials that are tested as a set."""
DRAWDOWN_LIMIT = 0.25
"""What drawdowns of reordered trades are held against; a decision holds them against its policy's."""


class SearchFindings:
    """Measures a complete search."""

    def __init__(self, context: JobContext, spec: OptimizationSpec, walk: Walk) -> None:
        self._context = context
        self._spec = spec
        self._walk = walk
        self._kernel = context.contract.kernel
        self._terms = spec.scenario.terms
        held_out = spec.validation.held_out
        bars = context.bars()
        self._seen = bars if held_out is None else walk.bars_of(held_out.train)
        self._findings = Findings(self._kernel, self._seen, self._terms)

    def evidence(self, search: Search, windows: Sequence[WindowTests]) -> SearchEvidence | None:
        """Measure it; None if no trial can be the best."""
        best = search.best
        if best is None:
            return None
        storage, job = self._context.storage, self._context.job
        tally = storage.ledger.tally(LedgerKey.of(self._spec.scenario))
        superiority, independent = self._findings.best_as_a_set(self._best(search), tally.count)
        whole = run_test(self._kernel, self._seen, best.params, self._terms, warm_up=0)
        fills, _ = Sweeper(self._kernel, self._seen, self._terms).orders(best.params)
        draws = evidence.draw_trades(round_trip_returns(self._kernel, fills, self._seen))
        found = self._findings.significance(best.params, tally)
        return SearchEvidence(
            significance=replace(found, effective_trials=independent),
            overfitting=evidence.overfitting(storage.trials.blocks(job.id, TrialFilter()), len(self._seen)),
            superiority=superiority,
            out_of_sample=self._tested(best, windows),
            regimes=self._findings.regimes(whole.equity),
            monte_carlo=None if draws is None else evidence.monte_carlo(draws, limit=DRAWDOWN_LIMIT),
            holding=self._findings.holding(),
        )

    def _best(self, search: Search) -> list[Params]:
        """Parameters of the best trials, best first."""
        losses = search.tried.losses[:, 0]
        order = np.argsort(losses, kind="stable")[: int(np.sum(~np.isnan(losses)))]
        return [search.tried.params[place] for place in order[:SUPERIORITY_TRIALS_MAX].tolist()]

    def _tested(self, best: Trial, windows: Sequence[WindowTests]) -> OutOfSample | None:
        """Measure the tests of a walk-forward, or the best on the bars of a holdout."""
        held_out = self._spec.validation.held_out
        if held_out is not None:
            bars = self._walk.bars_of(held_out.test)
            test = run_test(self._kernel, bars, best.params, self._terms, warm_up=0)
            return self._out_of_sample([test], best, efficient=None)
        if not windows:
            return None
        inside = [window.best.metrics for window in windows if window.best is not None]
        tests = [window.test for window in windows]
        return self._out_of_sample(tests, best, efficient=efficiency(inside, self._stitched(tests).metrics))

    def _out_of_sample(self, tests: Sequence[Test], best: Trial, *, efficient: float | None) -> OutOfSample:
        return self._findings.out_of_sample(
            self._stitched(tests),
            [gain_of(test, self._terms.initial_cash) for test in tests],
            in_sample=best.metrics,
            efficiency=efficient,
        )

    def _stitched(self, tests: Sequence[Test]) -> Stitched:
        return self._walk.stitched(tests)


def gain_of(test: Test, initial_cash: float) -> float:
    """Total return of a test."""
    return float(test.equity[-1] / initial_cash - 1)
