"""Making a backup while servers run."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from stratopt_server import __version__
from stratopt_server.backup.archive import (
    LINE_BYTES_MAX,
    Manifest,
    TableShape,
    UnusableBackup,
    Writer,
    written,
)
from stratopt_server.backup.files import are_sound, found_files, found_sets, read_file
from stratopt_server.backup.source import Source, source_of
from stratopt_server.decisions.signing import SigningKey
from stratopt_server.settings import Settings
from stratopt_server.storage.tables import Table, Value

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


@dataclass(slots=True)
class Needs:
    """What the rows need of the files."""

    datasets: dict[str, str] = field(default_factory=dict)
    """Id of a dataset by the hash of its bars."""
    key_id: str = ""
    """Of the key that signed the newest package that was approved; empty if there is none."""
    _newest: tuple[str, int] = ("", 0)

    def note(self, table: str, row: dict[str, Value]) -> None:
        """Note what a row needs."""
        if table == "datasets":
            self.datasets[str(row["content_hash"])] = str(row["id"])
        elif table == "package_outbox":
            document: object = None
            with suppress(ValueError):
                document = json.loads(str(row["document"]))
            place = (str(row["created_at"]), int(str(row["seq"])))
            if isinstance(document, dict) and document.get("key_id") and place >= self._newest:
                self.key_id, self._newest = str(document["key_id"]), place


def make_backup(
    settings: Settings, path: Path, *, force: bool, progress: Progress, allow_missing_bars: bool = False
) -> Made:
    """Write everything into the file; raises UnusableBackup, DatabaseUnusable, Unavailable or OSError.

    The key must be the one that signed, and every dataset must have its bars, unless `allow_missing_bars`.
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
            needs = Needs()
            with source.snapshot() as tables:
                for table in tables:
                    _add_table(writer, source, table, needs, progress)
            _check_key(settings, needs)
            unsound = _unsound_bars(settings, needs, progress, allow_missing=allow_missing_bars)
            sets, has_key = _add_files(writer, settings, unsound, progress)
    return Made(
        file=str(path),
        bytes=path.stat().st_size,
        created_at=manifest.created_at,
        database=manifest.database,
        rows=sum(table.rows for table in manifest.tables.values()),
        bars=sets,
        has_key=has_key,
    )


def _add_table(writer: Writer, source: Source, table: Table, needs: Needs, progress: Progress) -> None:
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        piece = bytearray()
        for row in source.rows(table):
            needs.note(table.name, dict(zip(table.names, row, strict=True)))
            line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            if len(line) > LINE_BYTES_MAX:
                raise UnusableBackup(f"{table.name} has a row of more than {LINE_BYTES_MAX / MB:,.0f} MB")
            piece += line
            count += 1
            if len(piece) >= LINES_BYTES:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece)

    size = writer.member(f"tables/{table.name}.ndjson", lines())
    writer.manifest.tables[table.name] = TableShape(table.names, count)
    progress(f"{table.name}: {count:,} rows, {size / MB:,.1f} MB")


def _check_key(settings: Settings, needs: Needs) -> None:
    path = settings.signing_key_path
    if needs.key_id and (not path.is_file() or SigningKey.open(path).key_id != needs.key_id):
        raise UnusableBackup(
            f"{path} is not the key that signed the newest package: set STRATOPT_DATA_DIR to the data_dir of "
            "that installation"
        )


def _unsound_bars(
    settings: Settings, needs: Needs, progress: Progress, *, allow_missing: bool
) -> frozenset[str]:
    """Return the sets that are not what their hash says; raises UnusableBackup if a dataset needs one."""
    folder = settings.bars_dir
    found = set(found_sets(settings))
    unsound = frozenset(digest for digest in sorted(found) if not are_sound(folder, digest))
    for digest, dataset in needs.datasets.items():
        if digest in found - unsound:
            continue
        told = f"the bars of the dataset {dataset} are missing or damaged: there should be {folder / digest}"
        if not allow_missing:
            raise UnusableBackup(
                f"{told}. Set STRATOPT_DATA_DIR to the data_dir of that installation, import them again, or "
                "go on without them with --allow-missing-bars"
            )
        progress(told)
    return unsound


def _add_files(
    writer: Writer, settings: Settings, unsound: frozenset[str], progress: Progress
) -> tuple[int, bool]:
    sets, size, has_key = set(), 0, False
    for name, path in found_files(settings, without=unsound):
        size += writer.member(name, read_file(path))
        if name.startswith("bars/"):
            sets.add(path.parent.name)
        else:
            has_key = True
    progress(f"bars: {len(sets):,} sets, {size / MB:,.1f} MB" + ("" if has_key else "; there is no key yet"))
    return len(sets), has_key
