"""Counts and gauges: as JSON, and as Prometheus reads them."""

from typing import Annotated

import grpc
from fastapi import APIRouter, Depends, Request, Response

from stratopt_client import StratoptError, to_dict
from stratopt_gateway.dependencies import ClientOf
from stratopt_gateway.observing import CONTENT_TYPE, Observed
from stratopt_gateway.openapi import problems
from stratopt_gateway.schemas.system import ServerMetrics

router = APIRouter(tags=["metrics"])

TEXT = {
    "text/plain": {"schema": {"type": "string"}, "example": 'stratopt_backtests{status="succeeded"} 3.0\n'}
}


async def _observed(request: Request) -> Observed:
    observed: Observed = request.app.state.observed
    return observed


@router.get(
    "/api/metrics",
    operation_id="getMetrics",
    summary="Return counts and gauges of the server as JSON",
    responses=problems(),
)
async def get_metrics(client: ClientOf) -> ServerMetrics:
    """Count what is in the database, and what the server works on now; say how its parts are."""
    counted = to_dict(await client.system.metrics())
    parts = {part["name"]: part for part in counted["parts"]}
    return ServerMetrics.model_validate({**counted, "parts": parts})


@router.get(
    "/metrics",
    operation_id="getPrometheusMetrics",
    summary="Return counts and gauges of server and gateway for Prometheus",
    response_class=Response,
    responses=problems() | {200: {"description": "Prometheus text format.", "content": TEXT}},
)
async def get_prometheus(client: ClientOf, observed: Annotated[Observed, Depends(_observed)]) -> Response:
    """Answer also where the server does not: `stratopt_up` is 0 then."""
    try:
        metrics = await client.system.metrics()
    except (StratoptError, grpc.aio.AioRpcError):
        metrics = None
    return Response(observed.text(metrics), media_type=CONTENT_TYPE)
