"""Strategies: store, find, change and remove them."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from stratopt_gateway.dependencies import ClientOf
from stratopt_gateway.json_body import StrictRoute
from stratopt_gateway.openapi import body_problems, problems
from stratopt_gateway.schemas.pages import PageSize, PageToken
from stratopt_gateway.schemas.strategies import ChangeStrategy, CreateStrategy, Strategies, Strategy

router = APIRouter(prefix="/api/strategies", tags=["strategies"], route_class=StrictRoute)

StrategyId = Annotated[str, Path(description="Id of the strategy.", examples=["ma_cross_v1.0"])]
NameQuery = Annotated[str | None, Query(description="Only strategies of exactly this name.")]


@router.get(
    "", operation_id="listStrategies", summary="List strategies, newest first", responses=problems(422)
)
async def list_strategies(
    client: ClientOf, name: NameQuery = None, page_size: PageSize = 0, page_token: PageToken = ""
) -> Strategies:
    """Return a page of the strategies there are."""
    page = await client.strategies.list(name=name).page(size=page_size, token=page_token)
    return Strategies(
        strategies=[Strategy.of(row) for row in page.rows], next_page_token=page.next_page_token
    )


@router.post(
    "",
    operation_id="createStrategy",
    summary="Store a strategy",
    status_code=HTTPStatus.CREATED,
    responses=body_problems(409),
)
async def create_strategy(client: ClientOf, wanted: CreateStrategy) -> Strategy:
    """Store a strategy under an id of your choice; 409 if it is taken."""
    made = await client.strategies.create(
        wanted.id,
        name=wanted.name,
        version=wanted.version,
        code=wanted.code,
        default_params=wanted.default_params,
        request_id=wanted.request_id,
    )
    return Strategy.of(made)


@router.get(
    "/{strategy_id}", operation_id="getStrategy", summary="Return one strategy", responses=problems(404, 422)
)
async def get_strategy(client: ClientOf, strategy_id: StrategyId) -> Strategy:
    """Return it with its code and what it declares."""
    return Strategy.of(await client.strategies.get(strategy_id))


@router.put(
    "/{strategy_id}",
    operation_id="updateStrategy",
    summary="Change fields of a strategy",
    responses=body_problems(404),
)
async def update_strategy(client: ClientOf, strategy_id: StrategyId, wanted: ChangeStrategy) -> Strategy:
    """Change the fields given, keep the others; runs already started keep the code they began with."""
    changed = await client.strategies.update(
        strategy_id,
        request_id=wanted.request_id,
        name=wanted.name,
        version=wanted.version,
        code=wanted.code,
        default_params=wanted.default_params,
    )
    return Strategy.of(changed)


@router.delete(
    "/{strategy_id}",
    operation_id="deleteStrategy",
    summary="Remove a strategy",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(404, 409, 422),
)
async def delete_strategy(client: ClientOf, strategy_id: StrategyId) -> None:
    """Remove it; 409 while backtests or optimizations refer to it."""
    await client.strategies.delete(strategy_id)
