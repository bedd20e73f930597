"""How everything is."""

import asyncio
from http import HTTPStatus
from typing import Literal

import grpc
from fastapi import APIRouter, Response

from stratopt.v1.system_service_pb2 import GetServerInfoResponse, ServerHealth
from stratopt_client import StratoptError, to_dict
from stratopt_gateway.dependencies import ClientOf, SettingsOf
from stratopt_gateway.openapi import problems
from stratopt_gateway.schemas.system import Health, Part, Parts

router = APIRouter(tags=["health"])

HEALTH: dict[int, Literal["ok", "degraded", "ill"]] = {
    ServerHealth.SERVER_HEALTH_OK: "ok",
    ServerHealth.SERVER_HEALTH_DEGRADED: "degraded",
    ServerHealth.SERVER_HEALTH_ILL: "ill",
}
ILL_ANSWER = {"description": "Service Unavailable. A part is ill; the body says which.", "model": Health}


@router.get(
    "/health",
    operation_id="getHealth",
    summary="Say how gateway, server, database, cache and relay are",
    responses=problems() | {HTTPStatus.SERVICE_UNAVAILABLE.value: ILL_ANSWER},
)
async def get_health(client: ClientOf, settings: SettingsOf, response: Response) -> Health:
    """Answer 200 if every part is well or off, 503 if one is ill that the server needs; `detail` names it.

    Without the cache everything works, slower: the answer is 200 and `degraded`. A relay that is ill loses
    nothing: packages wait until it is back. It is ill all the same. A scanner or a review desk that is away
    shows here, and is no illness of ours.
    """
    try:
        async with asyncio.timeout(settings.health_seconds_max):
            info = await client.system.info()
    except (StratoptError, grpc.aio.AioRpcError, TimeoutError) as error:
        health = _without_server(error)
    else:
        health = _with_server(info)
    if health.status == "ill":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return health


def _without_server(error: Exception) -> Health:
    said = str(error) if isinstance(error, StratoptError) else "the server does not answer in time"
    unknown = Part(status="ill", detail="not known: the server does not answer")
    parts = Parts(
        gateway=Part(status="ok", detail=""),
        server=Part(status="ill", detail=said),
        database=unknown,
        cache=unknown,
        relay=unknown,
        relay_requests=unknown,
        scanner=unknown,
        review=unknown,
        sweep_template=unknown,
        report_template=unknown,
    )
    return Health(status="ill", detail=f"server: {said}", version=None, parts=parts)


def _with_server(info: GetServerInfoResponse) -> Health:
    known = {part["name"]: part for part in to_dict(info)["parts"]}
    server = Part(status="ok", detail="")
    if info.draining:
        server = Part(status="ill", detail="on its way out; it takes no new jobs")
    parts = Parts(
        gateway=Part(status="ok", detail=""),
        server=server,
        database=_part(known, "database"),
        cache=_part(known, "cache"),
        relay=_part(known, "relay"),
        relay_requests=_part(known, "relay_requests"),
        scanner=_part(known, "scanner"),
        review=_part(known, "review"),
        sweep_template=_part(known, "sweep_template"),
        report_template=_part(known, "report_template"),
    )
    ill = [f"{name}: {part.detail}" for name, part in parts if part.status == "ill"]
    return Health(status=HEALTH[info.health], detail="; ".join(ill), version=info.version, parts=parts)


def _part(known: dict[str, dict[str, str]], name: str) -> Part:
    """Describe a part as the server told it; one that it does not name is not there."""
    if name not in known:
        return Part(status="off", detail="this server has none")
    return Part.model_validate(known[name])
