"""CSV files: which are read, to what, and how the others are refused."""

from pathlib import Path

import numpy as np
import pytest
from market_files import HEADER, HOUR, MONDAY

from stratopt_server.domain.errors import RequestRefused
from stratopt_server.market.read import FileFormat, read_rows

SECONDS = MONDAY // 1_000_000
PRICES = "1,2,0.5,1.5,10"


def written(folder: Path, text: str | bytes) -> Path:
    """Write a file for the test."""
    path = folder / "bars.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal_of(path: Path, *, rows_max: int = 1_000) -> RequestRefused:
    """Read a file that must be refused."""
    with pytest.raises(RequestRefused) as caught:
        read_rows(path, rows_max=rows_max)
    return caught.value


@pytest.mark.parametrize(
    "time",
    [
        "2024-01-01",
        "2024-01-01 00:00",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00.000000000",
        "2024-01-01T00:00:00Z",
        "2024-01-01 00:00:00+00:00",
        "2024-01-01T02:00:00+0200",
        "2023-12-31T19:00-05",
        '" 2024-01-01T00:00:00Z "',
        f"{SECONDS}",
        f"{SECONDS}.0",
        f"{SECONDS}000",
        f"{SECONDS}000.",
        f"{SECONDS}000000",
        f"{SECONDS}000000000",
    ],
)
def test_forms_of_time(tmp_path: Path, time: str) -> None:
    """Every documented way to write a moment means that moment."""
    rows = read_rows(written(tmp_path, f"{HEADER}\n{time},{PRICES}\n"))
    assert rows.time.tolist() == [MONDAY]


def test_mixed_forms_of_time(tmp_path: Path) -> None:
    """Each row's time is read by its own form, as real files mix them."""
    times = [
        f"{SECONDS}",
        f"{SECONDS + 3600}000",
        "2024-01-01T02:00:00Z",
        f"{SECONDS + 3 * 3600}.0",
        "2024-01-01 04",
    ]
    text = "\n".join([HEADER, *(f"{time},{PRICES}" for time in times)])
    rows = read_rows(written(tmp_path, text))
    assert rows.time.tolist() == [MONDAY + hour * HOUR for hour in range(5)]


def test_fractions_of_a_second(tmp_path: Path) -> None:
    """Microseconds survive, finer digits are cut."""
    text = f"{HEADER}\n2024-01-01T00:00:00.123456789Z,{PRICES}\n{SECONDS}.25,{PRICES}\n"
    assert read_rows(written(tmp_path, text)).time.tolist() == [MONDAY + 123_456, MONDAY + 250_000]


def test_times_before_the_epoch(tmp_path: Path) -> None:
    """Dates and epoch seconds before 1970 are read as such."""
    text = f"{HEADER}\n1950-01-03,{PRICES}\n-86400,{PRICES}\n"
    assert read_rows(written(tmp_path, text)).time.tolist() == [-7303 * 24 * HOUR, -24 * HOUR]


@pytest.mark.parametrize("name", ["time", "date", "datetime", "Timestamp", "OPEN_TIME", " unix "])
def test_names_of_the_time_column(tmp_path: Path, name: str) -> None:
    """The time column may have any of the documented names, in any case."""
    path = written(tmp_path, f"{name},Open,HIGH,low,Close,Volume\n2024-01-01,{PRICES}\n")
    assert read_rows(path).time.tolist() == [MONDAY]


def test_several_time_columns(tmp_path: Path) -> None:
    """What machines write is preferred to what people read, wherever it stands."""
    path = written(tmp_path, f"date,open,high,low,close,volume,unix\n01/01/2024,{PRICES},{SECONDS}\n")
    assert read_rows(path).time.tolist() == [MONDAY]


def test_columns_by_name_not_order(tmp_path: Path) -> None:
    """Columns may stand in any order between others, which may even share a name."""
    path = written(tmp_path, f"note,close,low,high,note,open,volume,time\nx,1.5,.5,2,,1,10,{SECONDS}\n")
    rows = read_rows(path)
    columns = (rows.open, rows.high, rows.low, rows.close, rows.volume)
    assert [column.tolist() for column in columns] == [[1.0], [2.0], [0.5], [1.5], [10.0]]


def test_text_conventions(tmp_path: Path) -> None:
    """Byte order mark, CRLF, quotes, spaces and blank lines do not matter."""
    text = (
        '\ufeff"timestamp","open","high","low","close","volume"\r\n"2024-01-01"," 1",2,"0.5",1.5 ,10\r\n\r\n'
    )
    rows = read_rows(written(tmp_path, text))
    assert rows.time.tolist() == [MONDAY]
    assert (rows.open[0], rows.close[0]) == (1.0, 1.5)


def test_absent_values(tmp_path: Path) -> None:
    """An empty cell, or one that says there is none, is absent and left to cleaning."""
    cells = "\n".join(f"{SECONDS},{cell},2,0.5,1.5,10" for cell in ("", "NULL", "NaN", "null", "N/A"))
    assert np.isnan(read_rows(written(tmp_path, f"{HEADER}\n{cells}\n")).open).all()


def test_rows_across_blocks(tmp_path: Path) -> None:
    """A file of several blocks keeps its order, and a fault is told with its line in the file."""
    lines = [f"{SECONDS + index},1,2,0.5,1.5,{index}" for index in range(100_000)]
    path = written(tmp_path, "\n".join([HEADER, *lines]))
    rows = read_rows(path)
    assert rows.volume.tolist() == list(range(100_000))
    lines[90_000] = f"noon,{PRICES}"
    refused = refusal_of(written(tmp_path, "\n".join([HEADER, *lines])), rows_max=200_000)
    assert refused.facts["at"] == "line 90002"


@pytest.mark.parametrize(
    ("text", "field", "reason", "words"),
    [
        ("", "file", "HEADER_ABSENT", "header line"),
        ("\n\n", "file", "HEADER_ABSENT", "header line"),
        (f"https://www.example.com\n{HEADER}\n", "file", "HEADER_ABSENT", "www.example.com"),
        (f"2024-01-01,{PRICES}\n", "file", "HEADER_ABSENT", "named timestamp"),
        (HEADER.encode("utf-16"), "file", "HEADER_UNREADABLE", "UTF-8"),
        (HEADER.replace("close", "last"), "file.close", "COLUMN_ABSENT", "'last'"),
        (f",{HEADER[10:]}\n", "file.timestamp", "COLUMN_ABSENT", "open_time"),
        (f"{HEADER},Close\n", "file.close", "COLUMN_AMBIGUOUS", "more than one"),
        (f"{HEADER}\n2024-01-01,{PRICES}\n2024-01-02,1\n", "file", "ROW_WRONG_LENGTH", "line 3 has 2"),
        (f"{HEADER}\n2024-01-01,{PRICES},\n", "file", "ROW_WRONG_LENGTH", "line 2 has 7"),
        (f"{HEADER}\n2024-01-01,1,2,low,1.5,10\n", "file.low", "NOT_A_NUMBER", "'low' on line 2"),
        (f'{HEADER}\n2024-01-01,"1,000",2,1,1.5,10\n', "file.open", "NOT_A_NUMBER", "'1,000'"),
        (f"{HEADER}\n,{PRICES}\n", "file.timestamp", "TIME_ABSENT", "line 2 has no time"),
        (f"{HEADER}\n01/02/2024,{PRICES}\n", "file.timestamp", "TIME_UNREADABLE", "ISO 8601"),
        (
            f"{HEADER}\n2024-02-01,{PRICES}\n2024-02-31,{PRICES}\n",
            "file.timestamp",
            "TIME_UNREADABLE",
            "line 3",
        ),
        (f"{HEADER}\n1.62207E+12,{PRICES}\n", "file.timestamp", "TIME_ROUNDED", "spreadsheets"),
        (f"{HEADER}\n2345-01-01,{PRICES}\n", "file.timestamp", "TIME_UNREADABLE", "1900 to 2199"),
        (f"{HEADER}\n2201-01-01,{PRICES}\n", "file.timestamp", "TIME_OUT_OF_RANGE", "line 2"),
        (f"{HEADER}\n99999999999,{PRICES}\n", "file.timestamp", "TIME_OUT_OF_RANGE", "line 2"),
        (f"{HEADER}\n".encode() + b"\xff\xfe,1,2,1,1,1\n", "file.timestamp", "TIME_UNREADABLE", "UTF-8"),
        (HEADER, "file", "CSV_UNREADABLE", "too short"),
        (b"\x1f\x8b\x08\x00", "file", "FORMAT_UNSUPPORTED", "gzip"),
        ("[[1,2,3]]", "file", "FORMAT_UNSUPPORTED", "JSON"),
    ],
)
def test_refused(tmp_path: Path, text: str | bytes, field: str, reason: str, words: str) -> None:
    """What cannot be read is refused with the field, the reason, and words that help."""
    refused = refusal_of(written(tmp_path, text))
    assert (refused.violations[0].field, refused.reason) == (field, reason)
    assert words in refused.message


def test_all_absent_columns_at_once(tmp_path: Path) -> None:
    """Every absent column is named in one refusal."""
    refused = refusal_of(written(tmp_path, "price,open,low\n1,2,3\n"))
    fields = [violation.field for violation in refused.violations]
    assert fields == ["file.timestamp", "file.high", "file.close", "file.volume"]


def test_row_limit(tmp_path: Path) -> None:
    """A file at the limit is read, one row more is refused."""
    path = written(tmp_path, "\n".join([HEADER, *[f"{SECONDS},{PRICES}"] * 10]))
    assert len(read_rows(path, rows_max=10)) == 10
    refused = refusal_of(path, rows_max=9)
    assert (refused.reason, refused.facts["rows_max"]) == ("TOO_MANY_ROWS", "9")


def test_said_to_be_parquet(tmp_path: Path) -> None:
    """CSV that is said to be Parquet is refused as what it is not."""
    path = written(tmp_path, f"{HEADER}\n2024-01-01,{PRICES}\n")
    with pytest.raises(RequestRefused) as caught:
        read_rows(path, file_format=FileFormat.PARQUET)
    assert caught.value.reason == "NOT_PARQUET"
    assert len(read_rows(path, file_format=FileFormat.CSV)) == 1
