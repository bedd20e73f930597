"""Splits of bars: what a search sees, and what its best is tested on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratopt_server.validation.splits import (
    SIDE_BARS_MIN,
    Cut,
    TooFewBars,
    default_purge,
    holdout,
    walk_forward,
)


def test_walk_forward_in_numbers() -> None:
    """Five anchored windows of 100 bars with a purge of 3: the tests are the second half."""
    assert walk_forward(100, 5, purge=3, rolling=False) == (
        Cut(0, 47, 50, 60),
        Cut(0, 57, 60, 70),
        Cut(0, 67, 70, 80),
        Cut(0, 77, 80, 90),
        Cut(0, 87, 90, 100),
    )


def test_rolling_windows_train_on_equally_many_bars() -> None:
    """Each window's training bars begin later by as much as its test does."""
    assert walk_forward(100, 5, purge=3, rolling=True)[2] == Cut(20, 67, 70, 80)


@given(
    bars=st.integers(2, 5_000),
    windows=st.integers(2, 50),
    purge=st.integers(0, 600),
    rolling=st.booleans(),
)
def test_laws_of_a_walk_forward(bars: int, windows: int, purge: int, *, rolling: bool) -> None:
    """The tests tile the second half; training ends `purge` bars before its test; each side has its least."""
    try:
        cuts = walk_forward(bars, windows, purge=purge, rolling=rolling)
    except TooFewBars as short:
        needed = short.needed
    else:
        needed = 0
    if needed:
        assert needed > bars
        assert walk_forward(needed, windows, purge=purge, rolling=rolling)
        return
    assert [cut.test_first for cut in cuts] == [bars // 2, *(cut.test_stop for cut in cuts[:-1])]
    assert cuts[-1].test_stop == bars
    for cut in cuts:
        assert cut.train_stop == cut.test_first - purge
        assert cut.train_stop - cut.train_first >= SIDE_BARS_MIN
        assert cut.test_stop - cut.test_first >= SIDE_BARS_MIN
        assert cut.train_first == (cut.test_first - bars // 2 if rolling else 0)


@given(bars=st.integers(1, 3_000), share=st.floats(0.01, 0.9))
def test_laws_of_a_holdout(bars: int, share: float) -> None:
    """The test is the last share, to a bar; with as many bars as the refusal asks for there is none."""
    try:
        cut = holdout(bars, share)
    except TooFewBars as short:
        needed = short.needed
    else:
        needed = 0
    if needed:
        assert needed >= bars
        assert holdout(needed + 1, share)
        return
    assert (cut.train_first, cut.train_stop, cut.test_stop) == (0, cut.test_first, bars)
    assert cut.test_stop - cut.test_first == pytest.approx(bars * share, abs=1)


def test_default_purge_spares_the_first_window() -> None:
    """The look-back, but at most a quarter of the bars before the first test."""
    assert default_purge(1_000, 60) == 60
    assert default_purge(1_000, 5_000) == 125
