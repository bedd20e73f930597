"""Making a backup while servers run."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stratopt_server import __version__
from stratopt_server.backup.archive import Manifest, TableShape, Writer, written
from stratopt_server.backup.files import found_files, read_file
from stratopt_server.backup.source import Source, source_of
from stratopt_server.settings import Settings
from stratopt_server.storage.tables import Table

Progress = Callable[[str], None]
MB = 1_000_000
LINES_BYTES = 1 << 18
"""Lines are compressed together in pieces of this size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was backed up."""

    file: str
    bytes: int
    created_at: str
    database: str
    rows: int
    bars: int
    """Sets of bars."""
    has_key: bool


def make_backup(settings: Settings, path: Path, *, force: bool, progress: Progress) -> Made:
    """Write everything into the file; raises UnusableBackup, DatabaseUnusable, Unavailable or OSError.

    The rows are those of one moment. The files are read after them, and never change: so no row names
    bars that the backup does not have.
    """
    with source_of(settings.database) as source:
        manifest = Manifest(
            stratopt=__version__,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            database=source.kind,
            migrations=source.migrations,
        )
        with written(path, manifest, force=force) as writer:
            with source.snapshot() as tables:
                for table in tables:
                    _add_table(writer, source, table, progress)
            sets, has_key = _add_files(writer, settings, progress)
    return Made(
        file=str(path),
        bytes=path.stat().st_size,
        created_at=manifest.created_at,
        database=manifest.database,
        rows=sum(table.rows for table in manifest.tables.values()),
        bars=sets,
        has_key=has_key,
    )


def _add_table(writer: Writer, source: Source, table: Table, progress: Progress) -> None:
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        piece = bytearray()
        for row in source.rows(table):
            piece += json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            count += 1
            if len(piece) >= LINES_BYTES:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece)

    size = writer.member(f"tables/{table.name}.ndjson", lines())
    writer.manifest.tables[table.name] = TableShape(table.names, count)
    progress(f"{table.name}: {count:,} rows, {size / MB:,.1f} MB")


def _add_files(writer: Writer, settings: Settings, progress: Progress) -> tuple[int, bool]:
    sets, size, has_key = set(), 0, False
    for name, path in found_files(settings):
        size += writer.member(name, read_file(path))
        if name.startswith("bars/"):
            sets.add(path.parent.name)
        else:
            has_key = True
    progress(f"bars: {len(sets):,} sets, {size / MB:,.1f} MB" + ("" if has_key else "; there is no key yet"))
    return len(sets), has_key
