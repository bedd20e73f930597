"""Answers about what can no longer change, kept so that those who poll do not ask the database."""

from stratopt.v1.backtest_pb2 import Backtest
from stratopt_server import __version__
from stratopt_server.domain.cache import Cache

KEPT_SECONDS = 3_600.0


class KeptBacktests:
    """Backtests that have ended: nothing about them changes any more."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def get(self, backtest_id: str) -> Backtest | None:
        """Return it if it was kept."""
        kept = await self._cache.get(_key(backtest_id))
        return None if kept is None else Backtest.FromString(kept)

    async def keep(self, backtest: Backtest) -> None:
        """Keep one that has ended."""
        await self._cache.put(_key(backtest.id), backtest.SerializeToString(), seconds=KEPT_SECONDS)


def _key(backtest_id: str) -> str:
    """Another version may tell more of a backtest."""
    return f"backtest:{__version__}:{backtest_id}"
