"""The gRPC server itself: port, limits, health, reflection, and the way out."""

from dataclasses import dataclass

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from stratopt.v1 import (
    advisor_service_pb2,
    advisor_service_pb2_grpc,
    approval_service_pb2,
    approval_service_pb2_grpc,
    backtest_service_pb2,
    backtest_service_pb2_grpc,
    market_data_service_pb2,
    market_data_service_pb2_grpc,
    optimization_service_pb2,
    optimization_service_pb2_grpc,
    pipeline_service_pb2,
    pipeline_service_pb2_grpc,
    strategy_service_pb2,
    strategy_service_pb2_grpc,
    system_service_pb2,
    system_service_pb2_grpc,
)
from stratopt_server.observing.meters import Meters
from stratopt_server.settings import Settings
from stratopt_server.transport.advisor_service import AdvisorServicer
from stratopt_server.transport.approval_service import ApprovalServicer
from stratopt_server.transport.backtest_service import BacktestServicer
from stratopt_server.transport.calls import CallInterceptor
from stratopt_server.transport.errors import ErrorInterceptor
from stratopt_server.transport.limits import CallLimit
from stratopt_server.transport.market_data_service import MarketDataServicer
from stratopt_server.transport.optimization_service import OptimizationServicer
from stratopt_server.transport.pipeline_service import PipelineServicer
from stratopt_server.transport.strategy_service import StrategyServicer
from stratopt_server.transport.system_service import SystemServicer

LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
KEEPALIVE_MILLISECONDS = 10_000
"""Clients may ask this often whether the server is still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servicers:
    """What the server serves."""

    strategies: StrategyServicer
    market_data: MarketDataServicer
    backtests: BacktestServicer
    optimizations: OptimizationServicer
    approvals: ApprovalServicer
    pipelines: PipelineServicer
    advisor: AdvisorServicer
    system: SystemServicer


class PublicAddress(ValueError):
    """The server would listen where others can reach it, without TLS and credentials."""


class AddressInUse(ValueError):
    """Another process listens there already."""


class GrpcServer:
    """Serves until it is stopped."""

    def __init__(self, servicers: Servicers, settings: Settings, limit: CallLimit, meters: Meters) -> None:
        check_loopback("STRATOPT_LISTEN", settings.listen, public=settings.public_without_tls)
        self._settings = settings
        self._health = health.aio.HealthServicer()
        self._server = aio.server(
            interceptors=[CallInterceptor(meters), ErrorInterceptor(limit)],
            options=[
                ("grpc.max_receive_message_length", settings.message_bytes_max),
                ("grpc.max_send_message_length", settings.message_bytes_max),
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MILLISECONDS),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        self._names = _add(self._server, servicers)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )

    async def start(self) -> str:
        """Begin to serve; return the address, with the port that was taken."""
        host, _, _ = self._settings.listen.rpartition(":")
        try:
            port = self._server.add_insecure_port(self._settings.listen)
        except RuntimeError as error:
            raise AddressInUse(
                f"STRATOPT_LISTEN={self._settings.listen}: the address cannot be taken; another server may "
                "listen there. Choose another port, or 0 for a free one"
            ) from error
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return f"{host}:{port}"

    async def leave_rotation(self) -> None:
        """Tell health checks that this server is on its way out; go on serving."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_seconds: float) -> None:
        """Stop serving; calls under way may finish for so long."""
        await self._server.stop(grace_seconds)


def check_loopback(variable: str, address: str, *, public: bool) -> None:
    """Raise PublicAddress if others can reach an address that is to be served, unless `public` lets them."""
    host, _, _ = address.rpartition(":")
    if host not in LOOPBACK and not public:
        raise PublicAddress(
            f"{variable}={address}: without TLS and credentials only loopback "
            f"({', '.join(LOOPBACK)}) is served. STRATOPT_PUBLIC_WITHOUT_TLS=true serves it all the same, "
            "only for a network that is closed to all others"
        )


def _add(server: aio.Server, servicers: Servicers) -> tuple[str, ...]:
    """Add the servicers; return the full names of their services."""
    strategy_service_pb2_grpc.add_StrategyServiceServicer_to_server(servicers.strategies, server)
    market_data_service_pb2_grpc.add_MarketDataServiceServicer_to_server(servicers.market_data, server)
    backtest_service_pb2_grpc.add_BacktestServiceServicer_to_server(servicers.backtests, server)
    optimization_service_pb2_grpc.add_OptimizationServiceServicer_to_server(servicers.optimizations, server)
    approval_service_pb2_grpc.add_ApprovalServiceServicer_to_server(servicers.approvals, server)
    pipeline_service_pb2_grpc.add_PipelineServiceServicer_to_server(servicers.pipelines, server)
    advisor_service_pb2_grpc.add_AdvisorServiceServicer_to_server(servicers.advisor, server)
    system_service_pb2_grpc.add_SystemServiceServicer_to_server(servicers.system, server)
    files = (
        strategy_service_pb2,
        market_data_service_pb2,
        backtest_service_pb2,
        optimization_service_pb2,
        approval_service_pb2,
        pipeline_service_pb2,
        advisor_service_pb2,
        system_service_pb2,
    )
    return tuple(service.full_name for file in files for service in file.DESCRIPTOR.services_by_name.values())
