"""Keeping market data."""

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Protocol

from stratopt_server.domain.clock import Clock, Ids
from stratopt_server.domain.errors import NotFound, RequestRefused, Violations
from stratopt_server.domain.market import EXCHANGE, SYMBOL, Dataset
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import DatasetFilter, Storage
from stratopt_server.market.importing import Imported
from stratopt_server.market.timeframe import check_given
from stratopt_server.settings import Settings
from stratopt_server.usecases.requests import ImportRequest

LOCAL_EXCHANGE = "local"
"""Exchange of bars whose file is said to be of none."""


class Importer(Protocol):
    """Reads, checks and stores files of bars in a process of its own."""

    async def import_file(self, path: Path, wanted: ImportRequest) -> Imported:
        """Import the file; raises RequestRefused naming what is wrong with it."""
        ...


class ImportOutcome(Enum):
    """What an import did to the stored bars."""

    CREATED = "created"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


class Datasets:
    """The catalog of market data."""

    def __init__(self, storage: Storage, clock: Clock, ids: Ids, *, settings: Settings) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._settings = settings

    def check(self, wanted: ImportRequest) -> None:
        """Refuse a header that cannot be, before any bar is read."""
        violations = Violations(wanted.faults)
        if not SYMBOL.fullmatch(wanted.symbol):
            violations.add(
                "symbol",
                "INVALID_SYMBOL",
                f"must be BASE/QUOTE in capitals, e.g. BTC/USDT, not {wanted.symbol!r}",
                value=wanted.symbol,
            )
        exchange = self._exchange(wanted)
        if not EXCHANGE.fullmatch(exchange):
            violations.add(
                "exchange",
                "INVALID_EXCHANGE",
                f"1 to 30 of a-z, 0-9, dot, underscore and hyphen, not {exchange!r}",
                value=exchange,
            )
        try:
            check_given(timeframe=wanted.timeframe, bars_per_year=wanted.bars_per_year)
        except RequestRefused as refusal:
            violations = Violations((*violations.found, *refusal.violations))
        violations.refuse_if_any()

    def catalog(self, wanted: ImportRequest, imported: Imported) -> tuple[Dataset, ImportOutcome]:
        """Note the bars that an import stored as the newest of their exchange, symbol and timeframe."""
        now = self._clock.now()
        dataset = Dataset(
            id=self._ids.new("ds"),
            exchange=self._exchange(wanted),
            symbol=wanted.symbol,
            timeframe=imported.timeframe,
            bar_count=imported.bar_count,
            first_bar_time=imported.first_bar_time,
            last_bar_time=imported.last_bar_time,
            content_hash=imported.content_hash,
            bars_per_year=imported.bars_per_year,
            quality=imported.quality,
            created_at=now,
            updated_at=now,
        )
        with self._storage.transaction():
            same = DatasetFilter(
                symbol=dataset.symbol, exchange=dataset.exchange, timeframe=dataset.timeframe
            )
            before = next(iter(self._storage.datasets.page(Page(1), same)), None)
            if before is None:
                self._storage.datasets.put(dataset)
                return dataset, ImportOutcome.CREATED
            dataset = replace(dataset, id=before.id, created_at=before.created_at)
            outcome = ImportOutcome.REPLACED
            if dataset.content_hash == before.content_hash:
                outcome = ImportOutcome.UNCHANGED
                dataset = replace(dataset, updated_at=before.updated_at)
            self._storage.datasets.put(dataset)
            return dataset, outcome

    def get(self, dataset_id: str) -> Dataset:
        """Return it; raises NotFound."""
        dataset = self._storage.datasets.get(dataset_id)
        if dataset is None:
            raise NotFound("dataset", dataset_id)
        return dataset

    def page(self, page: Page, wanted: DatasetFilter) -> list[Dataset]:
        """Return a page of the datasets that match, newest first."""
        return self._storage.datasets.page(page, wanted)

    def _exchange(self, wanted: ImportRequest) -> str:
        return wanted.exchange or self._settings.default_exchange or LOCAL_EXCHANGE
