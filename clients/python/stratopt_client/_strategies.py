"""Strategies: store, find, change and remove them."""

from typing import Unpack

from stratopt.v1.strategy_pb2 import Strategy
from stratopt.v1.strategy_service_pb2 import (
    CreateStrategyRequest,
    DeleteStrategyRequest,
    GetStrategyRequest,
    ListStrategiesRequest,
)
from stratopt.v1.strategy_service_pb2_grpc import StrategyServiceStub
from stratopt_client._connection import Connection
from stratopt_client._options import StrategyFields
from stratopt_client._pages import Page, Pager
from stratopt_client._params import Params
from stratopt_client._requests import new_request_id, strategy, texts, update_strategy

PAGE_SIZE = 50
"""A strategy may carry 256 KiB of code, so pages are small."""


class Strategies:
    """The strategies of a server."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is called yet."""
        self._connection = connection
        self._stub = StrategyServiceStub(connection.channel)

    async def create(
        self,
        strategy_id: str,
        *,
        name: str,
        version: str,
        code: str,
        default_params: Params | None = None,
        request_id: str | None = None,
    ) -> Strategy:
        """Store a strategy; AlreadyExists if the id is taken."""
        fields = StrategyFields(name=name, version=version, code=code, default_params=default_params)
        request = CreateStrategyRequest(
            request_id=request_id or new_request_id(), strategy=strategy(strategy_id, fields)
        )
        return (await self._connection.call(self._stub.CreateStrategy, request)).strategy

    async def get(self, strategy_id: str) -> Strategy:
        """Return one strategy; NotFound if there is none of that id."""
        request = GetStrategyRequest(**texts({"strategy_id": strategy_id}))
        return (await self._connection.call(self._stub.GetStrategy, request)).strategy

    def list(self, *, name: str | None = None) -> Pager[Strategy]:
        """Return the strategies, newest first: iterate with `async for`, or take pages."""
        wanted = texts({"name": name})

        async def fetch(size: int, token: str) -> Page[Strategy]:
            request = ListStrategiesRequest(page_size=size, page_token=token, **wanted)
            response = await self._connection.call(self._stub.ListStrategies, request)
            return Page(response.strategies, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)

    async def update(
        self, strategy_id: str, *, request_id: str | None = None, **fields: Unpack[StrategyFields]
    ) -> Strategy:
        """Change the fields given; runs already started keep the code they began with."""
        request = update_strategy(strategy_id, request_id, fields)
        return (await self._connection.call(self._stub.UpdateStrategy, request)).strategy

    async def delete(self, strategy_id: str, *, request_id: str | None = None) -> None:
        """Remove a strategy; FailedPrecondition while runs refer to it."""
        request = DeleteStrategyRequest(
            request_id=request_id or new_request_id(), **texts({"strategy_id": strategy_id})
        )
        await self._connection.call(self._stub.DeleteStrategy, request)
