"""What the ledger counts as one trial, and what as two."""

from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from domain_arbitrary import params, run_terms
from domain_samples import at, make_scenario, make_terms
from hypothesis import given

from stratopt_server.domain.ledger import DIGEST_BYTES, LedgerKey, TrialDigests
from stratopt_server.domain.parameters import Params
from stratopt_server.domain.runs import Costs, Fill, Stops

PARAMS = {"fast_period": 5, "mode": "slow", "signal_threshold": 0.02, "trailing": False}


def digest(params: Params = PARAMS, **changes: Any) -> bytes:
    """Name the trial of these parameters in the sample scenario, changed like that."""
    return TrialDigests(make_scenario(**changes)).of(params)


@given(one=params, other=params)
def test_params(one: Params, other: Params) -> None:
    """Trials of one scenario are named alike if and only if their parameters are equal in kind and value."""

    def typed(given_params: Params) -> list[tuple[str, type, str]]:
        return sorted((name, type(value), repr(value)) for name, value in given_params.items())

    digests = TrialDigests(make_scenario())
    assert len(digests.of(one)) == DIGEST_BYTES
    assert (digests.of(one) == digests.of(other)) == (typed(one) == typed(other))


@given(given_params=params)
def test_order_of_names(given_params: Params) -> None:
    """The order in which parameters are named does not matter, nor does what was named before."""
    digests = TrialDigests(make_scenario())
    first = digests.of(given_params)
    digests.of(PARAMS)
    assert digests.of(dict(reversed(given_params.items()))) == first


def test_kinds_of_a_value() -> None:
    """1, 1.0, True and "1" are different parameters."""
    assert len({digest({"n": value}) for value in (1, 1.0, True, "1")}) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"start_date": at(1)},
        {"end_date": at(1)},
        {"start_date": make_scenario().end_date, "end_date": make_scenario().start_date},
        {"terms": make_terms(initial_cash=1.0)},
        {"terms": make_terms(fill=Fill.NEXT_OPEN)},
        {"terms": make_terms(stops=Stops(stop_loss=0.03, take_profit=1.25))},
        {"terms": make_terms(costs=Costs(taker_fee=0.0011, slippage=0.0))},
        {"terms": replace(make_terms(), carry=replace(make_terms().carry, funding=()))},
    ],
)
def test_another_trial(changes: dict[str, Any]) -> None:
    """Other dates or other terms make another trial."""
    assert digest(**changes) != digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset_hash": "cd" * 32},
        {"bar_count": 1},
        {"code_hash": "ef" * 32},
        {"symbol": "ETH/USDT"},
        {"start_date": make_scenario().start_date.astimezone(timezone(timedelta(hours=2)))},
    ],
)
def test_the_same_trial(changes: dict[str, Any]) -> None:
    """Bars that came since, and how a moment is written, do not; code and market are the key's."""
    assert digest(**changes) == digest()


@given(terms=run_terms)
def test_any_terms(terms: Any) -> None:
    """All terms there are can be named, always alike."""
    assert digest(terms=terms) == digest(terms=replace(terms))


def test_key() -> None:
    """Trials are counted by code, exchange, symbol and timeframe."""
    scenario = make_scenario()
    assert LedgerKey.of(scenario) == LedgerKey(scenario.code_hash, "binance", "BTC/USDT", "1h")
