"""Backtests and their reports <-> proto."""

from stratopt.v1 import backtest_pb2 as pb
from stratopt.v1 import backtest_service_pb2 as service_pb
from stratopt.v1 import job_pb2
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.evidence import BracketRun
from stratopt_server.domain.jobs import BacktestResult, Job, Progress
from stratopt_server.domain.ports import ReportFilter, ReportOrder
from stratopt_server.domain.report import ReportSeries, Trade
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.usecases.requests import BacktestRequest
from stratopt_server.usecases.watching import Watched
from stratopt_server.wire.enums import FILL_MODEL, REPORT_ORDER
from stratopt_server.wire.jobs import job_fields, metrics_to_proto, progress_to_proto, run_from_proto
from stratopt_server.wire.parameters import params_from_proto, params_to_proto
from stratopt_server.wire.reading import check_request_id, optional_word
from stratopt_server.wire.times import microseconds_to_timestamp, optional_moment


def backtest_to_proto(job: Job) -> pb.Backtest:
    """Write a backtest."""
    assert isinstance(job.spec, BacktestSpec), "a backtest is made of a BacktestSpec"
    message = pb.Backtest(**job_fields(job), params=params_to_proto(job.spec.params))
    if isinstance(job.result, BacktestResult):
        message.metrics.CopyFrom(metrics_to_proto(job.result.metrics))
        message.cached_from = job.result.cached_from
        message.fill_bracket.extend(bracket_run_to_proto(run) for run in job.result.fill_bracket)
    return message


def bracket_run_to_proto(run: BracketRun) -> pb.BracketRun:
    """Write what the run of a grid came to under one fill model."""
    return pb.BracketRun(fill_model=FILL_MODEL[run.fill_model], metrics=metrics_to_proto(run.metrics))


def backtest_from_proto(request: service_pb.StartBacktestRequest) -> BacktestRequest:
    """Read what to run, with what is wrong with how it is written."""
    violations = Violations()
    run = run_from_proto(request, violations)
    params = params_from_proto(request.params, field="params", violations=violations)
    check_request_id(request, violations)
    return BacktestRequest(run=run, params=params, recompute=request.recompute, faults=violations.found)


def watched_backtest(watched: Watched) -> service_pb.WatchBacktestResponse:
    """Write one thing a watcher is told."""
    message = service_pb.WatchBacktestResponse(sequence=watched.sequence)
    match watched.event:
        case Job() as job:
            message.snapshot.CopyFrom(backtest_to_proto(job))
        case Progress() as progress:
            message.progress.CopyFrom(progress_to_proto(progress))
        case _:
            message.heartbeat.CopyFrom(job_pb2.Heartbeat())
    return message


def series_to_proto(series: ReportSeries) -> pb.SeriesChunk:
    """Write consecutive bars of a report."""
    return pb.SeriesChunk(
        bar_time_us=series.time.tolist(),
        equity=series.equity.tolist(),
        drawdown=series.drawdown.tolist(),
        position=series.position.tolist(),
        benchmark_equity=series.benchmark_equity.tolist(),
    )


def trade_to_proto(trade: Trade) -> pb.Trade:
    """Write a round trip, or the position still open at the end."""
    exit_time = None if trade.exit_time is None else microseconds_to_timestamp(trade.exit_time)
    message = pb.Trade(
        entry_time=microseconds_to_timestamp(trade.entry_time),
        entry_price=trade.entry_price,
        exit_time=exit_time,
        exit_price=trade.exit_price,
        size=trade.size,
        profit=trade.profit,
        fees=trade.fees,
        open=exit_time is None,
        short=trade.short,
        carry=trade.carry,
    )
    setattr(message, "return", trade.return_)  # the field's name is a keyword of Python
    return message


def report_filter(request: service_pb.ListReportsRequest, violations: Violations) -> ReportFilter:
    """Read which reports a list is about."""
    return ReportFilter(
        strategy_id=request.strategy_id or None,
        symbol=request.symbol or None,
        start_date=optional_moment(request, "start_date", violations),
        end_date=optional_moment(request, "end_date", violations),
    )


def report_order(request: service_pb.ListReportsRequest, violations: Violations) -> ReportOrder:
    """Read what comes first."""
    order = optional_word(request.order, REPORT_ORDER, field="order", violations=violations)
    return order or ReportOrder.NEWEST
