"""Strategies, datasets and answered calls in a database."""

from datetime import datetime
from typing import Any

import peewee

from stratopt_server.domain.errors import AlreadyExists, InUse, NotFound
from stratopt_server.domain.market import Dataset, QualityReport
from stratopt_server.domain.paging import Cursor, Page
from stratopt_server.domain.ports import AnsweredRequest, DatasetFilter, RequestKey
from stratopt_server.domain.strategy import Strategy
from stratopt_server.storage.codec import from_json, to_json
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import DatasetRow, RequestRow, StrategyRow, UtcField, bound

FORGET = (
    "DELETE FROM request_log WHERE (method, request_id) IN "
    "(SELECT method, request_id FROM request_log WHERE created_at < {0} LIMIT {0})"
)


def newest_first(query: Any, model: Any, page: Page) -> Any:
    """Cut one page out of the query by its keys, never by an offset."""
    after = page.after
    if after is not None:
        query = query.where(behind(model, after))
    return query.order_by(model.created_at.desc(), model.id.desc()).limit(page.limit)


def behind(model: Any, cursor: Cursor) -> Any:
    """Rows that come after the cursor, newest first."""
    same_moment = (model.created_at == cursor.created_at) & (model.id < cursor.id)
    return (model.created_at < cursor.created_at) | same_moment


class SqlStrategyStore:
    """Strategies by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = bound(StrategyRow, database)

    def add(self, strategy: Strategy) -> None:
        """Store a new one; raises AlreadyExists if the id is taken."""
        try:
            with self._database.atomic():
                self._rows.insert(_strategy_columns(strategy)).execute()
        except peewee.IntegrityError as error:
            raise AlreadyExists("strategy", strategy.id) from error

    def get(self, strategy_id: str) -> Strategy | None:
        """Return it, or None if there is none of that id."""
        row = self._rows.get_or_none(self._rows.id == strategy_id)
        return None if row is None else _strategy(row)

    def page(self, page: Page, *, name: str | None = None) -> list[Strategy]:
        """Return a page, newest first."""
        query = self._rows.select()
        if name is not None:
            query = query.where(self._rows.name == name)
        return [_strategy(row) for row in newest_first(query, self._rows, page)]

    def update(self, strategy: Strategy) -> None:
        """Replace the row of the same id; raises NotFound if there is none."""
        columns = _strategy_columns(strategy)
        if not self._rows.update(columns).where(self._rows.id == strategy.id).execute():
            raise NotFound("strategy", strategy.id)

    def delete(self, strategy_id: str) -> None:
        """Remove it; raises NotFound, or InUse while a job refers to it."""
        try:
            with self._database.atomic():
                removed = self._rows.delete().where(self._rows.id == strategy_id).execute()
        except peewee.IntegrityError as error:
            raise InUse("strategy", strategy_id, used_by="backtests or optimizations") from error
        if not removed:
            raise NotFound("strategy", strategy_id)


def _strategy_columns(strategy: Strategy) -> dict[str, Any]:
    return {
        "id": strategy.id,
        "name": strategy.name,
        "version": strategy.version,
        "code": strategy.code,
        "default_params": dict(strategy.default_params),
        "created_at": strategy.created_at,
        "updated_at": strategy.updated_at,
    }


def _strategy(row: Any) -> Strategy:
    columns = {name: getattr(row, name) for name in Strategy.__dataclass_fields__}
    return Strategy(**{**columns, "default_params": columns["default_params"] or {}})


class SqlDatasetStore:
    """The catalog of datasets."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = bound(DatasetRow, database)

    def put(self, dataset: Dataset) -> None:
        """Store it, replacing the row of the same id."""
        columns = {name: getattr(dataset, name) for name in Dataset.__dataclass_fields__}
        columns["quality"] = to_json(QualityReport, dataset.quality)
        with self._database.atomic():
            if not self._rows.update(columns).where(self._rows.id == dataset.id).execute():
                self._rows.insert(columns).execute()

    def get(self, dataset_id: str) -> Dataset | None:
        """Return it, or None if there is none of that id."""
        row = self._rows.get_or_none(self._rows.id == dataset_id)
        return None if row is None else _dataset(row)

    def page(self, page: Page, wanted: DatasetFilter) -> list[Dataset]:
        """Return a page of the datasets that match, newest first."""
        query = self._rows.select()
        for name in ("symbol", "exchange", "timeframe"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(getattr(self._rows, name) == value)
        return [_dataset(row) for row in newest_first(query, self._rows, page)]


def _dataset(row: Any) -> Dataset:
    columns = {name: getattr(row, name) for name in Dataset.__dataclass_fields__}
    return Dataset(**{**columns, "quality": from_json(QualityReport, columns["quality"])})


class SqlRequestLog:
    """Calls that were answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = bound(RequestRow, database)

    def find(self, key: RequestKey, *, since: datetime) -> AnsweredRequest | None:
        """Return the call of that key answered at or after `since`, or None."""
        rows = self._rows
        row = rows.get_or_none(
            (rows.method == key.method) & (rows.request_id == key.request_id) & (rows.created_at >= since)
        )
        return None if row is None else AnsweredRequest(row.digest, row.resource_id)

    def add(self, key: RequestKey, answered: AnsweredRequest, *, now: datetime) -> None:
        """Remember a call, in place of an older one of the same key."""
        rows = self._rows
        row = {
            "method": key.method,
            "request_id": key.request_id,
            "digest": answered.digest,
            "resource_id": answered.resource_id,
            "created_at": now,
        }
        with self._database.atomic():
            rows.delete().where((rows.method == key.method) & (rows.request_id == key.request_id)).execute()
            rows.insert(row).execute()

    def forget(self, *, before: datetime, limit: int) -> int:
        """Remove up to `limit` calls answered before that; return how many went."""
        old = FORGET.format(self._database.param)
        gone = self._database.execute_sql(old, (UtcField().db_value(before), limit))
        return int(gone.rowcount)
