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
Place = tuple[str, int]
"""An epoch, and a seq in it."""
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
    """The server's present one."""
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
    kept: dict[Place, Document | None] = field(default_factory=dict)
    """None stands for what came out of a replay and is not to be believed."""
    newest: dict[str, int] = field(default_factory=dict)
    """The newest place heard of in each epoch of the server, the present one last."""

    def offer(self, place: Place, document: Document | None) -> None:
        """Keep it, if there is room."""
        epoch, seq = place
        self.newest[epoch] = max(self.newest[epoch], seq)
        if len(self.kept) < KEPT_MAX:
            self.kept[place] = document

    def next(self, passed: Callable[[str], int]) -> Place | None:
        """Return the first place whose turn has not come; `passed` tells the last of an epoch that had it."""
        for epoch, newest in self.newest.items():
            if (seq := passed(epoch) + 1) <= newest:
                return epoch, seq
        return None

    def forget(self, passed: Place) -> None:
        """Drop what has had its turn."""
        epoch, up_to = passed
        for place in [place for place in self.kept if place[0] == epoch and place[1] <= up_to]:
            del self.kept[place]


class PackageFeed:
    """Subscribes to packages, asks for those it missed, and hands over each one once.

    async with PackageFeed("tcp://127.0.0.1:5556", requests="tcp://127.0.0.1:5557", key=KEY,
                           state="trader.db") as feed:
        await feed.run(on_package)

    In order of their places, after their signature was checked; neither expired nor revoked ones. Places are
    remembered for each epoch: a server whose database was restored begins a new one, and still has what the
    backup held of those before, which comes first and not twice. A callback
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
        self._doubt = True
        """Whether the server must be asked which epochs it has."""
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
        epoch = next(reversed(self._packages.newest), "")
        places = self._state.places(epoch)
        return replace(
            self._status,
            epoch=epoch,
            package_seq=places.package_seq,
            revocation_seq=places.revocation_seq,
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
        if self._doubt:
            await self._find_epochs()
            return 0
        # Revocations first, of every epoch: what is revoked is not handed over.
        place = self._revocations.next(lambda epoch: self._state.places(epoch).revocation_seq)
        if place is not None:
            if place not in self._revocations.kept:
                return await self._replay(self._revocations, place)
            return await self._pass_revocation(place, on_revocation)
        place = self._packages.next(lambda epoch: self._state.places(epoch).package_seq)
        if place is not None:
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

    async def _pass_revocation(self, place: Place, on_revocation: OnDocument | None) -> float:
        document = self._revocations.kept[place]
        if document is not None and on_revocation is not None:
            pause = await self._call(on_revocation, document)
            if pause:
                return pause
        package_id = None if document is None else str(document.get("package_id"))
        self._state.pass_revocation(*place, package_id)
        self._revocations.forget(place)
        return 0

    async def _pass_package(self, place: Place, on_package: OnDocument) -> float:
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
        self._state.pass_package(*place)
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

    async def _find_epochs(self) -> None:
        """Learn which epochs the server has had, and the newest places of each; say if there is a new one."""
        packages = await self._ask(self._packages, from_seq=1, to_seq=1)
        revocations = await self._ask(self._revocations, from_seq=1, to_seq=1)
        self._doubt = False
        if packages is None or revocations is None:
            return
        self._packages.newest, self._revocations.newest = _epochs(packages), _epochs(revocations)
        last, last_revocations = self._packages.newest, self._revocations.newest
        for line in (self._packages, self._revocations):
            line.kept = {place: document for place, document in line.kept.items() if place[0] in last}
        unknown = [epoch for epoch in last if not self._state.knows(epoch)]
        if not unknown:
            return
        skips = self._state.is_new and self._start == "new"
        if not self._state.is_new:
            log.warning("the server is in another epoch: %s", next(reversed(last)))
        self._state.begin(
            (epoch, last[epoch] if skips else 0, last_revocations.get(epoch, 0) if skips else 0)
            for epoch in unknown
        )

    async def _replay(self, line: _Line, place: Place) -> float:
        """Ask for what is missing from that place on."""
        epoch, seq = place
        newest = line.newest[epoch]
        later = (kept for of, kept in line.kept if of == epoch and kept > seq)
        result = await self._ask(line, epoch=epoch, from_seq=seq, to_seq=min(later, default=newest + 1) - 1)
        if result is None:  # it knows no such epoch
            self._doubt = True
            return 0
        documents = result[line.rows][:KEPT_MAX]
        for document in documents:
            signed = self._signed(line, document)
            # What is not to be believed takes the place it was sent at, so that it cannot stop the feed for
            # ever; so does a document of another epoch.
            if signed is not None and signed["epoch"] == epoch:
                if signed["seq"] < seq:
                    continue
                seq = signed["seq"]
            else:
                signed = None
            line.kept[epoch, seq] = signed
            self._count(replayed=1)
            seq += 1
        if place in line.kept:
            return 0
        if documents and seq == place[1]:
            self._count(invalid=1)
            line.kept[place] = None  # it answers with what we had: there is nothing at this place
            return 0
        line.newest[epoch] = min(newest, result["last_seq"])
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
        epoch = beat.get("epoch")
        if not isinstance(epoch, str) or epoch != next(reversed(self._packages.newest), None):
            self._doubt = True
            self._news.set()
            return
        for line, name in ((self._packages, "last_seq"), (self._revocations, "last_revocation_seq")):
            last = beat.get(name)
            if isinstance(last, int) and last > line.newest.get(epoch, 0):
                line.newest[epoch] = last
                self._news.set()

    def _hear_document(self, line: _Line, body: bytes) -> None:
        signed = self._signed(line, body)
        if signed is None:
            return
        epoch, seq = signed["epoch"], signed["seq"]
        if epoch not in line.newest:
            self._doubt = True
        else:
            places = self._state.places(epoch)
            if seq <= (places.package_seq if line is self._packages else places.revocation_seq):
                return
            line.offer((epoch, seq), signed)
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


def _epochs(answer: Any) -> dict[str, int]:
    """Read the newest place of every epoch of the server, the present one last."""
    told = answer.get("epochs")
    if not isinstance(told, list) or not told:
        told = [answer]
    return {str(place["epoch"]): int(place["last_seq"]) for place in told}


def _placed(signed: Document) -> Document:
    if isinstance(signed.get("seq"), int) and isinstance(signed.get("epoch"), str):
        return signed
    raise InvalidPackage("MALFORMED", "there is no place in it")
