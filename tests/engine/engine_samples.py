"""Bars and terms for the tests of the engine."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from stratopt_server.domain.market import Bars
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Carry, Costs, Fill, RunTerms
from stratopt_server.engine.catalog import kernel_named
from stratopt_server.engine.kernels.rules import decide_nb
from stratopt_server.engine.kernels.signals import Codes
from stratopt_server.engine.kernels.tables import build_tables
from stratopt_server.engine.prepare import market_of

MARKET = Path(__file__).parents[3] / "shared" / "data" / "market"
"""Real market data beside the project; absent elsewhere."""
MINUTE = 60_000_000
HOURS_A_YEAR = 365.25 * 24


def bars_of(close: ArrayLike, opens: ArrayLike | None = None) -> Bars:
    """Make hourly bars; each opens at the close before unless `opens` says otherwise."""
    closes = np.asarray(close, dtype=np.float64)
    first = np.asarray(closes if opens is None else opens, dtype=np.float64)
    if opens is None:
        first = np.concatenate((closes[:1], closes[:-1]))
    time = np.arange(closes.size, dtype=np.int64) * 60 * MINUTE
    return Bars(
        time, first, np.maximum(first, closes), np.minimum(first, closes), closes, np.ones(closes.size)
    )


def random_bars(count: int, *, seed: int, level: float = 100.0, step: float = 1e-3) -> Bars:
    """Make a random walk of prices; each bar opens near the close before."""
    random = np.random.default_rng(seed)
    close = level * np.exp(np.cumsum(random.normal(0.0, step, count)))
    before = np.concatenate(([level], close[:-1]))
    return bars_of(close, before * np.exp(random.normal(0.0, step / 4, count)))


def terms_of(
    *,
    fee: float = 0.001,
    slippage: float = 0.0005,
    cash: float = 10_000.0,
    fill: Fill = Fill.NEXT_OPEN,
    bars_per_year: float = HOURS_A_YEAR,
) -> RunTerms:
    """Make terms from what a test cares about."""
    costs = Costs(taker_fee=fee, slippage=slippage)
    return RunTerms(costs=costs, initial_cash=cash, fill=fill, bars_per_year=bars_per_year)


def params_of(fast: int, slow: int, threshold: float = 0.0) -> Params:
    """Make one parameter set of ma_cross."""
    return {"fast_period": fast, "slow_period": slow, "signal_threshold": threshold}


def codes_of(kernel: str, bars: Bars, params: Params) -> Codes:
    """Compute the signals of a built-in strategy, a code for each bar."""
    compiled, codes = kernel_named(kernel), np.zeros(len(bars), dtype=np.uint8)
    market = market_of(bars, Carry())
    tables = build_tables(market.close)
    decide_nb(compiled.number, market, tables, compiled.encode([params])[0], codes)
    return codes


def market_files() -> list[Path]:
    """List the clean files of real bars, smallest first; none where they are absent."""
    return sorted(MARKET.glob("*.parquet"), key=lambda path: path.stat().st_size)


def read_bars(path: Path) -> Bars:
    """Read a file of real bars."""
    table = pq.read_table(path)
    columns = [table[name].to_numpy() for name in ("open", "high", "low", "close", "volume")]
    return Bars(table["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64), *columns)
