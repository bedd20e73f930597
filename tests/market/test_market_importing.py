"""Imports from end to end: real files, and what a caller gets of them."""

import gzip
import sys
from datetime import UTC, datetime
from pathlib import Path
from subprocess import run

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from market_files import (
    SHARED,
    Described,
    csv_text,
    described_files,
    hourly,
    needs_shared,
    raw,
    refused_import,
)

from stratopt_server.domain.errors import RequestRefused
from stratopt_server.domain.market import DataGrade
from stratopt_server.market.columns import ColumnStore
from stratopt_server.market.importing import Imported, import_file

DESCRIBED = described_files()
SPARSE = {"bitfinex_LTC-USD_1m.parquet", "kucoin_RNDR-USDT_1m.parquet"}


@needs_shared
@pytest.mark.parametrize("described", DESCRIBED, ids=lambda described: described.file)
def test_described_files(store: ColumnStore, described: Described) -> None:
    """Every clean real file imports, and measures what its description says."""
    imported = import_file(SHARED / described.file, columns=store)
    quality = imported.quality
    assert imported.timeframe == described.timeframe
    assert imported.bar_count == quality.rows_read == described.bars
    first, last = (moment.replace(second=0) for moment in (imported.first_bar_time, imported.last_bar_time))
    assert (first, last) == (described.first, described.last)
    assert (quality.zero_volume_bars, quality.price_jumps) == (described.zero_volume, described.jumps)
    assert (quality.ohlc_violations, quality.off_grid_bars, quality.rows_unsorted) == (0, 0, 0)
    if described.file.startswith("compare/"):
        assert imported.bars_per_year == {"1d": 252, "1h": 252 * 24}[described.timeframe]
    else:
        found = (quality.gap_count, quality.missing_bars, quality.longest_gap_bars)
        assert found == (described.gaps, described.missing, described.longest)
        minutes = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "1d": 1440}[described.timeframe]
        assert imported.bars_per_year == 525_600 / minutes
    assert quality.grade is (DataGrade.USABLE if described.file in SPARSE else DataGrade.GOOD), (
        quality.reasons
    )


@needs_shared
def test_all_files_are_described() -> None:
    """No Parquet file is left out of these tests."""
    found = {str(path.relative_to(SHARED)) for path in SHARED.rglob("*.parquet")}
    assert found == {described.file for described in DESCRIBED}


@needs_shared
@pytest.mark.parametrize(
    "name", ["binance_BTC-USDT_15m", "kucoin_RNDR-USDT_1m", "compare/usequity_SPY-USD_1d"]
)
def test_same_bars_as_csv(store: ColumnStore, tmp_path: Path, name: str) -> None:
    """The same bars have the same hash and report, whatever file they came from."""
    path = SHARED / f"{name}.parquet"
    pacsv.write_csv(pq.read_table(path), tmp_path / "bars.csv")
    assert import_file(tmp_path / "bars.csv", columns=store) == import_file(path, columns=store)


@needs_shared
@pytest.mark.parametrize("name", ["binance_RNDR-USDT_1h", "binanceusdm_RENDER-USDT_1h"])
def test_original_csv_files(store: ColumnStore, name: str) -> None:
    """A CSV file as users have it equals its Parquet twin, which others made."""
    imported = import_file(SHARED / "raw" / f"{name}.csv", columns=store)
    assert imported == import_file(SHARED / f"{name}.parquet", columns=store)


@needs_shared
@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("raw/bitstamp_BTC-USD_1d_cdd.csv", "HEADER_ABSENT", "CryptoDataDownload"),
        ("raw/backtestingpy_EUR-USD_1h.csv", "COLUMN_ABSENT", "no column timestamp"),
        ("raw/bitfinex_BTC-USD_1m_2013.merged.csv.gz", "FORMAT_UNSUPPORTED", "gzip"),
        ("raw/bitfinex_LTC-USD_1m_2013.merged.json", "FORMAT_UNSUPPORTED", "JSON"),
        ("raw/binance_RENDER-USDT_5m.feather", "FORMAT_UNSUPPORTED", "Feather"),
        ("raw/freqtrade_UNITTEST-BTC_5m.h5", "FORMAT_UNSUPPORTED", "HDF5"),
        ("raw/lean_bitfinex_BTC-USD_1h_trade.zip", "FORMAT_UNSUPPORTED", "zip"),
        ("dirty/binance_BTC-USDT_1h_mixed-epoch.csv", "HEADER_ABSENT", "CryptoDataDownload"),
        ("dirty/binance_ETH-USDT_1h_excel-mangled.csv", "COLUMN_ABSENT", "'Volume ETH'"),
        ("dirty/gemini_BTC-USD_1h_zero-price.csv.gz", "FORMAT_UNSUPPORTED", "gzip"),
    ],
)
def test_refused_files(store: ColumnStore, name: str, reason: str, words: str) -> None:
    """A real file that is not of a form we read is refused saying what it is."""
    refused = refused_import(SHARED / name, store)
    assert refused.reason == reason
    assert words in refused.message


def with_plain_header(name: str, folder: Path) -> Path:
    """A dirty file as its owner would send it next: unpacked, no banner, one column named volume."""
    content = (SHARED / "dirty" / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    lines = text.splitlines()
    lines = lines[1:] if "http" in lines[0] else lines
    header = lines[0].replace("Unix Timestamp", "unix")
    for volume in ("Volume BTC", "Volume ETH"):
        header = header.replace(volume, "volume")
    path = folder / "bars.csv"
    path.write_text("\n".join([header, *lines[1:]]))
    return path


@needs_shared
def test_dead_contract(store: ColumnStore) -> None:
    """A contract that stopped trading is BAD, for its run of bars without trade."""
    quality = import_file(SHARED / "dirty/binanceusdm_FTT-USDT_1h_zero-volume.csv", columns=store).quality
    assert quality.grade is DataGrade.BAD
    assert (quality.zero_volume_bars, quality.longest_stale_run, quality.missing_bars) == (31_230, 31_230, 0)
    assert "31,230 of 36,344 (85.93 %) bars in one run" in quality.reasons[1]


@needs_shared
def test_zero_price(store: ColumnStore, tmp_path: Path) -> None:
    """Two units of epoch in one descending file are read, and the row without a price is dropped."""
    imported = import_file(with_plain_header("gemini_BTC-USD_1h_zero-price.csv.gz", tmp_path), columns=store)
    quality = imported.quality
    assert (imported.timeframe, imported.bar_count, quality.rows_read) == ("1h", 45_824, 45_825)
    assert imported.first_bar_time == datetime(2015, 10, 8, 14, tzinfo=UTC)
    assert (quality.bad_prices_dropped, quality.rows_unsorted, quality.missing_bars) == (1, 45_824, 3)
    assert quality.grade is DataGrade.USABLE
    assert quality.reasons == ("1 of 45,825 rows dropped: a price was absent, not finite or not above 0.",)


@needs_shared
def test_mixed_epoch(store: ColumnStore, tmp_path: Path) -> None:
    """Hours that occur twice, rounded differently, are conflicts, and too many of them are BAD."""
    imported = import_file(with_plain_header("binance_BTC-USDT_1h_mixed-epoch.csv", tmp_path), columns=store)
    quality = imported.quality
    assert quality.duplicates_dropped + quality.conflicts_dropped == 2_649
    assert imported.bar_count == 32_181 - 2_649
    assert (quality.gap_count, quality.missing_bars) == (4, 9)
    assert quality.grade is DataGrade.BAD


@needs_shared
def test_swapped_volume(store: ColumnStore, tmp_path: Path) -> None:
    """Swapped volumes cannot be seen in the bars: the file imports as what else it is."""
    path = with_plain_header("bitstamp_BTC-USD_1h_swapped-volume.csv.gz", tmp_path)
    quality = import_file(path, columns=store).quality
    assert (quality.rows_read, quality.rows_unsorted, quality.zero_volume_bars) == (37_387, 37_386, 6)


@needs_shared
def test_spreadsheet_rounding(store: ColumnStore, tmp_path: Path) -> None:
    """Times that a spreadsheet rounded are refused, not guessed."""
    refused = refused_import(with_plain_header("binance_ETH-USDT_1h_excel-mangled.csv", tmp_path), store)
    assert refused.reason == "TIME_ROUNDED"
    assert "'1.62207E+12' on line 2" in refused.message


def test_stock_index(store: ColumnStore, tmp_path: Path) -> None:
    """Twenty years of the S&P 500 are GOOD at 252 bars a year: only holidays are absent."""
    from arch.data import sp500

    frame = sp500.load()
    frame.to_csv(tmp_path / "sp500.csv")
    frame.to_parquet(tmp_path / "sp500.parquet")
    imported = import_file(tmp_path / "sp500.csv", columns=store)
    assert (imported.timeframe, imported.bars_per_year, imported.bar_count) == ("1d", 252, len(frame))
    assert imported.quality.grade is DataGrade.GOOD, imported.quality.reasons
    assert 100 < imported.quality.missing_bars < 240
    assert imported.quality.longest_gap_bars == 4  # September 2001
    assert import_file(tmp_path / "sp500.parquet", columns=store) == imported


def test_imported_bars_can_be_opened(store: ColumnStore, tmp_path: Path) -> None:
    """What was imported lies in the store under its hash."""
    (tmp_path / "bars.csv").write_text(csv_text(raw(hourly(48))))
    imported = import_file(tmp_path / "bars.csv", columns=store)
    assert store.open(imported.content_hash).time.tolist() == hourly(48)
    assert (imported.first_bar_time, imported.bar_count) == (datetime(2024, 1, 1, tzinfo=UTC), 48)


def test_givens_are_checked(store: ColumnStore, tmp_path: Path) -> None:
    """A timeframe and bars a year that are given are used or refused."""
    path = tmp_path / "bars.csv"
    path.write_text(csv_text(raw(hourly(48))))

    def imported(timeframe: str, bars_per_year: float) -> Imported:
        return import_file(path, columns=store, timeframe=timeframe, bars_per_year=bars_per_year)

    assert imported("1h", 6_000).bars_per_year == 6_000
    for timeframe, bars_per_year, reason in [
        ("1d", 365, "TIMEFRAME_MISMATCH"),
        ("2d", 365, "TIMEFRAME_UNKNOWN"),
        ("1h", -1, "BARS_PER_YEAR_INVALID"),
    ]:
        with pytest.raises(RequestRefused) as caught:
            imported(timeframe, bars_per_year)
        assert caught.value.reason == reason


def test_refused_import_stores_nothing(store: ColumnStore, tmp_path: Path) -> None:
    """A file that is refused at its last line leaves nothing in the store."""
    (tmp_path / "bars.csv").write_text(csv_text(raw(hourly(48))) + "2024-01-09,1,1,1\n")
    assert refused_import(tmp_path / "bars.csv", store).reason == "ROW_WRONG_LENGTH"
    assert not store._folder.exists()


def test_large_numbers_keep_their_digits(store: ColumnStore, tmp_path: Path) -> None:
    """Prices of every size pass through CSV unchanged."""
    closes = [1.2345678901234567e-08, 0.1, 98_765.432_109_876_54, 1e15]
    (tmp_path / "bars.csv").write_text(csv_text(raw(hourly(4), close=closes)))
    assert store.open(import_file(tmp_path / "bars.csv", columns=store).content_hash).close.tolist() == closes


def test_server_start_does_not_load_pyarrow() -> None:
    """Importing the module that imports files does not load pyarrow; the first import does."""
    script = "import sys; import stratopt_server.market.importing; sys.exit('pyarrow' in sys.modules)"
    assert run([sys.executable, "-c", script], check=False).returncode == 0
    assert pa.__name__ in sys.modules
