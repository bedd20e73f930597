"""A feed of packages: every one of them, in order, once, through whatever is lost on the way."""

import asyncio
import contextlib
import inspect
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from stratopt_client.packages._requests import RequestFailed, Requests
from stratopt_client.packages._sockets import (
    HEARTBEAT_TOPIC,
    PACKAGES_TOPIC,
    REVOKED_TOPIC,
    CurveKeys,
    split,
    subscriber,
    zmq_asyncio,
)
from stratopt_client.packages._state import FeedState
from stratopt_client.packages._verify import (
    InvalidPackage,
    is_expired,
    key_bytes,
    key_id_of,
    read,
    signed_package,
    verify_revocation,
)

log = logging.getLogger(__name__)

KEPT_MAX = 1_000
"""Packages that are kept until it is their turn; others are asked for again."""
SILENCE_SECONDS = 15.0
"""Three heartbeats: after so long without a message the server is asked what is new."""
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.5, 30.0
"""Pause before a callback that has failed is called again: doubling, and spread."""

Document = dict[str, Any]
OnDocument = Callable[[Document], Awaitable[None] | None]


class HandoverFailed(Exception):
    """The callback has failed so often that the feed gave up; the package comes again in the next run."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How a callback that has failed is called again."""

    attempts_max: int | None = None
    """None means for ever; else HandoverFailed ends the run."""
    seconds_min: float = RETRY_SECONDS_MIN
    seconds_max: float = RETRY_SECONDS_MAX

    def pause(self, failures: int) -> float:
        """Return how long to wait after so many failures."""
        longest = min(self.seconds_max, self.seconds_min * 2.0 ** (failures - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - it spreads load, it keeps no secret


RETRIES = Retries()
"""For ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """Where a feed is, and what became of what came in since it was opened."""

    epoch: str = ""
    package_seq: int = 0
    """Last place that was handed over, or need not be."""
    revocation_seq: int = 0
    seconds_since_heard: float | None = None
    """Since the server's last message; None before the first."""
    handed_over: int = 0
    replayed: int = 0
    """Of those, or of the following, such as were asked for again."""
    revoked: int = 0
    expired: int = 0
    invalid: int = 0
    """Messages that are not signed by the server: never handed over."""
    failures: int = 0
    """Calls of the callback that raised."""


@dataclass(slots=True)
class _Line:
    """One of the two orders: what is kept until its turn, and the newest place heard of."""

    topic: bytes
    method: str
    rows: str
    check: Callable[[Any, bytes], Document]
    """Returns what was signed; raises InvalidPackage."""
    kept: dict[int, Document | None] = field(default_factory=dict)
    """None stands for what came out of a replay and is not signed."""
    newest: int = 0

    def offer(self, seq: int, document: Document | None) -> None:
        """Keep it, if there is room."""
        self.newest = max(self.newest, seq)
        if len(self.kept) < KEPT_MAX:
            self.kept[seq] = document

    def forget(self, up_to: int) -> None:
        """Drop what has had its turn."""
        for seq in [seq for seq in self.kept if seq <= up_to]:
            del self.kept[seq]


class PackageFeed:
    """Subscribes to packages, asks for those it missed, and hands over each one once.

    async with PackageFeed("tcp://127.0.0.1:5556", requests="tcp://127.0.0.1:5557", key=KEY,
                           state="trader.db") as feed:
        await feed.run(on_package)

    In order of their places, after their signature was checked; neither expired nor revoked ones. A callback
    that raises is called again. The place is stored after the callback has returned: a process that is killed
    between the two hears that package again, and its `package_id` tells.
    """

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
        """`address` publishes, `requests` answers; `key` is the server's Ed25519 key, 32 bytes or their hex.

        `state` is the file that remembers the place; without one a new run begins anew. A feed without a
        place begins with the first package there ever was, or with "new" behind the newest. Raises
        UnusableState or UnusableKeys.
        """
        self._key = key_bytes(key)
        self._address = address
        self._requests_address = requests
        self._start = start
        self._curve = curve
        self._retries = retries
        self._silence_seconds = silence_seconds
        self._state = FeedState(state, key_id_of(self._key))
        self._packages = _Line(PACKAGES_TOPIC, "package.replay", "packages", signed_package)
        self._revocations = _Line(REVOKED_TOPIC, "package.revocations", "revocations", verify_revocation)
        self._status = FeedStatus()
        self._heard_at: float | None = None
        self._news = asyncio.Event()
        self._stopped = False
        self._doubt = not self._state.is_new
        """Whether the server must be asked which epoch it is in."""
        self._failures = 0
        self._context: Any = None
        self._requests: Requests | None = None

    async def __aenter__(self) -> Self:
        """Open the sockets."""
        self._context = zmq_asyncio().asyncio.Context()
        self._requests = Requests(self._context, self._requests_address, self._curve)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close everything; the state stays."""
        if self._requests is not None:
            self._requests.close()
        self._context.destroy(linger=0)
        self._state.close()

    def status(self) -> FeedStatus:
        """Return where the feed is."""
        heard = None if self._heard_at is None else time.monotonic() - self._heard_at
        return replace(
            self._status,
            epoch=self._state.epoch,
            package_seq=self._state.package_seq,
            revocation_seq=self._state.revocation_seq,
            seconds_since_heard=heard,
        )

    def stop(self) -> None:
        """Have `run` return once what it hands over now is done. May be called by a callback."""
        self._stopped = True
        self._news.set()

    async def run(self, on_package: OnDocument, on_revocation: OnDocument | None = None) -> None:
        """Hand over packages, and revocations if asked, for ever; raises HandoverFailed."""
        self._stopped = False
        socket = subscriber(
            self._context, self._address, self._curve, PACKAGES_TOPIC, REVOKED_TOPIC, HEARTBEAT_TOPIC
        )
        hearing = asyncio.create_task(self._hear(socket))
        try:
            while not self._stopped:
                self._news.clear()
                pause = await self._advance(on_package, on_revocation)
                if pause:
                    await self._wait(pause, hearing)
        finally:
            hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hearing
            socket.close()

    async def _advance(self, on_package: OnDocument, on_revocation: OnDocument | None) -> float:
        """Take one thing further; return how long to wait before there is more to do, 0 for not at all."""
        if self._state.is_new or self._doubt:
            await self._find_epoch()
            return 0
        # Revocations first: what is revoked is not handed over.
        if (place := self._state.revocation_seq + 1) <= self._revocations.newest:
            if place not in self._revocations.kept:
                return await self._replay(self._revocations, place)
            return await self._pass_revocation(place, on_revocation)
        if (place := self._state.package_seq + 1) <= self._packages.newest:
            if place not in self._packages.kept:
                return await self._replay(self._packages, place)
            return await self._pass_package(place, on_package)
        return self._silence_seconds

    async def _wait(self, seconds: float, hearing: "asyncio.Task[None]") -> None:
        """Wait for news; after silence, ask the server itself."""
        waiting = asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait({waiting, hearing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if hearing.done():
            hearing.result()
        if seconds == self._silence_seconds and not self._news.is_set():
            self._doubt = True

    async def _pass_revocation(self, place: int, on_revocation: OnDocument | None) -> float:
        document = self._revocations.kept[place]
        if document is not None and on_revocation is not None:
            pause = await self._call(on_revocation, document)
            if pause:
                return pause
        package_id = None if document is None else str(document.get("package_id"))
        self._state.pass_revocation(place, package_id)
        self._revocations.forget(place)
        return 0

    async def _pass_package(self, place: int, on_package: OnDocument) -> float:
        document = self._packages.kept[place]
        if document is not None:
            if self._state.is_revoked(str(document.get("package_id"))):
                self._count(revoked=1)
                self._failures = 0
            elif self._is_over(document):
                self._count(expired=1)
                self._failures = 0
            else:
                pause = await self._call(on_package, document)
                if pause:
                    return pause
                self._count(handed_over=1)
        self._state.pass_package(place)
        self._packages.forget(place)
        return 0

    async def _call(self, callback: OnDocument, document: Document) -> float:
        """Call back; return how long to wait before it is called again, 0 if it went well."""
        try:
            result = callback(dict(document))
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            self._failures += 1
            self._count(failures=1)
            what = document.get("package_id")
            if self._retries.attempts_max is not None and self._failures >= self._retries.attempts_max:
                raise HandoverFailed(f"{what} was not taken in {self._failures} attempts") from error
            pause = self._retries.pause(self._failures)
            log.warning("%s was not taken, again in %.1f s", what, pause, exc_info=error)
            return pause
        self._failures = 0
        return 0

    def _is_over(self, document: Document) -> bool:
        try:
            return is_expired(document, datetime.now(UTC))
        except InvalidPackage:
            return True

    async def _find_epoch(self) -> None:
        """Learn which epoch the server is in and what its newest places are; begin there if it is another."""
        packages = await self._ask(self._packages, from_seq=1, to_seq=1)
        revocations = await self._ask(self._revocations, from_seq=1, to_seq=1)
        self._doubt = False
        if packages is None or revocations is None:
            return
        epoch, last, last_revocation = str(packages["epoch"]), packages["last_seq"], revocations["last_seq"]
        if epoch != self._state.epoch:
            if not self._state.is_new:
                log.warning("the server is in another epoch: %s, not %s", epoch, self._state.epoch)
            skips = self._state.is_new and self._start == "new"
            self._state.begin(epoch, last if skips else 0, last_revocation if skips else 0)
            for line in (self._packages, self._revocations):
                line.kept.clear()
        self._packages.newest, self._revocations.newest = last, last_revocation

    async def _replay(self, line: _Line, place: int) -> float:
        """Ask for what is missing from that place on."""
        last = min((seq for seq in line.kept if seq > place), default=line.newest + 1) - 1
        result = await self._ask(line, epoch=self._state.epoch, from_seq=place, to_seq=last)
        if result is None:  # it knows no such epoch
            self._doubt = True
            return 0
        documents = result[line.rows]
        kept = len(line.kept)
        for document in documents[:KEPT_MAX]:
            signed = self._signed(line, document)
            # What is not signed takes the place it was sent at, so that it cannot stop the feed for ever.
            seq = place if signed is None else signed["seq"]
            if seq < place or (signed is not None and signed["epoch"] != self._state.epoch):
                continue
            line.kept[seq] = signed
            self._count(replayed=1)
            place = seq + 1
        if len(line.kept) > kept:
            return 0
        line.newest = min(line.newest, result["last_seq"])
        return self._retries.seconds_min

    async def _ask(self, line: _Line, **span: Any) -> Any:
        """Return the server's answer; None if it has no such epoch. Asks again where it makes no sense."""
        assert self._requests is not None, "a feed is used with 'async with'"
        while True:
            try:
                result = await self._requests.ask(line.method, **span)
            except RequestFailed as error:
                if error.code == "NOT_FOUND":
                    return None
                log.warning("%s: %s (%s)", line.method, error, error.code)
            else:
                if isinstance(result.get(line.rows), list) and isinstance(result.get("last_seq"), int):
                    return result
                log.warning("%s: an answer that makes no sense", line.method)
            await asyncio.sleep(self._retries.pause(3))

    async def _hear(self, socket: Any) -> None:
        """Note what is published; a message that is not signed by the server moves nothing."""
        while True:
            topic, body = split(await socket.recv_multipart())
            self._heard_at = time.monotonic()
            if topic == HEARTBEAT_TOPIC:
                self._hear_beat(body)
            for line in (self._packages, self._revocations):
                if topic == line.topic:
                    self._hear_document(line, body)

    def _hear_beat(self, body: bytes) -> None:
        """Look whether there is more than we have; a beat is not signed, so the server is asked."""
        try:
            beat = read(body)
        except InvalidPackage:
            return
        if beat.get("epoch") != self._state.epoch:
            self._doubt = True
            self._news.set()
            return
        for line, name in ((self._packages, "last_seq"), (self._revocations, "last_revocation_seq")):
            last = beat.get(name)
            if isinstance(last, int) and last > line.newest:
                line.newest = last
                self._news.set()

    def _hear_document(self, line: _Line, body: bytes) -> None:
        signed = self._signed(line, body)
        if signed is None:
            return
        if signed["epoch"] != self._state.epoch:
            self._doubt = True
        else:
            have = self._state.package_seq if line is self._packages else self._state.revocation_seq
            if signed["seq"] <= have:
                return
            line.offer(signed["seq"], signed)
        self._news.set()

    def _signed(self, line: _Line, message: Any) -> Document | None:
        """Return what the server signed for this line; else count it, say so, and return None."""
        try:
            return _placed(line.check(message, self._key))
        except InvalidPackage as error:
            self._count(invalid=1)
            log.warning("a message that is not to be believed: %s (%s)", error, error.reason)
            return None

    def _count(self, **more: int) -> None:
        changed = {name: getattr(self._status, name) + count for name, count in more.items()}
        self._status = replace(self._status, **changed)


def _placed(signed: Document) -> Document:
    if isinstance(signed.get("seq"), int) and isinstance(signed.get("epoch"), str):
        return signed
    raise InvalidPackage("MALFORMED", "there is no place in it")
