"""The picture of one backtest: a single page that needs no network, no script and no font of its own."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from html import escape
from string import Template

import numpy as np

from stratopt_server.domain.market import from_microseconds
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.report import Report, ReportSeries, Trade
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.engine.chart import Line, line_chart
from stratopt_server.engine.page import PAGE

LAST_TRADES = 50
NOT_DEFINED = "\N{EN DASH}"

Format = Callable[[float], str]


def percent(value: float) -> str:
    """Write a fraction as per cent."""
    return f"{value:.2%}"


def money(value: float) -> str:
    """Write an amount with as many decimals as its size needs."""
    return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.6g}"


def number(value: float) -> str:
    """Write a plain figure."""
    return f"{value:,.4g}"


def whole(value: float) -> str:
    """Write a count."""
    return f"{value:,.0f}"


METRIC_NAMES: tuple[tuple[str, str, Format], ...] = (
    ("total_return", "Total return", percent),
    ("cagr", "Return a year", percent),
    ("sharpe_ratio", "Sharpe ratio", number),
    ("sortino_ratio", "Sortino ratio", number),
    ("calmar_ratio", "Calmar ratio", number),
    ("volatility", "Volatility a year", percent),
    ("max_drawdown", "Largest drawdown", percent),
    ("trade_count", "Round trips", whole),
    ("open_trade_count", "Open positions", whole),
    ("win_rate", "Winning share", percent),
    ("profit_factor", "Profit factor", number),
    ("expectancy", "Profit a round trip", money),
    ("exposure", "Time in the market", percent),
    ("fees_paid", "Fees paid", money),
    ("final_equity", "Final equity", money),
    ("bar_count", "Bars", whole),
)
"""Every figure of Metrics, its plain name and how it is written."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def render_html(spec: BacktestSpec, report: Report) -> str:
    """Draw the report as one self-contained HTML page."""
    scenario, series = spec.scenario, report.series
    first, last = day(scenario.start_date), day(scenario.end_date)
    lines = (Line("Strategy", "a", series.equity), Line("Buy and hold", "b", series.benchmark_equity))
    values = {
        "title": escape(f"{scenario.strategy_id} on {scenario.symbol}"),
        "subtitle": escape(f"{scenario.exchange}, {scenario.timeframe} bars, {first} to {last}"),
        "headline": _headline(report.metrics),
        "equity": line_chart("Equity at each close", series.time, lines, money),
        "drawdown": line_chart(
            "Drawdown from the highest equity",
            series.time,
            (Line("Drawdown", "c", -series.drawdown),),
            percent,
        ),
        "metrics": _pairs((name, _shown(report.metrics, key, form)) for key, name, form in METRIC_NAMES),
        "months": _months(series, scenario.terms.initial_cash),
        "inputs": _pairs(_inputs(spec)),
        "trades": _trades(report.trades),
    }
    return Template(PAGE).substitute(values)


def day(moment: datetime) -> str:
    """Write the date of a moment."""
    return f"{moment:%Y-%m-%d}"


def _minute(microseconds: int) -> str:
    """Write a bar's time."""
    return f"{from_microseconds(microseconds):%Y-%m-%d %H:%M}"


def _shown(metrics: Metrics, key: str, form: Format) -> str:
    """Write one figure, or a dash where it is not defined."""
    value = getattr(metrics, key)
    return NOT_DEFINED if value is None else form(value)


def _headline(metrics: Metrics) -> str:
    """Write the four figures people look for first."""
    wanted = ("total_return", "sharpe_ratio", "max_drawdown", "trade_count")
    shown = {key: (name, _shown(metrics, key, form)) for key, name, form in METRIC_NAMES if key in wanted}
    return "".join(f"<div><dt>{shown[key][0]}</dt><dd>{shown[key][1]}</dd></div>" for key in wanted)


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Write rows of a name and a value."""
    return "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in pairs
    )


def _inputs(spec: BacktestSpec) -> list[tuple[str, str]]:
    """List everything the result depends on."""
    scenario, terms = spec.scenario, spec.scenario.terms
    fill = terms.fill.value.replace("_", " ")
    return [
        *((name, str(value)) for name, value in spec.params.items()),
        ("Taker fee", percent(terms.costs.taker_fee)),
        ("Slippage", percent(terms.costs.slippage)),
        ("Initial cash", money(terms.initial_cash)),
        ("Orders filled at", fill),
        ("Bars a year", number(terms.bars_per_year)),
        ("Data hash", scenario.dataset_hash),
        ("Code hash", scenario.code_hash),
    ]


def monthly_returns(series: ReportSeries, initial_cash: float) -> dict[int, dict[int, float]]:
    """Compute the return of each calendar month (UTC): year -> month 1-12 -> fraction."""
    months = series.time.astype("datetime64[us]").astype("datetime64[M]").astype(int)
    last = np.flatnonzero(np.diff(months, append=months[-1] + 1))
    found: dict[int, dict[int, float]] = {}
    before = initial_cash
    for month, equity in zip(months[last].tolist(), series.equity[last].tolist(), strict=True):
        found.setdefault(1970 + month // 12, {})[month % 12 + 1] = (
            equity / before - 1.0 if before > 0 else 0.0
        )
        before = equity
    return found


def _months(series: ReportSeries, initial_cash: float) -> str:
    """Write the table of monthly returns, a row a year, with the year's own return."""
    header = "".join(f'<th scope="col">{name}</th>' for name in ("Year", *MONTHS, "All"))
    rows = [f"<tr>{header}</tr>"]
    for year, months in monthly_returns(series, initial_cash).items():
        total = float(np.prod([1.0 + value for value in months.values()])) - 1.0
        cells = "".join(_signed(months.get(month)) for month in range(1, 13))
        rows.append(f'<tr><th scope="row">{year}</th>{cells}{_signed(total)}</tr>')
    return "".join(rows)


def _signed(value: float | None) -> str:
    """Write a cell with a return; the colour repeats what the sign says."""
    if value is None:
        return "<td></td>"
    return f'<td class="{"up" if value > 0 else "down" if value < 0 else ""}">{value:+.1%}</td>'


def _trades(trades: Sequence[Trade]) -> str:
    """Write the last trades, the newest first."""
    names = ("Bought", "at", "Sold", "at", "Size", "Profit", "Return", "Fees")
    rows = ["<tr>" + "".join(f'<th scope="col">{name}</th>' for name in names) + "</tr>"]
    for trade in reversed(trades[-LAST_TRADES:]):
        sold = "open" if trade.exit_time is None else _minute(trade.exit_time)
        cells = (
            _minute(trade.entry_time),
            f"{trade.entry_price:.6g}",
            sold,
            f"{trade.exit_price:.6g}",
            f"{trade.size:.6g}",
            money(trade.profit),
        )
        plain = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        rows.append(f"<tr>{plain}{_signed(trade.return_)}<td>{money(trade.fees)}</td></tr>")
    return "".join(rows)
