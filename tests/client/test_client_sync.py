"""The sync face does what the async one does, and waits."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from client_everything import Everything
from client_fakes import (
    serving,
)

from stratopt_client import (
    BacktestHandle,
    Client,
    InvalidInput,
    NotFound,
    OptimizationHandle,
    Pager,
    Unavailable,
)
from stratopt_client._loop import BackgroundLoop
from stratopt_client.sync import SyncBacktestHandle, SyncClient, SyncOptimizationHandle, SyncPager

Value = TypeVar("Value")


async def with_client(use: Callable[[SyncClient], Value], servicer: Everything | None = None) -> Value:
    """Run a program without asyncio in a thread, against a server in this one."""

    def program(target: str) -> Value:
        with SyncClient(target) as client:
            return use(client)

    async with serving(servicer or Everything()) as target:
        return await asyncio.to_thread(program, target)


async def test_backtests_without_asyncio() -> None:
    """Start, follow, result, report and cancel."""

    def use(client: SyncClient) -> None:
        client.wait_ready()
        handle = client.backtests.start("BTC/USDT", "ma_cross_v1.0", params={"fast_period": 5})
        assert (handle.id, handle.estimated_seconds) == ("bt_1", 7)
        assert client.backtests.handle("bt_1").estimated_seconds is None
        assert [event.sequence for event in handle.watch()] == [1, 2, 3]
        assert handle.result(timeout=5).id == handle.get().id == client.backtests.get("bt_1").id
        assert handle.report_html() == "<p>"
        assert list(handle.series().equity) == handle.trades() == []
        assert handle.cancel() == client.backtests.handle("bt_1").cancel()
        assert len(list(client.backtests.list(status="succeeded"))) == 2
        assert client.backtests.list().page(size=1).next_page_token == "more"

    await with_client(use)


async def test_optimizations_without_asyncio() -> None:
    """Start, follow, result, trials and cancel."""

    def use(client: SyncClient) -> None:
        handle = client.optimizations.start("BTC/USDT", "ma_cross_v1.0", {"fast_period": [5, 50]})
        assert handle.id == client.optimizations.handle("opt_1").id
        assert (handle.estimated_seconds, client.optimizations.handle("opt_1").estimated_seconds) == (9, None)
        assert [event.sequence for event in handle.watch()] == [1]
        assert handle.result().id == handle.get().id == client.optimizations.get("opt_1").id
        assert [trial.number for trial in handle.trials(status="ok")] == [0, 1]
        assert handle.cancel() != handle.get()
        assert len(list(client.optimizations.list())) == 1

    await with_client(use)


async def test_strategies_and_market_data_without_asyncio(tmp_path: Path) -> None:
    """The other two services."""
    (tmp_path / "bars.csv").write_text("timestamp\n")

    def use(client: SyncClient) -> None:
        assert client.strategies.create("a", name="A", version="1", code="x").name == "A"
        assert client.strategies.update("a", version="2").version == "2"
        assert client.strategies.get("a").id == "a"
        assert [row.id for row in client.strategies.list()] == ["a"]
        client.strategies.delete("a")
        assert client.market_data.import_file(tmp_path / "bars.csv", "BTC/USDT").dataset.id == "ds_1"
        assert client.market_data.get("ds_1").id == "ds_1"
        assert [row.id for row in client.market_data.list(symbol="BTC/USDT")] == ["ds_1"]

    await with_client(use)


async def test_errors_are_the_same() -> None:
    """What the async client raises comes out of the sync one."""

    def use(client: SyncClient) -> None:
        with pytest.raises(NotFound):
            client.backtests.get("bt_2")
        with pytest.raises(InvalidInput, match="fill"):
            client.backtests.start("BTC/USDT", "x", fill="open")
        with pytest.raises(TimeoutError):
            client.backtests.handle("bt_endless").result(timeout=0.1)

    await with_client(use)
    with SyncClient("127.0.0.1:1") as client, pytest.raises(Unavailable):
        client.wait_ready(0.1)


async def test_leaving_a_watch_ends_the_stream() -> None:
    """Breaking out of the loop lets the server go."""
    servicer = Everything()

    def use(client: SyncClient) -> None:
        for event in client.backtests.handle("bt_endless").watch():
            if event.HasField("progress"):
                break

    await with_client(use, servicer)
    await asyncio.wait_for(servicer.left.wait(), 5)


async def test_interrupted_wait_cancels_its_call() -> None:
    """Ctrl-C in a waiting program ends the stream it waited for."""
    began, ended = threading.Event(), threading.Event()

    async def endless() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    loop = BackgroundLoop()

    def interrupt(*_: object) -> None:
        began.wait(5)
        raise KeyboardInterrupt

    # What a signal would raise in the waiting thread is raised here by the wait itself.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("concurrent.futures.Future.result", interrupt)
        with pytest.raises(KeyboardInterrupt):
            loop.run(endless())
    assert ended.wait(5)
    loop.close()


def test_closed_client_says_so() -> None:
    """A call after close() raises, close() again does not; no thread is left."""
    client = SyncClient()
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.backtests.get("bt_1")
    assert "stratopt-client" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("sync", "asynchronous"),
    [
        (SyncBacktestHandle, BacktestHandle),
        (SyncOptimizationHandle, OptimizationHandle),
        (SyncPager, Pager),
        (SyncClient, Client),
    ],
)
def test_faces_have_the_same_methods(sync: type, asynchronous: type) -> None:
    """Nothing is missing on one side, and the arguments have the same names and defaults."""
    assert _arguments(sync) == _arguments(asynchronous)


async def test_services_have_the_same_methods() -> None:
    """The same for what the client's attributes are."""
    with SyncClient() as sync:
        async with Client() as asynchronous:
            for name in ("strategies", "market_data", "backtests", "optimizations"):
                assert _arguments(type(getattr(sync, name))) == _arguments(type(getattr(asynchronous, name)))


def _arguments(kind: type) -> dict[str, list[tuple[str, object]]]:
    """Return the arguments of the public methods of a class."""
    return {
        name: [(given.name, given.default) for given in inspect.signature(method).parameters.values()]
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }
