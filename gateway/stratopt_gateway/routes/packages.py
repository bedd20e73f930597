"""Parameter packages: find them, and take one back."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from stratopt_gateway.dependencies import ClientOf
from stratopt_gateway.json_body import StrictRoute
from stratopt_gateway.openapi import body_problems, problems
from stratopt_gateway.schemas.packages import PACKAGE_ID, Package, Packages, Revoke
from stratopt_gateway.schemas.pages import PageSize, PageToken

router = APIRouter(prefix="/api/packages", tags=["packages"], route_class=StrictRoute)

PackageId = Annotated[str, Path(description="Id of the package.", examples=[PACKAGE_ID])]
StrategyQuery = Annotated[str | None, Query(description="Only packages of this strategy.")]
SymbolQuery = Annotated[str | None, Query(description="Only packages of this symbol.", examples=["BTC/USDT"])]
DraftsQuery = Annotated[bool, Query(description="Those that wait for a person's word, instead.")]


@router.get("", operation_id="listPackages", summary="List parameter packages", responses=problems(422))
async def list_packages(
    client: ClientOf,
    *,
    strategy_id: StrategyQuery = None,
    symbol: SymbolQuery = None,
    drafts: DraftsQuery = False,
    page_size: PageSize = 0,
    page_token: PageToken = "",
) -> Packages:
    """Return a page of those that were approved, revoked ones too, newest first."""
    found = client.approvals.packages(strategy_id=strategy_id, symbol=symbol, drafts=drafts)
    page = await found.page(size=page_size, token=page_token)
    return Packages.of(page.rows, page.next_page_token)


@router.get(
    "/{package_id}", operation_id="getPackage", summary="Return one package", responses=problems(404, 422)
)
async def get_package(client: ClientOf, package_id: PackageId) -> Package:
    """Return it as it is published, with what was said of it."""
    return Package.of(await client.approvals.package(package_id))


@router.post(
    "/{package_id}/revoke",
    operation_id="revokePackage",
    summary="Say that a package may trade no more",
    responses=body_problems(404, 412),
)
async def revoke_package(client: ClientOf, package_id: PackageId, wanted: Revoke) -> Package:
    """Sign and publish that; one that is revoked stays as it is. 412 for a draft."""
    found = await client.approvals.revoke(
        package_id, reason=wanted.reason, revoked_by=wanted.revoked_by, request_id=wanted.request_id
    )
    return Package.of(found)
