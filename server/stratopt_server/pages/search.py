"""The page of a search: what it found, and how much of that may be chance."""

from stratopt_server.domain.evidence import SearchEvidence
from stratopt_server.domain.jobs import Job, OptimizationResult
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.optimization import WindowResult
from stratopt_server.domain.runs import OptimizationSpec
from stratopt_server.pages import evidence as pictures
from stratopt_server.pages.bars import Bar, bar_chart
from stratopt_server.pages.frame import cell, headline, number, page, paragraph, percent, table


def search_page(job: Job, spec: OptimizationSpec, result: OptimizationResult) -> str:
    """Show a succeeded search."""
    scenario, evidence = spec.scenario, result.evidence
    title = f"{scenario.strategy_id} on {scenario.symbol}: {job.progress.done:,} trials"
    subtitle = (
        f"{job.id}, {spec.algorithm.value} search, {scenario.exchange} {scenario.timeframe}, "
        f"{scenario.start_date:%Y-%m-%d} to {scenario.end_date:%Y-%m-%d}"
    )
    parts = [headline(_figures(evidence, result)), *(paragraph(text) for text in result.warnings)]
    if evidence is not None:
        parts += [
            pictures.sharpe_picture(evidence.significance, evidence.out_of_sample, evidence.holding),
            pictures.chance_picture(evidence.significance, evidence.out_of_sample, evidence.overfitting),
        ]
    parts += _picks(result)
    if result.walk_forward is not None:
        windows = result.walk_forward.windows
        bars = [Bar(f"window {window.number + 1}", _earned(window)) for window in windows]
        parts.append(bar_chart("Return of each window's test", bars, shown=percent))
    if evidence is not None:
        parts += [pictures.regime_picture(evidence.regimes), pictures.drawdown_picture(evidence.monte_carlo)]
    return page(title, subtitle, parts)


def _figures(evidence: SearchEvidence | None, result: OptimizationResult) -> list[tuple[str, str]]:
    found = [("Trials of this code and market", f"{result.trials_ever or 0:,}")]
    if evidence is not None:
        overfitting, tests = evidence.overfitting, evidence.out_of_sample
        found += [
            ("Deflated Sharpe ratio", percent(evidence.significance.dsr)),
            ("Overfitted (PBO)", percent(None if overfitting is None else overfitting.pbo)),
            ("Sharpe above 0, out of sample", percent(None if tests is None else tests.psr)),
        ]
    plateau = result.plateau
    if plateau is not None:
        found.append(("Neighbours' median / best", percent(plateau.median_ratio)))
    return found


def _picks(result: OptimizationResult) -> list[str]:
    rows = [
        _pick(name, dict(picked.trial.params), picked.trial.metrics)
        for name, picked in (("best", result.best), ("robust", result.robust))
        if picked is not None
    ]
    walked = result.walk_forward
    if walked is not None and walked.out_of_sample is not None:
        rows.append(_pick("tests, one behind the other", {}, walked.out_of_sample))
    head = ("Pick", "Parameters", "Sharpe ratio", "Return", "Largest drawdown", "Round trips")
    return [table("Picks", head, rows)] if rows else []


def _pick(name: str, params: dict[str, object], metrics: Metrics) -> list[str]:
    shown = ", ".join(f"{key} = {value}" for key, value in params.items())
    return [
        cell(name),
        cell(shown, "words"),
        cell(number(metrics.sharpe_ratio)),
        cell(percent(metrics.total_return)),
        cell(percent(metrics.max_drawdown)),
        cell(f"{metrics.trade_count:,}"),
    ]


def _earned(window: WindowResult) -> float | None:
    best = window.best
    return None if best is None or best.out_of_sample is None else best.out_of_sample.total_return
