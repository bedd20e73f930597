"""The signals of the built-in strategies against their definitions in words, and the laws they keep."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean, pstdev

import numpy as np
import pytest
from engine_samples import bars_of, market_files, random_bars, read_bars
from hypothesis import given, settings
from hypothesis import strategies as st

from stratopt_server.domain.market import Bars
from stratopt_server.engine.kernels import rules
from stratopt_server.engine.kernels.signals import LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT, Codes
from stratopt_server.engine.kernels.tables import build_tables
from stratopt_server.engine.kernels.terms import Market

BAND = 1e-9
"""How far, as a fraction of the price, one must be beyond another to count as beyond it."""
Numbers = Sequence[float | int]
Decided = tuple[bool, bool, bool, bool]
"""Long entry, long exit, short entry, short exit."""
BITS = (LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT)
NOTHING = (False, False, False, False)


def codes_of(strategy: int, bars: Bars, p: Numbers) -> Codes:
    """Let the kernel decide on every bar."""
    none = np.empty(0)
    market = Market(
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume,
        funding=none,
        day_ends=np.array([len(bars) - 1]),
        block_first=0,
        block_size=0,
        block_count=0,
    )
    codes = np.full(len(bars), 255, dtype=np.uint8)
    rules.decide_nb(strategy, market, build_tables(bars.close), np.array(p, np.float64), codes)
    return codes


def both_ways(up: bool, down: bool) -> Decided:
    """Decide for a strategy that turns round: in on one side where it is out on the other."""
    return up, down, down, up


def ma_cross(bars: Bars, fast: int, slow: int, threshold: float) -> Iterator[Decided]:
    """Up while SMA(fast) / SMA(slow) - 1 is above the threshold, down while below its negative."""
    close = bars.close.tolist()
    for i in range(len(close)):
        if i < slow - 1:
            yield NOTHING
            continue
        apart = fmean(close[i + 1 - fast : i + 1]) / fmean(close[i + 1 - slow : i + 1]) - 1
        yield both_ways(apart > threshold + BAND, apart < -threshold - BAND)


def wilder(moves: list[float], period: int) -> float:
    """Wilder's mean of moves: plain over the first `period`, then (mean * (n - 1) + move) / n."""
    mean = fmean(moves[:period])
    for move in moves[period:]:
        mean = (mean * (period - 1) + move) / period
    return mean


def rsi_reversion(bars: Bars, period: int, oversold: float, overbought: float) -> Iterator[Decided]:
    """Up while the index is below oversold, down while above overbought; nothing where nothing has moved."""
    close = bars.close.tolist()
    changes = [after - before for before, after in pairwise(close)]
    for i in range(len(close)):
        if i < period:
            yield NOTHING
            continue
        gain = wilder([max(change, 0.0) for change in changes[:i]], period)
        loss = wilder([max(-change, 0.0) for change in changes[:i]], period)
        if gain + loss <= 2.0**-60 * close[i]:
            yield NOTHING
            continue
        index = 100 * gain / (gain + loss)
        yield both_ways(index < oversold, index > overbought)


def bands(bars: Bars, period: int, width: float) -> Iterator[tuple[bool, bool, bool, bool] | None]:
    """Tell whether the close is above the upper band, above the middle, below it, below the lower band."""
    close = bars.close.tolist()
    for i in range(len(close)):
        if i < period - 1:
            yield None
            continue
        window, margin = close[i + 1 - period : i + 1], BAND * close[i]
        middle, reach = fmean(window), width * pstdev(window)
        yield (
            close[i] > middle + reach + margin,
            close[i] > middle + margin,
            close[i] < middle - margin,
            close[i] < middle - reach - margin,
        )


def bollinger_breakout(bars: Bars, period: int, width: float) -> Iterator[Decided]:
    """In with a close beyond a band, out with one on the other side of the middle."""
    for place in bands(bars, period, width):
        if place is None:
            yield NOTHING
        else:
            beyond_upper, above, below, beyond_lower = place
            yield beyond_upper, below, beyond_lower, above


def bollinger_reversion(bars: Bars, period: int, width: float) -> Iterator[Decided]:
    """In against a close beyond a band, out with one on the other side of the middle."""
    for place in bands(bars, period, width):
        if place is None:
            yield NOTHING
        else:
            beyond_upper, above, below, beyond_lower = place
            yield beyond_lower, above, beyond_upper, below


def averages(values: list[float], period: int) -> list[float]:
    """Exponential averages from value period - 1 on, where the first is the plain mean up to it."""
    found = [fmean(values[:period])]
    for value in values[period:]:
        found.append(found[-1] + 2 / (period + 1) * (value - found[-1]))
    return found


def macd(bars: Bars, fast: int, slow: int, signal: int) -> Iterator[Decided]:
    """Up while EMA(fast) - EMA(slow) is above its own EMA, down while below."""
    close = bars.close.tolist()
    for i in range(len(close)):
        if i < slow + signal - 2:
            yield NOTHING
            continue
        quick, calm = averages(close[: i + 1], fast)[slow - fast :], averages(close[: i + 1], slow)
        line = [one - other for one, other in zip(quick, calm, strict=True)]
        above = line[-1] - averages(line, signal)[-1]
        yield both_ways(above > BAND * close[i], above < -BAND * close[i])


def donchian_breakout(bars: Bars, entry: int, leave: int) -> Iterator[Decided]:
    """In beyond the channel of the bars before, out beyond the other side of a channel of its own."""
    high, low, close = bars.high.tolist(), bars.low.tolist(), bars.close.tolist()

    def above(i: int, period: int) -> bool:
        return i >= period and close[i] - max(high[i - period : i]) > BAND * close[i]

    def below(i: int, period: int) -> bool:
        return i >= period and min(low[i - period : i]) - close[i] > BAND * close[i]

    for i in range(len(close)):
        yield above(i, entry), below(i, leave), below(i, entry), above(i, leave)


def momentum(bars: Bars, lookback: int, threshold: float) -> Iterator[Decided]:
    """Up after a rise of more than the threshold, down after such a fall."""
    close = bars.close.tolist()
    for i in range(len(close)):
        change = close[i] / close[i - lookback] - 1 if i >= lookback else 0.0
        yield both_ways(change > threshold + BAND, change < -threshold - BAND)


def dca(bars: Bars, interval: int, _share: float, _profit: float) -> Iterator[Decided]:
    """Buy every so many bars, on the first one too."""
    for i in range(len(bars)):
        yield i % interval == 0, False, False, False


Definition = Callable[..., Iterator[Decided]]
periods = st.integers(1, 30)
# Thresholds that no quotient of round prices hits: where it is equal to one, rounding decides.
STRATEGIES: dict[str, tuple[int, Definition, st.SearchStrategy[Numbers]]] = {
    "ma_cross": (
        rules.MA_CROSS,
        ma_cross,
        st.builds(
            lambda fast, more, h: (fast, fast + more, h), periods, periods, st.sampled_from([0, 0.0123])
        ),
    ),
    "rsi_reversion": (
        rules.RSI_REVERSION,
        rsi_reversion,
        st.tuples(periods, st.sampled_from([17.77, 30.03]), st.sampled_from([50.07, 69.97])),
    ),
    "bollinger_breakout": (
        rules.BOLLINGER_BREAKOUT,
        bollinger_breakout,
        st.tuples(st.integers(2, 30), st.sampled_from([0.0, 0.777, 1.0, 2.003])),
    ),
    "bollinger_reversion": (
        rules.BOLLINGER_REVERSION,
        bollinger_reversion,
        st.tuples(st.integers(2, 30), st.sampled_from([0.0, 0.777, 1.0, 2.003])),
    ),
    "macd": (
        rules.MACD,
        macd,
        st.builds(lambda fast, more, signal: (fast, fast + more, signal), periods, periods, periods),
    ),
    "donchian_breakout": (rules.DONCHIAN_BREAKOUT, donchian_breakout, st.tuples(periods, periods)),
    "momentum": (
        rules.MOMENTUM,
        momentum,
        st.tuples(periods, st.sampled_from([0.0, 0.0123])),
    ),
    "dca": (rules.DCA, dca, st.tuples(periods, st.just(0.1), st.just(0.1))),
}
every_strategy = pytest.mark.parametrize("name", STRATEGIES)


@st.composite
def some_bars(draw: st.DrawFn) -> Bars:
    """Make up to 120 bars: a walk as prices move, or one in whole ticks, with stretches that stand still."""
    if draw(st.booleans()):
        bars = random_bars(draw(st.integers(1, 120)), seed=draw(st.integers(0, 2**32)), step=0.01)
        spread = np.random.default_rng(len(bars)).uniform(0.0, 0.01, (2, len(bars)))
        return replace(bars, high=bars.high * (1.0 + spread[0]), low=bars.low * (1.0 - spread[1]))
    moves = draw(st.lists(st.sampled_from([0, 0, 0, 1, -1, 3, -3]), min_size=1, max_size=120))
    return bars_of(500.0 + np.cumsum(moves))


@every_strategy
@settings(max_examples=60, deadline=None)
@given(data=st.data(), bars=some_bars())
def test_codes_are_as_defined(name: str, data: st.DataObject, bars: Bars) -> None:
    """On every bar each of the four signals is there exactly if the definition says so."""
    number, define, params = STRATEGIES[name]
    p = data.draw(params)
    expected = [
        sum(bit for bit, there in zip(BITS, decided, strict=True) if there) for decided in define(bars, *p)
    ]
    assert codes_of(number, bars, p).tolist() == expected


@every_strategy
@settings(max_examples=40, deadline=None)
@given(data=st.data(), bars=some_bars())
def test_no_look_ahead(name: str, data: st.DataObject, bars: Bars) -> None:
    """What is decided on the first bars does not depend on the bars that follow."""
    number, _, params = STRATEGIES[name]
    p, known = data.draw(params), data.draw(st.integers(1, len(bars)))
    assert np.array_equal(codes_of(number, bars.slice(0, known), p), codes_of(number, bars, p)[:known])


@every_strategy
@settings(max_examples=40, deadline=None)
@given(data=st.data(), bars=some_bars(), power=st.integers(-60, 60))
def test_the_unit_of_price_does_not_matter(name: str, data: st.DataObject, bars: Bars, power: int) -> None:
    """Prices times a power of two, which rounds nothing, give the same signals."""
    number, _, params = STRATEGIES[name]
    p, factor = data.draw(params), 2.0**power
    prices = (column * factor for column in (bars.open, bars.high, bars.low, bars.close))
    scaled = Bars(bars.time, *prices, bars.volume)
    assert np.array_equal(codes_of(number, scaled, p), codes_of(number, bars, p))


@every_strategy
@settings(max_examples=40, deadline=None)
@given(data=st.data(), price=st.floats(1e-9, 1e9), count=st.integers(1, 120))
def test_flat_prices_signal_nothing(name: str, data: st.DataObject, price: float, count: int) -> None:
    """Whatever the price and however it rounds, prices that never move give no signal; but dca buys."""
    number, _, params = STRATEGIES[name]
    codes = codes_of(number, bars_of(np.full(count, price)), data.draw(params))
    assert set(codes.tolist()) <= ({0, LONG_ENTRY} if name == "dca" else {0})


LONG_RUNS = {
    "ma_cross": (3_000, 20_000, 0.0),
    "rsi_reversion": (20_000, 49.99, 50.01),
    "bollinger_breakout": (20_000, 1e-6),
    "bollinger_reversion": (20_000, 1e-6),
    "macd": (3_000, 20_000, 900),
    "donchian_breakout": (20_000, 10_000),
    "momentum": (20_000, 0.0),
}


@pytest.mark.parametrize("name", LONG_RUNS)
def test_flat_prices_signal_nothing_for_long(name: str) -> None:
    """Long periods over long flat stretches signal nothing either, nor does rounding at the last place."""
    number, p = STRATEGIES[name][0], LONG_RUNS[name]
    close = np.full(100_000, 99_999.99)
    assert not codes_of(number, bars_of(close), p).any()
    if name != "rsi_reversion":  # an index of rounding is an index
        close[::3] = np.nextafter(99_999.99, math.inf)
        assert not codes_of(number, bars_of(close), p).any()


@every_strategy
def test_bars_too_few_signal_nothing(name: str) -> None:
    """Fewer bars than the periods need are no error and no signal, and old codes go; but dca buys."""
    number, long = STRATEGIES[name][0], {"rsi_reversion": (50, 30, 70), "dca": (50, 0.1, 0.1)}
    p = long.get(name, (50, 60, 9))
    for count in range(1, 50):
        codes = codes_of(number, random_bars(count, seed=count), p)
        assert codes.tolist() == [LONG_ENTRY if name == "dca" and bar == 0 else 0 for bar in range(count)]


@pytest.mark.skipif(not market_files(), reason="real market data are not beside the project")
@every_strategy
def test_real_bars_as_defined(name: str) -> None:
    """On real days, at usual parameters, every signal comes where the definition says, and each does come."""
    usual: dict[str, Numbers] = {
        "ma_cross": (5, 20, 0.02),
        "rsi_reversion": (14, 30, 70),
        "bollinger_breakout": (20, 2.0),
        "bollinger_reversion": (20, 2.0),
        "macd": (12, 26, 9),
        "donchian_breakout": (20, 10),
        "momentum": (90, 0.0),
        "dca": (24, 0.05, 0.1),
    }
    number, define, _ = STRATEGIES[name]
    bars = read_bars(next(path for path in market_files() if path.stem.endswith("_1d")))
    decided = np.array(list(define(bars, *usual[name])))
    codes = codes_of(number, bars, usual[name])
    assert np.array_equal(codes, decided @ np.array(BITS))
    assert decided.any(axis=0).tolist() == [True, *[name != "dca"] * 3]
