"""PostgreSQL: a server that others use too, that may be slow, and that may go away and come back."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import peewee
import psycopg
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import set_json_loads

from stratopt_server.domain.errors import Code, StratoptError, Unavailable
from stratopt_server.storage.dialect import TROUBLES, Database, DatabaseUnusable
from stratopt_server.storage.models import UtcField

CONNECTIONS_MAX = 8
"""Connections of one process; the threads that use the database are fewer."""
CONNECT_SECONDS_MAX = 5
LOCK_SECONDS_MAX, IDLE_SECONDS_MAX = 3, 3
"""How long a statement waits for a lock, and how long a transaction may stand still: a server that was
stopped half-way must not hold up the others for as long as their leases last."""
PASSING_STATES = ("08", "40", "53", "55P03", "57P", "58", "25006", "25P03", "25P04")
"""SQLSTATEs, or how they begin, of what passes: connections, deadlocks, resources, locks, shutdowns,
transactions that took too long, a server that only reads. Of others the query is at fault, or a limit."""
SESSION = (
    f"-c lock_timeout={LOCK_SECONDS_MAX}s -c idle_in_transaction_session_timeout={IDLE_SECONDS_MAX}s "
    "-c timezone=UTC"
)
NETWORK = {
    "application_name": "stratopt",
    "connect_timeout": CONNECT_SECONDS_MAX,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""A connection whose other end is gone is noticed within half a minute."""
DISK_FULL = "53100"
ALONE = 0x73_74_72_61_74_6F
"""Name of the advisory lock; other applications on the same database have other numbers."""


REPEATABLE_READ = 3
"""As peewee numbers the levels of isolation."""

NUL_IN_TEXT = StratoptError(
    "a text of the request holds the character U+0000, which the database cannot store: leave it out",
    code=Code.INVALID_ARGUMENT,
    reason="NUL_IN_TEXT",
)


class PostgresServer(Database, PooledPostgresqlDatabase):  # type: ignore[misc] # it has no types
    """A database on a server."""

    blob = "BYTEA"
    is_shared = True

    @classmethod
    def open(cls, url: str) -> "PostgresServer":
        """Connect to `postgresql://...`; raises DatabaseUnusable."""
        database = cls(
            prefer_psycopg3=True,
            max_connections=CONNECTIONS_MAX,
            timeout=CONNECT_SECONDS_MAX,
            **_parameters(url),
        )
        try:
            database.connect()
        except StratoptError as error:
            why = str(error.__cause__ or error).strip()
            raise DatabaseUnusable(f"the PostgreSQL database cannot be opened: {why}") from error
        return database

    def be_alone(self) -> None:
        """Wait for the advisory lock, which ends with the transaction."""
        self.execute_sql("SELECT pg_advisory_xact_lock(%s)", (ALONE,))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Hold a transaction that sees nothing of what others commit, and may stand still for long."""
        with self.transaction(REPEATABLE_READ):
            self.execute_sql("SET TRANSACTION READ ONLY")
            self.execute_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        connection: Any = self._state.conn
        with connection.cursor() as cursor:
            yield from cursor.stream(query)  # row by row: one may be a piece of a report

    def number_in(self, document: Any, name: str) -> Any:
        """Return the expression of the number of that name in a JSON document."""
        field = peewee.Expression(peewee.Cast(document, "JSON"), "->>", name)
        return peewee.Cast(field, "DOUBLE PRECISION")

    def trouble(self, error: Exception) -> StratoptError | None:
        """Tell a server that is away, full or busy, and text that it cannot hold."""
        if isinstance(error, peewee.DataError):
            return NUL_IN_TEXT if "NUL" in str(error) else None
        state = getattr(error.args[0] if error.args else None, "sqlstate", None)
        if state is not None and not state.startswith(PASSING_STATES):
            return None
        if state == DISK_FULL:
            message = "the database server has no room: free some of its disk space"
            return Unavailable(message, reason="DATABASE_FULL")
        return Unavailable("the database does not answer: try again shortly", reason="DATABASE_UNAVAILABLE")

    def connect(self, reuse_if_open: bool = False) -> bool:  # noqa: FBT002 - peewee's signature
        """Connect this thread; raises Unavailable."""
        try:
            with self.telling():
                return bool(super().connect(reuse_if_open))
        except MaxConnectionsExceeded as error:
            raise Unavailable("too many connections", reason="DATABASE_UNAVAILABLE") from error

    def begin(self, *args: Any, **kwargs: Any) -> Any:
        """Begin a transaction, on a new connection if the old one was lost: nothing is lost with it."""
        return self._twice(super().begin, *args, **kwargs)

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Execute; a query outside a transaction is made again if the connection was lost."""
        if self.transaction_depth() == 0 and sql.startswith("SELECT"):
            return self._twice(super().execute_sql, sql, params)
        if self.transaction_depth() == 0:
            self._leave_lost_connection()
        return super().execute_sql(sql, params)

    def rollback(self) -> Any:
        """Roll back; a connection that was lost has done so, and is left."""
        if self.is_closed() or self._leave_lost_connection():
            return None
        try:
            return super().rollback()
        except TROUBLES:
            if not self._leave_lost_connection():
                raise

    def now(self) -> datetime | None:
        """Return the time by the server's clock."""
        (moment,) = self.execute_sql("SELECT clock_timestamp()").fetchone()
        return UtcField().python_value(moment)

    def leave(self) -> None:
        """Close this thread's connection, and those that wait in the pool."""
        if not self._leave_lost_connection():
            self.close()
        self.close_idle()

    def _twice(self, call: Any, *args: Any, **kwargs: Any) -> Any:
        self._leave_lost_connection()
        try:
            return call(*args, **kwargs)
        except Unavailable:
            if not self._leave_lost_connection():
                raise
        return call(*args, **kwargs)

    def _leave_lost_connection(self) -> bool:
        """Close this thread's connection if the server is gone from its other end."""
        if self.is_closed() or not self._state.conn.closed:
            return False
        self.manual_close()
        return True

    def _connect(self) -> Any:
        connection = super()._connect()
        # Documents come as the text that was written, as SQLite gives them.
        set_json_loads(_as_text, connection)
        return connection


def _parameters(url: str) -> dict[str, Any]:
    """What the URL says, ours where it says nothing."""
    try:
        told = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The driver's own words quote the password.
        raise DatabaseUnusable(
            "database_url cannot be read: write special characters of the password as %XX"
        ) from None
    options = f"{SESSION} {told.pop('options', '')}"
    return {"database": told.pop("dbname", ""), **NETWORK, **told, "options": options}


def _as_text(document: str | bytes) -> str:
    return document.decode() if isinstance(document, bytes) else document
