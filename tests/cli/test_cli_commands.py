"""The commands, against a server."""

import asyncio
import json
from pathlib import Path

import grpc
import pytest
from cli_fakes import FakeService
from client_fakes import refusal, serving
from typer.testing import CliRunner, Result

from stratopt.v1 import run_pb2
from stratopt.v1.optimization_pb2 import Algorithm, OptimizationTarget
from stratopt.v1.run_pb2 import Fill
from stratopt_cli import main

RUN = ("backtest", "run", "ma_cross_v1.0", "BTC/USDT")
SEARCH = ("optimize", "run", "ma_cross_v1.0", "BTC/USDT", "--range", "fast_period=5:50:1")


def invoke(*arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main.app, arguments)


async def invoked(service: FakeService, *arguments: str) -> Result:
    """Run the command line in a thread, against a server in this one."""
    async with serving(service) as target:
        return await asyncio.to_thread(invoke, "--server", target, *arguments)


async def test_import_reads_the_file_name(tmp_path: Path) -> None:
    """Symbol, exchange and timeframe come from it; the quality is shown with its reasons."""
    file = tmp_path / "binance_BTC-USDT_1h.csv"
    file.write_text("timestamp,open,high,low,close,volume\n")
    service = FakeService()
    result = await invoked(service, "data", "import", str(file))
    assert result.exit_code == 0, result.output
    header = service.header
    assert header is not None
    assert (header.symbol, header.exchange, header.timeframe) == ("BTC/USDT", "binance", "1h")
    assert "created: BTC/USDT 1h (binance), 12,345 bars from 2020-01-01 to 2021-05-30 08:00" in result.stdout
    assert "quality usable" in result.stdout
    assert "3 bars are missing in 1 gap" in result.stdout


async def test_import_options_come_before_the_file_name(tmp_path: Path) -> None:
    """What is given counts."""
    file = tmp_path / "binance_BTC-USDT_1h.csv"
    file.touch()
    service = FakeService()
    options = ("--symbol", "ETH/BTC", "--exchange", "kraken", "--bars-per-year", "252", "--json")
    result = await invoked(service, "data", "import", str(file), *options)
    header = service.header
    assert header is not None
    assert (header.symbol, header.exchange, header.timeframe) == ("ETH/BTC", "kraken", "1h")
    assert header.bars_per_year == 252
    document = json.loads(result.stdout)
    assert (document["outcome"], document["dataset"]["quality"]["grade"]) == ("created", "usable")


async def test_datasets_are_listed() -> None:
    """As a table, as JSON, and with a hint where there are none."""
    table = await invoked(FakeService(), "data", "list")
    assert table.stdout.count("BTC/USDT") == 2
    assert "12,345" in table.stdout
    document = await invoked(FakeService(), "data", "list", "--json")
    assert [row["id"] for row in json.loads(document.stdout)["datasets"]] == ["ds_1", "ds_1"]
    none = await invoked(FakeService(datasets=0), "data", "list")
    assert none.stdout == ""
    assert "stratopt data import" in none.stderr
    empty = await invoked(FakeService(datasets=0), "--json", "data", "list")
    assert json.loads(empty.stdout) == {"datasets": []}


async def test_strategies_are_listed_with_their_parameters() -> None:
    """What may be given, and why one cannot run."""
    result = await invoked(FakeService(), "strategy", "list")
    assert result.exit_code == 0, result.output
    rows = [line.split("  ") for line in result.stdout.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert ["ma_cross_v1.0", "fast_period", "7", "1 to 100", "Bars."] in cells
    assert ["mode", "fast", "fast, slow", "How."] in cells
    assert ["on", "-", "true, false"] in cells
    assert ["mine", "cannot run here: there is no sandbox"] in cells
    document = json.loads((await invoked(FakeService(), "strategy", "list", "--json")).stdout)
    assert document["strategies"][0]["parameters"][0]["integer"] == {"min": 1, "max": 100}


async def test_backtest_is_run_and_shown(tmp_path: Path) -> None:
    """Options land in the request; metrics go to stdout, progress to stderr, the report into its file."""
    service = FakeService()
    report = tmp_path / "report.html"
    result = await invoked(
        service,
        *RUN,
        *("-p", "fast_period=5", "--param", "signal_threshold=0.5", "--param", "mode=fast"),
        *("--start", "2020-01-01", "--end", "2020-12-31", "--fee", "0", "--slippage", "0.001"),
        *("--cash", "5000", "--fill", "close", "--exchange", "binance", "--timeframe", "1h"),
        *("--html", str(report)),
    )
    assert result.exit_code == 0, result.output
    (request,) = service.backtests
    assert request.params["fast_period"].integer == 5
    assert request.params["signal_threshold"].real == 0.5
    assert request.params["mode"].choice == "fast"
    assert request.costs.HasField("taker_fee")
    assert (request.costs.slippage, request.initial_cash, request.fill) == (0.001, 5000, Fill.FILL_CLOSE)
    assert request.end_date.ToDatetime().hour == 23
    assert "Sharpe ratio" in result.stdout
    assert "1.500" in result.stdout
    assert "fast_period=5  signal_threshold=0.02" in result.stdout
    assert "backtest: waiting for its turn" in result.stderr
    assert report.read_text() == "<html>report</html>"
    assert str(report) in result.stderr


TERMS = (
    *("--fee", "0.001", "--maker-fee", "0", "--fixed-fee", "1.5", "--impact", "0.25", "--direction", "both"),
    *("--sizing", "fraction:0.5", "--stop-loss", "0.03", "--take-profit", "0.06", "--trailing-stop", "0.04"),
    *("--min-notional", "5", "--lot-size", "1e-5", "--tick-size", "0.01", "--borrow-rate", "1e-6"),
    *("--fill-model", "volume", "--participation", "0.2"),
)


@pytest.mark.parametrize("command", [RUN, SEARCH], ids=["backtest", "optimize"])
async def test_terms_land_in_the_request(command: tuple[str, ...]) -> None:
    """Every option of the terms, on both commands."""
    service = FakeService()
    result = await invoked(service, *command, *TERMS)
    assert result.exit_code == 0, result.output
    (request,) = [*service.backtests, *service.optimizations]
    costs, trading = request.costs, request.trading
    assert (costs.taker_fee, costs.maker_fee, costs.fixed_fee, costs.impact) == (0.001, 0.0, 1.5, 0.25)
    assert costs.HasField("maker_fee")
    assert not costs.HasField("slippage")
    assert (trading.direction, trading.fill_model) == (
        run_pb2.DIRECTION_BOTH,
        run_pb2.FILL_MODEL_VOLUME,
    )
    assert (trading.sizing.kind, trading.sizing.amount) == (run_pb2.SIZING_KIND_FRACTION, 0.5)
    stops, rules = trading.stops, trading.rules
    assert (stops.stop_loss, stops.take_profit, stops.trailing_stop) == (0.03, 0.06, 0.04)
    assert (rules.min_notional, rules.lot_size, rules.tick_size) == (5.0, 1e-5, 0.01)
    assert (trading.carry.borrow_rate, trading.participation) == (1e-6, 0.2)


async def test_no_terms_are_no_terms() -> None:
    """Without options the server has its defaults, and the result says nothing of terms."""
    service = FakeService()
    result = await invoked(service, *RUN)
    (request,) = service.backtests
    assert not request.HasField("trading")
    assert not request.HasField("costs")
    assert "terms " not in result.stdout


async def test_terms_and_new_figures_are_shown() -> None:
    """The result tells on which terms it was made, what it risked and what was refused."""
    result = await invoked(FakeService(), *RUN, *TERMS)
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    for row in (
        ["Longest drawdown, bars", "37"],
        ["Loss of a bad day (VaR 95 %)", "2.10%"],
        ["Mean loss of the worst 5 %", "3.40%"],
        ["Skewness", "-0.500"],
        ["Kurtosis (normal: 3)", "4.250"],
        ["Turnover a year", "12.500"],
        ["Borrow and funding paid", "-1.25"],
        ["Refused: value too small", "3"],
    ):
        assert row in cells
    assert "Refused: no cash" not in result.stdout
    assert "note: it was liquidated: the equity fell to 0" in result.stdout
    shown = " ".join(result.stdout.split())
    for term in (
        "direction=both",
        "sizing=fraction:0.5",
        "stop_loss=0.03",
        "maker_fee=0",
        "participation=0.2",
    ):
        assert term in shown


async def test_bracket_of_a_grid_is_shown_side_by_side() -> None:
    """Touch, through and volume in columns; none for what is no grid."""
    result = await invoked(FakeService(bracket=True), "backtest", "run", "grid_v1.2", "BTC/USDT")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["touch", "through", "volume"] in lines
    assert ["Total", "return", "30.00%", "15.00%", "10.00%"] in lines
    assert ["Sharpe", "ratio", "-", "-", "-"] in lines
    assert ["Largest", "drawdown", "10.00%", "20.00%", "30.00%"] in lines
    assert ["Round", "trips", "100", "50", "33"] in lines
    assert "kindest" not in (await invoked(FakeService(), *RUN)).stdout
    document = json.loads((await invoked(FakeService(bracket=True), *RUN, "--json")).stdout)
    assert [run["fill_model"] for run in document["fill_bracket"]] == ["touch", "through", "volume"]


async def test_backtest_as_json_is_one_document() -> None:
    """Nothing else is on stdout, whichever side of the command --json stands on."""
    for arguments in ((*RUN, "--json"), ("--json", *RUN)):
        result = await invoked(FakeService(), *arguments)
        document = json.loads(result.stdout)
        assert (document["status"], document["metrics"]["trade_count"]) == ("succeeded", 42)
        assert document["params"] == {"fast_period": 5, "signal_threshold": 0.02}


async def test_optimization_is_run_and_judged() -> None:
    """Options land in the request; both samples stand side by side, with the meaning in words."""
    service = FakeService()
    result = await invoked(
        service,
        *SEARCH,
        *("-r", "signal_threshold=0.001:0.1:log", "-r", "mode=5,50", "-p", "slow_period=60"),
        *("--target", "return", "--iterations", "500", "--algorithm", "random", "--seed", "7"),
        *("--holdout", "0.2", "--min-trades", "9"),
    )
    assert result.exit_code == 0, result.output
    (request,) = service.optimizations
    assert request.param_ranges["fast_period"].integer.max == 50
    assert request.fixed_params["slow_period"].integer == 60
    assert request.param_ranges["signal_threshold"].real.log
    assert [value.integer for value in request.param_ranges["mode"].choices.values] == [5, 50]
    assert request.optimization_target == OptimizationTarget.OPTIMIZATION_TARGET_RETURN
    assert request.algorithm == Algorithm.ALGORITHM_RANDOM
    assert (request.max_iterations, request.seed, request.holdout, request.min_trades) == (500, 7, 0.2, 9)
    assert "out of sample" in result.stdout
    assert "note: 2 trials could not be the best" in result.stdout
    assert "it did not hold at all" in result.stdout
    assert "searching:" in result.stderr


async def test_optimization_as_json_is_one_document() -> None:
    """With the trial count and both sets of metrics."""
    document = json.loads((await invoked(FakeService(), *SEARCH, "--json")).stdout)
    assert document["best"]["trial"]["score"] == 1.25
    assert document["best"]["out_of_sample"]["sharpe_ratio"] == -0.5


async def test_refused_fields_are_each_named() -> None:
    """Exit code 1, no traceback, a line for every field; as JSON a document with all of it."""
    service = FakeService()
    fields = [
        ("params.fast_period", "OUT_OF_RANGE", "must be a whole number from 1 to 100000"),
        ("strategy_id", "STRATEGY_NOT_FOUND", "there is no strategy 'x'"),
    ]
    service.refusal = refusal(grpc.StatusCode.INVALID_ARGUMENT, "OUT_OF_RANGE", fields=fields)
    result = await invoked(service, *RUN)
    assert result.exit_code == 1
    assert result.stdout == ""
    for field, _, description in fields:
        assert f"{field}: {description}" in result.stderr
    error = json.loads((await invoked(service, *RUN, "--json")).stdout)["error"]
    assert (error["code"], error["reason"]) == ("INVALID_ARGUMENT", "OUT_OF_RANGE")
    assert [violation["field"] for violation in error["violations"]] == [field for field, _, _ in fields]


async def test_failed_job_exits_with_its_reason() -> None:
    """A job that failed is told with the server's words; the job is in the JSON."""
    result = await invoked(FakeService(ends="FAILED"), *RUN)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: bt_1 failed: it needed more than 1 GiB" in result.stderr
    error = json.loads((await invoked(FakeService(ends="FAILED"), *RUN, "--json")).stdout)["error"]
    assert (error["reason"], error["job"]["status"]) == ("MEMORY_LIMIT_EXCEEDED", "failed")


async def test_bare_status_is_told_too() -> None:
    """What the server has no words for is shown with its code."""
    service = FakeService()
    service.refusal = refusal(grpc.StatusCode.INTERNAL, "BUG", "broken", domain="elsewhere")
    result = await invoked(service, *RUN)
    assert result.exit_code == 1
    assert "error: the call failed with INTERNAL: broken" in result.stderr


async def test_absent_server_is_told_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address comes from the option or the environment."""
    async with serving() as target:
        pass
    monkeypatch.setenv("STRATOPT_SERVER", target)
    result = await asyncio.to_thread(invoke, "data", "list")
    assert result.exit_code == 1
    assert f"no answer from {target}" in result.stderr.replace("\n", "")
    assert "is the server running there?" in result.stderr.replace("\n", " ")


async def test_absent_file_is_told(tmp_path: Path) -> None:
    """Python's own words are good enough."""
    result = await asyncio.to_thread(invoke, "data", "import", str(tmp_path / "binance_BTC-USDT_1h.csv"))
    assert result.exit_code == 1
    assert "No such file" in result.stderr
