"""Pages: their sizes, and tokens that lead on from where they came and from nowhere else."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from domain_arbitrary import moments
from domain_samples import NOW, at
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stratopt.v1 import (
    backtest_pb2,
    backtest_service_pb2,
    market_data_service_pb2,
    optimization_pb2,
    optimization_service_pb2,
    strategy_service_pb2,
)
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.paging import Cursor, Page
from stratopt_server.wire.paging import (
    PAGE_BYTES_MAX,
    cursor_key,
    cut_page,
    page_of,
    page_size,
    read_token,
    write_token,
)

LISTS: list[Any] = [
    strategy_service_pb2.ListStrategiesRequest,
    market_data_service_pb2.ListDatasetsRequest,
    backtest_service_pb2.ListBacktestsRequest,
    optimization_service_pb2.ListOptimizationsRequest,
    optimization_service_pb2.ListTrialsRequest,
]
every_list = pytest.mark.parametrize("list_", LISTS, ids=lambda list_: list_.DESCRIPTOR.name)
Backtests = backtest_service_pb2.ListBacktestsRequest
Trials = optimization_service_pb2.ListTrialsRequest

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=2),
    max_leaves=4,
)


@dataclass(frozen=True)
class Row:
    """A row of a list."""

    id: str
    created_at: datetime


def encoded(document: str) -> str:
    """A document in the dress of a token."""
    return base64.urlsafe_b64encode(document.encode()).decode()


def token_behind(request: Any, row: Row) -> str:
    """The token of the page behind that row."""
    return write_token(request, cursor_key(row))


def is_refused(request: Any) -> bool:
    """Tell whether the request's token is refused, by its name, or read."""
    violations = Violations()
    page = page_of(request, violations)
    if not violations.has("page_token"):
        return False
    [fault] = violations._found
    assert (fault.field, fault.reason) == ("page_token", "INVALID_PAGE_TOKEN")
    assert page.after is None
    return True


@pytest.mark.parametrize(
    ("asked", "rows"),
    [(0, 50), (1, 1), (50, 50), (999, 999), (1_000, 1_000), (1_001, 1_000), (2**31 - 1, 1_000)],
)
@every_list
def test_page_size(list_: Any, asked: int, rows: int) -> None:
    """A page has as many rows as asked for, 50 if nothing is said, and never more than 1000."""
    violations = Violations()
    assert page_size(list_(page_size=asked), violations) == rows
    assert page_of(list_(page_size=asked), violations) == Page(rows + 1, None)
    violations.refuse_if_any()


@pytest.mark.parametrize("asked", [-1, -(2**31)])
@every_list
def test_negative_page_size(list_: Any, asked: int) -> None:
    """A negative size is noted with its value."""
    violations = Violations()
    page_size(list_(page_size=asked), violations)
    [fault] = violations._found
    assert (fault.field, fault.reason) == ("page_size", "INVALID_PAGE_SIZE")
    assert fault.facts == {"value": str(asked)}


def sent(row: Row) -> backtest_pb2.Backtest:
    """Write a row as a message."""
    return backtest_pb2.Backtest(id=row.id)


@pytest.mark.parametrize(
    ("rows", "shown", "more"), [(0, 0, False), (2, 2, False), (3, 3, False), (4, 3, True)]
)
def test_cut_page(rows: int, shown: int, more: bool) -> None:
    """A page is cut to its size; only if there was a row more does it lead on."""
    made = [Row(f"bt_{number}", NOW) for number in range(rows)]
    cut, token = cut_page(Backtests(page_size=3), made, sent, key=cursor_key)
    assert [message.id for message in cut] == [row.id for row in made[:shown]]
    assert bool(token) is more


def test_cut_page_by_bytes() -> None:
    """A page of long rows ends before it is too large, with at least one, and leads on to the rest."""
    made = [Row("x" * (PAGE_BYTES_MAX // 3), NOW) for _ in range(4)]
    cut, token = cut_page(Backtests(page_size=50), made, sent, key=cursor_key)
    assert len(cut) == 2
    assert token
    huge = [Row("x" * (PAGE_BYTES_MAX + 1), NOW), Row("y", NOW)]
    cut, token = cut_page(Backtests(), huge, sent, key=cursor_key)
    assert len(cut) == 1
    assert token


@given(moments, st.text(max_size=50), st.integers(1, 3))
def test_token_leads_on(moment: datetime, row_id: str, size: int) -> None:
    """The token of a page leads behind its last row, to the microsecond, whatever size comes next."""
    request = Backtests(page_size=size, symbol="BTC/USDT")
    last = Row(row_id, moment)
    _, token = cut_page(request, [last] * (size + 1), sent, key=cursor_key)
    violations = Violations()
    page = page_of(Backtests(page_size=7, symbol="BTC/USDT", page_token=token), violations)
    violations.refuse_if_any()
    assert page == Page(8, Cursor(moment, row_id))


@given(st.integers(0, 2**63 - 1))
def test_token_of_a_number(number: int) -> None:
    """Trials are paged by their number."""
    request = Trials(optimization_id="opt_1")
    token = write_token(request, number)
    violations = Violations()
    assert read_token(Trials(optimization_id="opt_1", page_token=token), int, violations) == number
    violations.refuse_if_any()


def test_token_is_for_a_url() -> None:
    """A token is of letters that need no quoting in a URL."""
    token = token_behind(Backtests(), Row("bt_ÿ?>", at(0.25)))
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")


@pytest.mark.parametrize(
    "other",
    [
        Backtests(),
        Backtests(symbol="ETH/USDT"),
        Backtests(strategy_id="BTC/USDT"),
        Backtests(symbol="BTC/USDT", status=1),
    ],
)
def test_token_of_another_filter(other: Any) -> None:
    """A token that came with another filter is refused."""
    other.page_token = token_behind(Backtests(symbol="BTC/USDT"), Row("bt_1", NOW))
    assert is_refused(other)


@every_list
def test_token_of_another_list(list_: Any) -> None:
    """A token of another list is refused, even where neither has a filter."""
    for foreign in LISTS:
        token = token_behind(foreign(), Row("bt_1", NOW))
        assert is_refused(list_(page_token=token)) == (foreign is not list_), foreign.DESCRIPTOR.name


def test_token_of_another_optimization() -> None:
    """A token of the trials of another optimization, or of another status, is refused."""
    token = write_token(Trials(optimization_id="opt_1"), 3)
    for other in (
        Trials(optimization_id="opt_2"),
        Trials(optimization_id="opt_1", status=optimization_pb2.TRIAL_STATUS_OK),
    ):
        other.page_token = token
        violations = Violations()
        assert read_token(other, int, violations) is None
        assert violations.has("page_token")


@given(st.data())
def test_changed_token(data: st.DataObject) -> None:
    """A token with one letter changed, added or lost is refused, wherever the letter stands."""
    request = Backtests(symbol="BTC/USDT")
    token = token_behind(request, Row("bt_1hw4kz9s0q3v8m2c1", NOW))
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(["", "A", "z", "0", "-", "!", "\n", token[place] * 2]))
    changed = token[:place] + letter + token[place + 1 :]
    assume(changed != token)
    assert is_refused(Backtests(symbol="BTC/USDT", page_token=changed))


@given(st.text(min_size=1))
@example("=")
@example("\0")
@example("ÿ")
@example("A" * 5)
@example(encoded("null"))
@example(encoded("[]"))
@example(encoded("[1, 2, 3]"))
@example(encoded('{"a": 1, "b": 2}'))
@example(encoded('"ab"'))
@example(encoded("9" * 5_000))
@example(encoded("NaN"))
def test_arbitrary_token(token: str) -> None:
    """Whatever text comes as a token, it is refused by name."""
    assert is_refused(Backtests(page_token=token))


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_token(opening: str) -> None:
    """A token that holds a document nested without end is refused as any other."""
    assert is_refused(Backtests(page_token=encoded(opening * 200_000)))


@given(json_values)
def test_arbitrary_document(document: Any) -> None:
    """So is any document in the dress of a token."""
    assert is_refused(Backtests(page_token=encoded(json.dumps(document))))


@given(json_values)
@example([10**400, "bt_1"])
@example([float("nan"), "bt_1"])
@example([float("inf"), "bt_1"])
@example({"0": 1})
@example([0])
@example("ab")
def test_arbitrary_key(key: Any) -> None:
    """A token with the right digest and a key that is none is refused too."""
    violations = Violations()
    page = page_of(Backtests(page_token=write_token(Backtests(), key)), violations)
    assert violations.has("page_token") == (page.after is None)
    violations = Violations()
    number = read_token(Trials(page_token=write_token(Trials(), key)), int, violations)
    assert violations.has("page_token") == (number is None)
