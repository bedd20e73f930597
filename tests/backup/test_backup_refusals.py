"""What is refused, in one line that says what to do, and that nothing was stored then."""

import json
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from backup_tools import DIGEST, KEY, Site, opened
from storage_postgres import schema_url

from stratopt_server.storage.database import connect, migrate
from stratopt_server.storage.dialect import DatabaseUnusable
from stratopt_server.storage.sql import SqlStorage
from support import ServerProcess


def test_existing_file_is_kept(full: Site, file: Path) -> None:
    """A file that is there is replaced only by force."""
    before = file.read_bytes()
    assert "replace it with --force" in full.refused("backup", file)
    assert file.read_bytes() == before
    (full.data_dir / "keys" / "signing.pem").write_text("another key")
    full.done("backup", file, "--force")
    assert file.read_bytes() != before


def test_nothing_to_back_up(empty: Site, tmp_path: Path) -> None:
    """Neither a database nor a file is made where there is none."""
    assert "there is no database" in empty.refused("backup", tmp_path / "b.zip")
    assert not empty.data_dir.exists()
    assert not (tmp_path / "b.zip").exists()
    empty.data_dir.mkdir()
    connect(empty.url).close()
    assert "nothing to back up" in empty.refused("backup", tmp_path / "b.zip")
    assert "there is no folder" in Site(tmp_path / "other").filled().refused(
        "backup", tmp_path / "no" / "b.zip"
    )


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_file(file: Path, empty: Site, share: float) -> None:
    """A file that ends early is refused before anything is made."""
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    assert "no backup, or a damaged one" in empty.refused("restore", file)
    assert not empty.data_dir.exists()


def test_any_changed_byte_of_the_contents(file: Path, empty: Site) -> None:
    """A byte that was changed in a member, wherever, is noticed."""
    whole = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        middles = [
            info.header_offset + 30 + len(info.filename) + 20 + info.compress_size // 2
            for info in archive.infolist()
            if info.compress_size > 40
        ]
    assert len(middles) > 10
    for middle in middles[::6]:
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
        assert "no backup, or a damaged one" in empty.refused("restore", file)
    assert not empty.data_dir.exists()


def rewritten(file: Path, **change: object) -> None:
    """Write the file again with another manifest, and with what else is given as members."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop("manifest.json")) | change.pop("manifest", {})  # type: ignore[operator]
    for name, body in change.items():
        members[name] = body  # type: ignore[assignment]
        manifest["members"][name] = {"sha256": sha256(body).hexdigest(), "bytes": len(body)}  # type: ignore[arg-type]
    text = json.dumps(manifest)
    with zipfile.ZipFile(file, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
        archive.writestr("manifest.json", text)
        archive.comment = sha256(text.encode()).hexdigest().encode()


def test_newer_and_strange_files(file: Path, empty: Site) -> None:
    """A newer format, unknown migrations, and names that lead elsewhere are refused."""
    rewritten(file, manifest={"format": 99})
    assert "newer format" in empty.refused("restore", file)
    rewritten(file, manifest={"format": 1, "migrations": ["0001_documented.sql", "9999_later.sql"]})
    told = empty.refused("restore", file)
    assert "newer version of stratopt" in told
    assert "9999_later.sql" in told
    rewritten(file, **{"bars/../../evil.npy": b"x"})
    assert "holds what no backup has" in empty.refused("restore", file)
    file.write_text("no zip at all")
    assert "no backup" in empty.refused("restore", file)
    assert "there is no file" in empty.refused("restore", file.with_name("absent"))
    assert not empty.data_dir.exists()


def test_rows_are_never_mixed(full: Site, file: Path) -> None:
    """A database with rows is refused, and keeps them."""
    before = full.rows()
    told = full.refused("restore", file)
    assert "the database is not empty" in told
    assert "jobs" in told
    assert full.rows() == before


def test_server_that_was_only_started(file: Path, tmp_path: Path) -> None:
    """Its seeds count as nothing; its key is refused, or moved away by force; a changed seed counts."""
    fresh = Site(tmp_path / "fresh")
    ServerProcess(fresh.data_dir, {"STRATOPT_REPORT_TEMPLATE": "false"}).stop()
    key = fresh.data_dir / "keys" / "signing.pem"
    own = key.read_text()
    assert "another key" in fresh.refused("restore", file)
    fresh.done("restore", file, "--force")
    assert key.read_text() == KEY
    assert [path.read_text() for path in key.parent.glob("signing.pem.replaced-*")] == [own]
    assert [row[0] for row in fresh.rows()["strategies"]] == [f"v{number}" for number in range(5)]

    changed = Site(tmp_path / "changed")
    ServerProcess(changed.data_dir, {"STRATOPT_REPORT_TEMPLATE": "false"}).stop()
    with opened(changed.url) as database:
        database.execute_sql("UPDATE strategies SET updated_at = '2024-01-01 00:00:00'")
    assert "rows in strategies" in changed.refused("restore", file, "--force")


def test_bars_that_differ(file: Path, empty: Site) -> None:
    """Bars that are there and are others are not overwritten, and nothing is restored."""
    bars = empty.data_dir / "bars" / DIGEST
    bars.mkdir(parents=True)
    (bars / "close.npy").write_bytes(b"others")
    assert "holds other bars" in empty.refused("restore", file)
    assert (bars / "close.npy").read_bytes() == b"others"
    shutil.rmtree(bars)
    empty.done("restore", file)


KILLED = textwrap.dedent("""
    import os, signal, sys
    from stratopt_server.storage import tables
    insert, calls = tables.insert_rows, []

    def insert_rows(database, into, rows):
        insert(database, into, rows)
        calls.append(into)
        if len(calls) == 10:
            os.kill(os.getpid(), signal.SIGKILL)

    tables.insert_rows = insert_rows
    sys.argv = ["stratopt_server", "restore", sys.argv[1]]
    from stratopt_server.__main__ import main
    main()
    """)


INTERRUPTED = textwrap.dedent("""
    import os, resource, signal, sys
    from stratopt_server.backup.archive import Writer
    member, how = Writer.member, sys.argv[2]

    def interrupted(writer, name, chunks):
        size = member(writer, name, chunks)
        if name.startswith("tables/jobs"):
            if how == "told to stop":
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        return size

    Writer.member = interrupted
    sys.argv = ["stratopt_server", "backup", "--force", sys.argv[1]]
    from stratopt_server.__main__ import main
    main()
    """)


@pytest.mark.parametrize(("how", "code"), [("told to stop", 128 + signal.SIGTERM), ("out of room", 2)])
def test_backup_that_cannot_end(full: Site, tmp_path: Path, how: str, code: int) -> None:
    """A backup that is stopped, or has no room, leaves no file, and an older one as it was."""
    older = tmp_path / "out" / "b.zip"
    older.parent.mkdir()
    full.done("backup", older)
    before = older.read_bytes()
    result = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(older), how],
        env=full.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in older.parent.iterdir()] == ["b.zip"]
    assert older.read_bytes() == before


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """An empty site of each kind."""
    if request.param == "sqlite":
        yield Site(tmp_path / "target")
    else:
        with schema_url() as url:
            yield Site(tmp_path / "target", url)


def test_killed_half_way(target: Site, full: Site, file: Path) -> None:
    """A restore that was killed leaves an empty database, and can be made again."""
    result = subprocess.run(
        [sys.executable, "-c", KILLED, str(file)], env=target.environment, check=False, timeout=60
    )
    assert result.returncode == -signal.SIGKILL
    time.sleep(0.2)  # a database server rolls back a moment later
    assert not any(target.rows().values())
    target.done("restore", file)
    assert target.rows()["jobs"] == full.rows()["jobs"]


def test_older_server_on_a_newer_database(target: Site) -> None:
    """A server refuses to start on a database that a newer one has migrated, and changes nothing."""
    storage = SqlStorage.open(target.url)
    storage.close()
    with opened(target.url) as database:
        database.execute_sql("INSERT INTO schema_migrations VALUES ('9999_later.sql', '2030-01-01 00:00:00')")
        with pytest.raises(DatabaseUnusable, match=r"newer than this version.*9999_later\.sql"):
            migrate(database)
    assert "newer than this version" in target.refused()
    assert "newer than this version" in target.refused("backup", target.data_dir / "b.zip")
