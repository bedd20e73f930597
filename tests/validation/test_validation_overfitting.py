"""The laws of the overfitting statistics, and other libraries' word on them."""

import math
from itertools import combinations

import numpy as np
import pytest
from arch.bootstrap import SPA, StepM
from arch.bootstrap import optimal_block_length as arch_block_length
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import rankdata
from statsmodels.stats.diagnostic import acorr_ljungbox

from stratopt_server.validation.overfitting import (
    annualising_factor,
    autocorrelations,
    deflated_sharpe_ratio,
    effective_trials,
    expected_maximum_sharpe,
    ljung_box,
    minimum_backtest_length,
    moments,
    optimal_block_length,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
    regime_sharpes,
    sharpe_interval,
    stepwise_superior,
    superior_predictive_ability,
)

Floats = NDArray[np.float64]


def noise(seed: int, bars: int, trials: int, scale: float = 0.01) -> Floats:
    """Returns without an edge."""
    return np.random.default_rng(seed).normal(0, scale, (bars, trials))


@given(st.integers(2, 5_000), st.integers(1, 5_000), st.floats(1e-8, 0.1), st.floats(-0.3, 0.3))
def test_more_trials_deflate_more(trials: int, more: int, variance: float, sharpe: float) -> None:
    """DSR falls with N, and is the probabilistic Sharpe ratio against 0 for one trial."""
    few = deflated_sharpe_ratio(sharpe, 500, 0.0, 3.0, trials, variance)
    many = deflated_sharpe_ratio(sharpe, 500, 0.0, 3.0, trials + more, variance)
    one = deflated_sharpe_ratio(sharpe, 500, 0.0, 3.0, 1, variance)
    assert few is not None
    assert many is not None
    assert many <= few
    assert one == probabilistic_sharpe_ratio(sharpe, 500, 0.0, 3.0)
    assert few <= one


def test_deflation_has_no_answer_without_a_question() -> None:
    """No trial, a variance that is none, and Sharpe ratios that are none give None."""
    assert expected_maximum_sharpe(0, 1.0) is None
    assert expected_maximum_sharpe(5, math.nan) is None
    assert expected_maximum_sharpe(5, -1.0) is None
    assert deflated_sharpe_ratio(math.nan, 100, 0.0, 3.0, 5, 0.1) is None
    assert deflated_sharpe_ratio(math.inf, 100, 0.0, 3.0, 5, 0.1) is None
    assert minimum_backtest_length(100, -1.0) == math.inf
    assert minimum_backtest_length(1, 1.0) == 0.0
    assert minimum_backtest_length(0, 1.0) is None


def slow_overfitting(returns: Floats, blocks: int) -> tuple[list[float], list[float]]:
    """The definition, word by word: logits, and the best's Sharpe ratios out of sample."""
    length = len(returns) // blocks
    parts = returns[len(returns) - length * blocks :].reshape(blocks, length, -1)
    logits, outside = [], []
    for half in combinations(range(blocks), blocks // 2):
        rest = [block for block in range(blocks) if block not in half]
        inside, other = (
            parts[list(half)].reshape(-1, parts.shape[2]),
            parts[rest].reshape(-1, parts.shape[2]),
        )
        best = int(np.argmax(inside.mean(0) / inside.std(0, ddof=1)))
        scores = other.mean(0) / other.std(0, ddof=1)
        omega = rankdata(scores)[best] / (len(scores) + 1)
        logits.append(math.log(omega / (1 - omega)))
        outside.append(float(scores[best]))
    return logits, outside


@settings(max_examples=15)
@given(st.integers(0, 999), st.integers(2, 9), st.sampled_from([4, 6, 8]), st.integers(0, 7))
def test_overfitting_is_the_definition(seed: int, trials: int, blocks: int, left_over: int) -> None:
    """The kernel finds what the definition says, rows that fill no block left out at the start."""
    returns = noise(seed, 20 * blocks + left_over, trials)
    found = probability_of_backtest_overfitting(returns, blocks)
    assert found is not None
    logits, outside = slow_overfitting(returns, blocks)
    assert sorted(found.logits) == pytest.approx(sorted(logits))
    assert found.pbo == pytest.approx(np.mean(np.array(logits) <= 0))
    assert found.loss_probability == pytest.approx(np.mean(np.array(outside) < 0))


@settings(max_examples=20)
@given(st.integers(0, 999), st.floats(1e-6, 1e6))
def test_overfitting_does_not_depend_on_the_scale(seed: int, scale: float) -> None:
    """Returns of any size give the same ranks."""
    returns = noise(seed, 160, 6)
    once = probability_of_backtest_overfitting(returns, 8)
    scaled = probability_of_backtest_overfitting(returns * scale, 8)
    assert once is not None
    assert scaled is not None
    assert scaled.pbo == once.pbo
    assert scaled.logits == pytest.approx(once.logits)


def test_overfitting_of_noise_is_a_coin_and_of_an_edge_is_none() -> None:
    """Near 0.5 on noise, by the mean over many searches; 0 where one trial is always the best."""
    found = [probability_of_backtest_overfitting(noise(seed, 480, 20), 12) for seed in range(40)]
    assert np.mean([one.pbo for one in found if one is not None]) == pytest.approx(0.5, abs=0.08)
    returns = noise(1, 480, 20)
    returns[:, 4] += 0.02
    best = probability_of_backtest_overfitting(returns, 12)
    assert best is not None
    assert best.pbo == 0.0
    assert best.loss_probability == 0.0


def test_overfitting_of_trials_that_do_not_vary_is_none() -> None:
    """Constant and all-zero returns are no trials; one that varies has nobody to be ranked among."""
    assert probability_of_backtest_overfitting(np.zeros((160, 5)), 16) is None
    assert probability_of_backtest_overfitting(np.full((160, 5), 0.01), 16) is None
    assert probability_of_backtest_overfitting(noise(1, 160, 1), 16) is None
    assert probability_of_backtest_overfitting(noise(1, 15, 4), 16) is None
    mixed = np.column_stack([noise(1, 160, 3), np.zeros(160)])
    found = probability_of_backtest_overfitting(mixed, 8)
    assert found is not None
    assert found.n_trials == 3


@pytest.mark.parametrize("blocks", [0, 3, 18, -2])
def test_overfitting_needs_an_even_number_of_blocks(blocks: int) -> None:
    """Halves have no other way to be equal."""
    with pytest.raises(ValueError, match="even"):
        probability_of_backtest_overfitting(noise(1, 200, 3), blocks)


@pytest.mark.parametrize("memory", [0.0, 0.3, -0.4])
def test_block_length_is_archs(memory: float) -> None:
    """Another library's word for the same paper."""
    series = noise(7, 900, 1)[:, 0]
    series[1:] += memory * series[:-1]
    theirs = float(arch_block_length(series)["stationary"].iloc[0])
    assert optimal_block_length(series) == pytest.approx(max(theirs, 1.0))


def test_superior_predictive_ability_is_archs() -> None:
    """The same p-value, to what drawing differs by; and the same strategies are better than staying out."""
    returns = noise(5, 700, 30)
    returns[:, 3] += 0.0011
    returns[:, 8] += 0.0025
    scaled = returns / returns.std(axis=0)
    for first in (0, 9):  # with the good ones, and without
        part = scaled[:, first:]
        theirs = SPA(np.zeros(700), -part, block_size=2, reps=500, seed=1, studentize=False)
        theirs.compute()
        ours = superior_predictive_ability(returns[:, first:], draws=1_000)
        assert ours == pytest.approx(float(theirs.pvalues["consistent"]), abs=0.06)
    stepwise = StepM(np.zeros(700), -scaled, block_size=2, reps=500, seed=1, studentize=False)
    stepwise.compute()
    assert stepwise_superior(returns) == [int(place) for place in stepwise.superior_models]


def test_superior_ability_of_what_does_not_vary_is_none() -> None:
    """Flat accounts are nobody's better; one beside others changes nothing."""
    assert superior_predictive_ability(np.zeros((200, 3))) is None
    assert stepwise_superior(np.zeros((1, 3))) is None
    returns = noise(3, 300, 4)
    flat = np.column_stack([returns, np.zeros(300)])
    assert superior_predictive_ability(flat) == superior_predictive_ability(returns)


def test_effective_trials_count_what_is_alike_once() -> None:
    """Trials that are one count as one, independent ones each."""
    alike = np.repeat(noise(1, 500, 1), 50, axis=1)
    assert effective_trials(alike, 50) == pytest.approx(1.0)
    apart = effective_trials(noise(2, 5_000, 50), 50)
    assert apart == pytest.approx(50, rel=0.02)
    assert effective_trials(noise(1, 500, 1), 1) is None


def test_ljung_box_is_statsmodels() -> None:
    """Another library's word for the same test."""
    series = noise(9, 400, 1)[:, 0]
    theirs = float(acorr_ljungbox(series, lags=[10])["lb_pvalue"].iloc[0])
    assert ljung_box(series) == pytest.approx(theirs, rel=1e-9)
    series[1:] += 0.5 * series[:-1]
    remembered = ljung_box(series)
    assert remembered is not None
    assert remembered < 1e-6
    assert ljung_box(np.zeros(100)) is None


def test_annualising_without_memory_is_the_root() -> None:
    """Lo's factor is sqrt(q) for independent returns, and smaller where gains follow gains."""
    assert annualising_factor(365, np.zeros(0)) == pytest.approx(math.sqrt(365))
    series = noise(9, 4_000, 1)[:, 0]
    series[1:] += 0.5 * series[:-1]
    lags = autocorrelations(series, 5)
    assert lags is not None
    factor = annualising_factor(365, lags)
    assert factor is not None
    assert factor < 0.9 * math.sqrt(365)
    assert annualising_factor(10, np.full(9, -0.9)) is None


@settings(max_examples=10)
@given(st.integers(0, 99), st.floats(-0.1, 0.1))
def test_the_interval_holds_the_sharpe_ratio(seed: int, drift: float) -> None:
    """The measured one lies inside, and the same seed finds the same interval."""
    returns = noise(seed, 300, 1)[:, 0] + 0.01 * drift
    found, again = (sharpe_interval(returns, draws=300, seed=4) for _ in range(2))
    measured = moments(returns)
    assert found is not None
    assert measured is not None
    assert found == again
    assume(measured.kurtosis < 10)
    assert found.low < measured.sharpe < found.high
    assert sharpe_interval(np.zeros(300)) is None


def test_regimes_are_told_apart() -> None:
    """A strategy that earns where the market is quiet, and in one year only."""
    rng = np.random.default_rng(1)
    market = np.concatenate([rng.normal(0, scale, 240) for scale in (0.005, 0.02, 0.05)])
    returns = rng.normal(0, 0.001, 720)
    returns[:240] += 0.001
    found = regime_sharpes(returns, market, 18_262 + np.arange(720))  # from 2020-01-01 on
    assert set(found) == {"low volatility", "middle volatility", "high volatility", "2020", "2021"}
    assert found["low volatility"] is not None
    assert found["low volatility"] > 0.5
    assert found["2020"] is not None
    assert regime_sharpes(np.zeros(30), market[:30], np.arange(30))["1970"] is None
