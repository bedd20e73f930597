"""Two servers on one PostgreSQL and Redis: either of them answers anything, and one of them may die."""

import asyncio
import json
import time
from itertools import pairwise

import pytest
import zmq
import zmq.asyncio
from bench.fault_world import job_processes, outcome
from servers_pair import LEASE_SECONDS, PARAMS, SEARCH, STRATEGY, SYMBOL, Pair

from stratopt.v1.job_pb2 import JobStatus
from stratopt_client import Client, JobCancelled
from stratopt_client.packages import PackageFeed
from support import eventually

NEWS_SECONDS_MAX = 0.6
"""Within it a Watch on another server is woken: sooner than it would look by itself, once a second."""


async def test_either_answers_anything(first: Client, second: Client) -> None:
    """What one accepted the other knows, lists, watches, reports, judges and cancels."""
    backtest = await first.backtests.start(SYMBOL, STRATEGY, params=PARAMS)
    ended = await second.backtests.handle(backtest.id).result(timeout=60)
    assert ended.metrics == (await first.backtests.get(backtest.id)).metrics
    assert backtest.id in [row.id async for row in second.backtests.list()]
    assert "<html" in await second.backtests.handle(backtest.id).report_html()
    verdict = await second.approvals.approve(STRATEGY, backtest.id)
    package = verdict.parameter_package
    assert await first.approvals.package(package.id) == package
    assert [dataset.symbol async for dataset in second.market_data.list()] == [SYMBOL]


async def test_same_call_on_either(first: Client, second: Client) -> None:
    """A call repeated on the other server is the same call."""
    ids = await asyncio.gather(
        *(
            client.backtests.start(SYMBOL, STRATEGY, params=PARAMS, request_id="once")
            for client in (first, second, first, second)
        )
    )
    assert len({handle.id for handle in ids}) == 1


async def test_watch_is_woken_by_the_other(first: Client, second: Client) -> None:
    """A Watch hears of progress made for another server at once, its sequences rising."""
    search = await first.optimizations.start(SYMBOL, STRATEGY, **SEARCH)
    watch = second.optimizations.handle(search.id).watch()
    heard = [(time.monotonic(), message.sequence) async for message in watch]
    pauses = [later - sooner for (sooner, _), (later, _) in pairwise(heard)]
    assert len(heard) > 4, "progress came in pieces"
    assert sorted(pauses)[len(pauses) // 2] < NEWS_SECONDS_MAX
    assert [sequence for _, sequence in heard] == sorted(sequence for _, sequence in heard)
    assert (await second.optimizations.get(search.id)).status == JobStatus.JOB_STATUS_SUCCEEDED


async def test_cancelled_by_way_of_the_other(pair: Pair, first: Client, second: Client) -> None:
    """A job cancelled on the server that does not run it loses its process soon."""
    await pair_idle(second)
    search = await first.optimizations.start(SYMBOL, STRATEGY, **{**SEARCH, "max_iterations": 100_000})
    servers = (pair.first.pid, pair.second.pid)

    async def at_work() -> bool:
        return any(job_processes(pid) for pid in servers)

    await eventually(at_work, within=20, because="a process works on it")
    one = first if job_processes(pair.second.pid) else second
    await one.optimizations.handle(search.id).cancel()

    async def nobody() -> bool:
        return not await at_work()

    await eventually(nobody, within=LEASE_SECONDS + 2, because="its process is gone")
    with pytest.raises(JobCancelled):
        await search.result(timeout=5)


async def pair_idle(client: Client) -> None:
    """Wait until a server can start searches at once."""
    tiny = {**SEARCH, "max_iterations": 10}
    await (await client.optimizations.start(SYMBOL, STRATEGY, **tiny)).result(timeout=60)


async def test_killed_server_leaves_its_jobs(pair: Pair, first: Client, second: Client) -> None:
    """Kill -9 of the server that runs a search: the other finishes it, to the same result."""
    expected = outcome(await (await first.optimizations.start(SYMBOL, STRATEGY, **SEARCH)).result(timeout=60))
    search = await first.optimizations.start(SYMBOL, STRATEGY, **SEARCH)

    async def begun() -> bool:
        return (await second.optimizations.get(search.id)).progress.done > 0

    await eventually(begun, within=30, because="it has begun")
    victim, other = (pair.first, second) if job_processes(pair.first.pid) else (pair.second, first)
    victim.kill()
    ended = await other.optimizations.handle(search.id).result(timeout=60)
    assert outcome(ended) == expected


async def test_relay_moves(pair: Pair, first: Client, second: Client) -> None:
    """One server publishes; when it is killed the other does, on the same address, and no place is missed."""
    backtest = await first.backtests.start(SYMBOL, STRATEGY, params=PARAMS)
    await backtest.result(timeout=60)
    infos = [await client.system.info() for client in (first, second)]
    relays = [{part.name: part.detail for part in info.parts}["relay"] for info in infos]
    assert sorted(relays) == sorted([pair.published, "another server publishes"])
    assert {info.relay_address for info in infos} == {pair.published}
    holder, other = (pair.first, second) if relays[0] == pair.published else (pair.second, first)
    requests = infos[1 if holder is pair.first else 0].relay_requests_address
    key = (await first.approvals.signing_key()).public_key
    received: list[int] = []
    feed = PackageFeed(pair.published, requests=requests, key=key, silence_seconds=1.0)
    before = len([package async for package in other.approvals.replay()])
    async with feed:
        hearing = asyncio.create_task(feed.run(lambda package: received.append(package["seq"])))
        for number in range(1, 9):
            await other.approvals.approve(STRATEGY, backtest.id)
            if number == 4:
                holder.kill()

        async def all_of_them() -> bool:
            return len(received) >= before + 8

        await eventually(all_of_them, within=30, because="every package was received")
        hearing.cancel()
    assert received == list(range(1, before + 9))
    assert (await other.system.metrics()).packages_unpublished == 0


async def test_raw_subscriber_sees_rising_places(pair: Pair, first: Client) -> None:
    """Handed over in order by a server that stops, places rise by one on the wire, across servers."""
    backtest = await first.backtests.start(SYMBOL, STRATEGY, params=PARAMS)
    await backtest.result(timeout=60)
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.subscribe(b"")
    socket.connect(pair.published)
    info = await first.system.info()
    is_first = {part.name: part.detail for part in info.parts}["relay"] == pair.published
    holder, other = (pair.first, pair.second) if is_first else (pair.second, pair.first)
    places: list[int] = []

    async def hear(count: int) -> None:
        while len(places) < count:
            topic, body = await socket.recv_multipart()
            if topic == b"optimizer.pool.trading":
                places.append(json.loads(body)["seq"])

    async def beats() -> None:
        while (await socket.recv_multipart())[0] != b"optimizer.heartbeat":
            pass

    await asyncio.wait_for(beats(), 20)
    async with Client(other.address) as client:
        for _ in range(3):
            await client.approvals.approve(STRATEGY, backtest.id)
        await asyncio.wait_for(hear(3), 20)
        holder.terminate()
        await asyncio.wait_for(beats(), 20)
        for _ in range(3):
            await client.approvals.approve(STRATEGY, backtest.id)
        await asyncio.wait_for(hear(6), 20)
    assert places == list(range(places[0], places[0] + 6))
    socket.close(linger=0)
    context.term()


async def test_redis_goes_and_comes(pair: Pair, first: Client, second: Client) -> None:
    """Without Redis jobs run and are watched on either server; it is used again when it is back."""
    pair.redis.kill()
    search = await first.optimizations.start(SYMBOL, STRATEGY, **SEARCH)
    ended = await second.optimizations.handle(search.id).result(timeout=60)
    assert ended.status == JobStatus.JOB_STATUS_SUCCEEDED

    async def cache_is(status: int) -> bool:
        parts = [(await client.system.info()).parts for client in (first, second)]
        return all(part.status == status for found in parts for part in found if part.name == "cache")

    async def lost() -> bool:
        await first.backtests.start(SYMBOL, STRATEGY, params=PARAMS)
        await second.backtests.start(SYMBOL, STRATEGY, params=PARAMS)
        return await cache_is(degraded)

    async def back() -> bool:
        return await cache_is(well)

    well, degraded = 1, (await _status_when_lost(first))
    await eventually(lost, within=10, because="both say that the cache is lost")
    pair.redis.start()
    await eventually(back, within=10, because="both use it again")
    backtest = await first.backtests.start(SYMBOL, STRATEGY, params={**PARAMS, "slow_period": 31})
    await backtest.result(timeout=60)
    again = await second.backtests.start(SYMBOL, STRATEGY, params={**PARAMS, "slow_period": 31})
    assert (await again.result(timeout=60)).cached_from == backtest.id


async def _status_when_lost(client: Client) -> int:
    """The status that the cache has while Redis is away."""

    async def seen() -> bool:
        await client.backtests.start(SYMBOL, STRATEGY, params=PARAMS)
        return await _cache_status(client) != 1

    await eventually(seen, within=10, because="the cache is not well")
    return await _cache_status(client)


async def _cache_status(client: Client) -> int:
    parts = (await client.system.info()).parts
    return int(next(part.status for part in parts if part.name == "cache"))
