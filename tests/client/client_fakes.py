"""Servers for the client's tests: real sockets, servicers of a few lines."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as PackedAny
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from stratopt.v1 import (
    approval_service_pb2_grpc,
    backtest_service_pb2_grpc,
    market_data_service_pb2_grpc,
    optimization_service_pb2_grpc,
    strategy_service_pb2_grpc,
    system_service_pb2_grpc,
)
from stratopt.v1.backtest_pb2 import Backtest
from stratopt.v1.job_pb2 import JobStatus
from stratopt.v1.optimization_pb2 import Optimization

Approvals = approval_service_pb2_grpc.ApprovalServiceServicer
Backtests = backtest_service_pb2_grpc.BacktestServiceServicer
MarketData = market_data_service_pb2_grpc.MarketDataServiceServicer
Optimizations = optimization_service_pb2_grpc.OptimizationServiceServicer
Strategies = strategy_service_pb2_grpc.StrategyServiceServicer
System = system_service_pb2_grpc.SystemServiceServicer

_ADD: list[tuple[type, Callable[[Any, grpc.aio.Server], None]]] = [
    (Approvals, approval_service_pb2_grpc.add_ApprovalServiceServicer_to_server),
    (Backtests, backtest_service_pb2_grpc.add_BacktestServiceServicer_to_server),
    (MarketData, market_data_service_pb2_grpc.add_MarketDataServiceServicer_to_server),
    (Optimizations, optimization_service_pb2_grpc.add_OptimizationServiceServicer_to_server),
    (Strategies, strategy_service_pb2_grpc.add_StrategyServiceServicer_to_server),
    (System, system_service_pb2_grpc.add_SystemServiceServicer_to_server),
]


@asynccontextmanager
async def serving(*servicers: object, port: int = 0) -> AsyncIterator[str]:
    """Serve on loopback; yield HOST:PORT."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    for servicer in servicers:
        for kind, add in _ADD:
            if isinstance(servicer, kind):
                add(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        await server.stop(0)


def refusal(
    code: grpc.StatusCode,
    reason: str,
    message: str = "no",
    *,
    domain: str = "stratopt",
    metadata: dict[str, str] | None = None,
    fields: Iterable[tuple[str, str, str]] = (),
) -> grpc.Status:
    """Return a status with details as the server sends them; `fields` are (field, reason, description)."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata or {})
    violations = [
        error_details_pb2.BadRequest.FieldViolation(field=field, reason=why, description=text)
        for field, why, text in fields
    ]
    details: list[Any] = [info, error_details_pb2.BadRequest(field_violations=violations)]
    packed = [PackedAny() for _ in details]
    for target, detail in zip(packed, details, strict=True):
        target.Pack(detail)
    return rpc_status.to_status(
        status_pb2.Status(code=code.value[0], message=message, details=packed),
    )


def backtest(status: str = "SUCCEEDED", **fields: Any) -> Backtest:
    """Return a backtest in a status."""
    return Backtest(id="bt_1", status=JobStatus.Value(f"JOB_STATUS_{status}"), **fields)


def optimization(status: str = "SUCCEEDED", **fields: Any) -> Optimization:
    """Return an optimization in a status."""
    return Optimization(id="opt_1", status=JobStatus.Value(f"JOB_STATUS_{status}"), **fields)
