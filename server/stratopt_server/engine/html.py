"""The picture of one backtest: a single page that needs no network, no script and no font of its own."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from html import escape
from string import Template
from typing import Any

import numpy as np

from stratopt_server.domain.evidence import BracketRun
from stratopt_server.domain.market import from_microseconds
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.report import Report, ReportSeries, Trade
from stratopt_server.domain.runs import BacktestSpec, RunTerms, SizingKind
from stratopt_server.engine.chart import Line, line_chart
from stratopt_server.engine.measure import changes
from stratopt_server.engine.page import PAGE
from stratopt_server.engine.portfolio import RECOVERED, compounded, falls

LAST_TRADES = 50
DEEPEST_FALLS = 5
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


def word(value: object) -> str:
    """Write one word of a set."""
    return str(getattr(value, "value", value)).replace("_", " ")


METRIC_NAMES: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
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
    ("longest_drawdown_bars", "Longest drawdown, bars", whole),
    ("turnover", "Turnover a year", number),
    ("var_95", "Value at risk, 95 % of days", percent),
    ("cvar_95", "Mean loss of the worst days", percent),
    ("skewness", "Skewness of returns", number),
    ("kurtosis", "Kurtosis of returns", number),
    ("carry_paid", "Borrow and funding paid", money),
    ("refused_min_notional", "Orders refused: below least value", whole),
    ("refused_lot_size", "Orders refused: below one lot", whole),
    ("refused_no_cash", "Orders refused: no cash", whole),
    ("refused_no_volume", "Orders refused: no volume", whole),
    ("run_status", "Status", word),
)
"""Every figure of Metrics, its plain name and how it is written."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def render_html(spec: BacktestSpec, report: Report, bracket: Sequence[BracketRun] = ()) -> str:
    """Draw the report as one self-contained HTML page; a grid with its runs under other fill models."""
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
        "bracket": _bracket(bracket),
        "falls": _falls(series),
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


def _bracket(bracket: Sequence[BracketRun]) -> str:
    """Write a grid's figures under each fill model, side by side; nothing for other strategies."""
    if not bracket:
        return ""
    wanted = ("total_return", "sharpe_ratio", "max_drawdown", "trade_count")
    header = "".join(f'<th scope="col">{escape(word(run.fill_model))}</th>' for run in bracket)
    rows = [f'<tr><th scope="col">Lines fill on</th>{header}</tr>']
    for key, name, form in METRIC_NAMES:
        if key in wanted:
            cells = "".join(f"<td>{escape(_shown(run.metrics, key, form))}</td>" for run in bracket)
            rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    return f"<section><h2>Fill bracket</h2><table>{''.join(rows)}</table></section>"


def _falls(series: ReportSeries) -> str:
    """Write the deepest drawdowns, as vectorbt finds them in the equity."""
    names = ("From", "Deepest", "Until", "Depth", "Bars")
    rows = ["<tr>" + "".join(f'<th scope="col">{name}</th>' for name in names) + "</tr>"]
    found = falls(series.equity)
    depth = 1.0 - found["valley_val"] / found["peak_val"]
    for place in np.argsort(-depth)[:DEEPEST_FALLS].tolist():
        fall = found[place]
        recovered = bool(fall["status"] == RECOVERED)
        cells = (
            _minute(int(series.time[fall["peak_idx"]])),
            _minute(int(series.time[fall["valley_idx"]])),
            _minute(int(series.time[fall["end_idx"]])) if recovered else "not recovered",
            percent(float(depth[place])),
            whole(float(fall["end_idx"] - fall["peak_idx"])),
        )
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return "".join(rows)


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
    return [
        *((name, str(value)) for name, value in spec.params.items()),
        ("Taker fee", percent(terms.costs.taker_fee)),
        ("Maker fee", percent(terms.costs.resting_fee)),
        ("Slippage", percent(terms.costs.slippage)),
        *_special(terms),
        ("Initial cash", money(terms.initial_cash)),
        ("Orders filled at", word(terms.fill)),
        ("Lines of a grid fill on", word(terms.fill_model)),
        ("Side of the market", word(terms.direction)),
        ("Bars a year", number(terms.bars_per_year)),
        ("Data hash", scenario.dataset_hash),
        ("Code hash", scenario.code_hash),
    ]


def _special(terms: RunTerms) -> list[tuple[str, str]]:
    """List what most runs go without."""
    costs, rules, stops, carry = terms.costs, terms.rules, terms.stops, terms.carry
    sizing = word(terms.sizing.kind)
    if terms.sizing.kind is not SizingKind.ALL_IN:
        sizing += f" {number(terms.sizing.amount)}"
    every: tuple[tuple[str, float | None, Format], ...] = (
        ("Fixed fee of an order", costs.fixed_fee, money),
        ("Slippage of a whole bar's volume", costs.impact, percent),
        ("Least value of an order", rules.min_notional, money),
        ("Lot size", rules.lot_size, number),
        ("Tick size", rules.tick_size, number),
        ("Stop loss", stops.stop_loss, percent),
        ("Take profit", stops.take_profit, percent),
        ("Trailing stop", stops.trailing_stop, percent),
        ("Borrow a bar", carry.borrow_rate, percent),
        ("Funding rates", len(carry.funding), whole),
    )
    return [("Size of an order", sizing), *((name, form(value)) for name, value, form in every if value)]


def monthly_returns(series: ReportSeries, initial_cash: float) -> dict[int, dict[int, float]]:
    """Have vectorbt compute the return of each calendar month (UTC): year -> month 1-12 -> fraction."""
    months = series.time.astype("datetime64[us]").astype("datetime64[M]").astype(int)
    starts = np.flatnonzero(np.diff(months, prepend=months[0] - 1))
    returns = changes(series.equity, initial_cash)
    found: dict[int, dict[int, float]] = {}
    for first, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(months)], strict=True):
        year, month = divmod(int(months[first]), 12)
        found.setdefault(1970 + year, {})[month + 1] = compounded(returns[first:stop])
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
    names = ("Side", "Entered", "at", "Left", "at", "Size", "Profit", "Return", "Fees")
    rows = ["<tr>" + "".join(f'<th scope="col">{name}</th>' for name in names) + "</tr>"]
    for trade in reversed(trades[-LAST_TRADES:]):
        left = "open" if trade.exit_time is None else _minute(trade.exit_time)
        cells = (
            "short" if trade.short else "long",
            _minute(trade.entry_time),
            f"{trade.entry_price:.6g}",
            left,
            f"{trade.exit_price:.6g}",
            f"{trade.size:.6g}",
            money(trade.profit),
        )
        plain = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        rows.append(f"<tr>{plain}{_signed(trade.return_)}<td>{money(trade.fees)}</td></tr>")
    return "".join(rows)
