"""The cache that several servers share: Redis. The only importer of its driver."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Any, TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from stratopt_server.domain.cache import CacheLost

T = TypeVar("T")
ANSWER_SECONDS_MAX = 0.5
"""How long Redis may take; what it does not answer by then is done without it."""
SILENCE_SECONDS = 5.0
"""Silence on a channel after which the connection is asked for a sign of life."""
TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"
COUNT = """
local counted = redis.call('INCR', KEYS[1])
if counted == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return counted
"""


class RedisCache:
    """Keeps every promise of the port, for all servers of one Redis; raises CacheLost while it is away."""

    def __init__(self, url: str, *, prefix: str) -> None:
        """`url` is `redis://HOST:PORT/NUMBER`, ValueError if it is none; `prefix` begins every key."""
        self._prefix = prefix
        self._client = Redis.from_url(
            url,
            socket_timeout=ANSWER_SECONDS_MAX,
            socket_connect_timeout=ANSWER_SECONDS_MAX,
            retry=Retry(NoBackoff(), 1),  # a connection that was lost while idle costs one more try
        )

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under the key, or None."""
        return cast("bytes | None", await _answered(self._client.get(self._prefix + key)))

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Keep a value for so long."""
        await _answered(self._client.set(self._prefix + key, value, px=_milliseconds(seconds)))

    async def take(self, name: str, owner: str, *, seconds: float) -> bool:
        """Take a lock for so long; False while another owner has it."""
        return bool(await self._run(TAKE, f"lock:{name}", owner, _milliseconds(seconds)))

    async def give_back(self, name: str, owner: str) -> None:
        """Let go of a lock; nothing happens if it is another's, or nobody's."""
        await self._run(GIVE_BACK, f"lock:{name}", owner)

    async def count(self, key: str, *, seconds: float) -> int:
        """Add one to a count that begins anew so long after its first; return what it is then."""
        return int(await self._run(COUNT, f"count:{key}", _milliseconds(seconds)))

    async def publish(self, channel: str, message: str) -> None:
        """Tell everyone who listens now, on any server."""
        await _answered(self._client.publish(self._prefix + channel, message))

    async def listen(self, channel: str) -> AsyncIterator[str]:
        """Yield what is told from now on; raises CacheLost when the connection is lost."""
        name = self._prefix + channel
        async with aclosing(self._client.pubsub()) as connection:
            await _answered(connection.subscribe(name))
            asked = False
            while True:
                heard = await _answered(connection.get_message(timeout=SILENCE_SECONDS))
                if heard is None:
                    if asked:
                        raise CacheLost("Redis is silent")
                    await _answered(connection.ping())
                asked = heard is None
                if heard is not None and heard["type"] == "message":
                    yield heard["data"].decode()

    async def ping(self) -> None:
        """Raise CacheLost if it does not answer."""
        await _answered(self._client.ping())

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _run(self, script: str, key: str, *arguments: object) -> Any:
        return await _answered(self._client.eval(script, 1, self._prefix + key, *map(str, arguments)))


async def _answered(call: Any) -> Any:
    try:
        return await cast("Awaitable[Any]", call)
    except (RedisError, OSError, TimeoutError) as error:
        raise CacheLost(f"Redis does not answer: {error}") from error


def _milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 1)
