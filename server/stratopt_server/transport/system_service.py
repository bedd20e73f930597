"""SystemService over the system use-case."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from stratopt.v1 import system_service_pb2 as pb
from stratopt.v1.system_service_pb2_grpc import SystemServiceServicer
from stratopt_server import __version__
from stratopt_server.domain.parts import Part, health_of
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.system import System
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.wire.enums import HEALTH, PART_STATUS
from stratopt_server.wire.times import to_timestamp


class RelayAddresses(NamedTuple):
    """Where the relay's sockets are bound; None while one is not."""

    packages: str | None
    requests: str | None


Addresses = Callable[[], RelayAddresses]


class SystemServicer(SystemServiceServicer):
    """Parse, call, convert."""

    def __init__(self, system: System, jobs: Jobs, addresses: Addresses, thread: StorageThread) -> None:
        self._system = system
        self._jobs = jobs
        self._addresses = addresses
        self._thread = thread

    async def GetMetrics(self, request: pb.GetMetricsRequest, context: Any) -> pb.GetMetricsResponse:
        """Count."""
        metrics = await self._thread.run(self._system.metrics)
        counts = metrics.counts
        return pb.GetMetricsResponse(
            uptime_seconds=metrics.uptime_seconds,
            backtests=counts.backtests,
            optimizations=counts.optimizations,
            jobs_running=metrics.jobs_running,
            jobs_running_max=metrics.jobs_running_max,
            strategies=counts.strategies,
            datasets=counts.datasets,
            trials=counts.trials,
            decisions=counts.decisions,
            packages_unpublished=counts.packages_unpublished,
            pipelines=counts.pipelines,
            messages_in=metrics.messages_in,
            messages_out=metrics.messages_out,
            parts=_parts(metrics.parts),
        )

    async def GetServerInfo(self, request: pb.GetServerInfoRequest, context: Any) -> pb.GetServerInfoResponse:
        """Say what this server is and how its parts are."""
        parts = await self._thread.run(self._system.parts)
        addresses = await self._thread.run(self._addresses)
        return pb.GetServerInfoResponse(
            version=__version__,
            start_time=to_timestamp(self._system.started_at),
            parts=_parts(parts),
            draining=self._jobs.draining,
            relay_address=addresses.packages or "",
            relay_requests_address=addresses.requests or "",
            health=HEALTH[health_of(parts, draining=self._jobs.draining)],
        )


def _parts(parts: Iterable[Part]) -> list[pb.Part]:
    return [pb.Part(name=part.name, status=PART_STATUS[part.status], detail=part.detail) for part in parts]
