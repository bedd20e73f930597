"""What every storage promises of what goes in and out over ZeroMQ.

Subclass with a `storage` fixture that gives an empty one.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from domain_samples import NOW, at, exact
from pipeline_samples import make_pipeline
from storage_contract_decisions import make_package, with_backtest
from storage_tools import read_all

from stratopt_server.domain.errors import AlreadyExists
from stratopt_server.domain.jobs import Failure, JobStatus
from stratopt_server.domain.opportunities import Cause, Channel, DeadLetter
from stratopt_server.domain.packages import PackageFilter, PackageReview, Place, Revocation, Span
from stratopt_server.domain.paging import Page
from stratopt_server.domain.pipelines import PipelineFilter, PipelineStep
from stratopt_server.domain.ports import LeaseLost, Storage

UNTIL = NOW + timedelta(seconds=15)


def publish(storage: Storage, count: int) -> str:
    """Add packages pkg_1, pkg_2 ... at their places; return the epoch."""
    with_backtest(storage)
    for number in range(1, count + 1):
        with storage.transaction():
            place = storage.packages.next_place(now=NOW)
            made = make_package(f"pkg_{number}", epoch=place.epoch, seq=place.seq, created_at=at(number))
            storage.packages.add(made)
    return storage.packages.last_place(now=NOW).epoch


def revoke(storage: Storage, package_id: str) -> Revocation:
    """Revoke a package at the next place."""
    with storage.transaction():
        revocation = Revocation(
            package_id=package_id,
            place=storage.revocations.next_place(now=NOW),
            reason="Ünsinn",
            revoked_by="risk",
            signed_payload=b'{"a":1}',
            signature=bytes(64),
            key_id="ab" * 32,
            created_at=at(7),
        )
        storage.revocations.add(revocation)
    return revocation


class ReplayContract:
    """Places, asked for again."""

    def test_by_place_and_limit(self, storage: Storage) -> None:
        """Both ends are included, the limit cuts, and another epoch has nothing."""
        epoch = publish(storage, 5)

        def seqs(first: int, last: int | None, limit: int = 9, epoch: str = epoch) -> list[int]:
            return [row.seq for row in storage.packages.replay(Span(epoch, first, last), limit=limit)]

        assert seqs(1, None) == [1, 2, 3, 4, 5]
        assert seqs(2, 4) == [2, 3, 4]
        assert seqs(2, None, limit=2) == [2, 3]
        assert seqs(6, None) == []
        assert seqs(1, None, epoch="another") == []
        storage.packages.mark_published(["pkg_1", "pkg_2"], now=at(9))
        assert seqs(1, 3) == [1, 2, 3]

    def test_reviews_stay_in_order(self, storage: Storage) -> None:
        """Words of review desks are kept, oldest first."""
        publish(storage, 1)
        words = [
            PackageReview(approved=number != 1, reviewer_id=f"r{number}", reason="é", created_at=at(number))
            for number in range(3)
        ]
        for word in words:
            storage.packages.add_review("pkg_1", word)
        found = storage.packages.get("pkg_1")
        assert found is not None
        assert exact(found.reviews) == exact(tuple(words))

    def test_newest_places_of_every_epoch(self, storage: Storage) -> None:
        """There is one epoch until a backup is restored; the newest place of each is told."""
        epoch = publish(storage, 2)
        assert storage.packages.last_places(now=NOW) == [Place(epoch, 2)]
        assert storage.revocations.last_places(now=NOW) == [Place(epoch, 0)]
        revoke(storage, "pkg_1")
        assert storage.revocations.last_places(now=NOW) == [Place(epoch, 1)]


class OutboxOrderContract:
    """What goes out first, where the clocks of servers differ."""

    def test_by_place_not_by_clock(self, storage: Storage) -> None:
        """Packages go out by their places, whatever time the server that made them believed it was."""
        publish(storage, 3)
        rows = [storage.packages.get(f"pkg_{number}") for number in (1, 2, 3)]
        for row, moment in zip(rows, (9, 5, 7), strict=True):
            assert row is not None
            storage.packages.add(replace(row, id=f"late_{row.id}", seq=row.seq + 3, created_at=at(moment)))
        waiting = storage.packages.unpublished(9)
        assert [row.seq for row in waiting] == [1, 2, 3, 4, 5, 6]


class RevocationStoreContract:
    """Revocations and their order."""

    def test_comes_back_with_its_package(self, storage: Storage) -> None:
        """A revoked package says so wherever it is read, and filters tell it."""
        publish(storage, 2)
        revocation = revoke(storage, "pkg_1")
        found = storage.packages.get("pkg_1")
        assert found is not None
        assert exact(found.revocation) == exact(revocation)
        pages = storage.packages.page
        assert [row.id for row in pages(Page(9), PackageFilter(revoked=True))] == ["pkg_1"]
        assert [row.id for row in pages(Page(9), PackageFilter(revoked=False))] == ["pkg_2"]
        assert len(pages(Page(9), PackageFilter())) == 2

    def test_order_is_its_own(self, storage: Storage) -> None:
        """Places begin at 1 and rise by one, apart from those of packages; each package is revoked once."""
        epoch = publish(storage, 3)
        assert storage.revocations.last_place(now=NOW) == Place(epoch, 0)
        assert [revoke(storage, f"pkg_{number}").place.seq for number in (3, 1)] == [1, 2]
        assert storage.revocations.last_place(now=NOW) == Place(epoch, 2)
        with pytest.raises(AlreadyExists):
            revoke(storage, "pkg_3")
        assert storage.revocations.last_place(now=NOW) == Place(epoch, 2)

    def test_goes_out_once(self, storage: Storage) -> None:
        """What waits is listed in order until it is marked; a replay has it either way."""
        epoch = publish(storage, 3)
        for number in (2, 1, 3):
            revoke(storage, f"pkg_{number}")
        assert [row.package_id for row in storage.revocations.unpublished(2)] == ["pkg_2", "pkg_1"]
        storage.revocations.mark_published(["pkg_2", "pkg_1"], now=at(9))
        assert [row.package_id for row in storage.revocations.unpublished(9)] == ["pkg_3"]
        replayed = storage.revocations.replay(Span(epoch, 1, 2), limit=9)
        assert [row.package_id for row in replayed] == ["pkg_2", "pkg_1"]


class PipelineStoreContract:
    """Pipelines and their leases."""

    def test_comes_back_exactly(self, storage: Storage) -> None:
        """Before it ran and after, with what became of it."""
        storage.pipelines.add(make_pipeline())
        assert exact(storage.pipelines.get("pl_1")) == exact(make_pipeline())
        assert storage.pipelines.get("pl_2") is None
        held = storage.pipelines.claim("us", now=at(5), lease_until=UNTIL)
        assert held is not None
        run = replace(
            held.runs[0],
            step=PipelineStep.DONE,
            failure=Failure(reason="X", message="y", metadata={"z": "1"}),
        )
        saved = storage.pipelines.save(replace(held, runs=(run,)), owner="us")
        assert exact(storage.pipelines.get("pl_1")) == exact(saved)
        assert saved.sequence == 3
        assert saved.runs == (run,)

    def test_oldest_is_claimed_first(self, storage: Storage) -> None:
        """Each is claimed once, while its lease holds."""
        for number in (2, 1, 3):
            storage.pipelines.add(make_pipeline(number))
        assert storage.pipelines.pending() == 3
        oldest = storage.pipelines.oldest_pending()
        assert oldest is not None
        assert oldest.id == "pl_1"
        claimed = [storage.pipelines.claim("us", now=at(5), lease_until=UNTIL) for _ in range(4)]
        assert [row and row.id for row in claimed] == ["pl_1", "pl_2", "pl_3", None]
        assert {row.status for row in claimed if row} == {JobStatus.RUNNING}
        assert {row.started_at for row in claimed if row} == {at(5)}

    def test_lapsed_lease_is_claimed_again(self, storage: Storage) -> None:
        """After its time, or when its owner lets go; the first owner can then write no more."""
        storage.pipelines.add(make_pipeline())
        first = storage.pipelines.claim("us", now=at(5), lease_until=at(10))
        assert first is not None
        assert storage.pipelines.claim("them", now=at(9), lease_until=at(20)) is None
        storage.pipelines.renew("us", lease_until=at(30), ids=frozenset({"pl_1"}))
        assert storage.pipelines.claim("them", now=at(11), lease_until=at(20)) is None
        again = storage.pipelines.claim("them", now=at(31), lease_until=at(60))
        assert again is not None
        assert again.started_at == at(5)
        with pytest.raises(LeaseLost):
            storage.pipelines.save(first, owner="us")
        storage.pipelines.release("us")
        assert storage.pipelines.claim("us", now=at(32), lease_until=at(60)) is None
        storage.pipelines.release("them")
        assert storage.pipelines.claim("us", now=at(32), lease_until=at(60)) is not None

    def test_ends_once(self, storage: Storage) -> None:
        """Whoever holds it; afterwards nobody changes it."""
        storage.pipelines.add(make_pipeline())
        held = storage.pipelines.claim("us", now=at(5), lease_until=UNTIL)
        assert held is not None
        ended = storage.pipelines.end(replace(held, status=JobStatus.CANCELLED, completed_at=at(6)))
        assert exact(storage.pipelines.get("pl_1")) == exact(ended)
        with pytest.raises(LeaseLost):
            storage.pipelines.end(ended)
        with pytest.raises(LeaseLost):
            storage.pipelines.save(held, owner="us")
        assert storage.pipelines.claim("us", now=at(99), lease_until=UNTIL) is None
        assert dict(storage.counts().pipelines) == {"cancelled": 1}

    def test_duplicates_are_known(self, storage: Storage) -> None:
        """By key, and by when."""
        storage.pipelines.add(make_pipeline(3))
        assert storage.pipelines.has("key 3", since=None)
        assert storage.pipelines.has("key 3", since=at(3))
        assert not storage.pipelines.has("key 3", since=at(4))
        assert not storage.pipelines.has("key 4", since=None)

    def test_pages_and_filters(self, storage: Storage) -> None:
        """Lists are newest first, in pages without loss, and each filter holds."""
        for number in range(5):
            storage.pipelines.add(make_pipeline(number))
        everything = PipelineFilter()
        listed = read_all(lambda page: storage.pipelines.page(page, everything), limit=2)
        assert [row.id for row in listed] == [f"pl_{number}" for number in reversed(range(5))]
        assert storage.pipelines.page(Page(9), PipelineFilter(symbol="ETH/USDT")) == []
        storage.pipelines.claim("us", now=at(9), lease_until=UNTIL)
        running = storage.pipelines.page(Page(9), PipelineFilter(status=JobStatus.RUNNING))
        assert [row.id for row in running] == ["pl_0"]


def make_letter(number: int, cause: Cause = Cause.BAD_JSON) -> DeadLetter:
    """A message that could not be used."""
    return DeadLetter(
        id=f"dl_{number}",
        channel=Channel.SCANNER,
        cause=cause,
        detail="no JSON",
        topic="scanner.pool.preliminary",
        body=bytes([0, 255, number]),
        body_bytes=2_000_000,
        created_at=at(number),
    )


class DeadLetterStoreContract:
    """The newest messages that could not be used."""

    def test_newest_are_kept(self, storage: Storage) -> None:
        """Older ones go when there are more than that."""
        storage.dead_letters.add([make_letter(number) for number in range(4)], kept_max=3)
        storage.dead_letters.add([make_letter(4, Cause.STALE)], kept_max=3)
        listed = read_all(storage.dead_letters.page, limit=2)
        assert exact(listed) == exact([make_letter(4, Cause.STALE), make_letter(3), make_letter(2)])
        stale = storage.dead_letters.page(Page(9), cause=Cause.STALE)
        assert [letter.id for letter in stale] == ["dl_4"]
