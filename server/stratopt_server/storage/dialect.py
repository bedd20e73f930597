"""What the stores ask of a database beyond the SQL that every one speaks."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import peewee

from stratopt_server.domain.errors import StratoptError, Unavailable

TROUBLES = (peewee.OperationalError, peewee.InterfaceError, peewee.InternalError, peewee.DataError)
"""What peewee raises when the database or what it is given, not the query, may be at fault."""


DRIVER_ERRORS: Any = vars(peewee)["__exception_wrapper__"]
"""Turns what drivers raise into what peewee does."""


class DatabaseUnusable(Unavailable):
    """The database cannot be opened."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="DATABASE_UNAVAILABLE")


class UnsupportedDatabase(ValueError):
    """The URL names a database that this build does not speak."""


class Database(peewee.Database):
    """A database that can be locked, asked for numbers in documents, and lost."""

    blob: str
    """Type of a column of bytes."""
    is_shared: bool
    """Whether servers on other machines may use it too."""

    @abstractmethod
    def be_alone(self) -> None:
        """Keep every other transaction that is alone waiting, until this one ends."""

    @abstractmethod
    def number_in(self, document: Any, name: str) -> Any:
        """Return the expression of the number of that name in a JSON document; NULL if there is none."""

    @abstractmethod
    def trouble(self, error: Exception) -> StratoptError | None:
        """Tell what callers hear of an error; None if the query is at fault."""

    def now(self) -> datetime | None:
        """Return the time by the database's own clock; None if it has none but this machine's."""
        return None

    def leave(self) -> None:
        """Close this thread's connection."""
        self.close()

    def locked(self, query: Any, *, skip: bool = False) -> Any:
        """Have a query lock the rows it finds until the transaction ends; `skip` those another has locked."""
        if not self.for_update:
            return query  # a transaction is the only writer
        return query.for_update("FOR UPDATE SKIP LOCKED" if skip else "FOR UPDATE")

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Any]:
        """Read all of the block from the database as it is at one moment; nobody waits for it."""

    def stream(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Yield rows without holding many; use inside a transaction."""
        with self.telling(), DRIVER_ERRORS:
            yield from self._rows(query)

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        yield from self.execute_sql(query)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Raise what is wrong with the database as callers hear it."""
        try:
            yield
        except TROUBLES as error:
            trouble = self.trouble(error)
            if trouble is None:
                raise
            raise trouble from error

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Execute; raises Unavailable if the database cannot."""
        return self._told(super().execute_sql, sql, params)

    def begin(self, *args: Any, **kwargs: Any) -> Any:
        """Begin a transaction; raises Unavailable likewise."""
        return self._told(super().begin, *args, **kwargs)

    def commit(self) -> Any:
        """Commit; raises Unavailable likewise."""
        return self._told(super().commit)

    def _told(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self.telling():
            return call(*args, **kwargs)
