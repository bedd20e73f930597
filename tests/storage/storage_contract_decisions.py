"""What every storage promises of decisions, packages and counts.

Subclass each with a `storage` fixture that gives an empty one.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from decision_samples import make_decision
from domain_samples import NOW, at, exact, make_job, make_metrics, make_report, make_strategy
from storage_tools import read_all

from stratopt_server.domain.decisions import DecisionOutcome, Review, ReviewWord
from stratopt_server.domain.packages import PackageFilter, ParameterPackage
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import DecisionFilter, Storage


def make_package(package_id: str = "pkg_1", **changes: Any) -> ParameterPackage:
    """A package of bt_1."""
    facts: dict[str, Any] = {
        "id": package_id,
        "decision_id": "dec_1",
        "backtest_id": "bt_1",
        "strategy_id": "ma_cross_v1.0",
        "symbol": "BTC/USDT",
        "exchange": "binance",
        "timeframe": "1h",
        "params": {"fast_period": 20, "signal_threshold": 20.0, "on": True},
        "metrics": make_metrics(),
        "epoch": "e",
        "seq": 1,
        "signed_payload": bytes(range(256)),
        "signature": b"\x00" * 64,
        "key_id": "ab" * 32,
        "valid_until": at(86_400),
        "created_at": NOW,
        "published_at": None,
    }
    return ParameterPackage(**(facts | changes))


def with_backtest(storage: Storage) -> None:
    """Store what a decision refers to: a strategy, and a backtest with its report."""
    storage.strategies.add(make_strategy())
    job = make_job("bt_1")
    storage.jobs.add(job)
    storage.reports.add(job, make_report(), "<p>", now=NOW)


class DecisionStoreContract:
    """Decisions by id."""

    def test_decision_comes_back_exactly(self, storage: Storage) -> None:
        """Every gate, figure and criterion comes back with its kind."""
        with_backtest(storage)
        decision = make_decision()
        storage.decisions.put(decision)
        found = storage.decisions.get("dec_1")
        assert exact(found) == exact(decision)
        assert storage.decisions.get("dec_2") is None

    def test_a_word_is_added(self, storage: Storage) -> None:
        """A decision that is stored again has what was added to it, and is still one."""
        with_backtest(storage)
        decision = make_decision(outcome=DecisionOutcome.REVIEW)
        storage.decisions.put(decision)
        review = Review(word=ReviewWord.APPROVED, reviewer="ada", note="", time=at(5))
        storage.decisions.put(replace(decision, review=review))
        found = storage.decisions.get("dec_1")
        assert found is not None
        assert found.review == review
        assert found.is_approved
        assert len(storage.decisions.page(Page(9), DecisionFilter())) == 1

    def test_pages_and_filters(self, storage: Storage) -> None:
        """Lists are newest first, in pages without loss, and each filter holds."""
        with_backtest(storage)
        for number in range(5):
            outcome = DecisionOutcome.APPROVE if number % 2 else DecisionOutcome.REJECT
            storage.decisions.put(make_decision(f"dec_{number}", created_at=at(number // 2), outcome=outcome))
        everything = DecisionFilter()
        listed = read_all(lambda page: storage.decisions.page(page, everything), limit=2)
        assert [row.id for row in listed] == ["dec_4", "dec_3", "dec_2", "dec_1", "dec_0"]
        approved = storage.decisions.page(Page(9), DecisionFilter(outcome=DecisionOutcome.APPROVE))
        assert [row.id for row in approved] == ["dec_3", "dec_1"]
        assert storage.decisions.page(Page(9), DecisionFilter(symbol="ETH/USDT")) == []
        assert storage.decisions.page(Page(9), DecisionFilter(backtest_id="bt_2")) == []
        assert len(storage.decisions.page(Page(9), DecisionFilter(strategy_id="ma_cross_v1.0"))) == 5


class PackageStoreContract:
    """Parameter packages and their order."""

    def publish(self, storage: Storage, package_id: str) -> ParameterPackage:
        """Add a package at the next place."""
        with storage.transaction():
            place = storage.packages.next_place(now=NOW)
            package = make_package(package_id, epoch=place.epoch, seq=place.seq, created_at=at(place.seq))
            storage.packages.add(package)
        return package

    def test_package_comes_back_exactly(self, storage: Storage) -> None:
        """Bytes, figures and kinds come back as they were."""
        with_backtest(storage)
        package = self.publish(storage, "pkg_1")
        assert exact(storage.packages.get("pkg_1")) == exact(package)
        assert storage.packages.get("pkg_2") is None

    def test_places_rise_by_one(self, storage: Storage) -> None:
        """The epoch stays, seq begins at 1 and rises by one."""
        with_backtest(storage)
        assert storage.packages.last_place(now=NOW).seq == 0
        packages = [self.publish(storage, f"pkg_{number}") for number in range(3)]
        assert [package.seq for package in packages] == [1, 2, 3]
        assert len({package.epoch for package in packages}) == 1
        assert storage.packages.last_place(now=NOW).seq == 3

    def test_a_rolled_back_package_leaves_no_gap(self, storage: Storage) -> None:
        """A place that was taken in a transaction that failed is taken by the next package."""
        with_backtest(storage)
        with suppress(ZeroDivisionError), storage.transaction():
            self.publish(storage, "pkg_lost")
            raise ZeroDivisionError
        assert storage.packages.get("pkg_lost") is None
        assert self.publish(storage, "pkg_kept").seq == 1

    def test_a_draft_waits(self, storage: Storage) -> None:
        """A draft has no place and goes nowhere, until it is added with one."""
        with_backtest(storage)
        draft = make_package(epoch="", seq=0, signed_payload=b"", signature=b"", key_id="", approved=False)
        storage.packages.add(draft)
        assert exact(storage.packages.get("pkg_1")) == exact(draft)
        assert storage.packages.unpublished(9) == []
        assert storage.packages.last_place(now=NOW).seq == 0
        assert storage.packages.page(Page(9), PackageFilter()) == []
        drafts = storage.packages.page(Page(9), PackageFilter(approved=False))
        assert [row.id for row in drafts] == ["pkg_1"]
        signed = self.publish(storage, "pkg_1")
        assert exact(storage.packages.get("pkg_1")) == exact(signed)
        assert [row.id for row in storage.packages.unpublished(9)] == ["pkg_1"]
        assert storage.packages.page(Page(9), PackageFilter(approved=False)) == []

    def test_unpublished_in_order_until_marked(self, storage: Storage) -> None:
        """What waits to go out is listed in order; what has gone out is not, and says when."""
        with_backtest(storage)
        for number in range(3):
            self.publish(storage, f"pkg_{number}")
        assert [row.id for row in storage.packages.unpublished(2)] == ["pkg_0", "pkg_1"]
        assert storage.packages.count_unpublished() == 3
        storage.packages.mark_published(["pkg_0"], now=at(50))
        assert [row.id for row in storage.packages.unpublished(9)] == ["pkg_1", "pkg_2"]
        published = storage.packages.get("pkg_0")
        assert published is not None
        assert published.published_at == at(50)

    def test_oldest_unpublished(self, storage: Storage) -> None:
        """The oldest that waits to go out says since when; a draft waits for nothing."""
        with_backtest(storage)
        assert storage.packages.oldest_unpublished() is None
        storage.packages.add(
            make_package(
                "pkg_9", epoch="", seq=0, signed_payload=b"", signature=b"", key_id="", approved=False
            )
        )
        assert storage.packages.oldest_unpublished() is None
        assert storage.packages.count_unpublished() == 0
        for number in range(2):
            with storage.transaction():
                place = storage.packages.next_place(now=at(0))
                moment = at(number + 1)
                storage.packages.add(
                    make_package(f"pkg_{number}", epoch=place.epoch, seq=place.seq, created_at=moment)
                )
        assert storage.packages.oldest_unpublished() == at(1)
        storage.packages.mark_published(["pkg_0"], now=at(50))
        assert storage.packages.oldest_unpublished() == at(2)
        storage.packages.mark_published(["pkg_1"], now=at(51))
        assert storage.packages.oldest_unpublished() is None

    def test_pages_and_filters(self, storage: Storage) -> None:
        """Lists are newest first, in pages without loss, and each filter holds."""
        with_backtest(storage)
        for number in range(5):
            self.publish(storage, f"pkg_{number}")
        everything = PackageFilter()
        listed = read_all(lambda page: storage.packages.page(page, everything), limit=2)
        assert [row.id for row in listed] == [f"pkg_{number}" for number in reversed(range(5))]
        assert storage.packages.page(Page(9), PackageFilter(symbol="ETH/USDT")) == []
        assert len(storage.packages.page(Page(9), PackageFilter(strategy_id="ma_cross_v1.0"))) == 5


class CountsContract:
    """How many rows there are."""

    def test_counts(self, storage: Storage) -> None:
        """Every kind of row is counted, by status or outcome where it has one."""
        storage.ping()
        empty = storage.counts()
        assert (empty.strategies, empty.datasets, empty.trials, empty.packages_unpublished) == (0, 0, 0, 0)
        with_backtest(storage)
        storage.decisions.put(make_decision())
        storage.packages.add(make_package())
        counts = storage.counts()
        assert dict(counts.backtests) == {"pending": 1}
        assert dict(counts.optimizations) == {}
        assert dict(counts.decisions) == {"reject": 1}
        assert counts.strategies == 1
        assert counts.packages_unpublished == 1
