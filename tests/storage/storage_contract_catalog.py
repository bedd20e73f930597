"""What every storage promises of strategies, datasets, answered calls and transactions.

Subclass each with a `storage` fixture that gives an empty one.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
from domain_arbitrary import moments, params
from domain_samples import (
    NOW,
    at,
    exact,
    make_dataset,
    make_job,
    make_quality,
    make_strategy,
)
from domain_samples import make_optimization as make_search
from hypothesis import given
from hypothesis import strategies as st
from storage_tools import WAIT_SECONDS, at_once, exactly, hasty_threads, read_all

from stratopt_server.domain.errors import AlreadyExists, InUse, NotFound
from stratopt_server.domain.jobs import Job, JobStatus
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import AnsweredRequest, DatasetFilter, RequestKey, Storage

EVERYTHING = Page(1_000)
READER_SECONDS = 0.2
"""Long enough for a reader that does not wait."""
ids = itertools.count()
TEXT = st.characters(codec="utf-8", exclude_characters="\0")
"""What every database can hold."""


class StrategyStoreContract:
    """Strategies by id."""

    def test_strategy_comes_back(self, storage: Storage) -> None:
        """A stored strategy comes back as it was; another id is unknown."""
        storage.strategies.add(make_strategy())
        assert exact(storage.strategies.get("ma_cross_v1.0")) == exact(make_strategy())
        assert storage.strategies.get("ma_cross_v1.1") is None

    @exactly
    @given(code=st.text(TEXT, max_size=200), default_params=params, moment=moments)
    def test_strategy_exactly(self, storage: Storage, code, default_params, moment) -> None:
        """Code comes back letter by letter, parameters in kind and order, times to the microsecond."""
        strategy = make_strategy(
            f"s{next(ids)}", code=code, default_params=default_params, created_at=moment, updated_at=moment
        )
        storage.strategies.add(strategy)
        assert exact(storage.strategies.get(strategy.id)) == exact(strategy)

    def test_strategies_are_snapshots(self, storage: Storage) -> None:
        """Changing the parameters that were given or returned does not change what is stored."""
        given_one = make_strategy()
        storage.strategies.add(given_one)
        given_one.default_params["fast_period"] = 99
        storage.strategies.get(given_one.id).default_params.clear()
        storage.strategies.page(EVERYTHING)[0].default_params.clear()
        assert storage.strategies.get(given_one.id) == make_strategy()
        update = make_strategy(version="2")
        storage.strategies.update(update)
        update.default_params.clear()
        assert storage.strategies.get(given_one.id) == make_strategy(version="2")

    def test_taken_id(self, storage: Storage) -> None:
        """Adding a taken id raises AlreadyExists and leaves the first one."""
        storage.strategies.add(make_strategy())
        with pytest.raises(AlreadyExists) as caught:
            storage.strategies.add(make_strategy(name="another"))
        assert caught.value.facts == {"strategy_id": "ma_cross_v1.0"}
        assert storage.strategies.page(EVERYTHING) == [make_strategy()]

    def test_same_id_added_at_once(self, storage: Storage) -> None:
        """Of several threads that add one id, one adds it and each other is told AlreadyExists."""

        def add(strategy_id: str) -> bool:
            try:
                storage.strategies.add(make_strategy(strategy_id))
            except AlreadyExists:
                return False
            return True

        for number in range(10):
            added = at_once(*[partial(add, f"s{number}")] * 4, leave=storage.close)
            assert sorted(added) == [False, False, False, True]

    def test_update(self, storage: Storage) -> None:
        """An update replaces every field of that row and of no other."""
        storage.strategies.add(make_strategy())
        storage.strategies.add(make_strategy("other"))
        changed = make_strategy(name="N", version="2", code="x", default_params={}, updated_at=at(9))
        storage.strategies.update(changed)
        assert storage.strategies.get("ma_cross_v1.0") == changed
        assert storage.strategies.get("other") == make_strategy("other")

    def test_update_unknown(self, storage: Storage) -> None:
        """Updating an unknown id raises NotFound and stores nothing."""
        with pytest.raises(NotFound):
            storage.strategies.update(make_strategy())
        assert storage.strategies.page(EVERYTHING) == []

    def test_delete(self, storage: Storage) -> None:
        """A deleted strategy is gone, and its id is free; deleting it again raises NotFound."""
        storage.strategies.add(make_strategy())
        storage.strategies.delete("ma_cross_v1.0")
        assert storage.strategies.get("ma_cross_v1.0") is None
        with pytest.raises(NotFound):
            storage.strategies.delete("ma_cross_v1.0")
        storage.strategies.add(make_strategy(version="2"))
        assert storage.strategies.get("ma_cross_v1.0") == make_strategy(version="2")

    @pytest.mark.parametrize("job", [make_job(), make_search()], ids=lambda job: job.kind.value)
    @pytest.mark.parametrize("finished", [False, True])
    def test_delete_in_use(self, storage: Storage, job: Job, finished: bool) -> None:
        """A strategy that a job refers to, finished or not, cannot be deleted."""
        storage.strategies.add(make_strategy())
        storage.jobs.add(job)
        if finished:
            storage.jobs.finish(job.id, JobStatus.CANCELLED, now=NOW)
        with pytest.raises(InUse):
            storage.strategies.delete("ma_cross_v1.0")
        assert storage.strategies.get("ma_cross_v1.0") == make_strategy()

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
    def test_pages_of_strategies(self, storage: Storage, limit: int) -> None:
        """Pages show every row once, newest first; of one moment the greater id comes first."""
        rows = [make_strategy(f"s{n}", created_at=at(n // 3)) for n in range(7)]
        for row in rows[::2] + rows[1::2]:
            storage.strategies.add(row)
        assert read_all(storage.strategies.page, limit=limit) == rows[::-1]

    def test_pages_under_growth(self, storage: Storage) -> None:
        """Rows added between two pages do not show twice, or hide, those that were there."""
        rows = [make_strategy(f"s{n}", created_at=at(n)) for n in range(4)]
        for row in rows:
            storage.strategies.add(row)
        newer = (make_strategy(f"t{n}", created_at=at(100 + n)) for n in itertools.count())

        def page_then_grow(page: Page) -> list[object]:
            found = storage.strategies.page(page)
            storage.strategies.add(next(newer))
            return found

        assert read_all(page_then_grow, limit=2) == rows[::-1]

    def test_page_by_name(self, storage: Storage) -> None:
        """A name is matched whole and in its case."""
        for strategy_id, name in (("a", "Grid"), ("b", "grid"), ("c", "Grid trading"), ("d", "Grid")):
            storage.strategies.add(make_strategy(strategy_id, name=name))
        found = storage.strategies.page(EVERYTHING, name="Grid")
        assert [strategy.id for strategy in found] == ["d", "a"]
        assert storage.strategies.page(EVERYTHING, name="G%") == []


class DatasetStoreContract:
    """The catalog of datasets."""

    def test_dataset_comes_back(self, storage: Storage) -> None:
        """A stored dataset comes back exactly; another id is unknown."""
        storage.datasets.put(make_dataset())
        assert exact(storage.datasets.get("ds_1")) == exact(make_dataset())
        assert storage.datasets.get("ds_2") is None

    @exactly
    @given(first=moments, rate=st.floats(1e-300, 1e300), count=st.integers(0, 2**63 - 1), reason=st.text())
    def test_dataset_exactly(self, storage: Storage, first, rate, count, reason) -> None:
        """Times come back to the microsecond, figures to the bit, sentences to the letter."""
        dataset = make_dataset(
            bar_count=count,
            first_bar_time=first,
            bars_per_year=rate,
            quality=make_quality(reasons=(reason, reason), rows_read=count),
        )
        storage.datasets.put(dataset)
        assert exact(storage.datasets.get("ds_1")) == exact(dataset)

    def test_put_replaces(self, storage: Storage) -> None:
        """A second put of one id replaces the row."""
        storage.datasets.put(make_dataset())
        changed = make_dataset(content_hash="cd" * 32, bar_count=3, updated_at=at(5))
        storage.datasets.put(changed)
        assert storage.datasets.page(EVERYTHING, DatasetFilter()) == [changed]

    def test_one_row_a_market(self, storage: Storage) -> None:
        """No second id can have the exchange, symbol and timeframe of another."""
        storage.datasets.put(make_dataset())
        with suppress(Exception):  # how it is refused is the store's own
            storage.datasets.put(make_dataset("ds_2"))
        assert storage.datasets.page(EVERYTHING, DatasetFilter()) == [make_dataset()]

    def test_page_of_datasets(self, storage: Storage) -> None:
        """Each part of the filter narrows; together they narrow together."""
        rows = [
            make_dataset(f"ds_{n}", exchange=exchange, symbol=symbol, timeframe=timeframe, created_at=at(n))
            for n, (exchange, symbol, timeframe) in enumerate(
                itertools.product(("binance", "local"), ("BTC/USDT", "ETH/USDT"), ("1h", "1d"))
            )
        ]
        for row in rows:
            storage.datasets.put(row)
        names = ("exchange", "symbol", "timeframe")
        for chosen in itertools.product(("binance", None), ("ETH/USDT", None), ("1d", None)):
            wanted = DatasetFilter(**dict(zip(names, chosen, strict=True)))
            matching = [
                row
                for row in reversed(rows)
                if all(getattr(wanted, name) in (None, getattr(row, name)) for name in names)
            ]
            assert (
                read_all(lambda page, wanted=wanted: storage.datasets.page(page, wanted), limit=3) == matching
            )
        assert storage.datasets.page(EVERYTHING, DatasetFilter(exchange="kraken")) == []


class RequestLogContract:
    """Calls that were answered."""

    KEY = RequestKey("StartBacktest", "r1")
    ANSWER = AnsweredRequest("digest", "bt_1")

    def test_call_is_found(self, storage: Storage) -> None:
        """A call is found by method and request_id together."""
        storage.requests.add(self.KEY, self.ANSWER, now=NOW)
        assert storage.requests.find(self.KEY, since=at(-60)) == self.ANSWER
        assert storage.requests.find(RequestKey("StartBacktest", "r2"), since=at(-60)) is None
        assert storage.requests.find(RequestKey("StartOptimization", "r1"), since=at(-60)) is None

    def test_call_grows_old(self, storage: Storage) -> None:
        """A call answered at `since` is found, one answered a microsecond earlier is not."""
        storage.requests.add(self.KEY, self.ANSWER, now=NOW)
        assert storage.requests.find(self.KEY, since=NOW) == self.ANSWER
        assert storage.requests.find(self.KEY, since=at(1e-6)) is None

    def test_newer_call_replaces(self, storage: Storage) -> None:
        """Of two calls of one key the later one is remembered, with its time."""
        storage.requests.add(self.KEY, self.ANSWER, now=NOW)
        later = replace(self.ANSWER, resource_id="bt_2")
        storage.requests.add(self.KEY, later, now=at(60))
        assert storage.requests.find(self.KEY, since=at(60)) == later


class TransactionContract:
    """Everything inside is stored together or not at all."""

    @staticmethod
    def write_everywhere(storage: Storage) -> None:
        """Write something to every store."""
        storage.strategies.add(make_strategy())
        storage.datasets.put(make_dataset())
        storage.jobs.add(make_job())
        storage.requests.add(RequestLogContract.KEY, RequestLogContract.ANSWER, now=NOW)
        storage.jobs.claim("server", now=NOW, lease_until=at(15))

    @staticmethod
    def count_everywhere(storage: Storage) -> list[int]:
        """Count what is stored."""
        job = storage.jobs.get(make_job().kind, "bt_1")
        return [
            len(storage.strategies.page(EVERYTHING)),
            len(storage.datasets.page(EVERYTHING, DatasetFilter())),
            0 if job is None else job.last_sequence,
            len(storage.jobs.events("bt_1", 0)),
            len(storage.jobs.lapsed(at(60))),
            storage.requests.find(RequestLogContract.KEY, since=NOW) is not None,
        ]

    def test_commit(self, storage: Storage) -> None:
        """Inside, writes are seen at once; afterwards they stay."""
        with storage.transaction():
            self.write_everywhere(storage)
            assert self.count_everywhere(storage) == [1] * 6
        assert self.count_everywhere(storage) == [1] * 6

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_rollback(self, storage: Storage, error: type[BaseException]) -> None:
        """Whatever is raised inside passes on, and nothing of the transaction stays."""

        def fail() -> None:
            with storage.transaction():
                self.write_everywhere(storage)
                raise error

        with pytest.raises(error):
            fail()
        assert self.count_everywhere(storage) == [0] * 6

    def test_rollback_restores(self, storage: Storage) -> None:
        """A failed transaction leaves what it changed and deleted as it was before."""
        self.write_everywhere(storage)
        storage.strategies.add(make_strategy("unused"))
        before = storage.jobs.get(make_job().kind, "bt_1")
        with suppress(ValueError), storage.transaction():
            storage.strategies.update(make_strategy(name="changed"))
            storage.strategies.delete("unused")
            storage.jobs.finish("bt_1", JobStatus.SUCCEEDED, now=NOW)
            raise ValueError
        assert storage.strategies.get("ma_cross_v1.0") == make_strategy()
        assert storage.strategies.get("unused") is not None
        assert storage.jobs.get(make_job().kind, "bt_1") == before
        assert len(storage.jobs.events("bt_1", 0)) == 1
        assert len(storage.jobs.lapsed(at(60))) == 1

    def test_inner_fails(self, storage: Storage) -> None:
        """An inner transaction that fails takes back its own writes only."""
        with storage.transaction():
            storage.strategies.add(make_strategy("outer"))
            with suppress(ValueError), storage.transaction():
                storage.strategies.add(make_strategy("inner"))
                raise ValueError
            storage.strategies.add(make_strategy("after"))
        assert {row.id for row in storage.strategies.page(EVERYTHING)} == {"outer", "after"}

    def test_outer_fails(self, storage: Storage) -> None:
        """An outer transaction that fails takes back the inner ones that had succeeded."""
        with suppress(ValueError), storage.transaction():
            with storage.transaction():
                storage.strategies.add(make_strategy("inner"))
            raise ValueError
        assert storage.strategies.page(EVERYTHING) == []

    def test_store_refuses_inside(self, storage: Storage) -> None:
        """After a store's refusal inside a transaction the rest of it can still be stored."""
        storage.strategies.add(make_strategy())
        storage.jobs.add(make_job())
        with storage.transaction():
            with pytest.raises(AlreadyExists):
                storage.strategies.add(make_strategy())
            with pytest.raises(InUse):
                storage.strategies.delete("ma_cross_v1.0")
            storage.strategies.add(make_strategy("second"))
        assert len(storage.strategies.page(EVERYTHING)) == 2

    def test_alone_in_the_world(self, storage: Storage) -> None:
        """Of transactions that read and then write, made by several threads, no write is lost."""
        storage.strategies.add(make_strategy(version="0"))

        def count_up() -> None:
            for _ in range(10):
                with storage.transaction():
                    before = storage.strategies.get("ma_cross_v1.0")
                    storage.strategies.update(replace(before, version=str(int(before.version) + 1)))

        at_once(*[count_up] * 4, leave=storage.close)
        assert storage.strategies.get("ma_cross_v1.0").version == "40"

    def test_unfinished_is_unseen(self, storage: Storage) -> None:
        """No other thread sees what a transaction writes and takes back."""
        with ThreadPoolExecutor(1) as thread:
            with suppress(ValueError), storage.transaction():
                storage.strategies.add(make_strategy())
                reading = thread.submit(storage.strategies.get, "ma_cross_v1.0")
                wait([reading], timeout=READER_SECONDS)  # it may read what was before, or wait for the end
                raise ValueError
            assert reading.result(WAIT_SECONDS) is None
            thread.submit(storage.close).result(WAIT_SECONDS)

    def test_reading_while_others_write(self, storage: Storage) -> None:
        """Lists can be read from any thread while others write."""

        def write() -> None:
            for number in range(100):
                storage.strategies.add(make_strategy(f"s{number}"))
                storage.datasets.put(make_dataset(f"ds_{number}", symbol=f"S{number}/USDT"))

        def read() -> int:
            found = 0
            for _ in range(40):
                found = len(storage.strategies.page(EVERYTHING, name=make_strategy().name))
                storage.datasets.page(EVERYTHING, DatasetFilter(exchange="binance"))
            return found

        with hasty_threads():
            at_once(write, read, read, leave=storage.close)
        assert len(storage.strategies.page(EVERYTHING)) == 100
