"""The feed for programs without asyncio: the callback runs in the thread that called `run`."""

import asyncio
import queue
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

from stratopt_client._loop import BackgroundLoop
from stratopt_client.packages._feed import (
    RETRIES,
    SILENCE_SECONDS,
    Document,
    FeedStatus,
    PackageFeed,
    Retries,
)
from stratopt_client.packages._sockets import CurveKeys

POLL_SECONDS = 0.2
"""How soon an interrupt is noticed while nothing comes."""

Callback = Callable[[Document], None]


class _Handed:
    """A document on its way to the caller's thread, and the answer on its way back."""

    def __init__(self, callback: Callback, document: Document) -> None:
        self._loop = asyncio.get_running_loop()
        self._callback = callback
        self._document = document
        self.taken: asyncio.Future[None] = self._loop.create_future()

    def take(self) -> None:
        """Call back in this thread, and tell the loop how it went."""
        try:
            self._callback(self._document)
        except Exception as error:  # noqa: BLE001 - the feed calls again
            self._loop.call_soon_threadsafe(self._answer, error)
        else:
            self._loop.call_soon_threadsafe(self._answer, None)

    def _answer(self, error: Exception | None) -> None:
        if self.taken.done():
            return
        if error is None:
            self.taken.set_result(None)
        else:
            self.taken.set_exception(error)


class SyncPackageFeed:
    """What PackageFeed is, used with `with`; its `run` waits, and calls back in the same thread."""

    def __init__(
        self,
        address: str,
        *,
        requests: str,
        key: bytes | str,
        state: str | Path | None = None,
        start: Literal["all", "new"] = "all",
        curve: CurveKeys | None = None,
        retries: Retries = RETRIES,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        """As PackageFeed."""

        async def made() -> PackageFeed:
            return PackageFeed(
                address,
                requests=requests,
                key=key,
                state=state,
                start=start,
                curve=curve,
                retries=retries,
                silence_seconds=silence_seconds,
            )

        self._loop = BackgroundLoop()
        try:
            self._feed = self._loop.run(made())
        except BaseException:
            self._loop.close()
            raise
        self._handed: queue.SimpleQueue[_Handed] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        """Open the sockets."""
        self._loop.run(self._feed.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything; the state stays."""
        self._loop.run(self._feed.__aexit__())
        self._loop.close()

    def status(self) -> FeedStatus:
        """Return where the feed is."""
        return self._feed.status()

    def stop(self) -> None:
        """Have `run` return once what it hands over now is done; any thread may call it."""
        self._loop.call(self._feed.stop)

    def run(self, on_package: Callback, on_revocation: Callback | None = None) -> None:
        """Hand over packages, and revocations if asked, for ever; raises HandoverFailed."""
        running = self._loop.begin(
            self._feed.run(
                self._bridge(on_package), None if on_revocation is None else self._bridge(on_revocation)
            )
        )
        try:
            while not running.is_done:
                with suppress(queue.Empty):
                    self._handed.get(timeout=POLL_SECONDS).take()
            running.result()
        finally:
            running.end()

    def _bridge(self, callback: Callback) -> Callable[[Document], "asyncio.Future[None]"]:
        def hand_over(document: Document) -> "asyncio.Future[None]":
            handed = _Handed(callback, document)
            self._handed.put(handed)
            return handed.taken

        return hand_over
