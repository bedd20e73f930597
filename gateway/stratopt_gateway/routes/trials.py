"""Trials of an optimization: list them, export them."""

from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, StreamingResponse

from stratopt_gateway.dependencies import ClientOf
from stratopt_gateway.openapi import problems
from stratopt_gateway.routes.optimizations import OptimizationId
from stratopt_gateway.schemas.optimizations import Trials, TrialStatus
from stratopt_gateway.schemas.pages import PageSize, PageToken

router = APIRouter(prefix="/api/optimization", tags=["optimization"])

CHUNK_BYTES = 262_144
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}

OrderQuery = Annotated[
    str,
    Query(
        description='number, score or a metric, with " desc" behind it for the largest first.',
        examples=["sharpe_ratio desc"],
    ),
]
StatusQuery = Annotated[TrialStatus | None, Query(description="Only trials of this status.")]
WindowQuery = Annotated[
    int | None,
    Query(description="Only trials of this window's search; not given: of the search for the best.", ge=0),
]
FormatQuery = Annotated[Literal["csv", "parquet"], Query(description="How the file is written.")]


@router.get(
    "/{optimization_id}/html",
    operation_id="getOptimizationHtml",
    summary="Return a succeeded optimization as a page",
    response_class=HTMLResponse,
    responses=problems(404, 409, 422)
    | {200: {"description": "One self-contained page, made by the server."}},
)
async def get_optimization_html(client: ClientOf, optimization_id: OptimizationId) -> HTMLResponse:
    """Return what it found, and how much of that may be chance, in pictures."""
    return HTMLResponse(await client.optimizations.handle(optimization_id).report_html())


@router.get(
    "/{optimization_id}/trials",
    operation_id="listTrials",
    summary="List the trials of an optimization",
    responses=problems(404, 422),
)
async def list_trials(
    client: ClientOf,
    optimization_id: OptimizationId,
    *,
    order_by: OrderQuery = "",
    status: StatusQuery = None,
    window: WindowQuery = None,
    page_size: PageSize = 0,
    page_token: PageToken = "",
) -> Trials:
    """Return a page of them, in order of number or of a figure."""
    handle = client.optimizations.handle(optimization_id)
    page = await handle.trials(status=status, window=window, order_by=order_by).page(
        size=page_size, token=page_token
    )
    return Trials.of(page.rows, page.next_page_token)


@router.get(
    "/{optimization_id}/trials/export",
    operation_id="exportTrials",
    summary="Return all trials of an optimization as a file",
    response_class=StreamingResponse,
    responses=problems(404, 422)
    | {
        200: {
            "description": "A row a trial, windows' trials included; parameters and metrics in columns.",
            "content": {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()},
        }
    },
)
async def export_trials(
    client: ClientOf,
    optimization_id: OptimizationId,
    *,
    format: FormatQuery = "csv",  # noqa: A002 - the parameter's name
) -> StreamingResponse:
    """Return the file; it is whole before its first byte is sent, so it never breaks off."""
    folder = TemporaryDirectory()
    path = FilePath(folder.name) / "trials"
    try:
        await client.optimizations.handle(optimization_id).export_trials(path, format=format)
    except BaseException:
        folder.cleanup()
        raise
    name = f"{optimization_id}-trials.{format}"
    return StreamingResponse(
        _sent(path, folder),
        media_type=MEDIA_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _sent(path: FilePath, folder: TemporaryDirectory[str]) -> AsyncIterator[bytes]:
    with folder, path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
