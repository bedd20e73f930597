"""The column store: whole or not at all, the same for all, and never changed."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from market_files import bars_at, hourly

from stratopt_server.domain.errors import Unavailable
from stratopt_server.domain.market import Bars
from stratopt_server.market.columns import DRAFT_PREFIX, DRAFT_SECONDS_MAX, ColumnStore, content_hash

WRITE_FOREVER = """
import sys
from pathlib import Path
import numpy as np
from stratopt_server.domain.market import Bars
from stratopt_server.market.columns import ColumnStore
store = ColumnStore(Path(sys.argv[1]))
for round in range(10**9):
    column = np.full(50_000, float(round + 1))
    store.save(Bars(np.arange(50_000), column, column, column, column, column))
    print("saved", flush=True)
"""


def names_in(store: ColumnStore) -> list[str]:
    """What lies in the store's folder."""
    return sorted(path.name for path in store._folder.iterdir())


def test_opened_as_saved(store: ColumnStore) -> None:
    """Bars come back as they were, mapped from disk and read-only."""
    bars = bars_at(hourly(100))
    opened = store.open(store.save(bars))
    for column in fields(Bars):
        saved, found = getattr(bars, column.name), getattr(opened, column.name)
        assert (found == saved).all()
        assert found.dtype == saved.dtype
        assert type(found) is np.ndarray
        assert isinstance(found.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            found[0] = 0


def test_saved_twice(store: ColumnStore) -> None:
    """Saving the same bars again changes nothing."""
    first = store.save(bars_at(hourly(10)))
    stamps = [path.stat().st_mtime_ns for path in (store._folder / first).iterdir()]
    assert store.save(bars_at(hourly(10))) == first
    assert [path.stat().st_mtime_ns for path in (store._folder / first).iterdir()] == stamps
    assert names_in(store) == [first]


def test_hash_is_fixed() -> None:
    """The hash of these bars is this one, on every machine and in every version."""
    expected = "b3e315486684ecbd6c3fe42b904dfd17ae975fdafbc5ef47c90601804428dadc"
    assert content_hash(bars_at(hourly(3))) == expected


def test_hash_names_the_content() -> None:
    """One changed value in any column, a swap of columns or a lost bar gives another hash."""
    bars = bars_at(hourly(10))
    others = [bars.slice(0, 9), replace(bars, open=bars.volume, volume=bars.open)]
    for column in fields(Bars):
        changed = getattr(bars, column.name).copy()
        changed[9] += 1
        others.append(replace(bars, **{column.name: changed}))
    assert len({content_hash(each) for each in [bars, *others]}) == 9


def test_hash_sees_values_not_layout() -> None:
    """Strides and byte order of the arrays do not matter."""
    bars = bars_at(hourly(10))
    spread = np.repeat(bars.close, 2)[::2]
    assert content_hash(replace(bars, close=spread, time=bars.time.astype(">i8"))) == content_hash(bars)


def test_absent(store: ColumnStore) -> None:
    """Bars that are not there are told by their hash."""
    with pytest.raises(Unavailable) as caught:
        store.open("0" * 64)
    assert caught.value.reason == "BARS_ABSENT"
    assert caught.value.facts == {"content_hash": "0" * 64}


@pytest.mark.parametrize("content", [b"", b"not an array", None])
def test_damaged(store: ColumnStore, content: bytes | None) -> None:
    """A file that was cut, overwritten or removed is told, not read."""
    digest = store.save(bars_at(hourly(10)))
    path = store._folder / digest / "low.npy"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unavailable) as caught:
        store.open(digest)
    assert caught.value.reason == "BARS_DAMAGED"


def test_column_of_other_length(store: ColumnStore) -> None:
    """Columns that do not belong together are told, not read."""
    digest = store.save(bars_at(hourly(10)))
    np.save(store._folder / digest / "low.npy", np.ones(9))
    with pytest.raises(Unavailable):
        store.open(digest)


def test_concurrent_writers(store: ColumnStore) -> None:
    """Many writers of the same bars leave one set and no drafts."""
    bars = bars_at(hourly(20_000))
    with ThreadPoolExecutor(16) as pool:
        digests = set(pool.map(store.save, [bars] * 32))
    assert names_in(store) == [*digests]
    assert content_hash(store.open(*digests)) in digests


def test_failed_write_leaves_nothing(store: ColumnStore) -> None:
    """A write that fails is an error and leaves no draft behind."""
    bars = bars_at(hourly(10))
    store.save(bars_at(hourly(5)))
    (store._folder / content_hash(bars)).write_text("a file where the folder should go")
    with pytest.raises(OSError, match="directory"):
        store.save(bars)
    assert not [name for name in names_in(store) if name.startswith(DRAFT_PREFIX)]


def test_killed_writers(tmp_path: Path) -> None:
    """Whenever a writer is killed, every set that has its name is whole."""
    store = ColumnStore(tmp_path)
    for round_number in range(6):
        command = [sys.executable, "-c", WRITE_FOREVER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.002 + 0.003 * round_number)
            writer.send_signal(signal.SIGKILL)
    sets = [name for name in names_in(store) if not name.startswith(DRAFT_PREFIX)]
    assert sets
    assert [content_hash(store.open(name)) for name in sets] == sets


def test_old_drafts_are_swept(store: ColumnStore) -> None:
    """The next save removes what killed writers left, but not what another may be writing."""
    store.save(bars_at(hourly(5)))
    for age in (0, DRAFT_SECONDS_MAX + 60):
        draft = store._folder / f"{DRAFT_PREFIX}{age}"
        draft.mkdir()
        (draft / "time.npy").write_bytes(b"half")
        os.utime(draft, (time.time() - age, time.time() - age))
    store.save(bars_at(hourly(6)))
    assert [name for name in names_in(store) if name.startswith(DRAFT_PREFIX)] == [f"{DRAFT_PREFIX}0"]
