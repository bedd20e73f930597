"""A backtest, inside its process: both paths through the engine, then the report."""

from stratopt_server.domain.jobs import BacktestResult, JobStatus, Progress
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.engine.html import render_html
from stratopt_server.engine.report import disagreements, make_report
from stratopt_server.engine.sweep import sweep
from stratopt_server.jobs.channel import JobFailure
from stratopt_server.jobs.context import JobContext
from stratopt_server.usecases.backtests import STAGES


def run_backtest(context: JobContext, spec: BacktestSpec) -> None:
    """Run it and store its report, its result and its final status in one transaction."""
    kernel, terms = context.contract.kernel, spec.scenario.terms
    _announce(context, 0)
    bars = context.bars()
    _announce(context, 1)
    report = make_report(kernel, bars, spec.params, terms)
    swept = sweep(kernel, bars, [spec.params], terms)[0]
    # The search believes the sweep path and the user the report path: a run on which they differ
    # has no result.
    if differences := disagreements(swept, report.metrics):
        raise JobFailure(
            "PATHS_DISAGREE",
            f"the engine's two paths differ: {'; '.join(differences)}. This is a fault of the server",
            metrics="; ".join(differences),
        )
    _announce(context, 2)
    html = render_html(spec, report)
    done = Progress(done=len(STAGES), total=len(STAGES), stage="done")
    now = context.clock.now()
    job = context.job
    with context.storage.transaction():
        context.storage.jobs.record(job.id, job.attempt, progress=done)
        context.storage.reports.add(job, report, html, now=now)
        context.storage.jobs.finish(
            job.id,
            JobStatus.SUCCEEDED,
            now=now,
            attempt=job.attempt,
            result=BacktestResult(metrics=report.metrics),
        )


def _announce(context: JobContext, stage: int) -> None:
    progress = Progress(done=stage, total=len(STAGES), stage=STAGES[stage])
    context.storage.jobs.record(context.job.id, context.job.attempt, progress=progress)
    context.changed()
