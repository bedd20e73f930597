"""The life of one part of the relay: after a fault it begins anew, for ever, later each time."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import zmq

from stratopt_server.domain.errors import Unavailable
from stratopt_server.domain.parts import Part, PartStatus
from stratopt_server.tasks import end

log = logging.getLogger(__name__)

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.2, 10.0


class Life:
    """Keeps one piece of work going and knows how it is."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], *, where: str) -> None:
        """`where` is the setting's address; empty means off. `work` says `well` once it has begun."""
        self.name = name
        self._work = work
        self._where = where
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""
        self._detail: str | None = None
        self._waits_for = ""

    @property
    def is_on(self) -> bool:
        """Whether it was asked for."""
        return bool(self._where)

    def start(self) -> None:
        """Begin, unless it is off."""
        if self.is_on:
            self._task = asyncio.create_task(self._live(), name=self.name)

    async def stop(self) -> None:
        """End it."""
        await end(self._task)

    def well(self, detail: str) -> None:
        """Say that the work goes on, and where."""
        self._detail, self._waits_for = detail, ""

    def stand_by(self, waits_for: str) -> None:
        """Say that the work is another's for now."""
        self._detail, self._waits_for = None, waits_for

    def ill(self, trouble: str) -> None:
        """Say what is wrong while the work goes on."""
        self._detail, self._trouble = None, trouble

    def part(self) -> Part:
        """How it is."""
        if not self.is_on:
            return Part(self.name, PartStatus.IDLE, "off by setting")
        if self._waits_for:
            return Part(self.name, PartStatus.IDLE, self._waits_for)
        if self._detail is None:
            return Part(self.name, PartStatus.ILL, self._trouble or "not begun yet")
        return Part(self.name, PartStatus.OK, self._detail)

    async def _live(self) -> None:
        pause = RETRY_SECONDS_MIN
        while True:
            try:
                await self._work()
            except (zmq.ZMQError, OSError, Unavailable) as error:
                self._trouble = f"{self._where}: {error}"
                log.warning("%s: %s; trying again", self.name, self._trouble)
            except Exception as error:  # whatever it is, it may pass
                self._trouble = f"the work stopped: {type(error).__name__}"
                log.exception("%s: trying again", self.name)
            finally:
                if self._detail is not None:
                    pause = RETRY_SECONDS_MIN  # it had begun: this is another trouble
                self._detail, self._waits_for = None, ""
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - it spreads load, no more
            pause = min(pause * 2, RETRY_SECONDS_MAX)


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Do all of it at once, until one part fails: the others end, and its fault is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None
