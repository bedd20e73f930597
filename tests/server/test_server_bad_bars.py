"""Bars that are broken, and runs that come to nothing: refused or told, never NaN, never a failed job."""

import csv
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stratopt.v1.metrics_pb2 import Metrics, RunStatus
from stratopt_client import Client, StratoptError

Row = list[Any]
COUNT = 400
RUNS: dict[str, dict[str, Any]] = {
    "ma_cross_v1.0": {"fast_period": 3, "slow_period": 12, "signal_threshold": 0.0},
    "grid_v1.2": {"grid_num": 10, "profit_ratio": 0.01, "stop_loss": 0.2},
    "rsi_reversion_v1.0": {"period": 5, "oversold": 40.0, "overbought": 60.0},
    "donchian_breakout_v1.0": {"entry_period": 8, "exit_period": 4},
}


def rows() -> list[Row]:
    """Hourly bars that rise and fall."""
    found = []
    for number in range(COUNT):
        opened, closed = (100 + 10 * math.sin((number + step) / 9) + number / 40 for step in (0, 1))
        moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        found.append(
            [moment.isoformat(), opened, max(opened, closed) + 0.5, min(opened, closed) - 0.5, closed, 5.0]
        )
    return found


def with_value(column: int, value: object) -> Callable[[list[Row]], list[Row]]:
    """Put a value into one bar in twenty."""

    def broken(good: list[Row]) -> list[Row]:
        for row in good[7::20]:
            row[column] = value
        return good

    return broken


BREAKS: dict[str, Callable[[list[Row]], list[Row]]] = {
    "close is NaN": with_value(4, "nan"),
    "open is empty": with_value(1, ""),
    "low is zero": with_value(3, 0.0),
    "close is negative": with_value(4, -5.0),
    "high is infinite": with_value(2, "inf"),
    "high below low": with_value(2, 1.0),
    "volume is negative": with_value(5, -1.0),
    "no volume": lambda good: [[*row[:5], 0.0] for row in good],
    "unsorted": lambda good: good[200:] + good[:200],
    "every bar twice": lambda good: [row for row in good for _ in range(2)],
    "twice with other prices": lambda good: good + [[row[0], *(2 * v for v in row[1:])] for row in good[:50]],
    "a gap": lambda good: good[:100] + good[180:],
    "one bar": lambda good: good[:1],
    "no bar": lambda good: good[:0],
    "flat": lambda good: [[row[0], 7.0, 7.0, 7.0, 7.0, 1.0] for row in good],
}


def write(path: Path, found: list[Row]) -> Path:
    """Write the rows as a CSV file."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        writer.writerows(found)
    return path


def check_finite(metrics: Metrics) -> None:
    """Every figure that is set is a number."""
    for field, value in metrics.ListFields():
        assert math.isfinite(value), field.name


@pytest.mark.parametrize("name", BREAKS)
async def test_broken_bars(client: Client, tmp_path: Path, name: str) -> None:
    """Refused with a field and a reason; or taken with what was done to them, and then every run is whole.

    What a backtest is refused for, a search of the same parameters is refused for too; else they agree.
    """
    symbol = f"B{sorted(BREAKS).index(name)}/USDT"
    file = write(tmp_path / "bars.csv", BREAKS[name](rows()))
    if await refused(client.market_data.import_file(file, symbol=symbol, timeframe="1h")):
        return
    for strategy, params in RUNS.items():
        model = {"fill_model": "volume"} if strategy.startswith("grid") else {}
        single = {parameter: {"choices": [value]} for parameter, value in params.items()}
        wanted = {"holdout": 0, **model}
        why = await refused(client.backtests.start(symbol, strategy, params=params, **model))
        assert await refused(client.optimizations.start(symbol, strategy, single, **wanted)) == why
        if why:
            assert (name, why) == ("no volume", "trading.fill_model")
            continue
        run = await client.backtests.start(symbol, strategy, params=params, **model)
        search = await client.optimizations.start(symbol, strategy, single, **wanted)
        metrics = (await run.result(timeout=60)).metrics
        check_finite(metrics)
        assert (await search.result(timeout=60)).progress.done == 1
        trial = await anext(aiter(search.trials()))
        check_finite(trial.metrics)
        assert trial.metrics.trade_count == metrics.trade_count
        assert trial.metrics.total_return == pytest.approx(metrics.total_return, rel=1e-9, abs=1e-12)


async def refused(call: Awaitable[object]) -> str:
    """The field that a call is refused for, which has a reason; empty if it is not refused."""
    try:
        await call
    except StratoptError as refusal:
        named = refusal.violations
    else:
        return ""
    assert named
    assert all(violation.field and violation.reason for violation in named)
    return named[0].field


async def test_window_longer_than_the_data(client: Client, tmp_path: Path) -> None:
    """Nothing can be decided: it never trades, and says so on both paths; no figure is NaN."""
    await client.market_data.import_file(write(tmp_path / "bars.csv", rows()), symbol="LONG/USDT")
    params = {"fast_period": 10, "slow_period": 5_000, "signal_threshold": 0.0}
    run = await client.backtests.start("LONG/USDT", "ma_cross_v1.0", params=params)
    metrics = (await run.result(timeout=60)).metrics
    assert metrics.run_status == RunStatus.RUN_STATUS_NEVER_TRADED
    assert not metrics.HasField("sharpe_ratio")
    check_finite(metrics)
    search = await client.optimizations.start(
        "LONG/USDT", "ma_cross_v1.0", {"slow_period": [4_000, 5_000]}, holdout=0, max_iterations=20
    )
    found = await search.result(timeout=60)
    assert not found.HasField("best")
    assert "None of the 20 trials can be the best" in found.warnings[0]
    async for trial in search.trials():
        assert trial.metrics.run_status == RunStatus.RUN_STATUS_NEVER_TRADED
        check_finite(trial.metrics)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"taker_fee": 1.5}, "costs.taker_fee"),
        ({"slippage": 1.0}, "costs.slippage"),
        ({"maker_fee": -0.1}, "costs.maker_fee"),
        ({"start_date": "2030-01-01"}, "start_date"),
    ],
)
async def test_impossible_terms(client: Client, walk: str, wrong: dict[str, Any], field: str) -> None:
    """Fees over 100 % and ranges without bars are refused by name, for a backtest and a search alike."""
    for start in (
        lambda: client.backtests.start(walk, "ma_cross_v1.0", **wrong),
        lambda: client.optimizations.start(walk, "ma_cross_v1.0", {"fast_period": [2, 9]}, **wrong),
    ):
        with pytest.raises(StratoptError) as refusal:
            await start()
        assert field in {violation.field for violation in refusal.value.violations}
