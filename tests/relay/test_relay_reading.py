"""Whatever a neighbour sends is read to something that can be stored, or to why it cannot be used."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratopt_server.domain.opportunities import Opportunity
from stratopt_server.relay.reading import OPPORTUNITIES_TOPIC, read_opportunity, read_word
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.usecases.dead_letters import Unusable
from stratopt_server.usecases.desk_words import DeskWord
from stratopt_server.usecases.symbols import KnownSymbols

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 10_000
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    *("symbol", "timestamp", "confidence", "strategy_type", "opportunity_type", "signal_type", "data"),
    *("message_type", "source", "correlation_id", "strategy_id", "package_id", "decision", "reason"),
)
documents = st.dictionaries(st.sampled_from(FIELDS), plain | st.just("BTCUSDT") | st.just(0.5), max_size=8)
bodies = st.binary(max_size=60) | documents.map(lambda found: json.dumps(found).encode())
topics = st.sampled_from([OPPORTUNITIES_TOPIC.encode(), b"review.pool.approved", b"", b"\xff", b"a b"])
messages = (
    st.tuples(topics, bodies).map(lambda both: [both[0] + b" " + both[1]])
    | st.tuples(topics, bodies).map(list)
    | st.tuples(topics, bodies, bodies).map(list)
    | st.lists(st.binary(max_size=20), max_size=5)
)


@settings(max_examples=300, deadline=None)
@given(frames=messages)
def test_nothing_makes_reading_fail(frames: list[bytes]) -> None:
    """An opportunity comes back from its row as it was; anything else has a cause and words."""
    for said in (
        read_opportunity(frames, now=NOW, bytes_max=LIMIT).said,
        read_word(frames, bytes_max=LIMIT).said,
    ):
        if isinstance(said, Unusable):
            assert said.cause
            said.detail.encode()
        elif isinstance(said, Opportunity):
            stored = json.dumps(to_json(Opportunity, said), allow_nan=False)
            assert from_json(Opportunity, json.loads(stored)) == said
        else:
            assert isinstance(said, DeskWord)
            f"{said.strategy_id}{said.package_id}{said.reviewer_id}{said.reason}".encode()


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("BTC/USDT", "BTC/USDT"),
        ("btc-usdt", "BTC/USDT"),
        ("BTCUSDT", "BTC/USDT"),
        (" ethbtc ", "ETH/BTC"),
        ("ABC/DEF", "ABC/DEF"),
        ("AB-CDEF", "AB/CDEF"),
        ("ABCDEF", None),
        ("BTCUSD", None),
        ("", None),
        ("///", None),
    ],
)
def test_symbols_are_found_unless_several_are_meant(written: str, found: str | None) -> None:
    """What two symbols are written alike as is neither of them."""
    known = KnownSymbols(["BTC/USDT", "ETH/BTC", "ABC/DEF", "AB/CDEF"])
    assert known.find(written) == found


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2024-05-06T07:08:09", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06T09:08:09+02:00", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06T07:08:09Z", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        (1_714_979_289, datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        (1_714_979_289_000, datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        (None, NOW),
    ],
)
def test_times_however_written(stamp: Any, moment: datetime) -> None:
    """ISO 8601, seconds or milliseconds; without a zone it is UTC, and left out it is now."""
    body = json.dumps({"symbol": "X", "timestamp": stamp}).encode()
    said = read_opportunity([OPPORTUNITIES_TOPIC.encode(), body], now=NOW, bytes_max=LIMIT).said
    assert isinstance(said, Opportunity)
    assert said.observed_at == moment
