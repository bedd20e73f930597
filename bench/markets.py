"""Markets whose truth is known: without anything to find, or with an edge of a known Sharpe ratio planted."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAYS = 2_008
"""Five years and a half."""
DAY_VOLATILITY = 0.03
BLOCK_DAYS = 10
FAST, SLOW = 3, 15
"""Averages that follow the planted trends about as well as any."""
TURN_DAYS = 20
"""Mean days until a planted trend turns."""
FIRST_DAY = 1_577_836_800_000_000
MICROSECONDS_A_DAY = 86_400_000_000
PRICES = ("open", "high", "low", "close")


def random_walk(seed: int) -> dict[str, Floats]:
    """Daily bars of a price that nobody can foretell; its mean return is 0."""
    rng = np.random.default_rng([seed, 1])
    return _bars(rng.normal(-(DAY_VOLATILITY**2) / 2, DAY_VOLATILITY, DAYS), rng)


def shuffled(path: Path, seed: int) -> dict[str, Floats]:
    """Real daily bars in another order, ten days at a time, without their drift: nothing is left to earn."""
    rng = np.random.default_rng([seed, 2])
    table = pq.read_table(path, columns=list(PRICES))
    opened, high, low, close = (table[name].to_numpy() for name in PRICES)
    before = np.concatenate(([opened[0]], close[:-1]))
    shapes = np.column_stack([np.log(column / before) for column in (opened, high, low, close)])
    growth = float(np.log(np.mean(np.exp(shapes[:, 3]))))
    blocks = math.ceil(DAYS / BLOCK_DAYS)
    starts = rng.integers(0, len(shapes) - BLOCK_DAYS, size=blocks)
    places = (starts[:, None] + np.arange(BLOCK_DAYS)).ravel()[:DAYS]
    drawn = shapes[places] - growth
    level = np.concatenate(([0.0], np.cumsum(drawn[:, 3])[:-1]))
    columns = 100.0 * np.exp(level[:, None] + drawn)
    opened, close = columns[:, 0], columns[:, 3]
    return {
        "open": opened,
        "high": np.maximum(columns[:, 1], np.maximum(opened, close)),
        "low": np.minimum(columns[:, 2], np.minimum(opened, close)),
        "close": close,
        "volume": np.full(DAYS, 1e6),
    }


def planted(drift: float, seed: int, days: int = DAYS) -> dict[str, Floats]:
    """Daily bars that drift up and down by turns: whoever follows trends earns on every part of them."""
    rng = np.random.default_rng([seed, 3])
    turns = rng.random(days) < 1 / TURN_DAYS
    side = np.where(np.cumsum(turns) % 2 == 0, 1.0, -1.0)
    noise = rng.normal(-(DAY_VOLATILITY**2) / 2, DAY_VOLATILITY, days)
    return _bars(noise + drift * side, rng)


def write(path: Path, columns: dict[str, Floats]) -> Path:
    """Write bars as a file to import."""
    time = FIRST_DAY + np.arange(len(columns["close"])) * MICROSECONDS_A_DAY
    stamps = pa.array(time, pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"timestamp": stamps, **columns}), path)
    return path


def _bars(log_returns: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    close = 100.0 * np.exp(np.cumsum(log_returns))
    opened = np.concatenate(([100.0], close[:-1]))
    reach = np.exp(np.abs(rng.normal(0, DAY_VOLATILITY / 3, (2, len(close)))))
    return {
        "open": opened,
        "high": np.maximum(opened, close) * reach[0],
        "low": np.minimum(opened, close) / reach[1],
        "close": close,
        "volume": np.full(len(close), 1e6),
    }
