"""StrategyService over the strategies use-case."""

from typing import Any

from stratopt.v1 import strategy_pb2
from stratopt.v1 import strategy_service_pb2 as pb
from stratopt.v1.strategy_service_pb2_grpc import StrategyServiceServicer
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.strategy import Strategy
from stratopt_server.strategies.catalog import Catalog
from stratopt_server.usecases.strategies import Strategies
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.wire.paging import cursor_key, cut_page, page_of
from stratopt_server.wire.reading import call_of
from stratopt_server.wire.strategies import create_from_proto, strategy_to_proto, update_from_proto


class StrategyServicer(StrategyServiceServicer):
    """Parse, call, convert."""

    def __init__(self, strategies: Strategies, catalog: Catalog, thread: StorageThread) -> None:
        self._strategies = strategies
        self._catalog = catalog
        self._thread = thread

    async def CreateStrategy(
        self, request: pb.CreateStrategyRequest, context: Any
    ) -> pb.CreateStrategyResponse:
        """Store a new strategy."""
        wanted = create_from_proto(request)
        call = call_of(request, "CreateStrategy")
        strategy = await self._thread.run(self._strategies.create, wanted, call)
        return pb.CreateStrategyResponse(strategy=self._convert(strategy))

    async def GetStrategy(self, request: pb.GetStrategyRequest, context: Any) -> pb.GetStrategyResponse:
        """Return one strategy."""
        strategy = await self._thread.run(self._strategies.get, request.strategy_id)
        return pb.GetStrategyResponse(strategy=self._convert(strategy))

    async def ListStrategies(
        self, request: pb.ListStrategiesRequest, context: Any
    ) -> pb.ListStrategiesResponse:
        """Return a page of strategies."""
        violations = Violations()
        page = page_of(request, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(self._strategies.page, page, name=request.name or None)
        strategies, token = cut_page(request, rows, self._convert, key=cursor_key)
        return pb.ListStrategiesResponse(strategies=strategies, next_page_token=token)

    def _convert(self, strategy: Strategy) -> strategy_pb2.Strategy:
        return strategy_to_proto(strategy, self._catalog)

    async def UpdateStrategy(
        self, request: pb.UpdateStrategyRequest, context: Any
    ) -> pb.UpdateStrategyResponse:
        """Change a strategy."""
        wanted = update_from_proto(request)
        call = call_of(request, "UpdateStrategy")
        strategy = await self._thread.run(self._strategies.update, wanted, call)
        return pb.UpdateStrategyResponse(strategy=self._convert(strategy))

    async def DeleteStrategy(
        self, request: pb.DeleteStrategyRequest, context: Any
    ) -> pb.DeleteStrategyResponse:
        """Remove a strategy."""
        call = call_of(request, "DeleteStrategy")
        await self._thread.run(self._strategies.delete, request.strategy_id, call)
        return pb.DeleteStrategyResponse()
