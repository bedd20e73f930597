"""What every storage promises of what several servers need.

Subclass with a `storage` fixture that gives an empty one.
"""

from domain_samples import NOW, at, exact, make_job, make_report, make_strategy
from storage_tools import at_once

from stratopt_server.domain.jobs import JobKind
from stratopt_server.domain.ports import AnsweredRequest, ReportFilter, ReportOrder, RequestKey, Storage

NAME = "relay"


def take(storage: Storage, owner: str, *, now: float = 0.0, lease: float = 5.0) -> bool:
    """Take the lease so many seconds after the beginning."""
    return storage.leases.take(
        NAME, owner, detail=f"at {owner}", now=at(now), until=at(now + lease), longest=at(now + 15)
    )


class LeaseStoreContract:
    """Named leases, each of one owner at a time."""

    def test_first_has_it(self, storage: Storage) -> None:
        """Who comes first has it, and is named; others have it not, whatever they say of themselves."""
        assert storage.leases.detail(NAME) == ""
        assert take(storage, "a")
        assert not take(storage, "b")
        assert storage.leases.detail(NAME) == "at a"
        assert storage.leases.take("other", "b", detail="b", now=NOW, until=at(5), longest=at(15)), (
            "another name is another lease"
        )

    def test_owner_prolongs(self, storage: Storage) -> None:
        """Its owner may take it again, and then has it for longer."""
        assert take(storage, "a")
        assert take(storage, "a", now=4)
        assert not take(storage, "b", now=9)
        assert take(storage, "b", now=9.000001)

    def test_given_back(self, storage: Storage) -> None:
        """Given back by its owner, and by nobody else, it may be taken at once."""
        assert take(storage, "a")
        storage.leases.give_back(NAME, "b")
        assert not take(storage, "b")
        storage.leases.give_back(NAME, "a")
        assert storage.leases.detail(NAME) == ""
        assert take(storage, "b")

    def test_taken_by_a_wrong_clock(self, storage: Storage) -> None:
        """A lease that ends later than any true one does holds nobody up."""
        assert take(storage, "a", now=3_600)
        assert take(storage, "b", now=0)
        assert storage.leases.detail(NAME) == "at b"

    def test_one_of_many(self, storage: Storage) -> None:
        """Of many who want it at once, one has it."""
        owners = [f"owner {number}" for number in range(6)]
        calls = [lambda owner=owner: take(storage, owner) for owner in owners]
        assert at_once(*calls, leave=storage.close).count(True) == 1


class SharedQueueContract:
    """What servers see of each other's jobs."""

    def test_held(self, storage: Storage) -> None:
        """A server knows which attempts of which jobs are its own."""
        storage.strategies.add(make_strategy())
        for name in ("bt_1", "bt_2", "bt_3"):
            storage.jobs.add(make_job(name))
        for owner in ("a", "a", "b"):
            storage.jobs.claim(owner, now=NOW, lease_until=at(15))
        assert sorted(storage.jobs.held("a")) == [("bt_1", 1), ("bt_2", 1)]
        storage.jobs.release("bt_1", 1, lost=True)
        storage.jobs.claim("b", now=NOW, lease_until=at(15))
        assert storage.jobs.held("a") == [("bt_2", 1)]
        assert sorted(storage.jobs.held("b")) == [("bt_1", 2), ("bt_3", 1)]
        assert storage.jobs.held("nobody") == []

    def test_lease_of_a_wrong_clock(self, storage: Storage) -> None:
        """A job whose lease ends later than any true one does has lapsed."""
        storage.strategies.add(make_strategy())
        storage.jobs.add(make_job())
        job = storage.jobs.claim("a", now=at(3_600), lease_until=at(3_615))
        assert storage.jobs.lapsed(at(0)) == []
        assert storage.jobs.lapsed(at(0), longest=at(3_615)) == []
        assert storage.jobs.lapsed(at(0), longest=at(45)) == [job]

    def test_time(self, storage: Storage) -> None:
        """Time is the database's own, or the one that is given."""
        told = storage.now(NOW)
        assert told.tzinfo is not None
        assert storage.is_shared or told == NOW
        assert storage.now(NOW) >= told


class ForgettingContract:
    """Answered calls that go."""

    def test_forget(self, storage: Storage) -> None:
        """Calls answered before a moment go, so many at a time; later ones stay."""
        keys = [RequestKey("StartBacktest", f"r{number}") for number in range(250)]
        for number, key in enumerate(keys):
            storage.requests.add(key, AnsweredRequest("digest", "bt_1"), now=at(number))
        assert storage.requests.forget(before=at(240), limit=200) == 200
        assert storage.requests.forget(before=at(240), limit=200) == 40
        assert storage.requests.forget(before=at(240), limit=200) == 0
        kept = [key for key in keys if storage.requests.find(key, since=NOW) is not None]
        assert kept == keys[240:]


class CopyContract:
    """Reports of backtests that ran the same."""

    def test_copy(self, storage: Storage) -> None:
        """A copy is a report of its own: the same, under its own id, made when it was."""
        storage.strategies.add(make_strategy())
        for name in ("bt_1", "bt_2"):
            storage.jobs.add(make_job(name))
        storage.reports.add(make_job("bt_1"), make_report(), "<p>page</p>", now=NOW)
        storage.reports.copy("bt_1", make_job("bt_2"), now=at(60))
        assert storage.reports.html("bt_2") == "<p>page</p>"
        for read in (storage.reports.series, storage.reports.trades):
            assert exact(list(read("bt_2"))) == exact(list(read("bt_1")))
        newest = storage.reports.page(ReportFilter(), ReportOrder.NEWEST, after=None, limit=9)
        assert [key.id for key in newest] == ["bt_2", "bt_1"]
        by_figure = storage.reports.page(ReportFilter(), ReportOrder.SHARPE, after=None, limit=9)
        assert {key.figure for key in by_figure} == {by_figure[0].figure}
        assert storage.jobs.get(JobKind.BACKTEST, "bt_2") is not None
