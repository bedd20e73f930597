"""What every storage promises of trials and reports.

Subclass each with a `storage` fixture that gives an empty one.
"""

import itertools
from contextlib import suppress

import numpy as np
import pytest
from domain_arbitrary import metrics, params, reals
from domain_samples import (
    NOW,
    exact,
    make_job,
    make_optimization,
    make_report,
    make_strategy,
    make_trade,
    make_trial,
)
from hypothesis import given
from hypothesis import strategies as st
from storage_tools import exactly

from stratopt_server.domain.optimization import Trial, TrialStatus
from stratopt_server.domain.ports import ReportStore, Storage, TrialStore
from stratopt_server.domain.report import Report, ReportSeries

COLUMNS = ("time", "equity", "drawdown", "position", "benchmark_equity")
BEFORE_THE_FIRST = -1
ids = itertools.count()


def whole_series(reports: ReportStore, backtest_id: str) -> ReportSeries:
    """Put the chunks of a series together."""
    chunks = list(reports.series(backtest_id))
    return ReportSeries(*(np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in COLUMNS))


class TrialStoreContract:
    """The trials of optimizations."""

    @pytest.fixture
    def trials(self, storage: Storage) -> TrialStore:
        """The store of trials, beside two optimizations."""
        storage.strategies.add(make_strategy())
        storage.jobs.add(make_optimization("opt_1"))
        storage.jobs.add(make_optimization("opt_2"))
        return storage.trials

    def test_trials_in_order(self, trials: TrialStore) -> None:
        """Trials come back exactly and in order of number, whatever batches brought them."""
        made = [make_trial(number) for number in range(350)]
        trials.add("opt_1", made[:5])
        trials.add("opt_1", made[5:])
        trials.add("opt_1", [])
        assert exact(trials.page("opt_1", after=BEFORE_THE_FIRST, limit=1_000)) == exact(made)

    def test_page_of_trials(self, trials: TrialStore) -> None:
        """A page begins behind its number and is no longer than asked for."""
        trials.add("opt_1", [make_trial(number) for number in range(10)])
        assert [trial.number for trial in trials.page("opt_1", after=3, limit=4)] == [4, 5, 6, 7]
        assert [trial.number for trial in trials.page("opt_1", after=7, limit=4)] == [8, 9]
        assert trials.page("opt_1", after=9, limit=4) == []

    def test_trials_of_a_status(self, trials: TrialStore) -> None:
        """A status chooses before the page is cut."""
        cycle = itertools.cycle(TrialStatus)
        made = [make_trial(number, status=next(cycle), score=None) for number in range(12)]
        trials.add("opt_1", made)
        for place, status in enumerate(TrialStatus):
            page = trials.page("opt_1", after=2, limit=2, status=status)
            assert [trial.number for trial in page] == [3 + place, 6 + place]

    def test_trials_of_one_optimization(self, trials: TrialStore) -> None:
        """Two optimizations may have trials of the same numbers."""
        trials.add("opt_1", [make_trial(0)])
        trials.add("opt_2", [make_trial(0, score=0.5)])
        assert trials.page("opt_1", after=BEFORE_THE_FIRST, limit=9) == [make_trial(0)]
        assert trials.page("opt_2", after=BEFORE_THE_FIRST, limit=9) == [make_trial(0, score=0.5)]
        assert trials.page("opt_3", after=BEFORE_THE_FIRST, limit=9) == []

    @exactly
    @given(given_params=params, figures=metrics, score=st.none() | reals, status=st.sampled_from(TrialStatus))
    def test_trial_exactly(self, trials: TrialStore, given_params, figures, score, status) -> None:
        """Parameters keep kind and order, figures every bit, what is undefined stays so."""
        number = next(ids)
        trial = Trial(number=number, params=given_params, status=status, score=score, metrics=figures)
        trials.add("opt_1", [trial])
        assert exact(trials.page("opt_1", after=number - 1, limit=1)) == exact([trial])

    def test_trials_are_snapshots(self, trials: TrialStore) -> None:
        """Changing a trial that was given or returned does not change what is stored."""
        trial = make_trial(0)
        trials.add("opt_1", [trial])
        trial.params.clear()
        trials.page("opt_1", after=BEFORE_THE_FIRST, limit=1)[0].params.clear()
        assert trials.page("opt_1", after=BEFORE_THE_FIRST, limit=1) == [make_trial(0)]


class ReportStoreContract:
    """The reports of succeeded backtests."""

    @pytest.fixture
    def reports(self, storage: Storage) -> ReportStore:
        """The store of reports, beside their strategy."""
        storage.strategies.add(make_strategy())
        return storage.reports

    @staticmethod
    def add(storage: Storage, report: Report, html: str = "<html></html>") -> str:
        """Store the report of a new backtest; return its id."""
        job = make_job(f"bt_{next(ids)}")
        storage.jobs.add(job)
        storage.reports.add(job, report, html, now=NOW)
        return job.id

    @pytest.mark.parametrize("bars", [1, 8_191, 8_192, 8_193, 20_001])
    def test_series(self, storage: Storage, reports: ReportStore, bars: int) -> None:
        """A series of any length comes back bit by bit, in order, from its chunks."""
        report = make_report(bars=bars)
        backtest_id = self.add(storage, report)
        assert exact(whole_series(reports, backtest_id)) == exact(report.series)

    def test_chunks_are_whole_columns(self, storage: Storage, reports: ReportStore) -> None:
        """Every column of a chunk is as long as its times."""
        backtest_id = self.add(storage, make_report(bars=20_001))
        for chunk in reports.series(backtest_id):
            assert {len(getattr(chunk, name)) for name in COLUMNS} == {len(chunk.time)}

    @exactly
    @given(column=st.lists(reals, min_size=1, max_size=20))
    def test_series_exactly(self, storage: Storage, reports: ReportStore, column) -> None:
        """No bit of a figure is lost, nor the sign of a zero."""
        figures = np.array(column)
        times = np.arange(len(column), dtype=np.int64) - 2**62
        series = ReportSeries(times, figures, figures[::-1], -figures, figures.copy())
        backtest_id = self.add(storage, Report(make_report().metrics, series, ()))
        assert exact(whole_series(reports, backtest_id)) == exact(series)

    @pytest.mark.parametrize("count", [0, 1, 1_000, 1_001, 2_500])
    def test_trades(self, storage: Storage, reports: ReportStore, count: int) -> None:
        """Trades come back exactly and in order; the open one stays open."""
        report = make_report(trades=count)
        backtest_id = self.add(storage, report)
        trades = tuple(trade for chunk in reports.trades(backtest_id) for trade in chunk)
        assert exact(trades) == exact(report.trades)

    @exactly
    @given(figure=reals, time=st.integers(-(2**63), 2**63 - 1))
    def test_trade_exactly(self, storage: Storage, reports: ReportStore, figure, time) -> None:
        """Prices keep every bit and times every microsecond."""
        trade = make_trade(entry_time=time, entry_price=figure, profit=-figure)
        report = Report(make_report().metrics, make_report().series, (trade,))
        assert exact(list(reports.trades(self.add(storage, report)))) == exact([(trade,)])

    @exactly
    @given(html=st.text())
    def test_html(self, storage: Storage, reports: ReportStore, html: str) -> None:
        """The page comes back letter by letter."""
        assert reports.html(self.add(storage, make_report(), html)) == html

    def test_no_report(self, storage: Storage, reports: ReportStore) -> None:
        """A backtest without a report has neither series, trades nor page."""
        storage.jobs.add(make_job())
        for backtest_id in ("bt_1", "unknown"):
            assert list(reports.series(backtest_id)) == []
            assert list(reports.trades(backtest_id)) == []
            assert reports.html(backtest_id) is None

    def test_reports_apart(self, storage: Storage, reports: ReportStore) -> None:
        """Each backtest has its own report, and two can be read at the same time."""
        first, second = make_report(bars=10_000), make_report(bars=9_000)
        ids_of_both = [self.add(storage, first), self.add(storage, second)]
        together = zip(*(reports.series(backtest_id) for backtest_id in ids_of_both), strict=True)
        left, right = next(together)
        assert left.equity[0] == first.series.equity[0]
        assert right.equity[0] == second.series.equity[0]

    def test_reports_are_snapshots(self, storage: Storage, reports: ReportStore) -> None:
        """Changing the columns that were given or returned does not change what is stored."""
        report = make_report()
        backtest_id = self.add(storage, report)
        report.series.equity[:] = 0
        with suppress(ValueError):  # columns may be read-only
            next(reports.series(backtest_id)).equity[:] = 0
        assert exact(whole_series(reports, backtest_id)) == exact(make_report().series)
