"""A world to break: servers on their stores, callers who insist, and the count of what went wrong."""

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import psutil
import zmq
import zmq.asyncio

from bench.markets import random_walk, write
from bench.relay_traffic import PACKAGES_TOPIC, PARAMS, STRATEGY, KilledServer, free_address
from stratopt.v1.job_pb2 import JobStatus
from stratopt_client import Client, ResourceExhausted, StratoptError, Unavailable, params_to_python
from stratopt_client.packages import PackageFeed
from stratopt_server.tasks import end

T = TypeVar("T")
SYMBOL, EXCHANGE = "FAULT/USDT", "test"
SEARCH: dict[str, Any] = {
    "param_ranges": {"fast_period": [2, 100], "slow_period": [101, 1_000]},
    "fixed_params": {"signal_threshold": 0.0},
    "algorithm": "random",
    "max_iterations": 6_000,
    "validation": "holdout",
    "seed": 3,
}
"""A search of half a second or so."""
CALL_SECONDS_MAX, RUN_SECONDS_MAX = 10.0, 90.0
PAUSE_SECONDS = 0.1
ENDED = frozenset(
    {JobStatus.JOB_STATUS_SUCCEEDED, JobStatus.JOB_STATUS_FAILED, JobStatus.JOB_STATUS_CANCELLED}
)
PASSING = (Unavailable, ResourceExhausted, TimeoutError)
"""What a caller who insists tries again after."""


@dataclass
class Toll:
    """What went wrong."""

    lost: int = 0
    """What was accepted and is not there, did not succeed, or came to something else."""
    duplicated: int = 0
    """What was asked for once and is there twice."""
    stuck: int = 0
    """What has not ended in time."""
    told: list[str] = field(default_factory=list)
    hits: int = 0
    """Runs in which processes of jobs were at work when it was broken."""

    def note(self, what: str, said: str) -> None:
        """Count one of them."""
        setattr(self, what, getattr(self, what) + 1)
        self.told.append(f"{what}: {said}")


class World:
    """Servers that may go and come back, and callers who do not care which one answers."""

    def __init__(self, folder: Path, servers: list[KilledServer], *, published: str, seed: int) -> None:
        self.folder = folder
        self.servers = servers
        self.chance = random.Random(seed)  # noqa: S311 - it keeps no secret
        self.toll = Toll()
        self.received: list[dict[str, Any]] = []
        self.approved: list[str] = []
        self._published = published
        self._clients: dict[str, Client] = {}
        self._stack = AsyncExitStack()
        self._base = ""
        self._expected: tuple[Any, ...] = ()
        self._run = 0
        self._places: list[int] = []

    async def begin(self) -> None:
        """Import bars; learn what a search comes to when nothing happens; subscribe to packages."""
        bars = write(self.folder / "bars.parquet", random_walk(1))
        async with Client(self.servers[0].address) as client:
            await client.market_data.import_file(bars, symbol=SYMBOL, exchange=EXCHANGE)
            self._base = (await client.backtests.start(SYMBOL, STRATEGY, params=PARAMS)).id
            await client.backtests.handle(self._base).result(timeout=120)
            search = await client.optimizations.start(SYMBOL, STRATEGY, **SEARCH)
            self._expected = outcome(await search.result(timeout=120))
            key = (await client.approvals.signing_key()).public_key
        feed = PackageFeed(
            self._published,
            requests=self.servers[0].requests,
            key=key,
            state=self.folder / "feed.db",
            silence_seconds=1.0,
        )
        await self._stack.enter_async_context(feed)
        hearing = asyncio.create_task(feed.run(self.received.append))
        self._stack.push_async_callback(end, hearing)
        listening = asyncio.create_task(self._listen())
        self._stack.push_async_callback(end, listening)

    async def end(self) -> None:
        """See that every package was received, once and in order, and let go of everything."""
        self._check_order()
        if self.approved:
            await self._until(lambda: len(self.received) >= len(self.approved))
            got = [package["package_id"] for package in self.received]
            for missing in set(self.approved) - set(got):
                self.toll.note("lost", f"package {missing} was never received")
            if len(got) != len(set(got)):
                self.toll.note("duplicated", "a package was received twice")
            replayed = await self.insist(_replayed)
            if [package.seq for package in replayed] != list(range(1, len(replayed) + 1)):
                self.toll.note("lost", "the order of publication has a gap")
            if len(replayed) != len(self.approved):
                self.toll.note("duplicated", f"{len(replayed)} packages of {len(self.approved)} approvals")
        await self._stack.aclose()
        for client in self._clients.values():
            await client.close()

    async def _listen(self) -> None:
        """Note the places of packages as they come over the wire, to who neither asks nor remembers."""
        context = zmq.asyncio.Context()
        socket = context.socket(zmq.SUB)
        try:
            socket.setsockopt(zmq.RECONNECT_IVL, 50)
            socket.subscribe(PACKAGES_TOPIC)
            socket.connect(self._published)
            while True:
                self._places.append(json.loads((await socket.recv_multipart())[1])["seq"])
        finally:
            socket.close(linger=0)
            context.term()

    def _check_order(self) -> None:
        """A place may come again, handed over by a server that died; an older one behind a newer may not."""
        for before, after in pairwise(self._places):
            if after < before:
                self.toll.note("duplicated", f"place {after} came behind {before}")

    async def run(self, strike: Callable[["World"], Awaitable[None]]) -> None:
        """Have work done while something is broken at a random moment; count what went wrong."""
        self._run += 1
        caller = f"run-{self._run}"
        striking = asyncio.create_task(self._struck(strike))
        work = [self._backtest(caller), self._search(caller), self._search(caller), self._approve()]
        await asyncio.gather(*(self._counted(one) for one in work))
        await striking
        await self._count_repeats(caller)

    async def insist(self, call: Callable[[Client], Awaitable[T]]) -> T:
        """Make a call on any server until one answers."""
        async with asyncio.timeout(RUN_SECONDS_MAX):
            while True:
                server = self.chance.choice(self.servers)
                try:
                    async with asyncio.timeout(CALL_SECONDS_MAX):
                        return await call(self._client(server.address))
                except PASSING:
                    await asyncio.sleep(PAUSE_SECONDS)

    def _client(self, address: str) -> Client:
        if address not in self._clients:
            self._clients[address] = Client(address)
        return self._clients[address]

    async def _struck(self, strike: Callable[["World"], Awaitable[None]]) -> None:
        await asyncio.sleep(self.chance.uniform(0.2, 1.5))
        self.toll.hits += any(job_processes(server.pid) for server in self.servers)
        await strike(self)

    async def _counted(self, work: Awaitable[None]) -> None:
        try:
            await work
        except TimeoutError:
            self.toll.note("stuck", "not ended in time")
        except StratoptError as error:
            self.toll.note("lost", f"refused: {error}")

    async def _backtest(self, caller: str) -> None:
        request_id = uuid.uuid4().hex
        options = {"params": PARAMS, "caller": caller, "request_id": request_id, "recompute": True}
        started = await self.insist(lambda client: client.backtests.start(SYMBOL, STRATEGY, **options))
        ended = await self._ended(lambda client: client.backtests.get(started.id))
        base = await self.insist(lambda client: client.backtests.get(self._base))
        if ended.status != JobStatus.JOB_STATUS_SUCCEEDED:
            self.toll.note("lost", f"{ended.id}: {ended.failure}")
        elif ended.metrics != base.metrics:
            self.toll.note("lost", f"{ended.id} came to something else")

    async def _search(self, caller: str) -> None:
        options = {**SEARCH, "caller": caller, "request_id": uuid.uuid4().hex}
        started = await self.insist(lambda client: client.optimizations.start(SYMBOL, STRATEGY, **options))
        ended = await self._ended(lambda client: client.optimizations.get(started.id))
        if ended.status != JobStatus.JOB_STATUS_SUCCEEDED:
            self.toll.note("lost", f"{ended.id}: {ended.failure}")
        elif outcome(ended) != self._expected:
            self.toll.note("lost", f"{ended.id} came to {outcome(ended)}, not {self._expected}")

    async def _approve(self) -> None:
        request_id = uuid.uuid4().hex
        verdict = await self.insist(
            lambda client: client.approvals.approve(
                STRATEGY, self._base, policy="lax/v1", request_id=request_id
            )
        )
        self.approved.append(verdict.parameter_package.id)

    async def _ended(self, get: Callable[[Client], Awaitable[T]]) -> T:
        async with asyncio.timeout(RUN_SECONDS_MAX):
            while True:
                job: Any = await self.insist(get)
                if job.status in ENDED:
                    found: T = job
                    return found
                await asyncio.sleep(PAUSE_SECONDS)

    async def _count_repeats(self, caller: str) -> None:
        """What was asked for once must be there once, however often the call was made."""
        backtests = await self.insist(lambda client: _of(client.backtests.list(), caller))
        searches = await self.insist(lambda client: _of(client.optimizations.list(), caller))
        for extra in [*backtests[1:], *searches[2:]]:
            self.toll.note("duplicated", extra)

    async def _until(self, condition: Callable[[], bool]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(RUN_SECONDS_MAX):
                while not condition():  # noqa: ASYNC110 - the feed calls back and has no event
                    await asyncio.sleep(PAUSE_SECONDS)


def job_processes(server: int) -> list[int]:
    """Processes that a template of the server has forked."""
    with suppress(psutil.NoSuchProcess):
        templates = psutil.Process(server).children()
        return [job.pid for template in templates for job in template.children()]
    return []


async def _of(jobs: Any, caller: str) -> list[str]:
    """Ids of a caller's jobs among the newest."""
    page = await jobs.page(size=50)
    return [job.id for job in page.rows if job.caller == caller]


async def _replayed(client: Client) -> list[Any]:
    return [package async for package in client.approvals.replay()]


def outcome(search: Any) -> tuple[Any, ...]:
    """What a search came to, as far as it depends on nothing but what was asked."""
    best = search.best.trial
    return best.number, params_to_python(best.params), best.score, search.progress.done


@asynccontextmanager
async def serving(folder: Path, *, count: int, seed: int, **settings: str) -> AsyncIterator[World]:
    """Start so many servers on the same stores and yield their world."""
    published = free_address()
    common = {
        "STRATOPT_RELAY_BIND": published,
        "STRATOPT_LEASE_SECONDS": "1.5",
        "STRATOPT_RELAY_LEASE_SECONDS": "1.5",
        "STRATOPT_LOG_LEVEL": "ERROR",
        **settings,
    }
    module = common.pop("module", "stratopt_server")
    servers = [KilledServer(folder, module=module, **common) for _ in range(count)]
    try:
        for server in servers:
            await asyncio.to_thread(server.start)
        world = World(folder, servers, published=published, seed=seed)
        await world.begin()
        try:
            yield world
        finally:
            await world.end()
    finally:
        for server in servers:
            await asyncio.to_thread(server.stop)
