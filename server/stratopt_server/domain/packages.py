"""Parameter packages, what becomes of them, and the orders in which they and their revocations go out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.paging import Page
from stratopt_server.domain.parameters import ParameterValue


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an order of publication: that of packages, or that of revocations."""

    epoch: str
    """Made once per database."""
    seq: int
    """From 1, rising by one within the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageReview:
    """What a review desk said of a package."""

    approved: bool
    reviewer_id: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """That a package may trade no more, signed."""

    package_id: str
    place: Place
    reason: str
    revoked_by: str
    signed_payload: bytes
    """Everything it says, as canonical JSON."""
    signature: bytes
    key_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterPackage:
    """Parameters that may trade, signed; or a draft of them, which waits for a person's word."""

    id: str
    decision_id: str
    backtest_id: str
    strategy_id: str
    symbol: str
    exchange: str
    timeframe: str
    params: dict[str, ParameterValue]
    metrics: Metrics
    """Of the backtest."""
    epoch: str
    seq: int
    signed_payload: bytes
    """Everything the package says, as canonical JSON."""
    signature: bytes
    key_id: str
    valid_until: datetime
    created_at: datetime
    published_at: datetime | None
    approved: bool = True
    """A draft is not; it has no place, no bytes and no signature."""
    reviews: tuple[PackageReview, ...] = ()
    """Oldest first. The word on a draft stands in its decision."""
    revocation: Revocation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFilter:
    """Which packages a list is about; None means any."""

    strategy_id: str | None = None
    symbol: str | None = None
    approved: bool | None = True
    """True for those that may trade, False for drafts."""
    revoked: bool | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Places that somebody asks for again."""

    epoch: str
    first: int
    last: int | None
    """None means up to the newest."""


class PackageStore(Protocol):
    """Parameter packages, and the order in which they go out."""

    def next_place(self, *, now: datetime) -> Place:
        """Return the place of the next package; use inside the transaction that adds it."""
        ...

    def add(self, package: ParameterPackage) -> None:
        """Store a draft, or an approved one at its place, in place of its draft if there is one."""
        ...

    def get(self, package_id: str) -> ParameterPackage | None:
        """Return it, or None if there is none of that id."""
        ...

    def page(self, page: Page, wanted: PackageFilter) -> list[ParameterPackage]:
        """Return a page of the packages that match, newest first."""
        ...

    def unpublished(self, limit: int) -> list[ParameterPackage]:
        """Return the packages not handed to the socket yet, in order of their places."""
        ...

    def count_unpublished(self) -> int:
        """Count the packages not handed to the socket yet."""
        ...

    def oldest_unpublished(self) -> datetime | None:
        """Return when the oldest package not handed to the socket yet was made; None if none waits."""
        ...

    def mark_published(self, package_ids: Sequence[str], *, now: datetime) -> None:
        """Note that packages were handed to the socket."""
        ...

    def last_place(self, *, now: datetime) -> Place:
        """Return the place of the newest package; seq 0 if there is none."""
        ...

    def last_places(self, *, now: datetime) -> list[Place]:
        """Return the newest place of every epoch, the present one last; restoring a backup begins one."""
        ...

    def replay(self, span: Span, *, limit: int) -> list[ParameterPackage]:
        """Return up to `limit` packages at these places, in order, published or not."""
        ...

    def add_review(self, package_id: str, review: PackageReview) -> None:
        """Note what a review desk said of an approved package."""
        ...


class RevocationStore(Protocol):
    """Revocations, and the order in which they go out."""

    def next_place(self, *, now: datetime) -> Place:
        """Return the place of the next one; use inside the transaction that adds it."""
        ...

    def add(self, revocation: Revocation) -> None:
        """Store it; raises AlreadyExists if the package is revoked."""
        ...

    def unpublished(self, limit: int) -> list[Revocation]:
        """Return those not handed to the socket yet, in order of their places."""
        ...

    def mark_published(self, package_ids: Sequence[str], *, now: datetime) -> None:
        """Note that the revocations of these packages were handed to the socket."""
        ...

    def last_place(self, *, now: datetime) -> Place:
        """Return the place of the newest; seq 0 if there is none."""
        ...

    def last_places(self, *, now: datetime) -> list[Place]:
        """Return the newest place of every epoch, the present one last."""
        ...

    def replay(self, span: Span, *, limit: int) -> list[Revocation]:
        """Return up to `limit` of them at these places, in order, published or not."""
        ...
