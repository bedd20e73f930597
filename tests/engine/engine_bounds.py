"""Every kernel on made-up runs, for a process in which numba checks each index: engine_bounds.py SEED.

What numba does not check, loads of many bars at once, is checked by the machine: behind the columns of bars
and signals, and behind the tables, lies memory that may not be read.
"""

import ctypes
import mmap
import sys
from typing import Any

import numpy as np

from stratopt_server.domain.market import Bars, from_microseconds
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import (
    Carry,
    Costs,
    Direction,
    Fill,
    FillModel,
    FundingRate,
    MarketRules,
    RunTerms,
    Sizing,
    SizingKind,
    Stops,
)
from stratopt_server.engine.kernels.book import Book
from stratopt_server.engine.kernels.columns import TOTALS
from stratopt_server.engine.kernels.orders import ORDER
from stratopt_server.engine.kernels.signals import Signals, run_signals_nb
from stratopt_server.engine.kernels.tables import Tables
from stratopt_server.engine.prepare import market_of, terms_of
from stratopt_server.engine.ready_signals import ReadySignals, SignalSweeper
from stratopt_server.engine.sweep import KERNELS, Sweeper

COUNTS = (1, 2, 3, 15, 16, 17, 63, 64, 65, 127, 128, 129, 500)
"""Bars: few, and as many as blocks or as bars looked at at once, or one more or less."""
BLOCKS = (1, 16, 70)
ROUNDS = 14
"""Runs of each kernel for each number of bars, at other terms each."""
HOUR = 3_600_000_000
PROTECTED: list[mmap.mmap] = []
Random = np.random.Generator


def guarded(values: np.ndarray) -> np.ndarray:
    """Copy values to where the memory behind the last may not be read."""
    if values.size == 0:
        return values
    pages = -(-values.nbytes // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    PROTECTED.append(memory)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    wall = ctypes.c_void_p(base + pages * mmap.PAGESIZE)
    assert libc.mprotect(wall, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    copy = np.frombuffer(memory, values.dtype, len(values), pages * mmap.PAGESIZE - values.nbytes)
    copy[:] = values
    return copy


def bars_of(random: Random, count: int) -> Bars:
    """Make up bars: calm or wild, some without volume, some behind gaps."""
    step = random.choice([0.0, 0.001, 0.02, 0.2])
    close = np.exp(np.cumsum(random.normal(0.0, step, count))) * 10.0 ** random.integers(-3, 5)
    opened = close * np.exp(random.normal(0.0, step / 4, count))
    wicks = np.exp(np.abs(random.normal(0.0, step / 2, (2, count))))
    volume = np.where(random.random(count) < random.choice([0.0, 0.3, 1.0]), 0.0, 100.0 / close)
    high, low = np.maximum(opened, close) * wicks[0], np.minimum(opened, close) / wicks[1]
    time = np.cumsum(np.where(random.random(count) < 0.1, 30 * HOUR, HOUR))
    return Bars(time, *(guarded(prices) for prices in (opened, high, low, close, volume)))


def plain_terms(random: Random, **more: Any) -> RunTerms:
    """Make up terms that every strategy has."""
    costs = Costs(taker_fee=random.choice([0.0, 0.001, 0.4]), slippage=random.choice([0.0, 0.001, 0.4]))
    rules = MarketRules(
        min_notional=random.choice([0.0, 50.0]),
        lot_size=random.choice([0.0, 0.01]),
        tick_size=random.choice([0.0, 0.01]),
    )
    common: dict[str, Any] = {
        "costs": costs,
        "initial_cash": random.choice([1.0, 10_000.0]),
        "fill": Fill.NEXT_OPEN,
        "bars_per_year": 8766.0,
        "rules": rules,
    }
    return RunTerms(**(common | more))


def terms_for(random: Random, bars: Bars, number: int) -> RunTerms:
    """Make up terms of strategies that yield signals; two of four long, with nothing but signals."""
    fill = list(Fill)[number % 2]
    if number % 4 < 2:
        return plain_terms(random, fill=fill)
    moments = [from_microseconds(time) for time in bars.time[:: random.integers(1, 9)].tolist()]
    funding = tuple(FundingRate(time=moment, rate=0.001) for moment in moments)
    stops = [None if random.random() < 0.5 else float(random.choice([0.003, 0.05, 0.3])) for _ in range(3)]
    return plain_terms(
        random,
        fill=fill,
        direction=list(Direction)[random.integers(3)],
        costs=Costs(taker_fee=0.001, slippage=0.001, fixed_fee=0.01, impact=random.choice([0.0, 1.0])),
        sizing=Sizing(kind=list(SizingKind)[random.integers(3)], amount=random.choice([0.1, 1.0])),
        stops=Stops(stop_loss=stops[0], take_profit=stops[1], trailing_stop=stops[2]),
        carry=Carry(
            borrow_rate=random.choice([0.0, 0.001]), funding=funding if random.random() < 0.3 else ()
        ),
    )


def sets_of(random: Random, kernel: str, count: int) -> list[Params]:
    """Make up three sets of a strategy's parameters, windows longer than the bars among them."""

    def one() -> Params:
        periods = np.sort(random.choice(np.arange(1, count + 9), 2, replace=False)).tolist()
        threshold = float(random.choice([0.0, 0.001]))
        made: dict[str, Params] = {
            "ma_cross": {"fast_period": periods[0], "slow_period": periods[1], "signal_threshold": threshold},
            "grid": {
                "grid_num": int(random.integers(1, 40)),
                "profit_ratio": float(random.choice([0.002, 0.1])),
                "stop_loss": float(random.choice([0.02, 0.5])),
            },
            "rsi_reversion": {"period": periods[0], "oversold": 40.0, "overbought": 60.0},
            "bollinger_breakout": {"period": periods[1], "width": 1.0},
            "bollinger_reversion": {"period": periods[1], "width": 1.0},
            "macd": {"fast_period": periods[0], "slow_period": periods[1], "signal_period": periods[0]},
            "donchian_breakout": {"entry_period": periods[1], "exit_period": periods[0]},
            "momentum": {"lookback": periods[0], "threshold": threshold},
            "dca": {"interval": periods[0], "order_share": 0.3, "take_profit": 0.02},
        }
        return made[kernel]

    return [one() for _ in range(3)]


def ready_of(random: Random, count: int) -> ReadySignals:
    """Make up signals, dense or rare, with sizes and stops of their own or not."""
    flags = random.random((4, count)) < random.choice([0.01, 0.1, 0.5])

    def levels() -> Any:
        return random.choice([None, 0.05, 1.0]) if random.random() < 0.5 else guarded(np.full(count, 0.05))

    return ReadySignals(
        entries=guarded(flags[0]),
        exits=guarded(flags[1]),
        short_entries=guarded(flags[2]) if random.random() < 0.5 else None,
        short_exits=guarded(flags[3]) if random.random() < 0.5 else None,
        sizes=levels(),
        stop_losses=levels(),
        take_profits=levels(),
        adds=random.random() < 0.5,
    )


def run_codes(random: Random, bars: Bars, terms: RunTerms, blocks: int) -> None:
    """Run codes of which the last has such memory behind it."""
    market, none = market_of(bars, terms.carry, blocks), np.empty(0)
    days, orders = np.empty(market.day_ends.size), np.empty((0, ORDER))
    book = Book(market, terms_of(terms), np.empty(TOTALS), days, np.empty((blocks, 2)), orders)
    rare = random.random(len(bars)) < random.choice([0.001, 0.1])
    codes = np.where(rare, random.integers(0, 16, len(bars)), 0).astype(np.uint8)
    run_signals_nb(book, Signals(guarded(codes), none, none, none, False, False))  # noqa: FBT003


def run_built_in(random: Random, kernel: str, bars: Bars, terms: RunTerms, blocks: int) -> None:
    """Run sets of a built-in strategy."""
    sweeper, sets = Sweeper(kernel, bars, terms, blocks=blocks), sets_of(random, kernel, len(bars))
    head, tail, slack = sweeper._inputs.tables
    tables = Tables(guarded(head), guarded(tail), slack)
    sweeper._inputs = sweeper._inputs._replace(tables=tables)
    sweeper.measure(sets)
    sweeper.orders(sets[0])


def main() -> None:
    """Run everything; a wrong index is an IndexError, a wrong load ends the process."""
    random = np.random.default_rng(int(sys.argv[1]))
    for count in COUNTS:
        for number in range(ROUNDS):
            bars, blocks = bars_of(random, count), int(random.choice(BLOCKS))
            terms = terms_for(random, bars, number)
            grid_terms = plain_terms(random, fill_model=list(FillModel)[number % 4])
            for kernel in sorted(KERNELS):
                run_built_in(random, kernel, bars, grid_terms if kernel == "grid" else terms, blocks)
            sweeper = SignalSweeper(bars, terms, blocks=blocks)
            sweeper.measure([ready_of(random, count) for _ in range(2)])
            sweeper.orders(ready_of(random, count))
            run_codes(random, bars, terms, blocks)


if __name__ == "__main__":
    main()
