"""What is stored, transactions over it, and what all stores share."""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, Protocol, TypeVar

from stratopt_server.domain.advice import Advice
from stratopt_server.domain.decisions import Decision
from stratopt_server.domain.jobs import Job, JobEvent
from stratopt_server.domain.ledger import LedgerTrial
from stratopt_server.domain.market import Dataset
from stratopt_server.domain.opportunities import DeadLetter
from stratopt_server.domain.optimization import Batch, Trial
from stratopt_server.domain.packages import ParameterPackage, Revocation
from stratopt_server.domain.paging import Page
from stratopt_server.domain.pipelines import Pipeline
from stratopt_server.domain.ports import AnsweredRequest, BlockSums, RequestKey
from stratopt_server.domain.report import Report
from stratopt_server.domain.seals import SealedHoldout
from stratopt_server.domain.strategy import Strategy

LedgerMarket = tuple[str, str, str, str]
"""Lineage, exchange, symbol and timeframe."""


@dataclass
class Lease:
    """Who works on a job, and until when that is believed."""

    owner: str
    until: datetime


@dataclass(frozen=True)
class StoredTrial:
    """A trial with its block sums, shape (blocks, 2)."""

    trial: Trial
    blocks: BlockSums


@dataclass(frozen=True)
class HeldPipeline:
    """A pipeline with the lease on it."""

    pipeline: Pipeline
    lease: Lease | None = None


@dataclass(frozen=True)
class QueuedRevocation:
    """A revocation, and when it went out."""

    revocation: Revocation
    published_at: datetime | None = None


@dataclass
class Tables:
    """Everything that is stored. Values are replaced, never changed: a copy of a table is a snapshot."""

    strategies: dict[str, Strategy] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    named_leases: dict[str, tuple[str, str, datetime]] = field(default_factory=dict)
    events: dict[str, list[JobEvent]] = field(default_factory=dict)
    batches: dict[str, dict[int, Batch]] = field(default_factory=dict)
    trials: dict[str, dict[int, StoredTrial]] = field(default_factory=dict)
    lineages: dict[str, str] = field(default_factory=dict)
    ledger: dict[LedgerMarket, dict[bytes, LedgerTrial]] = field(default_factory=dict)
    advice: dict[str, Advice] = field(default_factory=dict)
    seals: dict[str, SealedHoldout] = field(default_factory=dict)
    reports: dict[str, tuple[Report, str]] = field(default_factory=dict)
    report_jobs: dict[str, tuple[Job, datetime]] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    packages: dict[str, ParameterPackage] = field(default_factory=dict)
    revocations: dict[str, QueuedRevocation] = field(default_factory=dict)
    pipelines: dict[str, HeldPipeline] = field(default_factory=dict)
    dead_letters: dict[str, DeadLetter] = field(default_factory=dict)
    requests: dict[RequestKey, tuple[AnsweredRequest, datetime]] = field(default_factory=dict)


class Memory:
    """One set of tables; a lock makes each transaction alone in the world."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.lock = threading.RLock()

    @contextmanager
    def transaction(self, *, alone: bool = True) -> Iterator[None]:  # noqa: ARG002 - every one is
        """Everything inside is stored together or not at all; may be nested."""
        with self.lock:
            before = Tables(**{name: copy.copy(table) for name, table in vars(self.tables).items()})
            try:
                yield
            except BaseException:
                self.tables = before
                raise


class Listed(Protocol):
    """What a page is made of."""

    @property
    def id(self) -> str:
        """The row's id."""
        ...

    @property
    def created_at(self) -> datetime:
        """When the row was made."""
        ...


L = TypeVar("L", bound=Listed)
S = TypeVar("S")


def cut(rows: list[L], page: Page) -> list[L]:
    """Cut one page out of the rows, newest first."""
    ordered = sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)
    if page.after is not None:
        key = (page.after.created_at, page.after.id)
        ordered = [row for row in ordered if (row.created_at, row.id) < key]
    return copy.deepcopy(ordered[: page.limit])


def one_at_a_time(store: type[S]) -> type[S]:
    """Have every public method of a store hold the lock, as a database would have it wait."""
    for name, method in list(vars(store).items()):
        if callable(method) and not name.startswith("_"):
            setattr(store, name, _holding_the_lock(method))
    return store


def _holding_the_lock(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._memory.lock:
            return method(self, *args, **kwargs)

    return locked
