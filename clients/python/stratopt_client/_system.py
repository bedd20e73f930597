"""The server itself: how much it holds, and how its parts are."""

from stratopt.v1.system_service_pb2 import (
    GetMetricsRequest,
    GetMetricsResponse,
    GetServerInfoRequest,
    GetServerInfoResponse,
)
from stratopt.v1.system_service_pb2_grpc import SystemServiceStub
from stratopt_client._connection import Connection


class System:
    """The server itself."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is called yet."""
        self._connection = connection
        self._stub = SystemServiceStub(connection.channel)

    async def metrics(self) -> GetMetricsResponse:
        """Return counts and gauges of the server and its database."""
        return await self._connection.call(self._stub.GetMetrics, GetMetricsRequest())

    async def info(self) -> GetServerInfoResponse:
        """Return its version, which of its parts are well, and where it publishes packages."""
        return await self._connection.call(self._stub.GetServerInfo, GetServerInfoRequest())
