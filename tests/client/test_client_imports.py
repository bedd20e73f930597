"""Files go over in chunks, and a refusal in mid-stream is told."""

# ruff: noqa: N802 - gRPC names the methods of servicers

import asyncio
from pathlib import Path

import grpc
import pytest
from client_fakes import MarketData, refusal, serving

from stratopt.v1.dataset_pb2 import Dataset
from stratopt.v1.market_data_service_pb2 import FileFormat, ImportBarsResponse, ImportOutcome
from stratopt_client import Client, InvalidInput, InvalidRequest, Unavailable
from stratopt_client._upload import CHUNK_BYTES

MIB = 1024 * 1024


class Receiving(MarketData):
    """Puts the file together again."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self.header = None
        self.sizes: list[int] = []
        self.content = b""

    async def ImportBars(self, requests, _context):
        """Take it all."""
        async for request in requests:
            if request.HasField("header"):
                self.header = request.header
            else:
                self.sizes.append(len(request.chunk))
                self.content += request.chunk
        outcome = ImportOutcome.IMPORT_OUTCOME_CREATED
        return ImportBarsResponse(dataset=Dataset(id="ds_1"), outcome=outcome)


class RefusingHeader(MarketData):
    """Reads the header and refuses it, while the client still sends."""

    async def ImportBars(self, requests, context):
        """Refuse at once."""
        async for _ in requests:
            fields = [("symbol", "BAD_SYMBOL", "must be BASE/QUOTE")]
            status = refusal(grpc.StatusCode.INVALID_ARGUMENT, "BAD_SYMBOL", fields=fields)
            await context.abort_with_status(status)


async def test_file_goes_over_in_small_chunks(tmp_path: Path) -> None:
    """Header first, no chunk above 1 MiB, every byte in order, progress told to the end."""
    file = tmp_path / "bars.csv"
    file.write_bytes(bytes(range(256)) * (3 * MIB // 256) + b"tail")
    told: list[tuple[int, int]] = []
    receiving = Receiving()
    async with serving(receiving) as target, Client(target) as client:
        response = await client.market_data.import_file(
            file,
            "BTC/USDT",
            exchange="binance",
            timeframe="1h",
            format="csv",
            bars_per_year=8760,
            progress=lambda sent, total: told.append((sent, total)),
        )
    assert response.dataset.id == "ds_1"
    assert receiving.content == file.read_bytes()
    assert max(receiving.sizes) <= CHUNK_BYTES <= MIB
    assert told[-1] == (3 * MIB + 4, 3 * MIB + 4)
    header = receiving.header
    assert (header.symbol, header.exchange, header.timeframe) == ("BTC/USDT", "binance", "1h")
    assert (header.format, header.bars_per_year) == (FileFormat.FILE_FORMAT_CSV, 8760.0)


async def test_empty_file_is_the_servers_to_refuse(tmp_path: Path) -> None:
    """The client sends the header and no chunk."""
    (tmp_path / "bars.csv").touch()
    receiving = Receiving()
    async with serving(receiving) as target, Client(target) as client:
        await client.market_data.import_file(tmp_path / "bars.csv", "BTC/USDT")
    assert receiving.sizes == []


@pytest.mark.parametrize("mebibytes", [0, 1, 64])
async def test_refusal_in_mid_stream_is_told(tmp_path: Path, mebibytes: int) -> None:
    """Whatever is still to be sent, and whatever gRPC notices first, the caller gets the server's words."""
    file = tmp_path / "bars.csv"
    file.write_bytes(b"x" * (mebibytes * MIB))
    async with serving(RefusingHeader()) as target, Client(target) as client:
        for _ in range(25):
            with pytest.raises(InvalidRequest, match="symbol: must be BASE/QUOTE"):
                await client.market_data.import_file(file, "BTCUSDT")


async def test_absent_server_is_told(tmp_path: Path) -> None:
    """An import is not repeated; the caller can."""
    (tmp_path / "bars.csv").write_bytes(b"x" * MIB)
    async with serving() as target:
        pass
    async with Client(target) as client:
        with pytest.raises(Unavailable):
            await client.market_data.import_file(tmp_path / "bars.csv", "BTC/USDT")


async def test_absent_file_is_pythons_own_error(tmp_path: Path) -> None:
    """It is found before the call."""
    async with Client() as client:
        with pytest.raises(FileNotFoundError):
            await client.market_data.import_file(tmp_path / "none.csv", "BTC/USDT")


async def test_format_is_checked_before_the_call(tmp_path: Path) -> None:
    """A format that does not exist is told with those that do."""
    async with Client() as client:
        with pytest.raises(InvalidInput, match="format: must be one of parquet, csv, not 'xlsx'"):
            await client.market_data.import_file(tmp_path / "x", "BTC/USDT", format="xlsx")


async def test_failing_progress_ends_the_import(tmp_path: Path) -> None:
    """An exception of the caller's own callback reaches the caller, and the server sees the stream end."""
    (tmp_path / "bars.csv").write_bytes(b"x" * MIB)

    def fail(sent: int, total: int) -> None:
        raise ZeroDivisionError(f"{sent}/{total}")

    async with serving(Receiving()) as target, Client(target) as client:
        with pytest.raises(ZeroDivisionError):
            await client.market_data.import_file(tmp_path / "bars.csv", "BTC/USDT", progress=fail)
        await asyncio.sleep(0)
