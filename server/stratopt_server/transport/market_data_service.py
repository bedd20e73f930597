"""MarketDataService over the datasets use-case."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from stratopt.v1 import market_data_service_pb2 as pb
from stratopt.v1.market_data_service_pb2_grpc import MarketDataServiceServicer
from stratopt_server.domain.errors import Violations
from stratopt_server.settings import Settings
from stratopt_server.transport.spool import spool_folder
from stratopt_server.usecases.datasets import Datasets, Importer
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.wire.datasets import dataset_filter, dataset_to_proto, header_from_proto
from stratopt_server.wire.enums import IMPORT_OUTCOME
from stratopt_server.wire.paging import cursor_key, cut_page, page_of


class MarketDataServicer(MarketDataServiceServicer):
    """Parse, call, convert."""

    def __init__(
        self, datasets: Datasets, importer: Importer, thread: StorageThread, *, settings: Settings
    ) -> None:
        self._datasets = datasets
        self._importer = importer
        self._thread = thread
        self._settings = settings

    async def ImportBars(
        self, request_iterator: AsyncIterator[pb.ImportBarsRequest], context: Any
    ) -> pb.ImportBarsResponse:
        """Spool the file to disk, have it imported in a process of its own, and note it."""
        parts = aiter(request_iterator)
        wanted = header_from_proto(await _header(parts))
        self._datasets.check(wanted)
        async with spool_folder(self._settings.data_dir) as folder:
            path = folder / "upload"
            await self._spool(parts, path)
            imported = await self._importer.import_file(path, wanted)
        dataset, outcome = await self._thread.run(self._datasets.catalog, wanted, imported)
        return pb.ImportBarsResponse(dataset=dataset_to_proto(dataset), outcome=IMPORT_OUTCOME[outcome])

    async def ListDatasets(self, request: pb.ListDatasetsRequest, context: Any) -> pb.ListDatasetsResponse:
        """Return a page of datasets."""
        violations = Violations()
        page = page_of(request, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(self._datasets.page, page, dataset_filter(request))
        datasets, token = cut_page(request, rows, dataset_to_proto, key=cursor_key)
        return pb.ListDatasetsResponse(datasets=datasets, next_page_token=token)

    async def GetDataset(self, request: pb.GetDatasetRequest, context: Any) -> pb.GetDatasetResponse:
        """Return one dataset."""
        dataset = await self._thread.run(self._datasets.get, request.dataset_id)
        return pb.GetDatasetResponse(dataset=dataset_to_proto(dataset))

    async def _spool(self, parts: AsyncIterator[pb.ImportBarsRequest], path: Path) -> None:
        """Write the chunks to the file; refuse one that is too large, out of place or empty."""
        violations = Violations()
        size, size_max = 0, self._settings.import_bytes_max
        with path.open("wb") as file:
            async for part in parts:
                if part.HasField("header"):
                    violations.add("header", "HEADER_REPEATED", "only the first message carries the header")
                size += len(part.chunk)
                if size > size_max:
                    violations.add(
                        "chunk", "FILE_TOO_LARGE", f"at most {size_max} bytes in all", bytes_max=size_max
                    )
                violations.refuse_if_any()
                await asyncio.to_thread(file.write, part.chunk)
        if size == 0:
            violations.add("chunk", "EMPTY_FILE", "send the file's bytes behind the header")
        violations.refuse_if_any()


async def _header(parts: AsyncIterator[pb.ImportBarsRequest]) -> pb.ImportHeader:
    """Read the first message, which must be the header."""
    first = await anext(parts, None)
    if first is None or first.WhichOneof("part") != "header":
        violations = Violations()
        violations.add("header", "REQUIRED", "the first message must carry the header")
        violations.refuse_if_any()
    assert first is not None, "an absent header is refused"
    return first.header
