"""Bad input: a clear refusal that names every field, and nothing stored."""

from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest

from stratopt.v1 import (
    backtest_service_pb2,
    market_data_service_pb2,
    market_data_service_pb2_grpc,
    optimization_service_pb2,
    optimization_service_pb2_grpc,
    parameter_pb2,
    strategy_pb2,
    strategy_service_pb2,
)
from stratopt_client import (
    AlreadyExists,
    Client,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    StratoptError,
)
from support import ServerProcess

RUN = {"strategy_id": "ma_cross_v1.0", "symbol": "WALK/USDT"}
SEARCH = {**RUN, "param_ranges": {"fast_period": [2, 10]}}

BAD_BACKTESTS: list[tuple[dict[str, Any], type[StratoptError], str, str]] = [
    ({"strategy_id": "no_such"}, NotFound, "STRATEGY_NOT_FOUND", "strategy_id"),
    ({"strategy_id": ""}, InvalidRequest, "REQUIRED", "strategy_id"),
    ({"symbol": "ABSENT/USDT"}, NotFound, "DATASET_NOT_FOUND", "symbol"),
    ({"symbol": "walk"}, InvalidRequest, "INVALID_SYMBOL", "symbol"),
    ({"exchange": "elsewhere"}, NotFound, "DATASET_NOT_FOUND", "symbol"),
    ({"timeframe": "7m"}, InvalidRequest, "UNKNOWN_TIMEFRAME", "timeframe"),
    ({"start_date": "2019-01-01"}, FailedPrecondition, "DATES_OUTSIDE_DATA", "start_date"),
    ({"end_date": "2029-01-01"}, FailedPrecondition, "DATES_OUTSIDE_DATA", "end_date"),
    (
        {"start_date": "2023-02-01", "end_date": "2023-01-15"},
        InvalidRequest,
        "DATES_REVERSED",
        "end_date",
    ),
    ({"params": {"speed": 3}}, InvalidRequest, "UNKNOWN_PARAMETER", "params.speed"),
    ({"params": {"fast_period": 0}}, InvalidRequest, "PARAMETER_OUT_OF_RANGE", "params.fast_period"),
    ({"params": {"fast_period": 5.5}}, InvalidRequest, "WRONG_PARAMETER_TYPE", "params.fast_period"),
    ({"params": {"fast_period": True}}, InvalidRequest, "WRONG_PARAMETER_TYPE", "params.fast_period"),
    (
        {"params": {"signal_threshold": "high"}},
        InvalidRequest,
        "WRONG_PARAMETER_TYPE",
        "params.signal_threshold",
    ),
    ({"params": {"fast_period": 50}}, InvalidRequest, "CONSTRAINT_VIOLATED", "params"),
    ({"taker_fee": 1.0}, InvalidRequest, "COST_OUT_OF_RANGE", "costs.taker_fee"),
    ({"slippage": -0.1}, InvalidRequest, "COST_OUT_OF_RANGE", "costs.slippage"),
    ({"initial_cash": 0.0}, InvalidRequest, "INITIAL_CASH_OUT_OF_RANGE", "initial_cash"),
]

BAD_SEARCHES: list[tuple[dict[str, Any], type[StratoptError], str, str]] = [
    ({"param_ranges": {}}, InvalidRequest, "EMPTY_PARAM_RANGES", "param_ranges"),
    ({"max_iterations": 0}, InvalidRequest, "BUDGET_OUT_OF_RANGE", "max_iterations"),
    ({"max_iterations": 10**9}, InvalidRequest, "BUDGET_OUT_OF_RANGE", "max_iterations"),
    ({"param_ranges": {"speed": [1, 2]}}, InvalidRequest, "UNKNOWN_PARAMETER", "param_ranges.speed"),
    (
        {"param_ranges": {"fast_period": [9, 3]}},
        InvalidRequest,
        "RANGE_REVERSED",
        "param_ranges.fast_period",
    ),
    (
        {"param_ranges": {"fast_period": {"min": 2, "max": 9, "step": -1}}},
        InvalidRequest,
        "INVALID_STEP",
        "param_ranges.fast_period.step",
    ),
    (
        {"param_ranges": {"fast_period": [0, 9]}},
        InvalidRequest,
        "PARAMETER_OUT_OF_RANGE",
        "param_ranges.fast_period.min",
    ),
    (
        {"param_ranges": {"fast_period": {"min": 2.0, "max": 9.0}}},
        InvalidRequest,
        "WRONG_PARAMETER_TYPE",
        "param_ranges.fast_period",
    ),
    (
        {"param_ranges": {"signal_threshold": {"min": 0.0, "max": 0.1, "log": True}}},
        InvalidRequest,
        "LOG_OF_NON_POSITIVE",
        "param_ranges.signal_threshold.log",
    ),
    (
        {"param_ranges": {"fast_period": [30, 40], "slow_period": [10, 20]}},
        InvalidRequest,
        "NO_FEASIBLE_POINT",
        "param_ranges",
    ),
    (
        {"param_ranges": {"fast_period": [2, 19]}, "max_iterations": 3, "algorithm": "grid"},
        InvalidRequest,
        "GRID_EXCEEDS_BUDGET",
        "max_iterations",
    ),
    (
        {"param_ranges": {"signal_threshold": {"min": 0.0, "max": 0.1}}, "algorithm": "grid"},
        InvalidRequest,
        "GRID_NEEDS_STEPS",
        "algorithm",
    ),
    ({"holdout": 0.95}, InvalidRequest, "HOLDOUT_OUT_OF_RANGE", "holdout"),
    ({"min_trades": 0}, InvalidRequest, "MIN_TRADES_OUT_OF_RANGE", "min_trades"),
    (
        {"fixed_params": {"fast_period": 3}},
        InvalidRequest,
        "FIXED_AND_SEARCHED",
        "fixed_params.fast_period",
    ),
    (
        {"start_date": "2023-01-01T00:00:00", "end_date": "2023-01-01T12:00:00"},
        FailedPrecondition,
        "TOO_FEW_BARS",
        "validation.windows",
    ),
]


async def count_jobs(client: Client) -> int:
    """Count every job there is."""
    backtests = [row async for row in client.backtests.list()]
    return len(backtests) + len([row async for row in client.optimizations.list()])


def assert_refused(error: StratoptError, reason: str, field: str) -> None:
    """The refusal names reason and field, and says something about it."""
    assert error.reason == reason
    assert field in {violation.field for violation in error.violations}
    assert all(violation.description for violation in error.violations)


@pytest.mark.parametrize(("change", "kind", "reason", "field"), BAD_BACKTESTS)
async def test_bad_backtest_is_refused(
    client: Client, walk: str, change: dict[str, Any], kind: type[StratoptError], reason: str, field: str
) -> None:
    """A backtest that cannot be is refused with code, reason and field, and leaves no job."""
    before = await count_jobs(client)
    with pytest.raises(kind) as refusal:
        await client.backtests.start(**{**RUN, "symbol": walk, **change})
    assert_refused(refusal.value, reason, field)
    assert await count_jobs(client) == before


@pytest.mark.parametrize(("change", "kind", "reason", "field"), BAD_SEARCHES)
async def test_bad_search_is_refused(
    client: Client, walk: str, change: dict[str, Any], kind: type[StratoptError], reason: str, field: str
) -> None:
    """A search that cannot be is refused with code, reason and field, and leaves no job."""
    before = await count_jobs(client)
    with pytest.raises(kind) as refusal:
        await client.optimizations.start(**{**SEARCH, "symbol": walk, **change})
    assert_refused(refusal.value, reason, field)
    assert await count_jobs(client) == before


async def test_every_fault_is_named_at_once(client: Client) -> None:
    """Faults of strategy, symbol, dates, costs, cash, budget and holdout come in one refusal."""
    with pytest.raises(InvalidRequest) as refusal:
        await client.optimizations.start(
            symbol="ABSENT/USDT",
            strategy_id="no_such",
            param_ranges={},
            start_date="2023-02-01",
            end_date="2023-01-01",
            taker_fee=2.0,
            initial_cash=-1.0,
            max_iterations=0,
            holdout=2.0,
            min_trades=-1,
        )
    assert {violation.field for violation in refusal.value.violations} == {
        "strategy_id",
        "symbol",
        "end_date",
        "costs.taker_fee",
        "initial_cash",
        "max_iterations",
        "holdout",
        "min_trades",
        "param_ranges",
    }


async def test_ambiguous_bars_are_listed(client: Client, walk: str, bars_file: Any) -> None:
    """Where several datasets match, the refusal lists them; naming the exchange settles it."""
    for exchange in ("one", "two"):
        await client.market_data.import_file(bars_file, symbol="TWICE/USDT", exchange=exchange)
    with pytest.raises(FailedPrecondition) as refusal:
        await client.backtests.start(**{**RUN, "symbol": "TWICE/USDT"})
    assert_refused(refusal.value, "DATASET_AMBIGUOUS", "symbol")
    assert refusal.value.metadata["datasets"] == "TWICE/USDT two 1h, TWICE/USDT one 1h"
    handle = await client.backtests.start(**{**RUN, "symbol": "TWICE/USDT", "exchange": "two"})
    assert (await handle.get()).exchange == "two"
    assert walk


async def test_uploaded_code_is_stored_and_refused_at_run_time(client: Client, walk: str) -> None:
    """Code that is not built in can be kept; running it is refused with the reason."""
    await client.strategies.create("mine", name="Mine", version="1", code="def signals(bars, p): ...")
    strategy = await client.strategies.get("mine")
    assert not strategy.runnable
    with pytest.raises(FailedPrecondition) as refusal:
        await client.backtests.start(symbol=walk, strategy_id="mine")
    assert_refused(refusal.value, "STRATEGY_NOT_RUNNABLE", "strategy_id")
    assert "uploaded code" in str(refusal.value)


async def test_built_in_code_runs_under_another_name(client: Client, walk: str) -> None:
    """What a strategy is called does not matter: it runs if its code is a built-in one."""
    original = await client.strategies.get("ma_cross_v1.0")
    await client.strategies.create(
        "my_cross", name="Mine", version="1", code=original.code, default_params={"fast_period": 7}
    )
    handle = await client.backtests.start(symbol=walk, strategy_id="my_cross")
    backtest = await handle.result(timeout=60)
    assert backtest.params["fast_period"].integer == 7
    assert backtest.params["slow_period"].integer == 20


async def test_bad_strategies_are_refused(client: Client) -> None:
    """A strategy that cannot be stored is refused with every field; a taken id says so."""
    with pytest.raises(InvalidRequest) as refusal:
        await client.strategies.create("no spaces!", name="", version="x" * 30, code="")
    fields = {violation.field for violation in refusal.value.violations}
    assert fields == {"strategy.id", "strategy.name", "strategy.version", "strategy.code"}
    with pytest.raises(AlreadyExists):
        await client.strategies.create("ma_cross_v1.0", name="a", version="1", code="b")
    original = await client.strategies.get("ma_cross_v1.0")
    with pytest.raises(InvalidRequest) as refusal:
        await client.strategies.create(
            "bad_defaults",
            name="a",
            version="1",
            code=original.code,
            default_params={"fast_period": 90, "slow_period": 3, "x": 1},
        )
    assert "strategy.default_params.x" in {violation.field for violation in refusal.value.violations}


async def test_strategy_in_use_stays(client: Client, walk: str) -> None:
    """A strategy that a job refers to cannot be removed; one that is free can, once."""
    original = await client.strategies.get("ma_cross_v1.0")
    await client.strategies.create("used", name="a", version="1", code=original.code)
    await (await client.backtests.start(symbol=walk, strategy_id="used")).result(timeout=60)
    with pytest.raises(FailedPrecondition) as refusal:
        await client.strategies.delete("used")
    assert refusal.value.reason == "STRATEGY_IN_USE"
    await client.strategies.create("free", name="a", version="1", code="b")
    await client.strategies.delete("free")
    with pytest.raises(NotFound):
        await client.strategies.get("free")


async def test_update_changes_the_masked_fields_only(client: Client) -> None:
    """An update changes what it names and nothing else; an unknown path is refused."""
    await client.strategies.create("changing", name="before", version="1", code="code")
    changed = await client.strategies.update("changing", name="after")
    assert (changed.name, changed.version, changed.code) == ("after", "1", "code")
    from stratopt.v1.strategy_service_pb2_grpc import StrategyServiceStub

    connection = client.strategies._connection
    request = strategy_service_pb2.UpdateStrategyRequest(strategy=strategy_pb2.Strategy(id="changing"))
    request.update_mask.paths.append("create_time")
    with pytest.raises(InvalidRequest) as refusal:
        await connection.call(StrategyServiceStub(connection.channel).UpdateStrategy, request)
    assert_refused(refusal.value, "UNKNOWN_PATH", "update_mask")


async def test_unknown_ids_are_not_found(client: Client) -> None:
    """Every Get, Watch and Cancel of an unknown id says which id it does not know."""
    for handle in (client.backtests.handle("bt_none"), client.optimizations.handle("opt_none")):
        with pytest.raises(NotFound) as refusal:
            await handle.get()
        assert handle.id in str(refusal.value)
        with pytest.raises(NotFound):
            await handle.cancel()
        with pytest.raises(NotFound):
            await handle.result()
    with pytest.raises(NotFound):
        await client.backtests.handle("bt_none").report_html()
    with pytest.raises(NotFound):
        [trial async for trial in client.optimizations.handle("opt_none").trials()]
    with pytest.raises(NotFound):
        await client.market_data.get("ds_none")


async def test_an_optimization_is_no_backtest(client: Client, walk: str) -> None:
    """An id of one kind is not found as the other kind."""
    handle = await client.optimizations.start(**{**SEARCH, "symbol": walk})
    with pytest.raises(NotFound):
        await client.backtests.handle(handle.id).get()
    await handle.result(timeout=60)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ({"symbol": "btc"}, "symbol"),
        ({"symbol": "A/B", "exchange": "Big Exchange"}, "exchange"),
        ({"symbol": "A/B", "timeframe": "9q"}, "timeframe"),
        ({"symbol": "A/B", "bars_per_year": -1.0}, "bars_per_year"),
        ({"symbol": "A/B", "timeframe": "1d"}, "timeframe"),
    ],
)
async def test_bad_import_header_is_refused(
    client: Client, bars_file: Any, header: dict[str, Any], field: str
) -> None:
    """An import that cannot be is refused with its field and leaves no dataset."""
    before = len([row async for row in client.market_data.list()])
    with pytest.raises(InvalidRequest) as refusal:
        await client.market_data.import_file(bars_file, **header)
    assert field in {violation.field for violation in refusal.value.violations}
    assert len([row async for row in client.market_data.list()]) == before


async def test_bad_import_file_is_refused(client: Client, tmp_path: Any) -> None:
    """A file that is no bars is refused, an empty one too, and nothing is left behind."""
    for content in (b"", b"hello", b"PAR1 but not really", b"timestamp,open\n1,2\n"):
        path = tmp_path / "bad.csv"
        path.write_bytes(content)
        with pytest.raises(InvalidRequest):
            await client.market_data.import_file(path, symbol="BAD/USDT")
    assert [row async for row in client.market_data.list(symbol="BAD/USDT")] == []


async def test_import_needs_its_header_first(client: Client) -> None:
    """Chunks without a header before them, and a second header, are refused."""
    connection = client.market_data._connection
    stub = market_data_service_pb2_grpc.MarketDataServiceStub(connection.channel)
    chunk = market_data_service_pb2.ImportBarsRequest(chunk=b"x")
    header = market_data_service_pb2.ImportBarsRequest(
        header=market_data_service_pb2.ImportHeader(symbol="A/B")
    )
    import grpc

    for parts in ([], [chunk], [header, header]):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await stub.ImportBars(iter(parts))
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_request_id_gives_the_first_answer_again(client: Client, walk: str) -> None:
    """The same request_id and body start one job; another body under the same id is refused."""
    first = await client.backtests.start(**{**RUN, "symbol": walk, "request_id": "once"})
    again = await client.backtests.start(**{**RUN, "symbol": walk, "request_id": "once"})
    assert first.id == again.id
    with pytest.raises(InvalidRequest) as refusal:
        await client.backtests.start(**{**RUN, "symbol": walk, "request_id": "once", "initial_cash": 5.0})
    assert_refused(refusal.value, "REQUEST_ID_REUSED", "request_id")
    with pytest.raises(InvalidRequest):
        await client.backtests.start(**{**RUN, "symbol": walk, "request_id": "x" * 65})
    await first.result(timeout=60)


async def test_what_no_client_of_ours_sends_is_refused(client: Client) -> None:
    """Unknown enum numbers and NaN are refused by the server itself, not taken for a default."""
    from stratopt.v1.backtest_service_pb2_grpc import BacktestServiceStub
    from stratopt.v1.optimization_service_pb2_grpc import OptimizationServiceStub

    connection = client.backtests._connection
    backtest = backtest_service_pb2.StartBacktestRequest(**RUN, fill=99)
    with pytest.raises(InvalidRequest) as refusal:
        await connection.call(BacktestServiceStub(connection.channel).StartBacktest, backtest)
    assert_refused(refusal.value, "UNKNOWN_ENUM_VALUE", "fill")
    backtest = backtest_service_pb2.StartBacktestRequest(**RUN, initial_cash=float("nan"))
    backtest.costs.taker_fee = float("nan")
    with pytest.raises(InvalidRequest) as refusal:
        await connection.call(BacktestServiceStub(connection.channel).StartBacktest, backtest)
    assert {"costs.taker_fee", "initial_cash"} <= {v.field for v in refusal.value.violations}
    search = optimization_service_pb2.StartOptimizationRequest(**RUN, optimization_target=99, algorithm=98)
    with pytest.raises(InvalidRequest) as refusal:
        await connection.call(OptimizationServiceStub(connection.channel).StartOptimization, search)
    assert {"optimization_target", "algorithm"} <= {v.field for v in refusal.value.violations}


async def test_one_over_the_memory_limit_fails_alone(tmp_path: Any) -> None:
    """A job that needs more memory than it may fails with the figure; the server goes on."""
    count = 6_000_000
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), np.full(count, 5.0))
    minutes = pd.date_range("2000-01-01", periods=count, freq="min", tz="UTC")
    path = tmp_path / "bars.parquet"
    pd.DataFrame({"timestamp": minutes, **columns}).to_parquet(path)
    server = ServerProcess(tmp_path / "data", {"STRATOPT_JOB_MEMORY_MB_MAX": "250"})
    try:
        async with Client(server.address) as client:
            with pytest.raises(StratoptError) as refusal:
                await client.market_data.import_file(path, symbol="BIG/USDT")
            assert refusal.value.reason == "MEMORY_LIMIT_EXCEEDED", str(refusal.value)
            assert refusal.value.metadata["memory_mb_max"] == "250"
            assert [row async for row in client.strategies.list()], "the server still answers"
    finally:
        server.stop()


async def test_refusals_stay_readable(client: Client, walk: str) -> None:
    """However much is wrong and however long it is, the refusal arrives with reasons and fields."""
    with pytest.raises(InvalidRequest) as refusal:
        await client.optimizations.start(
            **{
                **SEARCH,
                "symbol": walk,
                "param_ranges": {"fast_period": {"choices": [-n for n in range(500)]}},
            }
        )
    assert refusal.value.reason == "PARAMETER_OUT_OF_RANGE"
    assert "things are wrong" in str(refusal.value.args[0]) or len(refusal.value.violations) >= 10
    ranges = {"é" * 90 + str(number): [1, 2] for number in range(200)}
    with pytest.raises(InvalidRequest):
        await client.optimizations.start(**{**SEARCH, "symbol": walk, "param_ranges": ranges})
    with pytest.raises(NotFound) as unknown:
        await client.strategies.get("x" * 9_000)
    assert unknown.value.reason == "STRATEGY_NOT_FOUND"
    with pytest.raises(InvalidRequest):
        await client.backtests.start(symbol=walk, strategy_id="ma_cross_v1.0", params={"y" * 3_000: 1})


async def test_largest_refusal_fits_trailers(server: ServerProcess, walk: str) -> None:
    """A refusal of many long, foreign names stays below 8 KB, above which clients drop some at random."""
    ranges = {
        "é" * 90 + str(number): parameter_pb2.ParameterRange(choices=choices)
        for number in range(200)
        for choices in [parameter_pb2.ChoiceList(values=[parameter_pb2.ParameterValue(integer=1)])]
    }
    request = optimization_service_pb2.StartOptimizationRequest(
        symbol=walk, strategy_id="ma_cross_v1.0", param_ranges=ranges
    )
    options = [("grpc.max_metadata_size", 8_192), ("grpc.absolute_max_metadata_size", 8_192)]
    async with grpc.aio.insecure_channel(server.address, options=options) as channel:
        stub = optimization_service_pb2_grpc.OptimizationServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await stub.StartOptimization(request, timeout=10)
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT, refusal.value
    assert "201 things are wrong, the first" in (refusal.value.details() or "")


async def test_long_strategies_are_listed(client: Client) -> None:
    """Strategies of the largest size are listed page by page, none lost, none refused."""
    code = "#" * 262_000
    made = {f"long_{number}" for number in range(20)}
    for strategy_id in made:
        await client.strategies.create(strategy_id, name="long", version="1", code=code)
    assert {row.id async for row in client.strategies.list(name="long")} == made
    for strategy_id in made:  # whoever lists after us has room for more than them on a page
        await client.strategies.delete(strategy_id)


async def test_negative_sequence_is_refused(client: Client, walk: str) -> None:
    """A watch cannot resume before the beginning."""
    handle = await client.backtests.start(symbol=walk, strategy_id="ma_cross_v1.0")
    with pytest.raises(InvalidRequest) as refusal:
        [event async for event in handle.watch(after_sequence=-1)]
    assert "after_sequence" in str(refusal.value)
    await handle.result(timeout=60)


async def test_same_bars_again_change_nothing(client: Client, bars_file: Any) -> None:
    """Importing the same bars again answers UNCHANGED and does not claim that they were replaced."""
    first = await client.market_data.import_file(bars_file, symbol="SAME/USDT")
    again = await client.market_data.import_file(bars_file, symbol="SAME/USDT")
    assert again.outcome == market_data_service_pb2.IMPORT_OUTCOME_UNCHANGED
    assert again.dataset == first.dataset
