"""The picture of a backtest: complete, self-contained, escaped, and small."""

from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from engine_samples import bars_of, params_of, random_bars, terms_of

from stratopt_server.domain.market import Bars
from stratopt_server.domain.runs import BacktestSpec, Scenario
from stratopt_server.engine.chart import MAX_POINTS, keep_extremes
from stratopt_server.engine.html import METRIC_NAMES, monthly_returns, render_html
from stratopt_server.engine.report import make_report

VOID = {"meta"}


def page_of(bars: Bars, *, strategy_id: str = "ma_cross_v1.0") -> str:
    """Run the bars and draw the page."""
    terms, params = terms_of(), dict(params_of(5, 20))
    scenario = Scenario(
        strategy_id=strategy_id,
        code_hash="c0de",
        exchange="binance",
        symbol="RNDR/USDT",
        timeframe="1h",
        dataset_hash="da7a",
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        end_date=datetime(2024, 1, 31, tzinfo=UTC),
        terms=terms,
    )
    return render_html(
        BacktestSpec(scenario=scenario, params=params), make_report("ma_cross", bars, params, terms)
    )


class Nesting(HTMLParser):
    """Follows which elements are open."""

    def __init__(self) -> None:
        """Begin outside every element."""
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element; nothing may load anything."""
        assert not {"src", "href", "onload"} & {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Pass an element that closes itself."""

    def handle_endtag(self, tag: str) -> None:
        """Leave the element entered last."""
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    """Elements nest properly, nothing is loaded, no script runs, and every figure has its plain name."""
    page = page_of(random_bars(20_000, seed=1))
    parser = Nesting()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    for _, name, _ in METRIC_NAMES:
        assert name in page
    for told in ("da7a", "c0de", "fast_period", "Taker fee", "prefers-color-scheme: dark"):
        assert told in page


def test_the_page_stays_small() -> None:
    """A long history is drawn with at most MAX_POINTS points a line."""
    page = page_of(random_bars(120_000, seed=2))
    assert len(page) < 120_000
    longest = max(piece.split('"')[0].count(",") for piece in page.split('points="')[1:])
    assert longest <= MAX_POINTS


def test_names_are_escaped() -> None:
    """A strategy's id cannot become part of the page's markup."""
    page = page_of(random_bars(100, seed=3), strategy_id='<img src=x onerror="boom">$title')
    assert "<img" not in page
    assert "&lt;img" in page


@pytest.mark.parametrize("close", [[5.0], [5.0] * 40, list(range(1, 60))])
def test_runs_without_news_are_drawn_too(close: list[float]) -> None:
    """One bar, no trade, or one open position make a page all the same."""
    assert "</html>" in page_of(bars_of(close))


def test_downsampling_keeps_what_matters() -> None:
    """First, last, least and greatest points survive, in order, within the limit."""
    values = np.sin(np.arange(50_000) / 700.0)
    values[12_345], values[23_456] = 9.0, -9.0
    points = keep_extremes(values)
    assert len(points) <= MAX_POINTS
    assert {0, 12_345, 23_456, 49_999} <= set(points.tolist())
    assert np.all(np.diff(points) > 0)


def test_months_multiply_to_the_whole() -> None:
    """The returns of the months, put together, are the return of the run."""
    report = make_report("ma_cross", random_bars(5_000, seed=4), params_of(5, 20), terms_of())
    months = monthly_returns(report.series, 10_000.0)
    product = np.prod([1.0 + value for year in months.values() for value in year.values()])
    assert product - 1.0 == pytest.approx(report.metrics.total_return)
    assert list(months[1970]) == [1, 2, 3, 4, 5, 6, 7]
