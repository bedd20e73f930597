"""A backtest, inside its process: both paths through the engine, then the report."""

from dataclasses import replace

from stratopt_server.domain.evidence import BracketRun
from stratopt_server.domain.jobs import BacktestResult, JobStatus, Progress
from stratopt_server.domain.ledger import LedgerKey, TrialDigests
from stratopt_server.domain.market import Bars
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.report import Report
from stratopt_server.domain.runs import BacktestSpec, FillModel, RunTerms
from stratopt_server.engine.html import render_html
from stratopt_server.engine.many_runs import TooManyFills
from stratopt_server.engine.names import GRID
from stratopt_server.engine.report import PathsDisagree, make_report
from stratopt_server.engine.sweep import Sweeper, sweep
from stratopt_server.engine.version import engine_digest
from stratopt_server.jobs.channel import JobFailure
from stratopt_server.jobs.context import JobContext
from stratopt_server.usecases.backtests import STAGES

BRACKET = (FillModel.TOUCH, FillModel.THROUGH, FillModel.VOLUME)
"""The fill models that a grid is always run under, the kindest first."""


def run_backtest(context: JobContext, spec: BacktestSpec) -> None:
    """Run it and store its report, its result and its final status in one transaction."""
    _announce(context, 0)
    bars = context.bars()
    _announce(context, 1)
    result = _report(context, bars, spec)
    kernel, terms = context.contract.kernel, spec.scenario.terms
    bracket = fill_bracket(kernel, bars, spec.params, terms, result.metrics)
    _announce(context, 2)
    html = render_html(spec, result, bracket)
    done = Progress(done=len(STAGES), total=len(STAGES), stage="done")
    # The ledger knows a backtest as it knows a search's trial: by the sweep.
    measured = Sweeper(kernel, bars, terms).measure([spec.params])
    entry = TrialDigests(spec.scenario).measured(spec.params, measured.blocks[0], measured.daily[0])
    now = context.clock.now()
    job = context.job
    with context.storage.transaction(alone=False):
        context.storage.jobs.record(job.id, job.attempt, progress=done)
        context.storage.reports.add(job, result, html, now=now)
        context.storage.ledger.add(LedgerKey.of(spec.scenario), [entry])
        context.storage.jobs.finish(
            job.id,
            JobStatus.SUCCEEDED,
            now=now,
            attempt=job.attempt,
            result=BacktestResult(metrics=result.metrics, fill_bracket=bracket, engine=engine_digest()),
        )


def _report(context: JobContext, bars: Bars, spec: BacktestSpec) -> Report:
    """Run it as a search would and as a report is made.

    The search believes the sweep path and the user the report path: a run on which they differ has no result.
    """
    kernel, fills_max = context.contract.kernel, context.fills_max
    try:
        return make_report(kernel, bars, spec.params, spec.scenario.terms, fills_max=fills_max)
    except PathsDisagree as differences:
        raise JobFailure(
            "PATHS_DISAGREE",
            f"the engine's two paths differ: {differences}. This is a fault of the server",
            metrics=str(differences),
        ) from differences
    except TooManyFills as many:
        raise JobFailure(
            "REPORT_TOO_LARGE",
            f"the run has {many.fills:,} fills, more than the {fills_max:,} of a report: use fewer bars or "
            "parameters that trade less, or raise report_fills_max",
            fills=str(many.fills),
            report_fills_max=str(fills_max),
        ) from many


def fill_bracket(
    kernel: str, bars: Bars, params: Params, terms: RunTerms, own: Metrics
) -> tuple[BracketRun, ...]:
    """Run a grid under each fill model of the bracket, but for its own, which has run; others have none."""
    if kernel != GRID:
        return ()
    return tuple(
        BracketRun(
            fill_model=model,
            metrics=own
            if model is terms.fill_model
            else sweep(kernel, bars, [params], replace(terms, fill_model=model))[0],
        )
        for model in BRACKET
    )


def _announce(context: JobContext, stage: int) -> None:
    progress = Progress(done=stage, total=len(STAGES), stage=STAGES[stage])
    context.storage.jobs.record(context.job.id, context.job.attempt, progress=progress)
    context.changed()
