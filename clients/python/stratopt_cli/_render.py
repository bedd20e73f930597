"""Results as tables."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from stratopt.v1.backtest_pb2 import Backtest
from stratopt.v1.dataset_pb2 import Dataset
from stratopt.v1.decision_pb2 import Decision, GateResult
from stratopt.v1.market_data_service_pb2 import ImportBarsResponse
from stratopt.v1.metrics_pb2 import Metrics
from stratopt.v1.optimization_pb2 import Optimization
from stratopt.v1.strategy_pb2 import Strategy
from stratopt_cli._figures import UNDEFINED, amount, assigned, moment, percent, ratio
from stratopt_client import ParamValue, params_to_python, to_dict

_ROWS: Sequence[tuple[str, str, Callable[[float], str]]] = (
    ("sharpe_ratio", "Sharpe ratio", ratio),
    ("total_return", "Total return", percent),
    ("cagr", "Return a year", percent),
    ("max_drawdown", "Largest drawdown", percent),
    ("volatility", "Volatility a year", percent),
    ("sortino_ratio", "Sortino ratio", ratio),
    ("calmar_ratio", "Calmar ratio", ratio),
    ("trade_count", "Round trips", amount),
    ("win_rate", "Winning", percent),
    ("profit_factor", "Profit factor", ratio),
    ("expectancy", "Profit a round trip", amount),
    ("exposure", "Time in the market", percent),
    ("fees_paid", "Fees paid", amount),
    ("final_equity", "Final equity", amount),
    ("bar_count", "Bars", amount),
)


def metrics_table(columns: Iterable[tuple[str, Metrics]]) -> Table:
    """Return metrics side by side; `columns` are (title, metrics)."""
    found = [(title, to_dict(metrics)) for title, metrics in columns]
    table = _table("", *(title for title, _ in found))
    for title_column in table.columns[1:]:
        title_column.justify = "right"
    for name, label, shown in _ROWS:
        values = [metrics[name] for _, metrics in found]
        table.add_row(label, *(UNDEFINED if value is None else shown(value) for value in values))
    return table


def backtest_views(backtest: Backtest) -> Iterable[Text | Table]:
    """Return a succeeded backtest: what ran, and what came of it."""
    yield _heading(backtest)
    yield Text(f"params  {assigned(params_to_python(backtest.params))}")
    yield metrics_table([("", backtest.metrics)])


def optimization_views(optimization: Optimization) -> Iterable[Text | Table]:
    """Return a finished search: the best parameters, in and out of sample side by side."""
    yield _heading(optimization)
    found = to_dict(optimization)
    yield Text(
        f"{optimization.progress.done:,} trials, {found['algorithm']} search for the best "
        f"{found['optimization_target']}, seed {optimization.seed}"
    )
    if optimization.HasField("best"):
        best = optimization.best
        yield Text("best    " + assigned(params_to_python(best.trial.params)), style="bold")
        columns = [("in sample", best.trial.metrics)]
        if best.HasField("out_of_sample"):
            columns.append(("out of sample", best.out_of_sample))
        yield metrics_table(columns)
    for warning in optimization.warnings:
        yield Text(f"note: {warning}")


def decision_views(decision: Decision) -> Iterable[Text | Table]:
    """Return a decision: what it came to, every gate, and why."""
    shown = to_dict(decision)
    word, style = ("approved", "bold green") if shown["outcome"] == "approve" else ("rejected", "bold red")
    heading = Text(f"{decision.id}  {decision.strategy_id} on {decision.symbol}, by {decision.policy}: ")
    yield heading.append(word, style=style)
    if shown["approval_criteria"]:
        yield Text(f"set otherwise than the policy has it: {assigned(shown['approval_criteria'])}")
    yield Text(_evidence(shown["evidence"]))
    table = _table("gate", "result", "measured", "wanted")
    for gate in decision.gates:
        passed = gate.result == GateResult.GATE_RESULT_PASSED
        result = str(to_dict(gate)["result"]).replace("_", " ")
        table.add_row(
            gate.criterion,
            Text(result, style="" if passed else "red"),
            gate.measured or UNDEFINED,
            gate.wanted,
        )
    yield table
    for gate in decision.gates:
        if gate.result != GateResult.GATE_RESULT_PASSED:
            yield Text(f"{gate.criterion}: {gate.explanation}")
    if decision.not_measured:
        yield Text(f"not measured yet: {', '.join(decision.not_measured)}")
    if decision.package_id:
        yield Text(f"package {decision.package_id}", style="bold")


def _evidence(evidence: dict[str, Any]) -> str:
    days = evidence["out_of_sample_days"]
    if evidence["source"] == "optimization":
        return (
            f"evidence: {days:,} days held out by {evidence['optimization_id']}, which tried these parameters"
        )
    return f"evidence: the second half of the bars, {days:,} days; no search with held-out bars tried these"


def datasets_table(datasets: Iterable[Dataset]) -> Table:
    """Return datasets, a row each."""
    table = _table("exchange", "symbol", "timeframe", "bars", "first bar", "last bar", "grade", "id")
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
    table = _table("strategy", "parameter", "default", "allowed", "what it does")
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


def _heading(run: Backtest | Optimization) -> Text:
    return Text(
        f"{run.id}  {run.strategy_id} on {run.symbol} {run.timeframe} ({run.exchange}), "
        f"{moment(run.start_date)} to {moment(run.end_date)}; "
        f"fee {percent(run.costs.taker_fee)}, slippage {percent(run.costs.slippage)}"
    )


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


def _table(*titles: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title)
    return table
