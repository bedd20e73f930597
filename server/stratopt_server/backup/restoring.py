"""Restoring a backup into an empty database."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stratopt_server.backup.archive import Reader, UnusableBackup, opened
from stratopt_server.backup.files import Placing
from stratopt_server.presence import alone
from stratopt_server.settings import Settings
from stratopt_server.storage.database import connect, migrations, refuse_newer, unknown_migrations
from stratopt_server.storage.dialect import Database
from stratopt_server.storage.refilling import (
    OF_SERVERS,
    SENSELESS,
    begin_anew,
    clear,
    has_server,
    tables_in_use,
)
from stratopt_server.storage.tables import RowRefused, tables_of, write_rows

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored."""

    file: str
    created_at: str
    rows: int
    bars: int
    """Sets of bars that were not there yet."""
    epoch: str
    """The new one: places of packages begin anew in it."""
    jobs_pending_again: int
    """Jobs that ran when the backup was made."""
    pipelines_failed: int
    """Pipelines that had not ended then."""


def restore_backup(
    settings: Settings,
    path: Path,
    *,
    seeds: Collection[str],
    force: bool,
    progress: Progress,
    allow_missing_bars: bool = False,
) -> Restored:
    """Fill the database of the settings; raises UnusableBackup, DatabaseUnusable, Unavailable or OSError.

    The backup is read to its end before anything is stored. Bars come first, under the names that rows
    give them; then all rows in one transaction, with the key. `seeds` are the strategies that every server
    has. `allow_missing_bars` leaves out bars that are not what their hash says. Raises Occupied if a server
    runs.
    """
    with opened(path) as reader:
        manifest = reader.manifest
        _refuse_newer_backup(manifest.migrations)
        placing = Placing(reader, settings, force=force, allow_missing_bars=allow_missing_bars)
        placing.check()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with alone(settings.data_dir), _connected(settings.database) as database:
            _refuse_use(database, seeds)
            bars = placing.place_bars(progress)
            progress(f"bars: {bars:,} sets")
            with placing.key_kept(), database.atomic(), _sense_made():
                database.be_alone()
                _refuse_use(database, seeds)
                clear(database, manifest.migrations)
                rows = _fill(database, reader, progress)
                epoch, jobs, pipelines = begin_anew(database, datetime.now(UTC))
                placing.place_key()
    return Restored(
        file=str(path),
        created_at=manifest.created_at,
        rows=rows,
        bars=bars,
        epoch=epoch,
        jobs_pending_again=jobs,
        pipelines_failed=pipelines,
    )


@contextmanager
def _connected(url: str) -> Iterator[Database]:
    database = connect(url)
    try:
        yield database
    finally:
        database.leave()


@contextmanager
def _sense_made() -> Iterator[None]:
    """Tell in one line of rows that no server wrote."""
    try:
        yield
    except UnusableBackup:
        raise
    except SENSELESS as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UnusableBackup(
            f"nothing was restored: the backup holds what no server wrote ({told}): use another"
        ) from error


def _refuse_newer_backup(applied: Collection[str]) -> None:
    newer = unknown_migrations(applied)
    if newer:
        raise UnusableBackup(
            "the backup is of a newer version of stratopt than this one, which does not know "
            f"{', '.join(newer)}: restore it with that"
        )
    if not applied or sorted(applied) != [name for name, _ in migrations()][: len(applied)]:
        raise UnusableBackup("the backup lacks migrations between those it names: use another")


def _refuse_use(database: Database, seeds: Collection[str]) -> None:
    refuse_newer(database)
    if has_server(database):
        raise UnusableBackup(
            "a server runs on this database: stop it first; the lease of one that was killed lapses by itself"
        )
    used = tables_in_use(database, seeds)
    if used:
        raise UnusableBackup(
            f"the database is not empty (there are rows in {', '.join(used)}): name another in "
            "STRATOPT_DATABASE_URL, or move this one away"
        )


def _fill(database: Database, reader: Reader, progress: Progress) -> int:
    shapes, count = reader.manifest.tables, 0
    tables = tables_of(database)
    if set(shapes) != {table.name for table in tables}:
        raise UnusableBackup("the backup has other tables than its migrations make: use another")
    for table in tables:
        if table.name in OF_SERVERS:
            continue
        try:
            stored = write_rows(database, table, shapes[table.name].columns, reader.rows(table.name))
        except RowRefused as error:
            raise UnusableBackup(f"nothing was restored: {error}") from error
        count += stored
        progress(f"{table.name}: {stored:,} rows")
    return count
