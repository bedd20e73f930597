"""What a search found, as tables."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from stratopt.v1.metrics_pb2 import Metrics
from stratopt.v1.optimization_pb2 import BestTrial, Optimization, Trial
from stratopt_cli._figures import UNDEFINED, assigned, moment, percent, ratio, score
from stratopt_cli._render import heading, metrics_table, plain_table, term_lines, unusual
from stratopt_cli._render_decision import search_evidence_views
from stratopt_client import params_to_python, to_dict

FRONT_SHOWN_MAX = 10


def optimization_views(optimization: Optimization) -> Iterable[Text | Table]:
    """Return a finished search: the best parameters in and out of sample, and what speaks for them."""
    yield heading(optimization)
    yield Text(_searched(optimization))
    yield from term_lines(optimization)
    if optimization.HasField("best"):
        yield from _best(optimization)
    yield from _windows(optimization)
    yield from _front(optimization)
    if optimization.HasField("evidence"):
        yield Text("")
        yield from search_evidence_views(optimization.evidence)
    if optimization.HasField("trials_ever"):
        yield Text(
            f"{optimization.trials_ever:,} distinct trials of this code on this market so far, by every job: "
            "the more were tried, the better the best looks by chance"
        )
    for warning in optimization.warnings:
        yield Text(f"note: {warning}")


def state_line(optimization: Optimization) -> str:
    """Say in one line where a search stands."""
    found, progress = to_dict(optimization), optimization.progress
    stopped = found["stop_reason"]
    why = f", stopped by {str(stopped).replace('_', ' ')}" if stopped else ""
    return f"{optimization.id} is {found['status']}: {progress.done:,} of {progress.total:,} trials{why}"


def trials_table(trials: Sequence[Trial]) -> Table:
    """Return trials, a row each."""
    table = plain_table("trial", "status", "score", "Sharpe", "return", "drawdown", "trips", "params")
    for trial in trials:
        metrics = trial.metrics
        table.add_row(
            str(trial.number),
            str(to_dict(trial)["status"]).replace("_", " "),
            ratio(trial.score) if trial.HasField("score") else UNDEFINED,
            _sharpe(metrics),
            percent(metrics.total_return) if metrics.HasField("total_return") else UNDEFINED,
            percent(metrics.max_drawdown) if metrics.HasField("max_drawdown") else UNDEFINED,
            f"{metrics.trade_count:,}",
            assigned(params_to_python(trial.params)),
        )
    return table


def _searched(optimization: Optimization) -> str:
    found = to_dict(optimization)
    wanted = str(found["optimization_target"])
    if optimization.objectives:
        weights = [
            f"{one['target']}={one['weight']:g}" if one["weight"] is not None else str(one["target"])
            for one in found["objectives"]
        ]
        wanted = " and ".join(weights)
    told = (
        f"{optimization.progress.done:,} trials, {found['algorithm']} search for the best {wanted}, "
        f"seed {optimization.seed}"
    )
    method = (found["validation"] or {}).get("method")
    return told if method is None else f"{told}, validation: {str(method).replace('_', '-')}"


def _best(optimization: Optimization) -> Iterable[Text | Table]:
    best, walked = optimization.best, optimization.walk_forward
    yield Text("best    " + assigned(params_to_python(best.trial.params)), style="bold")
    columns = [("in sample", best.trial.metrics)]
    if best.HasField("out_of_sample"):
        columns.append(("out of sample", best.out_of_sample))
    if walked.HasField("out_of_sample"):
        columns.append(("out of sample, windows", walked.out_of_sample))
    yield metrics_table(columns)
    yield from unusual(columns)
    plateau = optimization.plateau
    if plateau.HasField("median_ratio"):
        yield Text(
            f"around it: the median of {plateau.neighbours} neighbours has {plateau.median_ratio:.0%} of its "
            f"score, {plateau.share_70:.0%} of them at least 70 %"
        )
    yield from _robust(optimization)


def _robust(optimization: Optimization) -> Iterable[Text]:
    if not optimization.HasField("robust"):
        return
    robust, target = optimization.robust, _target(optimization)
    params, shown = assigned(params_to_python(robust.trial.params)), score(target, robust.trial.score)
    told, walked = f"robust  {params}: score {shown}", optimization.walk_forward
    if robust.HasField("out_of_sample"):
        told += f", Sharpe ratio out of sample {_sharpe(robust.out_of_sample)}"
    elif walked.HasField("robust_out_of_sample"):
        told += f", windows' robust picks out of sample {_sharpe(walked.robust_out_of_sample)}"
    yield Text(f"{told}; the middle of the best neighbourhood, where the best may be a lonely peak")


def _windows(optimization: Optimization) -> Iterable[Text | Table]:
    walked = optimization.walk_forward
    if not any(window.HasField("best") for window in walked.windows):
        return
    yield Text("\nwindows: each searched on the bars before its test alone")
    table = plain_table("test", "Sharpe in sample", "Sharpe in the test", "return", "best of its search")
    for window in walked.windows:
        best = window.best
        found = window.HasField("best")
        table.add_row(
            f"{moment(window.test_start_date)} to {moment(window.test_end_date)}",
            _sharpe(best.trial.metrics) if found else UNDEFINED,
            _sharpe(best.out_of_sample) if found else UNDEFINED,
            percent(best.out_of_sample.total_return) if found else UNDEFINED,
            assigned(params_to_python(best.trial.params)) if found else "none",
        )
    yield table
    if walked.HasField("efficiency"):
        yield Text(f"efficiency {walked.efficiency:.0%}: annual return in the tests / in sample")


def _front(optimization: Optimization) -> Iterable[Text | Table]:
    front = optimization.pareto_front
    if not front:
        return
    shown = list(front[:FRONT_SHOWN_MAX])
    yield Text(f"\nPareto front, {len(shown)} of {len(front)}: no trial beats one of these in every figure")
    table = plain_table("Sharpe", "return", "drawdown", "Sharpe out of sample", "params")
    for best in shown:
        table.add_row(*_front_row(best))
    yield table


def _front_row(best: BestTrial) -> Iterable[str]:
    metrics = best.trial.metrics
    yield _sharpe(metrics)
    yield percent(metrics.total_return) if metrics.HasField("total_return") else UNDEFINED
    yield percent(metrics.max_drawdown) if metrics.HasField("max_drawdown") else UNDEFINED
    yield _sharpe(best.out_of_sample) if best.HasField("out_of_sample") else UNDEFINED
    yield assigned(params_to_python(best.trial.params))


def _sharpe(metrics: Metrics) -> str:
    return ratio(metrics.sharpe_ratio) if metrics.HasField("sharpe_ratio") else UNDEFINED


def _target(optimization: Optimization) -> str:
    """The figure that a score is of; a weighted sum is none."""
    if optimization.objectives and optimization.objectives[0].HasField("weight"):
        return "weighted"
    return str(to_dict(optimization)["optimization_target"])
