"""What servers share beside the database, wired: the cache, the news, the limits, the housekeeping."""

from datetime import timedelta

from stratopt_server.cache.memory import MemoryCache
from stratopt_server.cache.steady import SteadyCache
from stratopt_server.domain.cache import Cache
from stratopt_server.domain.clock import Clock
from stratopt_server.domain.parts import Part, PartStatus
from stratopt_server.domain.ports import Storage
from stratopt_server.engine.version import engine_digest
from stratopt_server.settings import Settings
from stratopt_server.transport.kept import KeptBacktests
from stratopt_server.transport.limits import CallLimit
from stratopt_server.usecases.housekeeping import Housekeeping
from stratopt_server.usecases.hub import Hub
from stratopt_server.usecases.news import SharedNews
from stratopt_server.usecases.results import Results
from stratopt_server.usecases.threads import StorageThread


class UnusableCache(ValueError):
    """The setting names no cache that this build can use."""


class Shared:
    """The cache and what rests on it."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        hub: Hub,
        *,
        epoch: str,
        thread: StorageThread,
        clock: Clock,
        owner: str,
    ) -> None:
        """`epoch` names the life of the database: what is cached of another is none of this one's."""
        self._steady = open_cache(settings.redis_url, epoch) if settings.redis_url else None
        own = MemoryCache()
        cache: Cache = self._steady or own
        self.lookups = own.counts if self._steady is None else self._steady.counts
        """Lookups in the cache, by what came of them."""
        self._cache = cache
        self._news = SharedNews(cache, hub, owner=owner) if self._steady else None
        self.results = Results(
            cache,
            storage,
            engine=engine_digest(),
            kept_seconds=settings.result_cache_seconds,
        )
        self.kept = KeptBacktests(cache)
        self.limit = CallLimit(cache, calls_max=settings.calls_per_second_max)
        self._housekeeping = Housekeeping(
            storage,
            cache,
            thread=thread,
            clock=clock,
            owner=owner,
            kept=timedelta(hours=settings.request_id_hours),
        )

    async def start(self) -> None:
        """Begin."""
        if self._steady is not None:
            await self._steady.start()
        if self._news is not None:
            self._news.start()
        self._housekeeping.start()

    async def stop(self) -> None:
        """End."""
        await self._housekeeping.stop()
        if self._news is not None:
            await self._news.stop()
        await self._cache.close()

    def part(self) -> Part:
        """How the cache is."""
        if self._steady is None:
            return Part("cache", PartStatus.IDLE, "in memory")
        return self._steady.part()


def open_cache(url: str, epoch: str) -> SteadyCache:
    """Make the cache that the URL names; raises UnusableCache. It need not answer yet."""
    try:
        from stratopt_server.cache.redis import RedisCache  # noqa: PLC0415 - only where it is asked for
    except ModuleNotFoundError:
        raise UnusableCache(
            "STRATOPT_REDIS_URL is set and redis is not installed: 'stratopt[redis]' has it"
        ) from None
    try:
        return SteadyCache(RedisCache(url, prefix=f"stratopt:{epoch}:"), MemoryCache())
    except ValueError:
        # The driver's own words quote the password.
        raise UnusableCache(
            "STRATOPT_REDIS_URL cannot be read: it is redis://HOST:PORT/NUMBER, special characters as %XX"
        ) from None
