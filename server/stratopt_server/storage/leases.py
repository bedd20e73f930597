"""Leases in a database."""

from datetime import datetime

from stratopt_server.storage.dialect import Database
from stratopt_server.storage.models import LeaseRow, UtcField, bound

TAKE = (
    "INSERT INTO leases (name, owner, detail, lease_until) VALUES ({0}, {0}, {0}, {0}) "
    "ON CONFLICT (name) DO UPDATE "
    "SET owner = excluded.owner, detail = excluded.detail, lease_until = excluded.lease_until "
    "WHERE leases.owner = excluded.owner OR leases.lease_until < {0} OR leases.lease_until > {0}"
)


class SqlLeaseStore:
    """What one server does for all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = bound(LeaseRow, database)
        self._take = TAKE.format(database.param)

    def take(
        self, name: str, owner: str, *, detail: str, now: datetime, until: datetime, longest: datetime
    ) -> bool:
        """Give the owner the lease if it is free, lapsed, its own, or ends later than any that is true."""
        moments = [UtcField().db_value(moment) for moment in (until, now, longest)]
        taken = self._database.execute_sql(self._take, (name, owner, detail, *moments))
        return int(taken.rowcount) == 1

    def give_back(self, name: str, owner: str) -> None:
        """Let go of the lease; nothing happens if it is another's."""
        rows = self._rows
        rows.delete().where((rows.name == name) & (rows.owner == owner)).execute()

    def detail(self, name: str) -> str:
        """Return what the holder says of itself; empty if there is none."""
        row = self._rows.get_or_none(self._rows.name == name)
        return "" if row is None else str(row.detail)
