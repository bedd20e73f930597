"""Strategies, datasets and answered calls in memory."""

import copy
from datetime import datetime

from stratopt_server.domain.errors import AlreadyExists, InUse, NotFound
from stratopt_server.domain.market import Dataset
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import AnsweredRequest, DatasetFilter, RequestKey
from stratopt_server.domain.strategy import Strategy
from stratopt_server.storage.memory.tables import Memory, cut, one_at_a_time


@one_at_a_time
class MemoryStrategyStore:
    """Strategies by id."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add(self, strategy: Strategy) -> None:
        """Store a new one; raises AlreadyExists if the id is taken."""
        with self._memory.transaction():
            if strategy.id in self._memory.tables.strategies:
                raise AlreadyExists("strategy", strategy.id)
            self._memory.tables.strategies[strategy.id] = copy.deepcopy(strategy)

    def get(self, strategy_id: str) -> Strategy | None:
        """Return it, or None if there is none of that id."""
        return copy.deepcopy(self._memory.tables.strategies.get(strategy_id))

    def page(self, page: Page, *, name: str | None = None) -> list[Strategy]:
        """Return a page, newest first."""
        rows = self._memory.tables.strategies.values()
        return cut([row for row in rows if name is None or row.name == name], page)

    def update(self, strategy: Strategy) -> None:
        """Replace the row of the same id; raises NotFound if there is none."""
        with self._memory.transaction():
            if strategy.id not in self._memory.tables.strategies:
                raise NotFound("strategy", strategy.id)
            self._memory.tables.strategies[strategy.id] = copy.deepcopy(strategy)

    def delete(self, strategy_id: str) -> None:
        """Remove it; raises NotFound, or InUse while a job refers to it."""
        with self._memory.transaction():
            tables = self._memory.tables
            if strategy_id not in tables.strategies:
                raise NotFound("strategy", strategy_id)
            if any(job.spec.scenario.strategy_id == strategy_id for job in tables.jobs.values()):
                raise InUse("strategy", strategy_id, used_by="backtests or optimizations")
            del tables.strategies[strategy_id]


@one_at_a_time
class MemoryDatasetStore:
    """The catalog of datasets."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def put(self, dataset: Dataset) -> None:
        """Store it, replacing the row of the same id."""
        with self._memory.transaction():
            for row in self._memory.tables.datasets.values():
                if row.id != dataset.id and _market(row) == _market(dataset):
                    raise ValueError(f"{_market(row)} is dataset {row.id}")
            self._memory.tables.datasets[dataset.id] = dataset

    def get(self, dataset_id: str) -> Dataset | None:
        """Return it, or None if there is none of that id."""
        return self._memory.tables.datasets.get(dataset_id)

    def page(self, page: Page, wanted: DatasetFilter) -> list[Dataset]:
        """Return a page of the datasets that match, newest first."""
        names = ("symbol", "exchange", "timeframe")
        rows = [
            row
            for row in self._memory.tables.datasets.values()
            if all(getattr(wanted, name) in (None, getattr(row, name)) for name in names)
        ]
        return cut(rows, page)


@one_at_a_time
class MemoryRequestLog:
    """Calls that were answered."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def find(self, key: RequestKey, *, since: datetime) -> AnsweredRequest | None:
        """Return the call of that key answered at or after `since`, or None."""
        found = self._memory.tables.requests.get(key)
        return None if found is None or found[1] < since else found[0]

    def add(self, key: RequestKey, answered: AnsweredRequest, *, now: datetime) -> None:
        """Remember a call, in place of an older one of the same key."""
        with self._memory.transaction():
            self._memory.tables.requests[key] = (answered, now)

    def forget(self, *, before: datetime, limit: int) -> int:
        """Remove up to `limit` calls answered before that; return how many went."""
        with self._memory.transaction():
            requests = self._memory.tables.requests
            old = [key for key, (_, answered_at) in requests.items() if answered_at < before][:limit]
            for key in old:
                del requests[key]
            return len(old)


def _market(dataset: Dataset) -> tuple[str, str, str]:
    return dataset.exchange, dataset.symbol, dataset.timeframe
