"""An event loop in a thread of its own, for callers that have none."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic, TypeVar

CANCEL_SECONDS_MAX = 1.0
"""How long an interrupted caller waits for its work to take note."""

Value = TypeVar("Value")


class BackgroundLoop:
    """Runs coroutines for a caller that waits for them."""

    def __init__(self) -> None:
        """Start the thread; it does not keep the process alive."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stratopt-client", daemon=True)
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Tell whether it runs nothing any more."""
        return self._loop.is_closed()

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Return what the coroutine returns; an interrupted wait cancels it."""
        if self.is_closed:
            work.close()
            raise RuntimeError("the client is closed")
        ended = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_tracked(work, ended), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            ended.wait(CANCEL_SECONDS_MAX)
            raise

    def begin(self, work: Coroutine[Any, Any, Value]) -> "Begun[Value]":
        """Begin with the coroutine and return at once."""
        ended = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_tracked(work, ended), self._loop)
        return Begun(future, ended)

    def call(self, function: Callable[[], object]) -> None:
        """Have the loop call the function soon; any thread may ask."""
        self._loop.call_soon_threadsafe(function)

    def iterate(self, items: AsyncIterator[Value]) -> Iterator[Value]:
        """Yield what the iterator yields; leaving early closes it."""
        try:
            while True:
                try:
                    yield self.run(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            if not self.is_closed:
                self.run(_close(items))

    def close(self) -> None:
        """End what still runs, and the thread."""
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Begun(Generic[Value]):
    """Work that a caller has begun and looks after."""

    def __init__(self, future: "Future[Value]", ended: threading.Event) -> None:
        """`ended` is set when nothing of it runs any more."""
        self._future = future
        self._ended = ended

    @property
    def is_done(self) -> bool:
        """Tell whether there is a result."""
        return self._future.done()

    def result(self) -> Value:
        """Wait for the result, or raise what the work raised."""
        return self._future.result()

    def end(self) -> None:
        """Cancel it if it still runs, and wait until nothing of it does."""
        self._future.cancel()
        self._ended.wait(CANCEL_SECONDS_MAX)


async def _tracked(work: Coroutine[Any, Any, Value], ended: threading.Event) -> Value:
    """Tell the waiting thread when nothing of the work runs any more, cancelled or not."""
    try:
        return await work
    finally:
        ended.set()


async def _next(items: AsyncIterator[Value]) -> Value:
    return await anext(items)


async def _close(items: object) -> None:
    """Close an async generator; other iterators hold nothing open."""
    close = getattr(items, "aclose", None)
    if close is not None:
        await close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    for task in others:
        with suppress(asyncio.CancelledError, Exception):
            await task
    await asyncio.get_running_loop().shutdown_asyncgens()
