"""What a restore and a backup refuse so that nobody loses or publishes anything by them."""

import json
import shutil
import zipfile
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from backup_tools import DIGEST, KEY, Site, new_key, opened
from pipeline_samples import make_pipeline
from storage_postgres import schema_url

from stratopt_server.decisions.signing import SigningKey
from stratopt_server.domain.clock import SystemClock
from stratopt_server.domain.jobs import JobStatus
from stratopt_server.presence import serving
from stratopt_server.storage.pipelines import SqlPipelineStore
from stratopt_server.storage.sql import SqlStorage
from support import ServerProcess


def rewritten(file: Path, bodies: dict[str, bytes], **changes: object) -> None:
    """Write the file again with these members in place of what they were, as if it had been made so."""
    with zipfile.ZipFile(file) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    manifest: dict[str, Any] = json.loads(found.pop("manifest.json")) | changes
    for name, body in bodies.items():
        found[name] = body
        manifest["members"][name] = {"sha256": sha256(body).hexdigest(), "bytes": len(body)}
    text = json.dumps(manifest)
    with zipfile.ZipFile(file, "w") as archive:
        for name, body in found.items():
            archive.writestr(name, body)
        archive.writestr("manifest.json", text)
        archive.comment = sha256(text.encode()).hexdigest().encode()


def test_restore_while_a_server_runs(file: Path, empty: Site) -> None:
    """A server on the data_dir, even with another database, is never restored under; several may run."""
    server = ServerProcess(empty.data_dir, {"STRATOPT_REPORT_TEMPLATE": "false"})
    try:
        assert empty.refused("restore", file, "--force").endswith(
            "a server runs on this data_dir: stop it first"
        )
        with serving(empty.data_dir):
            pass
    finally:
        server.stop()
    empty.done("restore", file, "--force")


def test_restore_while_a_server_holds_a_lease(file: Path, tmp_path: Path) -> None:
    """A lease that runs by the database's clock tells of a server on another machine; a lapsed one not."""
    with schema_url() as url:
        target = Site(tmp_path / "target", url)
        storage = SqlStorage.open(url)
        now = SystemClock().now()
        try:
            for seconds in (600, -1):
                until = now + timedelta(seconds=seconds)
                storage.leases.take(
                    "relay", "owner", detail="", now=now, until=until, longest=now + timedelta(hours=1)
                )
                if seconds > 0:
                    assert "a server runs on this database" in target.refused("restore", file)
        finally:
            storage.close()
        target.done("restore", file)


def test_failed_restore_keeps_the_key(file: Path, empty: Site) -> None:
    """A restore that fails in its rows leaves the key that was there, and no other file beside it."""
    key = empty.data_dir / "keys" / "signing.pem"
    key.parent.mkdir(parents=True)
    own = new_key()
    key.write_text(own)
    rewritten(file, {"tables/strategies.ndjson": b'["short"]\n' * 5})
    assert "nothing was restored" in empty.refused("restore", file, "--force")
    assert key.read_text() == own
    assert list(key.parent.iterdir()) == [key]


def test_key_is_put_back(file: Path, empty: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does one that fails at its very end, behind the key."""
    from stratopt_server.backup.files import Placing

    key = empty.data_dir / "keys" / "signing.pem"
    key.parent.mkdir(parents=True)
    own = new_key()
    key.write_text(own)
    place = Placing.place_key

    def failing(placing: Placing) -> None:
        place(placing)
        assert key.read_text() == KEY
        raise OSError("no room")

    monkeypatch.setattr(Placing, "place_key", failing)
    assert "no room" in empty.refused("restore", file, "--force")
    assert key.read_text() == own
    assert list(key.parent.iterdir()) == [key]
    assert not any(empty.rows().values())


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_pipelines_do_not_go_on(full: Site, tmp_path: Path, kind: str) -> None:
    """Those that had not ended have failed, as their document and their status say; others stay."""
    with opened(full.url) as database:
        before = SqlPipelineStore(database)
        for number, status in enumerate((JobStatus.PENDING, JobStatus.RUNNING, JobStatus.SUCCEEDED)):
            before.add(make_pipeline(number, status=status))
    full.done("backup", tmp_path / "b.zip")
    with schema_url() as url:
        after = Site(tmp_path / "after", url if kind == "postgresql" else "")
        assert after.done("restore", tmp_path / "b.zip")["pipelines_failed"] == 2
        with opened(after.url) as database:
            pipelines = SqlPipelineStore(database)
            found = [pipelines.get(f"pl_{number}") for number in range(3)]
            rows = database.execute_sql("SELECT status FROM pipelines WHERE id LIKE 'pl_%%' ORDER BY id")
            assert [status for (status,) in rows.fetchall()] == ["failed", "failed", "succeeded"]
            assert pipelines.pending() == 0
    for pipeline in found[:2]:
        assert pipeline is not None
        assert pipeline.failure is not None
        assert (pipeline.status, pipeline.failure.reason) == (JobStatus.FAILED, "RESTORED")
        assert pipeline.completed_at is not None
    assert found[2] == make_pipeline(2, status=JobStatus.SUCCEEDED)


@pytest.mark.parametrize("harm", ["absent", "other"])
def test_bars_of_every_dataset(full: Site, empty: Site, tmp_path: Path, harm: str) -> None:
    """A backup without the bars of a dataset, or with others, is made only if that is allowed."""
    bars = full.data_dir / "bars" / DIGEST
    if harm == "absent":
        shutil.rmtree(bars)
    else:
        shutil.copy(bars / "close.npy", bars / "open.npy")
    told = full.refused("backup", tmp_path / "b.zip")
    assert "bars of the dataset v" in told
    assert "--allow-missing-bars" in told
    assert not (tmp_path / "b.zip").exists()
    assert full.done("backup", tmp_path / "b.zip", "--allow-missing-bars")["bars"] == 0
    empty.done("restore", tmp_path / "b.zip")


def test_bars_and_key_of_the_file(file: Path, empty: Site) -> None:
    """A restore looks at bars and key themselves: a file may name what it holds and hold nonsense."""
    with zipfile.ZipFile(file) as archive:
        close = archive.read(f"bars/{DIGEST}/close.npy")
    rewritten(file, {"keys/signing.pem": b"no key"})
    assert "signing key in the backup is none" in empty.refused("restore", file)
    rewritten(file, {"keys/signing.pem": KEY.encode(), f"bars/{DIGEST}/open.npy": close})
    assert "not what their hash says" in empty.refused("restore", file)
    assert list((empty.data_dir / "bars").iterdir()) == []
    assert empty.done("restore", file, "--allow-missing-bars")["bars"] == 0


def test_key_that_signed(full: Site, tmp_path: Path) -> None:
    """A backup with another key than signed the newest package is no use to consumers."""
    path = full.data_dir / "keys" / "signing.pem"
    own = SigningKey.open(path).key_id
    with opened(full.url) as database:
        database.execute_sql("UPDATE package_outbox SET document = ?", (json.dumps({"key_id": own}),))
    full.done("backup", tmp_path / "b.zip")
    path.write_text(new_key())
    for _ in range(2):
        told = full.refused("backup", tmp_path / "c.zip")
        assert "not the key that signed" in told
        assert "STRATOPT_DATA_DIR" in told
        path.unlink(missing_ok=True)
    assert not path.exists()
    assert not (tmp_path / "c.zip").exists()


@pytest.mark.parametrize(
    "rows",
    [b"no JSON\n" * 5, b"{}\n" * 5, b"[]\n" * 5, b"[" * 100_000 + b"\n" + b"[]\n" * 4, b'["\\ud800"]\n' * 5],
    ids=["text", "object", "short", "deep", "surrogate"],
)
def test_hostile_rows(file: Path, empty: Site, rows: bytes) -> None:
    """Rows that are none end in one line, and nothing is stored."""
    rewritten(file, {"tables/jobs.ndjson": rows})
    assert "use another" in empty.refused("restore", file)
    assert not any(empty.rows().values())


def test_hostile_values(file: Path, empty: Site) -> None:
    """Values of types that no column has end in one line."""
    with zipfile.ZipFile(file) as archive:
        rows = [json.loads(line) for line in archive.read("tables/jobs.ndjson").splitlines()]
    for value in ({}, [1], 2**70, {"a": []}):
        body = "".join(json.dumps([value] * len(row)) + "\n" for row in rows).encode()
        rewritten(file, {"tables/jobs.ndjson": body})
        assert "nothing was restored" in empty.refused("restore", file)


def test_hostile_manifests(file: Path, empty: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """So do manifests of other types, too large, or with a gap in the migrations."""
    with zipfile.ZipFile(file) as archive:
        whole = json.loads(archive.read("manifest.json"))
    for change in (
        {"tables": []},
        {"members": 5},
        {"migrations": [1]},
        {"migrations": None},
        {"format": "x"},
    ):
        rewritten(file, {}, **whole | change)
        assert "use another" in empty.refused("restore", file)
    rewritten(file, {}, **whole | {"migrations": whole["migrations"][1:]})
    assert "lacks migrations" in empty.refused("restore", file)
    rewritten(file, {}, **whole)
    monkeypatch.setattr("stratopt_server.backup.archive.MANIFEST_BYTES_MAX", 100)
    assert "manifest is too large" in empty.refused("restore", file)
    monkeypatch.undo()
    monkeypatch.setattr("stratopt_server.backup.archive.LINE_BYTES_MAX", 100)
    assert "row of too many bytes" in empty.refused("restore", file)


def test_other_compression(file: Path, empty: Site) -> None:
    """A member that is compressed as no backup is, is not even unpacked."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        comment = archive.comment
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
        archive.comment = comment
    assert "no backup, or a damaged one" in empty.refused("restore", file)
