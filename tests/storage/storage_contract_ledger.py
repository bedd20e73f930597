"""What every storage promises of the ledger of trials.

Subclass with a `storage` fixture that gives an empty one.
"""

from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from storage_tools import at_once, exactly

from stratopt_server.domain.ledger import DIGEST_BYTES, LedgerKey, LedgerTrial, TrialTally
from stratopt_server.domain.ports import Ledger, Storage

KEY = LedgerKey("code a", "binance", "BTC/USDT", "1h")


def of_code(code_hash: str) -> LedgerKey:
    """The same market, for another code."""
    return replace(KEY, code_hash=code_hash)


def digests(first: int, stop: int) -> list[LedgerTrial]:
    """Different trials of which nothing else is known."""
    return [LedgerTrial(named(number), None, None) for number in range(first, stop)]


def named(number: int) -> bytes:
    """A digest."""
    return number.to_bytes(DIGEST_BYTES, "little")


def measured(number: int, sharpe: float, stream: int) -> LedgerTrial:
    """A trial with its Sharpe ratio, and the name of its returns."""
    return LedgerTrial(named(number), sharpe, named(stream))


class LedgerContract:
    """Distinct trials by code lineage and market."""

    @pytest.fixture
    def ledger(self, storage: Storage) -> Ledger:
        """The ledger."""
        return storage.ledger

    def test_each_counts_once(self, ledger: Ledger) -> None:
        """A trial counts once, however often it is added, in one call or several."""
        assert ledger.count(KEY) == 0
        ledger.add(KEY, digests(0, 10) + digests(5, 10))
        assert ledger.count(KEY) == 10
        ledger.add(KEY, digests(5, 15))
        ledger.add(KEY, [])
        assert ledger.count(KEY) == 15

    def test_many(self, ledger: Ledger) -> None:
        """Thousands are counted at once."""
        ledger.add(KEY, digests(0, 2_500))
        ledger.add(KEY, digests(2_000, 5_000))
        assert ledger.count(KEY) == 5_000

    def test_tally(self, ledger: Ledger) -> None:
        """Trials of the same returns count once, those without a Sharpe ratio each; the first stays."""
        assert ledger.tally(KEY) == TrialTally(0, 0, None)
        ledger.add(KEY, [measured(1, 0.1, 1), *digests(2, 4)])
        assert ledger.tally(KEY) == TrialTally(3, 2, None)
        ledger.add(KEY, [measured(1, 9.0, 9), measured(2, 0.3, 2), measured(5, 0.3, 2), measured(6, 0.5, 6)])
        ledger.add(KEY, [*digests(6, 7), measured(7, 0.7, 7), *digests(7, 8)])
        tally = ledger.tally(KEY)
        assert (tally.count, tally.undefined) == (5, 1)
        assert tally.variance == pytest.approx(np.var([0.1, 0.3, 0.5, 0.7], ddof=1), rel=1e-12)
        assert ledger.count(KEY) == 6

    @pytest.mark.parametrize("name", ["code_hash", "exchange", "symbol", "timeframe"])
    def test_markets_apart(self, ledger: Ledger, name: str) -> None:
        """Each code, exchange, symbol and timeframe is counted on its own."""
        other = replace(KEY, **{name: "other"})
        ledger.add(KEY, digests(0, 3))
        assert ledger.count(other) == 0
        ledger.add(other, digests(0, 2))
        assert (ledger.count(KEY), ledger.count(other)) == (3, 2)

    def test_code_that_replaces_another(self, ledger: Ledger) -> None:
        """What was tried with the old code counts for the new, and the other way round, on every market."""
        elsewhere = replace(KEY, symbol="ETH/USDT")
        ledger.add(KEY, digests(0, 3))
        ledger.link("code b", to="code a")
        assert ledger.count(of_code("code b")) == 3
        ledger.add(of_code("code b"), digests(2, 5))
        ledger.add(replace(elsewhere, code_hash="code b"), digests(0, 1))
        assert ledger.count(KEY) == ledger.count(of_code("code b")) == 5
        assert ledger.count(elsewhere) == 1

    def test_code_with_a_past(self, ledger: Ledger) -> None:
        """A code that was counted, or linked, before keeps its lineage, and what was counted of it."""
        ledger.add(of_code("code b"), digests(0, 2))
        ledger.link("code b", to="code a")
        ledger.add(KEY, digests(0, 3))
        assert (ledger.count(KEY), ledger.count(of_code("code b"))) == (3, 2)
        ledger.link("code c", to="code b")
        ledger.link("code c", to="code a")
        assert ledger.count(of_code("code c")) == 2

    def test_code_that_was_replaced_stays(self, ledger: Ledger) -> None:
        """A code to which others were linked is not moved from under them."""
        ledger.link("code b", to="code a")
        ledger.link("code a", to="code z")
        ledger.add(KEY, digests(0, 3))
        assert ledger.count(of_code("code b")) == 3
        assert ledger.count(of_code("code z")) == 0

    @exactly
    @given(links=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=8))
    def test_links_hold(self, storage: Storage, ledger: Ledger, links: list[tuple[str, str]]) -> None:
        """After any links no two codes that were of one lineage have come apart."""

        def alike() -> set[tuple[str, str]]:
            counts = {code: ledger.count(of_code(code)) for code in "abcd"}
            pairs = [(one, other) for one in "abcd" for other in "abcd"]
            return {(one, other) for one, other in pairs if counts[one] == counts[other] > 0}

        with suppress(KeyError), storage.transaction():  # each example begins anew
            for one, other in links:
                before = alike()
                ledger.link(one, to=other)
                for place, code in enumerate("abcd"):
                    ledger.add(of_code(code), digests(100 * place, 100 * place + 1))
                assert before <= alike()
            raise KeyError

    def test_nothing_stays_of_what_fails(self, storage: Storage, ledger: Ledger) -> None:
        """A transaction that raises counts nothing and links nothing."""
        ledger.add(KEY, digests(0, 1))
        with suppress(KeyError), storage.transaction():
            ledger.link("code b", to="code a")
            ledger.add(KEY, digests(1, 5))
            raise KeyError
        assert ledger.count(KEY) == 1
        assert ledger.count(of_code("code b")) == 0

    def test_added_at_once(self, storage: Storage, ledger: Ledger) -> None:
        """Several threads that count trials of a market nobody has counted on lose none."""
        keys = [KEY, replace(KEY, symbol="ETH/USDT")] * 2
        calls = [partial(ledger.add, key, digests(place, place + 20)) for place, key in enumerate(keys)]
        at_once(*calls, leave=storage.close)
        assert (ledger.count(KEY), ledger.count(keys[1])) == (22, 22)
