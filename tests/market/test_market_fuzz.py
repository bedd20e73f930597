"""Whatever the bytes, an import succeeds with finite figures or is refused with a reason."""

import math
import tempfile
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from market_files import HEADER, csv_text, hourly, raw

from stratopt_server.domain.errors import RequestRefused
from stratopt_server.market.columns import ColumnStore
from stratopt_server.market.importing import import_file

fuzzed = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

cells = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.datetimes().map(str),
    st.dates().map(str),
    st.sampled_from(
        ["", "NULL", "nan", "1e400", "-0", "0x10", "1.62207E+12", '"', '"a"', "2024-02-30", "\u00a0"]
    ),
    st.text(max_size=8),
)
lines = st.lists(st.lists(cells, min_size=5, max_size=7).map(",".join), max_size=12)
good_rows = st.lists(
    st.tuples(st.integers(0, 30), st.lists(st.floats(1e-3, 1e3), min_size=5, max_size=5)),
    min_size=2,
    max_size=12,
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One folder for all examples."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def check(folder: Path, content: bytes) -> None:
    """Import the bytes; nothing may come of it but a sound result or a refusal."""
    path = folder / "bars"
    path.write_bytes(content)
    try:
        imported = import_file(path, columns=ColumnStore(folder / "columns"))
    except RequestRefused:
        return
    figures = [figure for figure in astuple(imported.quality) if isinstance(figure, int)]
    assert all(figure >= 0 for figure in figures)
    assert math.isfinite(imported.bars_per_year)
    bars = ColumnStore(folder / "columns").open(imported.content_hash)
    assert len(bars) == imported.bar_count >= 2
    for column in (bars.open, bars.high, bars.low, bars.close, bars.volume):
        assert np.isfinite(column).all()


@fuzzed
@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf")
@example(b"PAR1")
@example(b"PAR1PAR1")
def test_any_bytes(folder: Path, content: bytes) -> None:
    """Any bytes at all."""
    check(folder, content)


@fuzzed
@given(st.binary(max_size=200))
@example(b'"')
@example(b"2024-01-01,1,1,1,1,1\r2024-01-02,1,1,1,1,1")
def test_any_bytes_after_the_header(folder: Path, content: bytes) -> None:
    """Any bytes after a good header."""
    check(folder, f"{HEADER}\n".encode() + content)


@fuzzed
@given(lines)
def test_strange_cells(folder: Path, rows: list[str]) -> None:
    """Cells of every kind where numbers and times should be."""
    check(folder, "\n".join([HEADER, *rows]).encode(errors="surrogatepass"))


@fuzzed
@given(good_rows, lines, st.integers(0, 12))
def test_strange_rows_between_good_ones(
    folder: Path, rows: list[tuple[int, list[float]]], strange: list[str], at: int
) -> None:
    """A strange row somewhere in a good file."""
    good = [f"{1_700_000_000 + 60 * slot},{','.join(map(repr, numbers))}" for slot, numbers in rows]
    check(folder, "\n".join([HEADER, *good[:at], *strange[:1], *good[at:]]).encode(errors="surrogatepass"))


@fuzzed
@given(st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_parquet(folder: Path, changes: list[tuple[int, int]]) -> None:
    """A Parquet file with any bytes changed."""
    rows = raw(hourly(50))
    names = ("timestamp", "open", "high", "low", "close", "volume")
    columns = (rows.time, rows.open, rows.high, rows.low, rows.close, rows.volume)
    table = pa.table([pa.array(column) for column in columns], names=list(names))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, store_schema=False)
    content = bytearray(sink.getvalue().to_pybytes())
    for position, value in changes:
        content[position % len(content)] = value
    check(folder, bytes(content))


def test_good_csv_is_imported(folder: Path) -> None:
    """The file these tests spoil is a good one."""
    (folder / "good").write_text(csv_text(raw(hourly(50))))
    assert import_file(folder / "good", columns=ColumnStore(folder / "columns")).bar_count == 50
