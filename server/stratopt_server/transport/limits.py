"""How many calls a caller may make in a second."""

from stratopt_server.domain.cache import Cache
from stratopt_server.domain.errors import Code, StratoptError

SECONDS = 1.0


class CallLimit:
    """Counts the calls of each caller, on all servers of one Redis together."""

    def __init__(self, cache: Cache, *, calls_max: int) -> None:
        """`calls_max` of 0 counts nothing."""
        self._cache = cache
        self._calls_max = calls_max

    async def check(self, caller: str) -> None:
        """Count one call; raises RESOURCE_EXHAUSTED when there were too many in this second."""
        if not self._calls_max:
            return
        if await self._cache.count(f"calls:{caller}", seconds=SECONDS) > self._calls_max:
            raise StratoptError(
                f"more than {self._calls_max} calls in a second: slow down",
                code=Code.RESOURCE_EXHAUSTED,
                reason="RATE_LIMITED",
                facts={"calls_per_second_max": str(self._calls_max)},
            )
