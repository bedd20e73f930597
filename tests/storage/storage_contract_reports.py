"""What every storage promises of reports.

Subclass with a `storage` fixture that gives an empty one.
"""

import itertools
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from domain_arbitrary import reals
from domain_samples import (
    NOW,
    at,
    exact,
    make_backtest_spec,
    make_job,
    make_metrics,
    make_report,
    make_scenario,
    make_strategy,
    make_trade,
)
from hypothesis import given
from hypothesis import strategies as st
from storage_tools import exactly

from stratopt_server.domain.market import to_microseconds
from stratopt_server.domain.ports import (
    ReportFilter,
    ReportKey,
    ReportOrder,
    ReportStore,
    Storage,
)
from stratopt_server.domain.report import Report, ReportSeries
from stratopt_server.domain.runs import Scenario

COLUMNS = ("time", "equity", "drawdown", "position", "benchmark_equity")
FIGURES = ("sharpe_ratio", "total_return", "max_drawdown")
ids = itertools.count()


def scenario_of(number: int) -> Scenario:
    """A scenario that differs by its number: strategy, symbol and dates."""
    return make_scenario(
        strategy_id=("ma_cross_v1.0", "grid_v1.2")[number % 2],
        symbol=("ETH/USDT", "BTC/USDT", "BTC/USDT")[number % 3],
        start_date=at(number),
        end_date=at(number + 100),
    )


def whole_series(reports: ReportStore, backtest_id: str) -> ReportSeries:
    """Put the chunks of a series together."""
    chunks = list(reports.series(backtest_id))
    return ReportSeries(*(np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in COLUMNS))


class ReportStoreContract:
    """The reports of succeeded backtests."""

    @pytest.fixture
    def reports(self, storage: Storage) -> ReportStore:
        """The store of reports, beside their strategies."""
        storage.strategies.add(make_strategy())
        storage.strategies.add(make_strategy("grid_v1.2"))
        return storage.reports

    @staticmethod
    def add(storage: Storage, report: Report, html: str = "<html></html>") -> str:
        """Store the report of a new backtest; return its id."""
        job = make_job(f"bt_{next(ids)}")
        storage.jobs.add(job)
        storage.reports.add(job, report, html, now=NOW)
        return job.id

    @staticmethod
    def add_many(storage: Storage, order: ReportOrder = ReportOrder.NEWEST) -> list[ReportKey]:
        """Store reports, some alike and one without figures; return the places of those that have one."""
        places = []
        for number, figure in enumerate([0.5, None, -1.0, 0.5, 2.0, 0.0, 0.5]):
            job = make_job(f"bt_{number}", make_backtest_spec(scenario=scenario_of(number)))
            report = replace(make_report(), metrics=make_metrics(**dict.fromkeys(FIGURES, figure)))
            moment = at(number // 2 + 1e-6)
            storage.jobs.add(job)
            storage.reports.add(job, report, "", now=moment)
            key = to_microseconds(moment) if order is ReportOrder.NEWEST else figure
            places += [] if key is None else [ReportKey(key, job.id)]
        return places

    @pytest.mark.parametrize("limit", [1, 2, 3, 10])
    @pytest.mark.parametrize("order", ReportOrder)
    def test_pages_of_reports(
        self, storage: Storage, reports: ReportStore, order: ReportOrder, limit: int
    ) -> None:
        """Pages show each report that has the figure once, best or newest first; of equals the greater id."""
        keys = self.add_many(storage, order)
        sign = -1 if order is ReportOrder.DRAWDOWN else 1
        expected = sorted(keys, key=lambda key: (sign * key.figure, key.id), reverse=True)
        found: list[ReportKey] = []
        while page := reports.page(ReportFilter(), order, after=found[-1] if found else None, limit=limit):
            assert len(page) <= limit
            found += page
            assert len(found) <= len(expected)
        assert found == expected

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            (ReportFilter(strategy_id="grid_v1.2"), {1, 3, 5}),
            (ReportFilter(symbol="ETH/USDT"), {0, 3, 6}),
            (ReportFilter(start_date=at(3)), {3, 4, 5, 6}),
            (ReportFilter(end_date=at(3 + 100)), {0, 1, 2, 3}),
            (ReportFilter(start_date=at(2), end_date=at(4 + 100)), {2, 3, 4}),
            (ReportFilter(strategy_id="grid_v1.2", symbol="ETH/USDT", start_date=at(3)), {3}),
            (ReportFilter(strategy_id="unknown"), set()),
        ],
    )
    def test_reports_of_a_filter(
        self, storage: Storage, reports: ReportStore, wanted: ReportFilter, expected: set[int]
    ) -> None:
        """Each part of the filter narrows; a run counts whose first and last bar lie inside the dates."""
        self.add_many(storage)
        found = reports.page(wanted, ReportOrder.NEWEST, after=None, limit=100)
        assert {key.id for key in found} == {f"bt_{number}" for number in expected}

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
