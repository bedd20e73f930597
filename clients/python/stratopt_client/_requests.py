"""Requests from keyword arguments."""

import uuid
from collections.abc import Mapping

from stratopt.v1 import optimization_pb2
from stratopt.v1.backtest_service_pb2 import ListReportsRequest, ReportOrder, StartBacktestRequest
from stratopt.v1.job_pb2 import JobStatus
from stratopt.v1.market_data_service_pb2 import FileFormat, ImportHeader
from stratopt.v1.optimization_pb2 import Algorithm, OptimizationTarget
from stratopt.v1.optimization_service_pb2 import ListTrialsRequest, StartOptimizationRequest
from stratopt.v1.run_pb2 import Fill
from stratopt.v1.strategy_pb2 import Strategy
from stratopt.v1.strategy_service_pb2 import UpdateStrategyRequest
from stratopt_client._options import (
    BacktestOptions,
    ImportOptions,
    JobFilter,
    OptimizationOptions,
    ReportFilter,
    RunOptions,
    StrategyFields,
    TrialStatus,
    refuse_unknown,
)
from stratopt_client._params import params_to_proto, ranges_to_proto
from stratopt_client._searching import (
    objectives_to_proto,
    sets_to_proto,
    stop_rule_to_proto,
    texts_to_proto,
    validation_to_proto,
)
from stratopt_client._shape import INT32, UINT64, Shape
from stratopt_client._times import moment_to_proto
from stratopt_client._trading import costs_to_proto, trading_to_proto


def new_request_id() -> str:
    """Return an id that makes a call repeatable."""
    return str(uuid.uuid4())


def start_backtest(symbol: object, strategy_id: object, options: BacktestOptions) -> StartBacktestRequest:
    """Return the request, or raise InvalidInput with every argument that is wrong."""
    refuse_unknown(options, BacktestOptions, call="start")
    shape = Shape()
    request = StartBacktestRequest(
        params=params_to_proto(shape, "params", options.get("params")),
        recompute=shape.flag("recompute", options.get("recompute")) or False,
    )
    _fill_run(shape, request, symbol, strategy_id, options)
    shape.refuse_if_any()
    return request


def start_optimization(
    symbol: object, strategy_id: object, param_ranges: object, options: OptimizationOptions
) -> StartOptimizationRequest:
    """Return the request, or raise InvalidInput with every argument that is wrong."""
    refuse_unknown(options, OptimizationOptions, call="start")
    shape = Shape()
    target = shape.word(
        "optimization_target", options.get("optimization_target"), OptimizationTarget.DESCRIPTOR
    )
    algorithm = shape.word("algorithm", options.get("algorithm"), Algorithm.DESCRIPTOR)
    request = StartOptimizationRequest(
        param_ranges=ranges_to_proto(shape, "param_ranges", param_ranges),
        fixed_params=params_to_proto(shape, "fixed_params", options.get("fixed_params")),
        optimization_target=OptimizationTarget.Value(target),
        algorithm=Algorithm.Value(algorithm),
        max_iterations=shape.whole("max_iterations", options.get("max_iterations")),
        seed=shape.whole("seed", options.get("seed"), within=UINT64),
        holdout=shape.number("holdout", options.get("holdout")),
        min_trades=shape.whole("min_trades", options.get("min_trades")),
        objectives=objectives_to_proto(shape, options.get("objectives")),
        constraints=texts_to_proto(shape, "constraints", options.get("constraints")),
        validation=validation_to_proto(shape, options.get("validation")),
        stop_rule=stop_rule_to_proto(shape, options.get("stop_rule")),
        initial_params=sets_to_proto(shape, options.get("initial_params")),
    )
    _fill_run(shape, request, symbol, strategy_id, options)
    shape.refuse_if_any()
    return request


def list_trials(
    optimization_id: str, *, status: TrialStatus | None, window: int | None, order_by: str | None
) -> ListTrialsRequest:
    """Return the request for the first page, or raise InvalidInput with every argument that is wrong."""
    shape = Shape()
    word = shape.word("status", status, optimization_pb2.TrialStatus.DESCRIPTOR)
    request = ListTrialsRequest(
        optimization_id=optimization_id,
        status=optimization_pb2.TrialStatus.Value(word),
        window=shape.whole("window", window, within=INT32),
        order_by=shape.text("order_by", order_by),
    )
    shape.refuse_if_any()
    return request


def import_header(symbol: object, options: ImportOptions) -> ImportHeader:
    """Return the header of an import, or raise InvalidInput with every argument that is wrong."""
    refuse_unknown(options, ImportOptions, call="import_file")
    shape = Shape()
    file_format = shape.word("format", options.get("format"), FileFormat.DESCRIPTOR)
    header = ImportHeader(
        symbol=shape.text("symbol", symbol),
        exchange=shape.text("exchange", options.get("exchange")),
        timeframe=shape.text("timeframe", options.get("timeframe")),
        format=FileFormat.Value(file_format),
        bars_per_year=shape.number("bars_per_year", options.get("bars_per_year")),
    )
    shape.refuse_if_any()
    return header


def strategy(strategy_id: object, fields: StrategyFields) -> Strategy:
    """Return a strategy with the fields given, or raise InvalidInput with every one that is wrong."""
    shape = Shape()
    message = Strategy(
        id=shape.text("strategy.id", strategy_id),
        name=shape.text("strategy.name", fields.get("name")),
        version=shape.text("strategy.version", fields.get("version")),
        code=shape.text("strategy.code", fields.get("code")),
        default_params=params_to_proto(shape, "strategy.default_params", fields.get("default_params")),
    )
    shape.refuse_if_any()
    return message


def update_strategy(
    strategy_id: str, request_id: str | None, fields: StrategyFields
) -> UpdateStrategyRequest:
    """Return the request; its mask names the fields given, so that one can be set to empty."""
    refuse_unknown(fields, StrategyFields, call="update")
    request = UpdateStrategyRequest(
        request_id=request_id or new_request_id(), strategy=strategy(strategy_id, fields)
    )
    given = [name for name, value in fields.items() if value is not None]
    if not given:
        shape = Shape()
        shape.wrong("update_mask", "nothing to change was given", reason="REQUIRED")
        shape.refuse_if_any()
    request.update_mask.paths.extend(given)
    return request


def job_filter(wanted: JobFilter) -> tuple[str, str, JobStatus.ValueType]:
    """Return strategy_id, symbol and status of a filter, or raise InvalidInput."""
    refuse_unknown(wanted, JobFilter, call="list")
    shape = Shape()
    status = shape.word("status", wanted.get("status"), JobStatus.DESCRIPTOR)
    found = shape.text("strategy_id", wanted.get("strategy_id")), shape.text("symbol", wanted.get("symbol"))
    shape.refuse_if_any()
    return *found, JobStatus.Value(status)


def list_reports(wanted: ReportFilter) -> ListReportsRequest:
    """Return the request for the first page, or raise InvalidInput with every argument that is wrong."""
    refuse_unknown(wanted, ReportFilter, call="reports")
    shape = Shape()
    order = shape.word("order", wanted.get("order"), ReportOrder.DESCRIPTOR)
    request = ListReportsRequest(
        strategy_id=shape.text("strategy_id", wanted.get("strategy_id")),
        symbol=shape.text("symbol", wanted.get("symbol")),
        start_date=moment_to_proto(shape, "start_date", wanted.get("start_date")),
        end_date=moment_to_proto(shape, "end_date", wanted.get("end_date"), whole_day=True),
        order=ReportOrder.Value(order),
    )
    shape.refuse_if_any()
    return request


def texts(wanted: Mapping[str, object]) -> dict[str, str]:
    """Return a filter of texts without those that are None, or raise InvalidInput."""
    shape = Shape()
    found = {name: shape.text(name, value) for name, value in wanted.items()}
    shape.refuse_if_any()
    return found


def _fill_run(
    shape: Shape,
    request: StartBacktestRequest | StartOptimizationRequest,
    symbol: object,
    strategy_id: object,
    options: RunOptions,
) -> None:
    """Set what both kinds of run have."""
    request.request_id = shape.text("request_id", options.get("request_id")) or new_request_id()
    request.symbol = shape.text("symbol", symbol)
    request.strategy_id = shape.text("strategy_id", strategy_id)
    request.exchange = shape.text("exchange", options.get("exchange"))
    request.timeframe = shape.text("timeframe", options.get("timeframe"))
    start = moment_to_proto(shape, "start_date", options.get("start_date"))
    if start is not None:
        request.start_date.CopyFrom(start)
    end = moment_to_proto(shape, "end_date", options.get("end_date"), whole_day=True)
    if end is not None:
        request.end_date.CopyFrom(end)
    costs, trading = costs_to_proto(shape, options), trading_to_proto(shape, options)
    if costs.ByteSize():
        request.costs.CopyFrom(costs)
    if trading.ByteSize():
        request.trading.CopyFrom(trading)
    cash = shape.number("initial_cash", options.get("initial_cash"))
    if cash is not None:
        request.initial_cash = cash
    request.priority = shape.whole("priority", options.get("priority"), within=INT32) or 0
    request.fill = Fill.Value(shape.word("fill", options.get("fill"), Fill.DESCRIPTOR))
