"""Reports of succeeded backtests."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import HTMLResponse

from stratopt_client import to_dict
from stratopt_gateway.dependencies import ClientOf, renamed
from stratopt_gateway.openapi import problems
from stratopt_gateway.schemas.backtests import TASK_ID, Reports, Series, Trade, WholeReport
from stratopt_gateway.schemas.base import DATE
from stratopt_gateway.schemas.pages import PageSize, PageToken

router = APIRouter(
    prefix="/api/reports",
    tags=["reports"],
    dependencies=[Depends(renamed(backtest_id="report_id", order="sort_by"))],
)

ReportId = Annotated[
    str, Path(description="Id of the report: the task_id of its backtest.", examples=[TASK_ID])
]
StrategyQuery = Annotated[str | None, Query(description="Only reports of this strategy.")]
SymbolQuery = Annotated[str | None, Query(description="Only reports of this symbol.", examples=["BTC/USDT"])]
StartQuery = Annotated[
    str | None,
    Query(description=f"Only runs whose first bar is not before it. {DATE}", examples=["2024-01-01"]),
]
EndQuery = Annotated[
    str | None,
    Query(description=f"Only runs whose last bar is not after it. {DATE}", examples=["2024-01-31"]),
]
SortQuery = Annotated[
    Literal["sharpe", "return", "drawdown"] | None,
    Query(description="Best first by this figure; not given: newest first."),
]
TradesQuery = Annotated[bool, Query(description="Send every trade too.")]
SeriesQuery = Annotated[
    bool, Query(description="Send equity, drawdown, position and benchmark of every bar.")
]


@router.get("", operation_id="listReports", summary="Find reports", responses=problems(422))
async def list_reports(
    client: ClientOf,
    *,
    strategy_id: StrategyQuery = None,
    symbol: SymbolQuery = None,
    start_date: StartQuery = None,
    end_date: EndQuery = None,
    sort_by: SortQuery = None,
    page_size: PageSize = 0,
    page_token: PageToken = "",
) -> Reports:
    """Return a page of the reports that fit."""
    found = client.backtests.reports(
        strategy_id=strategy_id, symbol=symbol, start_date=start_date, end_date=end_date, order=sort_by
    )
    page = await found.page(size=page_size, token=page_token)
    return Reports.of(page.rows, page.next_page_token)


@router.get(
    "/{report_id}", operation_id="getReport", summary="Return one report", responses=problems(404, 409, 422)
)
async def get_report(
    client: ClientOf, report_id: ReportId, *, trades: TradesQuery = False, series: SeriesQuery = False
) -> WholeReport:
    """Return its metrics, and trades and series if asked for; 409 while the backtest has not succeeded."""
    handle = client.backtests.handle(report_id)
    report = WholeReport.of(await handle.report())
    if trades:
        report.trades = [Trade.model_validate(to_dict(trade)) for trade in await handle.trades()]
    if series:
        report.series = Series.model_validate(to_dict(await handle.series()))
    return report


@router.get(
    "/{report_id}/html",
    operation_id="getReportHtml",
    summary="Return one report as a page",
    response_class=HTMLResponse,
    responses=problems(404, 409, 422)
    | {200: {"description": "One self-contained page, made by the server."}},
)
async def get_report_html(client: ClientOf, report_id: ReportId) -> HTMLResponse:
    """Return the page as the server made it."""
    return HTMLResponse(await client.backtests.handle(report_id).report_html())
