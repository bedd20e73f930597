"""Statistics against the golden numbers of the shared folder, and against their laws."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stratopt_server.validation.overfitting import (
    annualising_factor,
    combinatorial_counts,
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    independent_standard_error,
    minimum_backtest_length,
    minimum_backtest_length_bound,
    minimum_track_record_length,
    moments,
    probabilistic_sharpe_ratio,
    probabilistic_sharpe_ratio_at_null,
    probability_of_backtest_overfitting,
    sharpe_standard_error,
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


@pytest.mark.parametrize("case", cases("sr_std"), ids=lambda case: case["id"])
def test_standard_error_is_the_papers(case: Any) -> None:
    """The published numbers come out."""
    given_ = case["inputs"]
    measured = sharpe_standard_error(given_["sr"], given_["T"], given_["skew"], given_["kurt"])
    assert measured == pytest.approx(case["expected"]["sr_std"], abs=case["tol"])


@pytest.mark.parametrize("case", cases("min_trl_years"), ids=lambda case: case["id"])
def test_track_record_in_years_is_the_papers(case: Any) -> None:
    """The same annual Sharpe ratio needs more years, the rarer and the more skewed the returns."""
    given_ = case["inputs"]
    for inputs, years in zip(given_["cases"], case["expected"]["years"], strict=True):
        root = math.sqrt(inputs["periods"])
        measured = minimum_track_record_length(
            given_["sr_ann"] / root,
            inputs["skew"],
            inputs["kurt"],
            benchmark_sharpe=given_["sr_star_ann"] / root,
            confidence=given_["conf"],
        )
        assert measured is not None
        assert measured / inputs["periods"] == pytest.approx(years, abs=case["tol"])


@pytest.mark.parametrize("case", cases("dsr"), ids=lambda case: case["id"])
def test_deflated_sharpe_ratio_is_the_papers(case: Any) -> None:
    """The published numbers come out, annual ones brought to a bar first."""
    given_ = case["inputs"]
    periods = given_.get("periods", 1)
    sharpe = given_.get("sr", given_.get("sr_ann", 0) / math.sqrt(periods))
    variance = given_.get("var_trials", given_.get("var_trials_ann", 0) / periods)
    measured = deflated_sharpe_ratio(
        sharpe, given_["T"], given_["skew"], given_["kurt"], given_["N"], variance
    )
    assert measured == pytest.approx(case["expected"]["dsr"], abs=case["tol"])
    if "sr0" in case["expected"]:
        benchmark = expected_maximum_sharpe(given_["N"], variance)
        assert benchmark == pytest.approx(case["expected"]["sr0"], abs=case["tol"])


@pytest.mark.parametrize("case", cases("expected_max_z"), ids=lambda case: case["id"])
def test_expected_maximum_is_the_papers(case: Any) -> None:
    """The published number comes out."""
    measured = expected_maximum_sharpe(case["inputs"]["N"], 1.0)
    assert measured == pytest.approx(case["expected"]["z"], abs=case["tol"])


@pytest.mark.parametrize("case", cases("min_btl"), ids=lambda case: case["id"])
def test_minimum_backtest_length_is_the_papers(case: Any) -> None:
    """The published numbers come out."""
    trials, sharpe = case["inputs"]["N"], case["inputs"]["sr_ann"]
    expected, tolerance = case["expected"], case["tol"]
    assert minimum_backtest_length(trials, sharpe) == pytest.approx(expected["years"], abs=tolerance)
    assert minimum_backtest_length_bound(trials, sharpe) == pytest.approx(expected["upper"], abs=tolerance)


@pytest.mark.parametrize("case", cases("psr_null"), ids=lambda case: case["id"])
def test_the_second_opinion_is_its_authors(case: Any) -> None:
    """The published numbers come out."""
    given_ = case["inputs"]
    for benchmark, expected in zip(given_["sr_star"], case["expected"]["psr"], strict=True):
        measured = probabilistic_sharpe_ratio_at_null(
            given_["sr"],
            given_["T"],
            given_["skew"],
            given_["kurt"],
            benchmark_sharpe=benchmark,
            autocorrelation=given_["rho"],
        )
        assert measured == pytest.approx(expected, abs=case["tol"])


@pytest.mark.parametrize("case", cases("lo_se_iid"), ids=lambda case: case["id"])
def test_independent_standard_error_is_los(case: Any) -> None:
    """The published table comes out."""
    inputs = case["inputs"]
    measured = [independent_standard_error(sharpe, inputs["T"]) for sharpe in inputs["grid_sr"]]
    assert measured == pytest.approx(case["expected"]["se"], abs=case["tol"])


@pytest.mark.parametrize("case", cases("lo_eta_ar1"), ids=lambda case: case["id"])
def test_annualising_factor_is_los(case: Any) -> None:
    """The published table comes out."""
    periods = case["inputs"]["q"]
    measured = [
        annualising_factor(periods, rho ** np.arange(1, periods, dtype=float))
        for rho in case["inputs"]["rho"]
    ]
    assert measured == pytest.approx(case["expected"]["eta"], abs=case["tol"])


@pytest.mark.parametrize("case", cases("pbo"), ids=lambda case: case["id"])
def test_overfitting_is_the_analytic_one(case: Any) -> None:
    """Where every half's best is the other's worst, and where one trial is always the best."""
    returns = generated(case["inputs"])
    found = probability_of_backtest_overfitting(returns, case["inputs"]["S"], metric=case["inputs"]["metric"])
    assert found is not None
    expected, tolerance = case["expected"], case["tol"]
    assert found.pbo == pytest.approx(expected["pbo"], abs=tolerance)
    assert found.n_splits == expected["n_splits"]
    if "max_logit" in expected:
        assert found.logits.max() == pytest.approx(expected["max_logit"], abs=tolerance)
    if "median_logit" in expected:
        assert np.median(found.logits) == pytest.approx(expected["median_logit"], abs=tolerance)


def generated(inputs: Any) -> NDArray[np.float64]:
    """The matrix of a case, written out or drawn as the file says."""
    if "matrix" in inputs:
        return np.array(inputs["matrix"])
    wanted = inputs["generator"]
    rng = np.random.default_rng(wanted["seed"])
    common = rng.standard_normal((wanted["T"], 1))
    own = rng.standard_normal((wanted["T"], wanted["N"]))
    returns: NDArray[np.float64] = wanted["scale"] * (
        math.sqrt(wanted["rho"]) * common + math.sqrt(1 - wanted["rho"]) * own
    )
    if wanted["drift"] is not None:
        returns += np.array(wanted["drift"])
    assert returns.sum() == pytest.approx(inputs["checksum"]["sum"])
    return returns - returns.mean(axis=0) if inputs.get("transform") else returns


@pytest.mark.parametrize("case", cases("cpcv"), ids=lambda case: case["id"])
def test_combinatorial_counts_are_the_books(case: Any) -> None:
    """Splits and paths."""
    expected = case["expected"]
    counts = combinatorial_counts(case["inputs"]["N"], case["inputs"]["k"])
    assert counts == (expected["splits"], expected["paths"])


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
    returns = np.array(trades)
    draws = reordered(returns, paths=50, seed=1)

    def fall(size: float) -> float:
        return max(drawdown_quantile(draws, size, quantile=0.95), max_drawdown_at(returns, size))

    size = largest_size(draws, returns, limit=limit, quantile=0.95)
    assert 0 <= size <= 1
    assert fall(size) <= limit
    if size < 1:
        assert fall(min(size + 1e-3, 1.0)) > limit


def test_reordered_trades_do_not_depend_on_the_day() -> None:
    """The same trades and seed are drawn the same, so a decision can be made again."""
    trades = np.array([0.1, -0.2, 0.3])
    assert np.array_equal(reordered(trades, paths=9, seed=4), reordered(trades, paths=9, seed=4))
    assert value_at_risk(np.array([0.01, 0.02, 0.03]), quantile=0.05) == 0.0
    assert value_at_risk(np.linspace(-0.10, 0.10, 101), quantile=0.05) == pytest.approx(0.09)
