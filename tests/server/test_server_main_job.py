"""The main job through the front door: real bars in, a backtest and an optimization out."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stratopt.v1.metrics_pb2 import Metrics
from stratopt_client import Client, params_to_python
from support import MARKET_FILES, close_to

BTC = MARKET_FILES / "binance_BTC-USDT_1h.parquet"
PARAMS = {"fast_period": 20, "slow_period": 100, "signal_threshold": 0.005}
FEE, SLIPPAGE, CASH = 0.001, 0.0005, 10_000.0
BARS_PER_YEAR = 24 * 365

needs_real_bars = pytest.mark.skipif(not BTC.exists(), reason="the shared market data are not here")


def plain_vectorbt(bars: pd.DataFrame, params: dict[str, Any], *, fill: str) -> dict[str, float]:
    """Run the strategy as MA_CROSS.md has it with nothing but pandas and vectorbt."""
    import vectorbt as vbt

    close = bars["close"]
    fast = close.rolling(params["fast_period"]).mean()
    slow = close.rolling(params["slow_period"]).mean()
    distance = fast / slow - 1
    entries = distance > params["signal_threshold"] + 1e-9
    exits = distance < -params["signal_threshold"] - 1e-9
    price = close
    if fill == "next_open":
        entries, exits = (signal.shift(1, fill_value=False) for signal in (entries, exits))
        price = bars["open"]
    portfolio = vbt.Portfolio.from_signals(
        close, entries, exits, price=price, fees=FEE, slippage=SLIPPAGE, init_cash=CASH, freq="1h"
    )
    value = portfolio.value()
    returns = value.pct_change()
    returns.iloc[0] = value.iloc[0] / CASH - 1
    peaks = np.maximum(value.cummax(), CASH)
    trades = portfolio.trades.closed.pnl.mapped_arr
    return {
        "total_return": value.iloc[-1] / CASH - 1,
        "sharpe_ratio": returns.mean() / returns.std(ddof=1) * math.sqrt(BARS_PER_YEAR),
        "max_drawdown": float((1 - value / peaks).max()),
        "trade_count": len(trades),
        "win_rate": float((trades > 0).mean()),
        "profit_factor": float(trades[trades > 0].sum() / -trades[trades < 0].sum()),
        "final_equity": value.iloc[-1],
        "fees_paid": float(portfolio.orders.fees.sum()),
    }


def assert_same(metrics: Metrics, expected: dict[str, float]) -> None:
    """Every expected figure is met."""
    differing = {
        name: (getattr(metrics, name), value)
        for name, value in expected.items()
        if not close_to(getattr(metrics, name), value)
    }
    assert differing == {}


@needs_real_bars
@pytest.mark.parametrize("fill", ["next_open", "close"])
async def test_backtest_of_real_bars_equals_plain_vectorbt(client: Client, fill: Any) -> None:
    """A backtest over gRPC has the numbers of plain vectorbt on the same bars and dates."""
    await client.market_data.import_file(BTC, symbol="BTC/USDT", exchange="binance", timeframe="1h")
    handle = await client.backtests.start(
        symbol="BTC/USDT",
        strategy_id="ma_cross_v1.0",
        params=PARAMS,
        start_date="2021-01-01",
        end_date="2023-12-31",
        fill=fill,
    )
    backtest = await handle.result(timeout=60)
    bars = pd.read_parquet(BTC).set_index("timestamp").loc["2021-01-01":"2023-12-31"]
    assert backtest.metrics.bar_count == len(bars)
    assert backtest.start_date.ToDatetime(tzinfo=UTC) == datetime(2021, 1, 1, tzinfo=UTC)
    assert backtest.end_date.ToDatetime(tzinfo=UTC) == datetime(2023, 12, 31, 23, tzinfo=UTC)
    assert_same(backtest.metrics, plain_vectorbt(bars, PARAMS, fill=fill))


@needs_real_bars
async def test_optimization_best_is_reproduced_by_plain_runs(client: Client) -> None:
    """The best of a search is, in and out of sample, what plain vectorbt finds on either side."""
    await client.market_data.import_file(BTC, symbol="BTC/USDT", exchange="binance", timeframe="1h")
    handle = await client.optimizations.start(
        symbol="BTC/USDT",
        strategy_id="ma_cross_v1.0",
        param_ranges={"fast_period": {"min": 5, "max": 50, "step": 5}, "slow_period": [60, 120, 240]},
        fixed_params={"signal_threshold": 0.0},
        start_date="2022-01-01",
        end_date="2024-12-31",
        holdout=0.3,
    )
    optimization = await handle.result(timeout=60)
    trials = [trial async for trial in handle.trials()]
    assert len(trials) == optimization.progress.total == optimization.progress.done == 30
    best = optimization.best
    assert best.trial.score == max(trial.score for trial in trials if trial.HasField("score"))

    bars = pd.read_parquet(BTC).set_index("timestamp").loc["2022-01-01":"2024-12-31"]
    split = pd.Timestamp(optimization.holdout_start_date.ToDatetime(tzinfo=UTC))
    assert abs(len(bars.loc[split:]) / len(bars) - 0.3) < 1e-3
    params = params_to_python(best.trial.params)
    assert_same(best.trial.metrics, plain_vectorbt(bars.loc[bars.index < split], params, fill="next_open"))
    assert_same(best.out_of_sample, plain_vectorbt(bars.loc[bars.index >= split], params, fill="next_open"))


async def test_report_parts_belong_together(client: Client, walk: str) -> None:
    """Series, trades and page of a report tell the same story as its metrics."""
    params = {"fast_period": 5, "slow_period": 30, "signal_threshold": 0.0}
    handle = await client.backtests.start(symbol=walk, strategy_id="ma_cross_v1.0", params=params)
    metrics = (await handle.result(timeout=60)).metrics
    series, trades, page = await handle.series(), await handle.trades(), await handle.report_html()
    assert len(series.equity) == len(series.bar_time_us) == len(series.position) == metrics.bar_count
    assert close_to(series.equity[-1], metrics.final_equity)
    assert close_to(max(series.drawdown), metrics.max_drawdown)
    assert len([trade for trade in trades if not trade.open]) == metrics.trade_count
    assert close_to(sum(trade.fees for trade in trades), metrics.fees_paid)
    earned = CASH + sum(trade.profit for trade in trades if not trade.open)
    assert metrics.open_trade_count or close_to(earned, metrics.final_equity)
    assert page.lower().startswith("<!doctype html>")
    assert walk in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


async def test_same_seed_gives_same_trials(client: Client, walk: str) -> None:
    """Two random searches with one seed make the same trials in the same order; another seed does not."""

    async def trials(seed: int) -> list[bytes]:
        handle = await client.optimizations.start(
            symbol=walk,
            strategy_id="ma_cross_v1.0",
            param_ranges={"fast_period": [2, 40], "slow_period": [41, 400], "signal_threshold": [0.0, 0.01]},
            algorithm="random",
            max_iterations=60,
            seed=seed,
        )
        await handle.result(timeout=60)
        return [trial.SerializeToString(deterministic=True) async for trial in handle.trials()]

    first, again, other = await trials(7), await trials(7), await trials(8)
    assert first == again != other
    assert len(first) == 60


async def test_trials_too_few_to_trust_cannot_win(client: Client, walk: str) -> None:
    """Never trading is not the best way to a small drawdown: such trials cannot be the best."""
    handle = await client.optimizations.start(
        symbol=walk,
        strategy_id="ma_cross_v1.0",
        param_ranges={"signal_threshold": [0.0, 0.001, 0.9]},
        fixed_params={"fast_period": 5, "slow_period": 20},
        optimization_target="drawdown",
    )
    optimization = await handle.result(timeout=60)
    by_threshold = {
        params_to_python(trial.params)["signal_threshold"]: trial async for trial in handle.trials()
    }
    assert by_threshold[0.9].metrics.trade_count == 0
    assert not by_threshold[0.9].metrics.HasField("sharpe_ratio")
    assert params_to_python(optimization.best.trial.params)["signal_threshold"] != 0.9
    assert optimization.best.trial.score > 0
