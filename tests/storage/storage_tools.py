"""What the storage tests share: pages read to their end, calls made at once, what may be a property."""

import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings

from stratopt_server.domain.paging import Cursor, Page

T = TypeVar("T")

# One storage serves all examples, and each storage runs the same property: both on purpose.
exactly = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.differing_executors,
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
WAIT_SECONDS = 20.0


def read_all(read: Callable[[Page], Sequence[Any]], *, limit: int) -> list[Any]:
    """Read page after page, each behind the last row of the one before, until one is empty."""
    rows: list[Any] = []
    after = None
    while page := read(Page(limit, after)):
        assert len(page) <= limit, "no page is longer than asked for"
        rows += page
        before, after = after, Cursor(page[-1].created_at, page[-1].id)
        assert after != before, "each page leads on"
    return rows


def at_once(*calls: Callable[[], T], leave: Callable[[], object] = lambda: None) -> list[T]:
    """Make each call in a thread of its own, all starting together; return what they return.

    Each thread calls `leave` before it ends, to close what is its own.
    """
    start = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        start.wait(WAIT_SECONDS)
        try:
            return call()
        finally:
            leave()

    with ThreadPoolExecutor(len(calls)) as threads:
        return [future.result(WAIT_SECONDS) for future in [threads.submit(run, call) for call in calls]]


@contextmanager
def hasty_threads() -> Iterator[None]:
    """Let threads interrupt each other after every few steps, so that races happen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def select(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Read a database as another service would: with nothing but SQL."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()
