"""Every row, exactly, from each kind of database into each."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from backup_tools import COLUMNS, DIGEST, ROWS, Site, opened, restored
from storage_postgres import schema_url

from stratopt_server.backup.source import source_of
from stratopt_server.storage.database import migrate, migrations

MakeSite = Callable[..., Site]
FILES = (*COLUMNS, "keys/signing.pem")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[MakeSite]:
    """Makes empty sites, with SQLite or with a PostgreSQL schema of their own."""
    with ExitStack() as schemas:
        yield lambda kind, name: Site(
            tmp_path / name, schemas.enter_context(schema_url()) if kind == "postgresql" else ""
        )


def epochs(site: Site) -> list[str]:
    """Names of its epochs, oldest first."""
    with opened(site.url) as database:
        rows = database.execute_sql("SELECT epoch FROM database_epoch ORDER BY created_at").fetchall()
    return [name for (name,) in rows]


@pytest.mark.parametrize(
    "kinds",
    [("sqlite", "sqlite"), ("postgresql", "postgresql"), ("sqlite", "postgresql", "sqlite")],
    ids=" to ".join,
)
def test_rows_are_equal(site: MakeSite, kinds: tuple[str, ...], tmp_path: Path) -> None:
    """Each value of each table comes back, with bars and key; the epoch is new, and leases are gone."""
    before = site(kinds[0], "s0").filled().with_files()
    wanted = restored(before.rows())
    assert all(len(rows) == ROWS for rows in wanted.values())
    for number, kind in enumerate(kinds[1:], 1):
        file = tmp_path / f"{number}.zip"
        made = before.done("backup", file)
        assert (made["database"], made["bars"], made["has_key"]) == (kinds[number - 1], 1, True)
        after = site(kind, f"s{number}")
        told = after.done("restore", file)
        rows = after.rows()
        assert restored(rows) == wanted
        assert rows["leases"] == []
        assert [row[:7] for row in rows["pipelines"]] == [row[:7] for row in before.rows()["pipelines"]]
        assert all(row[-2:] == [None, None] for row in rows["pipelines"])
        assert epochs(after) == [*epochs(before), told["epoch"]]
        for name in FILES:
            assert (after.data_dir / name).read_bytes() == (before.data_dir / name).read_bytes()
        assert [path.name for path in (after.data_dir / "bars").iterdir()] == [DIGEST]
        key = after.data_dir / "keys" / "signing.pem"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        before = after


def test_real_of_postgresql_has_four_bytes(site: MakeSite, tmp_path: Path) -> None:
    """What SQLite keeps in eight bytes in the documented columns is rounded; nothing else is."""
    before, after = site("sqlite", "before").filled(), site("postgresql", "after")
    with opened(before.url) as database:
        database.execute_sql("UPDATE optimization_results SET best_score = ?", (1 / 3,))
    before.done("backup", tmp_path / "b.zip")
    after.done("restore", tmp_path / "b.zip")
    with opened(after.url) as other:
        (score,) = other.execute_sql("SELECT best_score FROM optimization_results LIMIT 1").fetchone()
    assert score != 1 / 3
    assert score == pytest.approx(1 / 3, rel=1e-7)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_older_backup_is_migrated(site: MakeSite, kind: str, tmp_path: Path) -> None:
    """A backup of an older schema goes into a new or a seeded database, and then has all migrations."""
    before = site("sqlite", "before")
    before.data_dir.mkdir()
    with opened(before.url) as database:
        migrate(database, up_to=[name for name, _ in migrations()][:3])
        database.execute_sql("INSERT INTO strategies (id, name, version, code) VALUES ('s', 'S', '1', 'x')")
        database.execute_sql(
            "INSERT INTO optimization_tasks (id, strategy_id, symbol, param_ranges, optimization_target) "
            "VALUES ('o', 's', 'A/B', '{}', 'sharpe')"
        )
        database.execute_sql("INSERT INTO trials VALUES ('o', 7, 'succeeded', 1.5, '{}', '{}')")
    before.done("backup", tmp_path / "b.zip")
    for name in ("absent", "migrated"):
        after = site(kind, name)
        if name == "migrated":
            migrate_at(after)
        after.done("restore", tmp_path / "b.zip")
        with opened(after.url) as other:
            applied = other.execute_sql("SELECT COUNT(*) FROM schema_migrations").fetchone()
            batches = other.execute_sql(
                "SELECT optimization_id, first_trial, trial_count FROM trial_batches"
            ).fetchall()
        assert applied == (len(migrations()),)
        assert [tuple(row) for row in batches] == [("o", 7, 1)]


def migrate_at(site: Site) -> None:
    """Make its tables."""
    site.data_dir.mkdir()
    with opened(site.url) as database:
        migrate(database)


def test_file_is_its_owners(site: MakeSite, tmp_path: Path) -> None:
    """Nobody else may read the file, whatever the umask; nothing of it is left beside it."""
    before = site("sqlite", "before").filled().with_files()
    folder = tmp_path / "out"
    folder.mkdir()
    before_umask = os.umask(0)
    try:
        before.done("backup", folder / "b.zip")
    finally:
        os.umask(before_umask)
    assert [path.name for path in folder.iterdir()] == ["b.zip"]
    assert stat.S_IMODE((folder / "b.zip").stat().st_mode) == 0o600
    with zipfile.ZipFile(folder / "b.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest["migrations"] == [name for name, _ in migrations()]
        assert manifest["tables"]["jobs"]["rows"] == ROWS


def peak_of(site: Site, *words: object) -> float:
    """Run a command, and return the memory it had at most, in MB."""
    program = (
        "import runpy, sys\n"
        "runpy.run_module('stratopt_server', run_name='__main__')\n"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(peak.split()[1], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        env=site.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(result.stderr.splitlines()[-1]) / 1024


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_memory_stays_flat(site: MakeSite, kind: str, tmp_path: Path) -> None:
    """Forty MB of blobs take hardly more memory than a few rows, either way."""
    small, large = site(kind, "small").filled(), site(kind, "large").filled()
    with opened(large.url) as database, database.atomic():
        for number in range(40):
            marks = ", ".join([database.param] * 4)
            values = ("v1", "page", 10**6 + number, os.urandom(1_000_000))
            database.execute_sql(f"INSERT INTO report_parts VALUES ({marks})", values)
    peaks = {}
    for name, of in (("small", small), ("large", large)):
        backup = peak_of(of, "backup", tmp_path / f"{name}.zip")
        restore = peak_of(site(kind, f"{name} again"), "restore", tmp_path / f"{name}.zip")
        peaks[name] = (backup, restore)
    for less, more in zip(peaks["small"], peaks["large"], strict=True):
        assert more < less + 30, peaks


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_rows_of_one_moment(site: MakeSite, kind: str) -> None:
    """What others commit while the backup reads is in none of its tables; they do not wait for it."""
    full = site(kind, "full").filled()
    with source_of(full.url) as source, source.snapshot() as tables:
        first = next(table for table in tables if table.name == "strategies")
        later = next(table for table in tables if table.name == "jobs")
        assert len(list(source.rows(first))) == ROWS
        with ThreadPoolExecutor(1) as thread:
            thread.submit(add_job, full.url).result(10)
        assert len(list(source.rows(later))) == ROWS
    assert len(full.rows()["jobs"]) == ROWS + 1


def add_job(url: str) -> None:
    """Add a row as another process does."""
    with opened(url) as other:
        other.execute_sql(
            "INSERT INTO jobs (id, kind, strategy_id, symbol, spec, status, progress, attempt, "
            "last_sequence, created_at) VALUES ('new', 'backtest', 'v1', 'A/B', '{}', 'pending', '{}', 0, 0, "
            "'2024-01-01 00:00:00')"
        )
