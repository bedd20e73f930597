"""Results as tables."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from stratopt.v1.backtest_pb2 import Backtest
from stratopt.v1.dataset_pb2 import Dataset
from stratopt.v1.market_data_service_pb2 import ImportBarsResponse
from stratopt.v1.metrics_pb2 import Metrics
from stratopt.v1.optimization_pb2 import Optimization
from stratopt.v1.strategy_pb2 import Strategy
from stratopt_cli._figures import UNDEFINED, amount, assigned, moment, percent, ratio, terms
from stratopt_client import ParamValue, params_to_python, to_dict

_Row = tuple[str, str, Callable[[float], str]]

_ROWS: Sequence[_Row] = (
    ("sharpe_ratio", "Sharpe ratio", ratio),
    ("total_return", "Total return", percent),
    ("cagr", "Return a year", percent),
    ("max_drawdown", "Largest drawdown", percent),
    ("longest_drawdown_bars", "Longest drawdown, bars", amount),
    ("volatility", "Volatility a year", percent),
    ("var_95", "Loss of a bad day (VaR 95 %)", percent),
    ("cvar_95", "Mean loss of the worst 5 %", percent),
    ("skewness", "Skewness", ratio),
    ("kurtosis", "Kurtosis (normal: 3)", ratio),
    ("sortino_ratio", "Sortino ratio", ratio),
    ("calmar_ratio", "Calmar ratio", ratio),
    ("trade_count", "Round trips", amount),
    ("win_rate", "Winning", percent),
    ("profit_factor", "Profit factor", ratio),
    ("expectancy", "Profit a round trip", amount),
    ("exposure", "Time in the market", percent),
    ("turnover", "Turnover a year", ratio),
    ("fees_paid", "Fees paid", amount),
    ("carry_paid", "Borrow and funding paid", amount),
    ("refused_min_notional", "Refused: value too small", amount),
    ("refused_lot_size", "Refused: less than a lot", amount),
    ("refused_no_cash", "Refused: no cash", amount),
    ("refused_no_volume", "Refused: no volume", amount),
    ("final_equity", "Final equity", amount),
    ("bar_count", "Bars", amount),
)
_SHOWN_ABOVE_ZERO = (
    "carry_paid",
    "refused_min_notional",
    "refused_lot_size",
    "refused_no_cash",
    "refused_no_volume",
)
"""Rows left out where no column has anything to say: most runs pay no carry and have nothing refused."""
_BRACKET = ("total_return", "sharpe_ratio", "max_drawdown", "trade_count")
_UNUSUAL = {
    "never_traded": "it never traded: there was no signal, or every order was refused",
    "liquidated": "it was liquidated: the equity fell to 0, and nothing was traded after",
}


def metrics_table(columns: Iterable[tuple[str, Metrics]], *, only: Collection[str] = ()) -> Table:
    """Return metrics side by side; `columns` are (title, metrics). `only` names the rows, none means all."""
    found = [(title, to_dict(metrics)) for title, metrics in columns]
    table = plain_table("", *(title for title, _ in found))
    for title_column in table.columns[1:]:
        title_column.justify = "right"
    for name, label, shown in _ROWS:
        values = [metrics[name] for _, metrics in found]
        if (only and name not in only) or (name in _SHOWN_ABOVE_ZERO and not any(values)):
            continue
        table.add_row(label, *(UNDEFINED if value is None else shown(value) for value in values))
    return table


def backtest_views(backtest: Backtest) -> Iterable[Text | Table]:
    """Return a succeeded backtest: what ran, what came of it, and of a grid what came of it otherwise."""
    yield heading(backtest)
    yield Text(f"params  {assigned(params_to_python(backtest.params))}")
    yield from term_lines(backtest)
    if backtest.cached_from:
        yield Text(f"cached  the same run as {backtest.cached_from}; --recompute runs it again")
    yield metrics_table([("", backtest.metrics)])
    yield from unusual([("", backtest.metrics)])
    if backtest.fill_bracket:
        yield Text("\nthe same run, from the kindest fills to the hardest:")
        runs = [(str(to_dict(run)["fill_model"]), run.metrics) for run in backtest.fill_bracket]
        yield metrics_table(runs, only=_BRACKET)
        yield from unusual(runs)


def datasets_table(datasets: Iterable[Dataset]) -> Table:
    """Return datasets, a row each."""
    table = plain_table("exchange", "symbol", "timeframe", "bars", "first bar", "last bar", "grade", "id")
    table.columns[3].justify = "right"
    for dataset in datasets:
        table.add_row(
            dataset.exchange,
            dataset.symbol,
            dataset.timeframe,
            amount(dataset.bar_count),
            moment(dataset.first_bar_time),
            moment(dataset.last_bar_time),
            _grade(dataset),
            dataset.id,
        )
    return table


def strategies_table(strategies: Iterable[Strategy]) -> Table:
    """Return strategies with what each parameter may be, a row a parameter."""
    table = plain_table("strategy", "parameter", "default", "allowed", "what it does")
    for strategy in strategies:
        shown = to_dict(strategy)
        defaults = shown["default_params"]
        rows = [
            (spec["name"], _plain(defaults.get(spec["name"])), _allowed(spec), spec["description"])
            for spec in shown["parameters"]
        ]
        if not strategy.runnable:
            rows.append(("", "", "", f"cannot run here: {strategy.not_runnable_reason}"))
        for place, row in enumerate(rows):
            table.add_row("" if place else strategy.id, *row)
    return table


def import_views(response: ImportBarsResponse) -> Iterable[Text | Table]:
    """Return what an import did, and how far its bars can be trusted."""
    dataset = response.dataset
    yield Text(
        f"{to_dict(response)['outcome']}: {dataset.symbol} {dataset.timeframe} ({dataset.exchange}), "
        f"{dataset.bar_count:,} bars from {moment(dataset.first_bar_time)} "
        f"to {moment(dataset.last_bar_time)}, quality {_grade(dataset)}"
    )
    for reason in dataset.quality.reasons:
        yield Text(f"  {reason}")


def heading(run: Backtest | Optimization) -> Text:
    """Say what ran on what."""
    return Text(
        f"{run.id}  {run.strategy_id} on {run.symbol} {run.timeframe} ({run.exchange}), "
        f"{moment(run.start_date)} to {moment(run.end_date)}; "
        f"fee {percent(run.costs.taker_fee)}, slippage {percent(run.costs.slippage)}"
    )


def term_lines(run: Backtest | Optimization) -> Iterable[Text]:
    """Return the terms that are not what a run has that names none."""
    written = terms(to_dict(run))
    if written:
        yield Text(f"terms   {written}")


def unusual(columns: Iterable[tuple[str, Metrics]]) -> Iterable[Text]:
    """Say of runs that did not trade to their end why."""
    for title, metrics in columns:
        told = _UNUSUAL.get(str(to_dict(metrics)["run_status"]))
        if told is not None:
            yield Text(f"note: {title + ': ' if title else ''}{told}", style="bold")


def _allowed(spec: dict[str, Any]) -> str:
    """Return the values a parameter may have."""
    for kind in ("integer", "real"):
        if kind in spec:
            return f"{spec[kind]['min']:,g} to {spec[kind]['max']:,g}"
    return ", ".join(spec["choice"]["values"]) if "choice" in spec else "true, false"


def _plain(value: ParamValue | None) -> str:
    return UNDEFINED if value is None else assigned({"": value}).removeprefix("=")


def _grade(dataset: Dataset) -> str:
    return str(to_dict(dataset.quality)["grade"])


def plain_table(*titles: str) -> Table:
    """Return an empty table with these columns."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title)
    return table
