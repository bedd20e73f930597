"""The SQLite file itself: opened by several at once, migrated once, nothing lost."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from importlib.resources import files
from pathlib import Path

import peewee
import pytest
from domain_samples import NOW, at, make_backtest_spec, make_dataset, make_job, make_progress, make_strategy
from storage_tools import WAIT_SECONDS, at_once, select

from stratopt_server.domain.jobs import JobKind, JobStatus
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import LeaseLost
from stratopt_server.storage.database import connect, migrate
from stratopt_server.storage.dialect import UnsupportedDatabase
from stratopt_server.storage.sql import SqlStorage

WRITER_SECONDS = 0.2
"""Long enough for a writer that does not wait."""
OPEN = "import sys; from stratopt_server.storage.sql import SqlStorage; SqlStorage.open(sys.argv[1]).close()"

FOLDER = files("stratopt_server.storage") / "migrations"
MIGRATIONS = sorted(entry.name for entry in FOLDER.iterdir() if entry.name.endswith(".sql"))


def url_of(path: Path) -> str:
    """Address of the database in that file."""
    return f"sqlite:///{path}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file for the database, in a folder that is not there yet."""
    return tmp_path / "data" / "stratopt.db"


@pytest.fixture
def storage(path: Path) -> Iterator[SqlStorage]:
    """An empty storage in that file."""
    with closing(SqlStorage.open(url_of(path))) as opened:
        yield opened


def pragma(storage: SqlStorage, name: str) -> object:
    """Read a setting of this thread's connection."""
    return storage._database.execute_sql(f"PRAGMA {name}").fetchone()[0]


def test_every_connection_is_set_up(storage: SqlStorage) -> None:
    """In each thread WAL and foreign keys are on, and a writer waits half a minute for another."""

    def settings() -> tuple[object, ...]:
        return tuple(pragma(storage, name) for name in ("journal_mode", "foreign_keys", "busy_timeout"))

    assert at_once(settings, settings, leave=storage.close) == [("wal", 1, 30_000)] * 2


def test_job_needs_its_strategy(storage: SqlStorage) -> None:
    """The database refuses a job of a strategy that is not there."""
    with pytest.raises(peewee.IntegrityError):
        storage.jobs.add(make_job())
    assert storage.jobs.get(JobKind.BACKTEST, "bt_1") is None


def test_one_dataset_a_market(storage: SqlStorage) -> None:
    """The database refuses a second id for one exchange, symbol and timeframe."""
    storage.datasets.put(make_dataset())
    with pytest.raises(peewee.IntegrityError):
        storage.datasets.put(make_dataset("ds_2"))


def test_rows_outlive_the_process(storage: SqlStorage, path: Path) -> None:
    """What was stored is there when the file is opened again."""
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_job())
    storage.close()
    with closing(SqlStorage.open(url_of(path))) as opened:
        assert opened.strategies.get("ma_cross_v1.0") == make_strategy()
        assert opened.jobs.get(JobKind.BACKTEST, "bt_1") == make_job()


def test_job_process_writes_beside_the_server(storage: SqlStorage, path: Path) -> None:
    """Server and job process, each with its own connection, write at the same time and lose nothing."""
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_job())
    storage.jobs.claim("server", now=NOW, lease_until=at(1))

    def serve() -> None:
        for number in range(50):
            storage.jobs.add(make_job(f"bt_new_{number}"))
            storage.jobs.renew("server", lease_until=at(1 + number))

    def work() -> None:
        with closing(SqlStorage.open(url_of(path), migrated=True)) as own:
            for number in range(50):
                own.jobs.record("bt_1", 1, progress=make_progress(done=number))

    at_once(serve, work, leave=storage.close)
    job = storage.jobs.get(JobKind.BACKTEST, "bt_1")
    assert (job.progress.done, job.last_sequence) == (49, 51)
    assert select(path, "SELECT count(*) FROM jobs WHERE status = 'pending'") == [(50,)]
    assert storage.jobs.lapsed(at(49)) == []


def test_cancelled_beside_the_job_process(storage: SqlStorage, path: Path) -> None:
    """A job process learns of a cancel by LeaseLost; the whole of its transaction is taken back."""
    storage.strategies.add(make_strategy())
    storage.jobs.add(make_job())
    storage.jobs.claim("server", now=NOW, lease_until=at(15))
    with closing(SqlStorage.open(url_of(path), migrated=True)) as own:
        own.jobs.record("bt_1", 1, progress=make_progress())
        cancelled = storage.jobs.finish("bt_1", JobStatus.CANCELLED, now=at(1))

        def finish() -> None:
            with own.transaction():
                own.strategies.add(make_strategy("written before it knew"))
                own.jobs.finish("bt_1", JobStatus.SUCCEEDED, now=at(2), attempt=1)

        with pytest.raises(LeaseLost):
            finish()
    assert storage.jobs.get(JobKind.BACKTEST, "bt_1") == cancelled
    assert len(storage.strategies.page(Page(9))) == 1


def test_writer_waits_for_another(storage: SqlStorage, path: Path) -> None:
    """A writer waits until another's transaction has ended, and then writes."""

    def write() -> None:
        with closing(SqlStorage.open(url_of(path), migrated=True)) as other:
            other.strategies.add(make_strategy("second"))

    with ThreadPoolExecutor(1) as thread:
        with storage.transaction():
            storage.strategies.add(make_strategy("first"))
            writing = thread.submit(write)
            assert not wait([writing], timeout=WRITER_SECONDS).done
        writing.result(WAIT_SECONDS)
    assert len(storage.strategies.page(Page(9))) == 2


def test_reader_does_not_wait(storage: SqlStorage, path: Path) -> None:
    """While one writes, another reads what was there before."""
    with closing(SqlStorage.open(url_of(path), migrated=True)) as other, storage.transaction():
        storage.strategies.add(make_strategy())
        assert other.strategies.get("ma_cross_v1.0") is None


def test_transaction_that_reads_first(storage: SqlStorage, path: Path) -> None:
    """A transaction begins as a writer: one that reads first cannot be overtaken by another's write."""
    storage.strategies.add(make_strategy())
    with (
        closing(SqlStorage.open(url_of(path), migrated=True)) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        with storage.transaction():
            version = storage.strategies.get("ma_cross_v1.0").version
            writing = thread.submit(other.strategies.update, make_strategy(version="2"))
            assert not wait([writing], timeout=WRITER_SECONDS).done
            storage.strategies.update(make_strategy(version=f"{version}.1"))
        writing.result(WAIT_SECONDS)
        thread.submit(other.close).result(WAIT_SECONDS)
    assert storage.strategies.get("ma_cross_v1.0").version == "2"


def migrations_of(path: Path) -> list[str]:
    """Names of the migrations that the database has had, in order."""
    return [name for (name,) in select(path, "SELECT name FROM schema_migrations ORDER BY applied_at, name")]


def schema(path: Path) -> list[tuple[object, ...]]:
    """Everything the database is made of, with when it was made so."""
    made = select(path, "SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
    return made + select(path, "SELECT name, applied_at FROM schema_migrations ORDER BY name")


def test_migrate_again(storage: SqlStorage, path: Path) -> None:
    """Migrating a database that is up to date changes neither tables nor rows."""
    storage.strategies.add(make_strategy())
    before = schema(path)
    migrate(storage._database)
    SqlStorage.open(url_of(path)).close()
    assert schema(path) == before
    assert storage.strategies.get("ma_cross_v1.0") == make_strategy()


def test_every_migration_is_noted(storage: SqlStorage, path: Path) -> None:
    """The database names every migration it has had, in order."""
    storage.close()
    assert migrations_of(path) == MIGRATIONS
    assert MIGRATIONS[:2] == ["0001_documented.sql", "0002_jobs.sql"]


def test_failed_migration(path: Path) -> None:
    """Migrations that cannot all be applied leave the database as it was."""
    opened = connect(url_of(path))
    with closing(opened):
        opened.execute_sql("CREATE TABLE report_parts (mine TEXT)")
        with pytest.raises(peewee.OperationalError, match="report_parts"):
            migrate(opened)
        opened.execute_sql("DROP TABLE report_parts")
        assert select(path, "SELECT name FROM sqlite_master") == []
        migrate(opened)
        assert len(schema(path)) > 2


def open_and_close(path: Path) -> None:
    """Open the database as a server does at its start."""
    SqlStorage.open(url_of(path)).close()


def test_new_file_is_waited_for(tmp_path: Path) -> None:
    """While another still prepares a new file, whoever opens it waits, and then finds it in order."""
    path = tmp_path / "stratopt.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as another, ThreadPoolExecutor(1) as thread:
        another.execute("BEGIN IMMEDIATE")
        opening = thread.submit(open_and_close, path)
        wait([opening], timeout=WRITER_SECONDS)
        another.execute("COMMIT")
        opening.result(WAIT_SECONDS)
    assert migrations_of(path) == MIGRATIONS


def test_threads_migrate_at_once(tmp_path: Path) -> None:
    """Of several that open a new file at once each finds it migrated, once."""
    for attempt in range(20):
        path = tmp_path / f"{attempt}.db"
        at_once(*[partial(open_and_close, path)] * 4)
        assert migrations_of(path) == MIGRATIONS


def test_processes_migrate_at_once(path: Path) -> None:
    """The same of processes."""
    processes = [subprocess.Popen([sys.executable, "-c", OPEN, url_of(path)]) for _ in range(3)]
    assert [process.wait(WAIT_SECONDS) for process in processes] == [0, 0, 0]
    assert migrations_of(path) == MIGRATIONS


def test_unknown_database() -> None:
    """Another kind of database is refused by its kind; the rest of its address is not told."""
    with pytest.raises(UnsupportedDatabase, match="mysql") as caught:
        SqlStorage.open("mysql://user:secret@host/stratopt")
    assert "secret" not in str(caught.value)


def test_two_databases_in_one_process(storage: SqlStorage, tmp_path: Path) -> None:
    """Two storages that are open in one process do not mix."""
    with closing(SqlStorage.open(url_of(tmp_path / "other.db"))) as other:
        storage.strategies.add(make_strategy())
        storage.jobs.add(make_job(spec=make_backtest_spec()))
        assert other.strategies.get("ma_cross_v1.0") is None
        assert other.jobs.claim("server", now=NOW, lease_until=at(1)) is None
