"""Lists that are fetched a page at a time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list."""

    rows: Sequence[Row]
    next_page_token: str
    """Asks for the next page; empty at the end."""


class Pager(Generic[Row]):
    """A list: iterate over it with `async for` for every row, or take a page at a time."""

    def __init__(self, fetch: Callable[[int, str], Awaitable[Page[Row]]], *, page_size: int) -> None:
        """`fetch` takes the size and the token of a page; iterating fetches pages of `page_size`."""
        self._fetch = fetch
        self._page_size = page_size

    async def __aiter__(self) -> AsyncIterator[Row]:
        """Yield every row, fetching pages as they are needed."""
        token = ""
        while True:
            page = await self._fetch(self._page_size, token)
            for row in page.rows:
                yield row
            token = page.next_page_token
            if not token:
                return

    async def page(self, *, size: int = 0, token: str = "") -> Page[Row]:
        """Return one page; size 0 leaves it to the server, an empty token asks for the first."""
        return await self._fetch(size, token)
