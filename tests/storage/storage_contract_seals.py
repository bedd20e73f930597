"""What every storage promises of sealed holdouts.

Subclass with a `storage` fixture that gives an empty one.
"""

from dataclasses import replace
from typing import Any

import pytest
from domain_samples import NOW, at, exact
from storage_tools import read_all

from stratopt_server.domain.errors import AlreadyExists
from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.domain.ports import Storage
from stratopt_server.domain.seals import SealedHoldout, SealedTest

KEY = LedgerKey("code a", "binance", "BTC/USDT", "1h")
TEST = SealedTest(
    first_bar_time=NOW,
    last_bar_time=at(3_600),
    days=40,
    sharpe=1.25,
    psr=0.9,
    total_return=-0.125,
    trade_count=3,
)


def make_seal(number: int = 1, **changes: Any) -> SealedHoldout:
    """A sealed holdout."""
    made = SealedHoldout(
        id=f"seal_{number}", key=KEY, strategy_id="ma", first_bar_time=at(60), created_at=at(number)
    )
    return replace(made, **changes)


class SealStoreContract:
    """Sealed holdouts by code lineage and market."""

    def test_comes_back_exactly(self, storage: Storage) -> None:
        """Before it is spent, and after, with what was read."""
        storage.seals.add(make_seal())
        assert exact(storage.seals.latest(KEY)) == exact(make_seal())
        assert storage.seals.spend("seal_1", on="bt_1", test=TEST, now=at(99))
        spent = make_seal(spent_at=at(99), spent_on="bt_1", test=TEST)
        assert exact(storage.seals.latest(KEY)) == exact(spent)
        assert exact(storage.seals.get("seal_1")) == exact(spent)
        assert storage.seals.get("seal_2") is None

    def test_is_spent_once(self, storage: Storage) -> None:
        """The second is told, and changes nothing; one that there is not cannot be spent."""
        storage.seals.add(make_seal())
        assert storage.seals.spend("seal_1", on="bt_1", test=TEST, now=at(99))
        assert not storage.seals.spend("seal_1", on="bt_2", test=TEST, now=at(100))
        assert not storage.seals.spend("seal_9", on="bt_2", test=TEST, now=at(100))
        latest = storage.seals.latest(KEY)
        assert latest is not None
        assert latest.spent_on == "bt_1"

    def test_one_at_a_time(self, storage: Storage) -> None:
        """While one is unspent there is no other for its lineage and market; after it there is."""
        storage.seals.add(make_seal())
        with pytest.raises(AlreadyExists):
            storage.seals.add(make_seal(2))
        storage.seals.add(make_seal(3, key=replace(KEY, symbol="ETH/USDT")))
        storage.seals.spend("seal_1", on="bt_1", test=TEST, now=at(99))
        storage.seals.add(make_seal(2))
        latest = storage.seals.latest(KEY)
        assert latest is not None
        assert latest.id == "seal_2"

    def test_holds_for_the_lineage(self, storage: Storage) -> None:
        """Code that replaces the code is held back too; other code and other markets are not."""
        storage.seals.add(make_seal())
        storage.ledger.link("code b", to="code a")
        assert storage.seals.latest(replace(KEY, code_hash="code b")) is not None
        assert storage.ledger.lineage("code b") == storage.ledger.lineage("code a")
        with pytest.raises(AlreadyExists):
            storage.seals.add(make_seal(2, key=replace(KEY, code_hash="code b")))
        for change in ({"code_hash": "code c"}, {"exchange": "x"}, {"symbol": "A/B"}, {"timeframe": "1d"}):
            assert storage.seals.latest(replace(KEY, **change)) is None

    def test_pages(self, storage: Storage) -> None:
        """Lists are newest first, in pages without loss."""
        for number in range(5):
            storage.seals.add(make_seal(number, key=replace(KEY, symbol=f"S{number}/X")))
        listed = read_all(storage.seals.page, limit=2)
        assert [row.id for row in listed] == [f"seal_{number}" for number in reversed(range(5))]
