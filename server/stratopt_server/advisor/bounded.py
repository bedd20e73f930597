"""Answers that are read only so far: what an API sends without end never fills the server's memory."""

from collections.abc import AsyncIterator

import httpx

WIRE_BYTES_MAX = 1_000_000
"""Of an answer as it is sent; the text inside has a limit of its own, by setting."""
PLAIN = "identity"
"""Asked for and insisted on: a megabyte that is packed may be a thousand."""


class AnswerTooLong(httpx.TransportError):
    """More is sent than is read, or it is packed."""


async def read_only_so_far(response: httpx.Response) -> None:
    """Hook of an HTTP client: bound what is read of a response; raises AnswerTooLong for a packed one."""
    if response.headers.get("Content-Encoding", PLAIN) != PLAIN:
        raise AnswerTooLong("the answer is packed")
    assert isinstance(response.stream, httpx.AsyncByteStream), "an asynchronous client has no other"
    response.stream = _Bounded(response.stream)


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > WIRE_BYTES_MAX:
                raise AnswerTooLong("the answer is too long")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
