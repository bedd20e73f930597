"""All of the relay: what goes out, what is answered and what comes in, in one context."""

from collections import Counter
from contextlib import AsyncExitStack

from stratopt_server.domain.parts import Part
from stratopt_server.relay.answerer import Answerer
from stratopt_server.relay.listener import Listener
from stratopt_server.relay.publisher import Publisher
from stratopt_server.relay.sockets import Sockets
from stratopt_server.usecases.dead_letters import DeadLetters


class Relay:
    """Starts and stops its parts together; each has a life of its own in between."""

    def __init__(
        self,
        sockets: Sockets,
        publisher: Publisher,
        answerer: Answerer,
        listeners: tuple[Listener, ...],
        dead_letters: DeadLetters,
    ) -> None:
        self._sockets = sockets
        self.publisher = publisher
        self.answerer = answerer
        self._dead_letters = dead_letters
        self._lives = (publisher.life, answerer.life, *(listener.life for listener in listeners))
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Begin."""
        await self._stack.enter_async_context(self._sockets.open())
        for life in self._lives:
            life.start()

    async def stop(self) -> None:
        """End every part, then their context."""
        for life in self._lives:
            await life.stop()
        await self._stack.aclose()

    def parts(self) -> list[Part]:
        """How every part is."""
        return [life.part() for life in self._lives]

    def messages_in(self) -> dict[str, int]:
        """Count what came in, by what became of it."""
        return dict(self._dead_letters.counts)

    def messages_out(self) -> dict[str, int]:
        """Count what went out, by topic or by the status of an answer."""
        return dict(Counter(self.publisher.counts) + self.answerer.counts)
