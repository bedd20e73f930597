"""Taking opportunities in: the stale, the unknown and the repeated stay out, the rest becomes pipelines."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stratopt_server.domain.clock import Clock, Ids
from stratopt_server.domain.jobs import Failure, JobStatus
from stratopt_server.domain.opportunities import Cause, Opportunity
from stratopt_server.domain.paging import Cursor, Page
from stratopt_server.domain.pipelines import Pipeline, StrategyRun
from stratopt_server.domain.ports import DatasetFilter, Storage
from stratopt_server.usecases.dead_letters import DeadLetters, Incoming, Unusable
from stratopt_server.usecases.routes import Routes
from stratopt_server.usecases.symbols import KnownSymbols

KEYS_REMEMBERED = 10_000
"""Newest keys of messages that are looked up without the database."""
SYMBOLS_FRESH_SECONDS = 1.0
"""How long the symbols that there are bars of are believed to be all."""
DATASETS_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """How much is taken in."""

    age_max: timedelta
    """An opportunity that was seen longer ago is stale."""
    duplicate_window: timedelta
    """In which the same content is the same opportunity."""
    pending_max: int
    """Pipelines that may wait; over it the one that waits longest is dropped."""


class Intake:
    """Turns opportunities into pipelines."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        ids: Ids,
        *,
        routes: Routes,
        dead_letters: DeadLetters,
        limits: IntakeLimits,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._routes = routes
        self._dead_letters = dead_letters
        self._limits = limits
        self._symbols = KnownSymbols(())
        self._symbols_read_at: datetime | None = None
        self._recent: OrderedDict[str, datetime] = OrderedDict()

    def take(self, messages: Sequence[Incoming[Opportunity]]) -> int:
        """Take messages in, in one transaction; return how many became pipelines.

        Whatever keeps the database from storing them is raised; the same messages may then be taken again.
        """
        counts = self._dead_letters.counts.copy()
        try:
            return self._take(messages)
        except BaseException:
            self._recent.clear()  # nothing of it was stored
            self._dead_letters.counts = counts
            raise

    def _take(self, messages: Sequence[Incoming[Opportunity]]) -> int:
        taken = 0
        useless: list[tuple[Incoming[Opportunity], Unusable]] = []
        with self._storage.transaction():
            for message in messages:
                said = message.said
                verdict = said if isinstance(said, Unusable) else self._judge(said)
                if isinstance(verdict, Unusable):
                    useless.append((message, verdict))
                elif verdict is not None:
                    self._store(verdict)
                    taken += 1
            self._dead_letters.keep(useless)
        return taken

    def _judge(self, said: Opportunity) -> Pipeline | Unusable | None:
        """Return its pipeline, why there is none, or None for one that is known."""
        now = self._clock.now()
        key = _duplicate_key(said)
        if self._is_recent(key, now):
            self._dead_letters.counts["duplicate"] += 1
            return None
        age = now - said.observed_at
        if abs(age) > self._limits.age_max:
            when = "old" if age > timedelta(0) else "ahead of this server's clock"
            limit = self._limits.age_max.total_seconds()
            seconds = abs(age).total_seconds()
            return Unusable(Cause.STALE, f"it is {seconds:.0f} s {when}; at most {limit:g} s are taken")
        symbol = self._symbol(said.symbol, now)
        if symbol is None:
            return Unusable(
                Cause.UNKNOWN_SYMBOL, f"there are no bars of {said.symbol!r}, or of several that it may mean"
            )
        opportunity = replace(said, symbol=symbol)
        route = self._routes.route_for(opportunity)
        if route is None:
            return Unusable(
                Cause.NO_ROUTE,
                f"no route takes {opportunity.kind or 'an opportunity without a kind'!r} on {symbol} with a "
                f"confidence of {opportunity.confidence}",
            )
        known = self._storage.pipelines.has(key, since=self._since(key, now))
        self._remember(key, now)
        if known:
            self._dead_letters.counts["duplicate"] += 1
            return None
        return Pipeline(
            id=self._ids.new("pl"),
            opportunity=opportunity,
            route=route.name,
            runs=tuple(StrategyRun(plan=plan) for plan in route.plans),
            duplicate_key=key,
            created_at=now,
        )

    def _store(self, pipeline: Pipeline) -> None:
        """Store it, in place of those that wait longest where there is no room."""
        while self._storage.pipelines.pending() >= self._limits.pending_max:
            oldest = self._storage.pipelines.oldest_pending()
            assert oldest is not None, "one of those that wait has waited longest"
            self._storage.pipelines.end(
                replace(
                    oldest,
                    status=JobStatus.FAILED,
                    completed_at=self._clock.now(),
                    failure=Failure(
                        reason="DROPPED",
                        message=f"{self._limits.pending_max} opportunities waited: the oldest goes first",
                        metadata={"pipelines_pending_max": str(self._limits.pending_max)},
                    ),
                )
            )
            self._dead_letters.counts["dropped"] += 1
        self._storage.pipelines.add(pipeline)
        self._dead_letters.counts["accepted"] += 1

    def _since(self, key: str, now: datetime) -> datetime | None:
        """What counts as a repetition: of a content those in the window, of a correlation id all."""
        return None if key.startswith(BY_CORRELATION) else now - self._limits.duplicate_window

    def _is_recent(self, key: str, now: datetime) -> bool:
        seen_at, since = self._recent.get(key), self._since(key, now)
        return seen_at is not None and (since is None or seen_at >= since)

    def _remember(self, key: str, now: datetime) -> None:
        self._recent[key] = now
        self._recent.move_to_end(key)
        if len(self._recent) > KEYS_REMEMBERED:
            self._recent.popitem(last=False)

    def _symbol(self, written: str, now: datetime) -> str | None:
        read_at = self._symbols_read_at
        fresh = read_at is not None and (now - read_at).total_seconds() < SYMBOLS_FRESH_SECONDS
        found = self._symbols.find(written)
        if found is None and not fresh:
            self._symbols = KnownSymbols(self._symbols_with_bars())
            self._symbols_read_at = now
            found = self._symbols.find(written)
        return found

    def _symbols_with_bars(self) -> set[str]:
        symbols: set[str] = set()
        after = None
        while rows := self._storage.datasets.page(Page(DATASETS_PAGE, after), DatasetFilter()):
            symbols.update(row.symbol for row in rows)
            after = Cursor(rows[-1].created_at, rows[-1].id)
        return symbols


BY_CORRELATION, BY_CONTENT = "c:", "d:"


def _duplicate_key(said: Opportunity) -> str:
    """The same for messages that say the same: by their correlation id, or else by their content."""
    if said.correlation_id:
        return BY_CORRELATION + hashlib.sha256(said.correlation_id.encode()).hexdigest()
    content = json.dumps(said.document, sort_keys=True, separators=(",", ":"))
    return BY_CONTENT + hashlib.sha256(content.encode()).hexdigest()
