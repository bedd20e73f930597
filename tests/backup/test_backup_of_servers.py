"""A backup of a server that works, and a server on what was restored from it."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from backup_tools import Site, opened
from package_samples import put_package
from storage_postgres import schema_url

from stratopt.v1 import job_pb2
from stratopt_client import Client
from stratopt_client.packages import PackageFeed, Retries, document_of, verify
from support import LAX, ServerProcess, eventually, write_bars

STRATEGY = "ma_cross_v1.0"
PARAMS = {"fast_period": 5, "slow_period": 20, "signal_threshold": 0.0}
RANGES = {"fast_period": {"min": 5, "max": 60, "step": 1}, "slow_period": {"min": 61, "max": 260, "step": 1}}
TRIALS = 6_000


@pytest.fixture(params=["sqlite", "postgresql"])
def sites(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """Two empty sites of a kind: one to back up, one to restore into."""
    with ExitStack() as schemas:
        urls = [
            schemas.enter_context(schema_url()) if request.param == "postgresql" else "" for _ in range(2)
        ]
        yield Site(tmp_path / "first", urls[0]), Site(tmp_path / "second", urls[1])


@asynccontextmanager
async def served(site: Site, **settings: str) -> AsyncIterator[Client]:
    """A client of a server on the site."""
    server = await asyncio.to_thread(ServerProcess, site.data_dir, site.settings | settings)
    try:
        async with Client(server.address) as client:
            yield client
    finally:
        await asyncio.to_thread(server.stop)


async def backtested(client: Client, tmp_path: Path) -> str:
    """Import bars and run a backtest that may be approved; return its id."""
    path = write_bars(tmp_path / "bars.csv", count=3_000, regime_bars=100, regime_drift=0.001)
    await client.market_data.import_file(path, symbol="OUT/USDT", exchange="test")
    handle = await client.backtests.start(symbol="OUT/USDT", strategy_id=STRATEGY, params=PARAMS)
    await handle.result(timeout=60)
    return handle.id


async def approved(client: Client, backtest_id: str) -> str:
    """Approve it once more and return the package's id."""
    answer = await client.approvals.approve(STRATEGY, backtest_id, policy=LAX)
    assert answer.decision.package_id, answer.decision.reason
    return answer.decision.package_id


async def test_backup_while_a_search_runs(sites: tuple[Site, Site], tmp_path: Path) -> None:
    """The backup is whole whatever is written meanwhile; restored, the search goes on and ends."""
    first, second = sites
    file = tmp_path / "b.zip"
    async with served(first) as client:
        backtest = await backtested(client, tmp_path)
        package = await approved(client, backtest)
        key = (await client.approvals.signing_key()).public_key
        report = await client.backtests.handle(backtest).report()
        search = await client.optimizations.start(
            "OUT/USDT", STRATEGY, RANGES, max_iterations=TRIALS, validation="none", seed=7
        )

        async def has_trials() -> bool:
            return (await search.get()).progress.done > 0

        await eventually(has_trials, within=60, because="the search begins")
        written = asyncio.create_task(write_for_ever(client))
        await asyncio.to_thread(first.done, "backup", file)
        is_running = (await search.get()).status == job_pb2.JOB_STATUS_RUNNING
        assert not written.done(), "writes went on all the time"
        written.cancel()
        with suppress(asyncio.CancelledError):
            await written
        await search.cancel()
    assert is_running, "the search outlived the backup"

    told = await asyncio.to_thread(second.done, "restore", file)
    assert told["jobs_pending_again"] == 1
    trials_then = len(second.rows()["trials"])
    assert 0 < trials_then < TRIALS
    async with served(second, STRATOPT_REPORT_TEMPLATE="false") as client:
        assert await client.backtests.handle(backtest).report() == report
        assert (await client.approvals.signing_key()).public_key == key
        stored = await client.approvals.package(package)
        assert verify(document_of(stored), key)["package_id"] == package
        ended = await client.optimizations.handle(search.id).result(timeout=120)
        assert ended.status == job_pb2.JOB_STATUS_SUCCEEDED
        numbers = [trial.number async for trial in client.optimizations.handle(search.id).trials()]
        assert len(numbers) == len(set(numbers)) == TRIALS
        again = await client.backtests.start(symbol="OUT/USDT", strategy_id=STRATEGY, params=PARAMS)
        await again.result(timeout=60)


async def write_for_ever(client: Client) -> None:
    """Add strategies, one after the other."""
    while True:
        name = f"s_{secrets.token_hex(4)}"
        code = (await client.strategies.get(STRATEGY)).code
        await client.strategies.create(name, name=name, version="1", code=code)
        await asyncio.sleep(0.01)


def free_addresses() -> dict[str, str]:
    """Settings of two addresses that stay the same from server to server."""
    names = ("STRATOPT_RELAY_BIND", "STRATOPT_RELAY_REQUESTS_BIND")
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        ports = [taken.getsockname()[1] for taken in bound]
    return {name: f"tcp://127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}


LISTENING = {"STRATOPT_REPORT_TEMPLATE": "false", "STRATOPT_RELAY_HEARTBEAT_SECONDS": "0.2"}
"""Settings of a server that only publishes."""


async def put(site: Site) -> str:
    """Have one more package go out from the site; return its id."""
    return await asyncio.to_thread(put_package, site.url, site.data_dir)


class Consumer:
    """A trader with a state file, and what was handed over to it in all its lives."""

    def __init__(self, addresses: dict[str, str], key: bytes, state: Path) -> None:
        self._addresses, self._key, self._state = addresses, key, state
        self.packages: list[str] = []
        self.revoked: list[str] = []
        self.epoch = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Consumer"]:
        """Run for the time of the block."""
        feed = PackageFeed(
            self._addresses["STRATOPT_RELAY_BIND"],
            requests=self._addresses["STRATOPT_RELAY_REQUESTS_BIND"],
            key=self._key,
            state=self._state,
            retries=Retries(seconds_min=0.01, seconds_max=0.05),
            silence_seconds=1.0,
        )
        async with feed:
            running = asyncio.create_task(feed.run(self._note, self._note_revoked))
            try:
                yield self
            finally:
                self.epoch = feed.status().epoch
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running

    def _note(self, package: dict[str, Any]) -> None:
        self.packages.append(package["package_id"])

    def _note_revoked(self, said: dict[str, Any]) -> None:
        self.revoked.append(said["package_id"])

    async def has(self, *packages: str) -> None:
        """Wait until exactly these were handed over, in this order."""

        async def there() -> bool:
            return len(self.packages) >= len(packages)

        await eventually(there, within=20, because=f"{packages} come, {self.packages} came")
        await asyncio.sleep(0.6)  # more than two heartbeats: nothing else comes
        assert self.packages == list(packages)


async def test_consumers_of_a_restored_server(tmp_path: Path) -> None:
    """They notice the new epoch, lose nothing that the backup has, and hear nothing twice.

    One was behind when the backup was made, one had heard more than it holds, one is new.
    """
    first, second = Site(tmp_path / "first"), Site(tmp_path / "second")
    addresses = free_addresses() | LISTENING
    off = {"STRATOPT_RELAY_BIND": ""}
    file = tmp_path / "b.zip"
    async with served(first, **addresses) as client:
        key = (await client.approvals.signing_key()).public_key
        behind, ahead, new = (
            Consumer(addresses, key, tmp_path / f"{name}.db") for name in ("behind", "ahead", "new")
        )
        async with behind.listening():
            heard = await put(first)
            await behind.has(heard)
        missed, revoked = await put(first), await put(first)
        await asyncio.sleep(1)
    async with served(first, **addresses | off) as client:
        waiting = await put(first)
        await asyncio.to_thread(first.done, "backup", file)
    async with served(first, **addresses) as client, ahead.listening():
        lost = await put(first)
        await ahead.has(heard, missed, revoked, waiting, lost)
    old_epoch = ahead.epoch

    told = await asyncio.to_thread(second.done, "restore", file)
    assert told["epoch"] != old_epoch
    with opened(second.url) as database:
        unpublished = database.execute_sql("SELECT package_id FROM package_outbox WHERE published_at IS NULL")
        assert [package for (package,) in unpublished.fetchall()] == [waiting]
    async with served(second, **addresses) as client:
        await client.approvals.revoke(revoked, reason="after the restore", revoked_by="a test")
        async with ahead.listening():
            fresh = await put(second)
            await ahead.has(heard, missed, revoked, waiting, lost, fresh)
        async with behind.listening(), new.listening():
            await behind.has(heard, missed, waiting, fresh)
            await new.has(heard, missed, waiting, fresh)
            newest = await put(second)
            await behind.has(heard, missed, waiting, fresh, newest)
        stored = await client.approvals.package(fresh)
        assert verify(document_of(stored), key)["seq"] == 1
        old = [row.id async for row in client.approvals.replay(epoch=old_epoch)]
        assert old == [heard, missed, revoked, waiting]
        assert [row.id async for row in client.approvals.replay()] == [fresh, newest]
        published = await client.approvals.package(waiting)
        assert published.HasField("publish_time")
    for consumer in (behind, ahead, new):
        assert consumer.revoked == [revoked]
        assert consumer.epoch == told["epoch"]


async def test_consumer_that_listens_through_it(tmp_path: Path) -> None:
    """A consumer that is never stopped hears what waited in the backup, and goes on in the new epoch."""
    first, second = Site(tmp_path / "first"), Site(tmp_path / "second")
    addresses = free_addresses() | LISTENING
    async with served(first, **addresses | {"STRATOPT_RELAY_BIND": ""}) as client:
        key = (await client.approvals.signing_key()).public_key
        waiting = await put(first)
        await asyncio.to_thread(first.done, "backup", tmp_path / "b.zip")
    consumer = Consumer(addresses, key, tmp_path / "state.db")
    async with consumer.listening():
        async with served(first, **addresses) as client:
            await consumer.has(waiting)
            lost = await put(first)
            await consumer.has(waiting, lost)
        await asyncio.to_thread(second.done, "restore", tmp_path / "b.zip")
        async with served(second, **addresses) as client:
            fresh = await put(second)
            await consumer.has(waiting, lost, fresh)
