"""Statistics against the golden numbers of the shared folder, and against their laws."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stratopt_server.validation.overfitting import (
    minimum_track_record_length,
    moments,
    probabilistic_sharpe_ratio,
)
from stratopt_server.validation.risk import (
    daily_returns,
    drawdown_quantile,
    largest_size,
    max_drawdown_at,
    reordered,
    value_at_risk,
)

GOLDEN = Path(__file__).parent.parent.parent.parent / "shared" / "stats" / "golden.json"

sharpes = st.floats(-0.5, 0.5)
skews = st.floats(-2, 2)
kurtoses = st.floats(1, 12)
counts = st.integers(10, 5_000)


def cases(method: str) -> list[Any]:
    """The golden cases of a method."""
    if not GOLDEN.exists():
        return []
    return [case for case in json.loads(GOLDEN.read_text())["cases"] if case["method"] == method]


@pytest.mark.parametrize("case", cases("psr"), ids=lambda case: case["id"])
def test_probabilistic_sharpe_ratio_is_the_papers(case: Any) -> None:
    """The published numbers come out."""
    given_, expected = case["inputs"], case["expected"]["psr"]
    measured = probabilistic_sharpe_ratio(
        given_["sr"], given_["T"], given_["skew"], given_["kurt"], given_["sr_star"]
    )
    assert measured == pytest.approx(expected, abs=case["tol"])


@pytest.mark.parametrize("case", cases("min_trl"), ids=lambda case: case["id"])
def test_minimum_track_record_length_is_the_papers(case: Any) -> None:
    """The published numbers come out."""
    given_ = case["inputs"]
    measured = minimum_track_record_length(
        given_["sr"],
        given_["skew"],
        given_["kurt"],
        benchmark_sharpe=given_["sr_star"],
        confidence=given_["conf"],
    )
    assert measured == pytest.approx(case["expected"]["n_obs"], abs=case["tol"])


@pytest.mark.parametrize("case", cases("max_drawdown"), ids=lambda case: case["id"])
def test_max_drawdown_is_golden(case: Any) -> None:
    """The golden drawdown comes out at full size."""
    returns = np.array(case["inputs"]["returns"])
    assert max_drawdown_at(returns, 1.0) == pytest.approx(case["expected"]["mdd"], abs=case["tol"])


@given(sharpes, skews, kurtoses, counts)
def test_confidence_and_track_record_say_the_same(
    sharpe: float, skew: float, kurtosis: float, count: int
) -> None:
    """PSR >= c is the same statement as T >= MinTRL(c)."""
    psr = probabilistic_sharpe_ratio(sharpe, count, skew, kurtosis)
    length = minimum_track_record_length(sharpe, skew, kurtosis)
    if psr is None or length is None:
        assert psr is None
        assert length is None
        return
    assume(abs(psr - 0.95) > 1e-9)
    assume(abs(sharpe) > 1e-9)
    assert (psr >= 0.95) == (count >= length)


def test_what_cannot_be_computed_is_none() -> None:
    """No variance, too few returns and a core that is not positive give None, never NaN."""
    assert moments(np.zeros(100)) is None
    assert moments(np.array([0.1])) is None
    assert probabilistic_sharpe_ratio(1.0, 100, 5.0, 1.0) is None
    assert minimum_track_record_length(1.0, 5.0, 1.0) is None
    assert minimum_track_record_length(-0.1, 0.0, 3.0) == math.inf
    assert probabilistic_sharpe_ratio(0.1, 1, 0.0, 3.0) is None


def test_moments_are_biased_and_not_excess() -> None:
    """The conventions: ddof 1 in the Sharpe ratio, biased skewness, kurtosis 3 for the normal."""
    returns = np.random.default_rng(1).normal(0.001, 0.01, 200_000)
    measured = moments(returns)
    assert measured is not None
    assert measured.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert measured.kurtosis == pytest.approx(3, abs=0.05)
    assert measured.skewness == pytest.approx(0, abs=0.05)


def test_daily_returns_join_the_days() -> None:
    """The last equity of each UTC day counts, the first day against the initial cash."""
    hour = 3_600_000_000
    time = np.array([0, 23, 24, 47, 48]) * hour
    equity = np.array([90.0, 110.0, 100.0, 121.0, 60.5])
    assert daily_returns(time, equity, 100.0) == pytest.approx([0.1, 0.1, -0.5])


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=60), st.floats(0.02, 0.9))
def test_the_largest_size_fits_and_no_larger_one_does(trades: list[float], limit: float) -> None:
    """At the size found the drawdown stays within the limit; a little above it does not."""
    draws = reordered(np.array(trades), paths=50, seed=1)
    size = largest_size(draws, limit=limit, quantile=0.95)
    assert 0 <= size <= 1
    assert drawdown_quantile(draws, size, quantile=0.95) <= limit
    if size < 1:
        assert drawdown_quantile(draws, min(size + 1e-3, 1.0), quantile=0.95) > limit


def test_reordered_trades_do_not_depend_on_the_day() -> None:
    """The same trades and seed are drawn the same, so a decision can be made again."""
    trades = np.array([0.1, -0.2, 0.3])
    assert np.array_equal(reordered(trades, paths=9, seed=4), reordered(trades, paths=9, seed=4))
    assert value_at_risk(np.array([0.01, 0.02, 0.03]), quantile=0.05) == 0.0
    assert value_at_risk(np.linspace(-0.10, 0.10, 101), quantile=0.05) == pytest.approx(0.09)
