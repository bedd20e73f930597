"""What every cache promises."""

import asyncio
import secrets
from contextlib import aclosing

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratopt_server.domain.cache import Cache

SHORT = 0.08
"""Seconds after which something short has ended, wherever it is kept."""
few = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


def fresh() -> str:
    """A key that nothing else uses."""
    return secrets.token_hex(8)


class CacheContract:
    """The port, kept by whatever stands behind the fixture `cache`."""

    async def test_unknown(self, cache: Cache) -> None:
        """Of a key under which nothing was put there is nothing."""
        assert await cache.get(fresh()) is None

    @few
    @given(value=st.binary(max_size=500))
    async def test_value_comes_back(self, cache: Cache, value: bytes) -> None:
        """A value comes back byte for byte, the newest of its key, and of no other key."""
        key = fresh()
        await cache.put(key, b"older", seconds=60)
        await cache.put(key, value, seconds=60)
        assert await cache.get(key) == value
        assert await cache.get(f"{key}.") is None

    async def test_value_ends(self, cache: Cache) -> None:
        """A value is forgotten when its time is over."""
        key = fresh()
        await cache.put(key, b"short", seconds=SHORT)
        assert await cache.get(key) == b"short"
        await asyncio.sleep(2 * SHORT)
        assert await cache.get(key) is None

    async def test_lock_has_one_owner(self, cache: Cache) -> None:
        """A lock is one owner's, who may take it again; another's word does not free it."""
        name = fresh()
        assert await cache.take(name, "a", seconds=60)
        assert not await cache.take(name, "b", seconds=60)
        await cache.give_back(name, "b")
        assert await cache.take(name, "a", seconds=60)
        assert not await cache.take(name, "b", seconds=60)

    async def test_lock_given_back(self, cache: Cache) -> None:
        """A lock that was given back, or that nobody held, may be taken."""
        name = fresh()
        await cache.give_back(name, "a")
        assert await cache.take(name, "a", seconds=60)
        await cache.give_back(name, "a")
        assert await cache.take(name, "b", seconds=60)

    async def test_lock_ends(self, cache: Cache) -> None:
        """A lock whose owner is gone is free after its time; taken again in time, it lasts."""
        name = fresh()
        assert await cache.take(name, "a", seconds=SHORT)
        assert await cache.take(name, "a", seconds=60)
        await asyncio.sleep(2 * SHORT)
        assert not await cache.take(name, "b", seconds=60)
        other = fresh()
        assert await cache.take(other, "a", seconds=SHORT)
        await asyncio.sleep(2 * SHORT)
        assert await cache.take(other, "b", seconds=60)

    async def test_lock_and_value_of_one_name(self, cache: Cache) -> None:
        """Values, locks and counts of one name do not meet."""
        name = fresh()
        assert await cache.take(name, "a", seconds=60)
        assert await cache.count(name, seconds=60) == 1
        assert await cache.get(name) is None
        await cache.put(name, b"v", seconds=60)
        assert not await cache.take(name, "b", seconds=60)
        assert await cache.count(name, seconds=60) == 2

    async def test_one_of_many_takes_it(self, cache: Cache) -> None:
        """Of many who want a lock at once, one has it."""
        name = fresh()
        taken = await asyncio.gather(*(cache.take(name, f"owner {n}", seconds=60) for n in range(20)))
        assert taken.count(True) == 1

    async def test_counts(self, cache: Cache) -> None:
        """A count rises by one for each call, also at once; each key has its own."""
        key = fresh()
        counted = await asyncio.gather(*(cache.count(key, seconds=60) for _ in range(20)))
        assert sorted(counted) == list(range(1, 21))
        assert await cache.count(fresh(), seconds=60) == 1

    async def test_count_begins_anew(self, cache: Cache) -> None:
        """A count begins anew so long after its first call, not its last."""
        key = fresh()
        await cache.count(key, seconds=SHORT)
        await asyncio.sleep(0.7 * SHORT)
        assert await cache.count(key, seconds=SHORT) == 2
        await asyncio.sleep(0.7 * SHORT)
        assert await cache.count(key, seconds=SHORT) == 1

    async def test_news(self, cache: Cache) -> None:
        """Who listens hears everything that is told from then on, in order, on that channel only."""
        channel = fresh()
        heard: list[str] = []

        async def listen() -> None:
            async with aclosing(cache.listen(channel)) as messages:
                async for message in messages:
                    heard.append(message)
                    if message == "last":
                        return

        await cache.publish(channel, "before anyone listened")
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(listen())
            while not heard:  # a subscription takes effect when it does
                await cache.publish(channel, "hello")
                await asyncio.sleep(0.01)
            for message in ("one", "zwölf, ✓", "last"):
                await cache.publish(channel, message)
                await cache.publish(f"{channel}.", "elsewhere")
        assert [message for message in heard if message != "hello"] == ["one", "zwölf, ✓", "last"]

    async def test_news_for_all(self, cache: Cache) -> None:
        """Everyone who listens hears the same."""
        channel = fresh()

        async def first() -> str:
            async with aclosing(cache.listen(channel)) as messages:
                return await anext(messages)

        listeners = [asyncio.create_task(first()) for _ in range(3)]
        async with asyncio.timeout(10):
            while not all(task.done() for task in listeners):
                await cache.publish(channel, "same")
                await asyncio.sleep(0.01)
        assert {task.result() for task in listeners} == {"same"}

    async def test_answers(self, cache: Cache) -> None:
        """It says that it is there."""
        await cache.ping()
