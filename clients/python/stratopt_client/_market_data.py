"""Market data: bring bars in, see what is there."""

import asyncio
from pathlib import Path
from typing import Unpack

from stratopt.v1.dataset_pb2 import Dataset
from stratopt.v1.market_data_service_pb2 import (
    GetDatasetRequest,
    ImportBarsResponse,
    ListDatasetsRequest,
)
from stratopt.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from stratopt_client._connection import Connection
from stratopt_client._errors import told_apart
from stratopt_client._options import DatasetFilter, ImportOptions, ImportProgress, refuse_unknown
from stratopt_client._pages import Page, Pager
from stratopt_client._requests import import_header, texts
from stratopt_client._upload import upload

PAGE_SIZE = 200


class MarketData:
    """The bars a server keeps."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is called yet."""
        self._connection = connection
        self._stub = MarketDataServiceStub(connection.channel)

    async def import_file(
        self,
        path: str | Path,
        symbol: str,
        *,
        progress: ImportProgress | None = None,
        **options: Unpack[ImportOptions],
    ) -> ImportBarsResponse:
        """Send a CSV or Parquet file of bars; the answer holds the dataset with its quality report.

        The same bars again change nothing, so a call that failed can be made again.
        """
        header = import_header(symbol, options)
        file = await asyncio.to_thread(Path(path).open, "rb")
        with file:
            call = self._stub.ImportBars(
                timeout=self._connection.transfer_deadline_seconds, metadata=self._connection.metadata()
            )
            try:
                with told_apart(self._connection.target):
                    return await upload(call, header, file, progress)
            finally:
                call.cancel()

    async def get(self, dataset_id: str) -> Dataset:
        """Return one dataset with its quality report; NotFound if there is none of that id."""
        request = GetDatasetRequest(**texts({"dataset_id": dataset_id}))
        return (await self._connection.call(self._stub.GetDataset, request)).dataset

    def list(self, **wanted: Unpack[DatasetFilter]) -> Pager[Dataset]:
        """Return the datasets that fit, newest first: iterate with `async for`, or take pages."""
        refuse_unknown(wanted, DatasetFilter, call="list")
        found = texts(wanted)

        async def fetch(size: int, token: str) -> Page[Dataset]:
            request = ListDatasetsRequest(page_size=size, page_token=token, **found)
            response = await self._connection.call(self._stub.ListDatasets, request)
            return Page(response.datasets, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)
