"""The client: one connection, one attribute per service."""

from collections.abc import Callable
from typing import Self

from stratopt_client._advisor import Advisor
from stratopt_client._approvals import Approvals
from stratopt_client._backtests import Backtests
from stratopt_client._connection import DEADLINE_SECONDS, TRANSFER_DEADLINE_SECONDS, Connection
from stratopt_client._market_data import MarketData
from stratopt_client._optimizations import Optimizations
from stratopt_client._pipelines import Pipelines
from stratopt_client._strategies import Strategies
from stratopt_client._system import System

DEFAULT_TARGET = "127.0.0.1:50051"
"""Where a server listens unless told otherwise."""


class Client:
    """A connection to a stratopt server, used with `async with`.

    Calls that failed because the server was not there are made again, where that is safe, before
    they raise Unavailable. A client belongs to the event loop it was made in.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        transfer_deadline_seconds: float = TRANSFER_DEADLINE_SECONDS,
        caller: str = "",
        request_id: Callable[[], str] | None = None,
    ) -> None:
        """Connect at the first call; `transfer_deadline_seconds` is for imports, reports and approvals.

        `caller` is who calls: jobs of different callers take turns in the queue. `request_id` is asked at
        each call for an id, in printable ASCII, under which the server logs it.
        """
        self._connection = Connection(
            target,
            deadline_seconds=deadline_seconds,
            transfer_deadline_seconds=transfer_deadline_seconds,
            caller=caller,
            request_id=request_id,
        )
        self.strategies = Strategies(self._connection)
        self.market_data = MarketData(self._connection)
        self.backtests = Backtests(self._connection)
        self.optimizations = Optimizations(self._connection)
        self.approvals = Approvals(self._connection)
        self.pipelines = Pipelines(self._connection)
        self.advisor = Advisor(self._connection)
        self.system = System(self._connection)

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self.close()

    async def wait_ready(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - it raises our own error
        """Return once the server accepts connections; raise Unavailable after `timeout` seconds."""
        await self._connection.ready(timeout)

    async def close(self) -> None:
        """Close the connection; jobs go on running."""
        await self._connection.close()
