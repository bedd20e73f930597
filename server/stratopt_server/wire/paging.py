"""Pages of lists: sizes, and tokens that say where the next page begins.

A token carries the key of the last row and a digest of the filter it came with, so that a foreign or
changed one is refused.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from stratopt_server.domain.errors import Violations
from stratopt_server.domain.market import from_microseconds, to_microseconds
from stratopt_server.domain.ports import Cursor, Page

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1_000

Row = TypeVar("Row")
Key = TypeVar("Key")


def page_size(request: Any, violations: Violations) -> int:
    """Read how many rows are wanted; a negative number is noted."""
    size: int = request.page_size
    if size < 0:
        violations.add("page_size", "INVALID_PAGE_SIZE", f"0 to {PAGE_SIZE_MAX}, not {size}", value=size)
    return min(size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)


def page_of(request: Any, violations: Violations) -> Page:
    """Read which page of rows by time and id is wanted; what is wrong is noted."""
    limit = page_size(request, violations)
    after = read_token(request, lambda key: Cursor(from_microseconds(key[0]), str(key[1])), violations)
    return Page(limit + 1, after)


def cut_page(request: Any, rows: Sequence[Row], key: Callable[[Row], Any]) -> tuple[Sequence[Row], str]:
    """Cut the rows to the page wanted; the token of the next page if there was one row more."""
    limit = min(request.page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    if len(rows) <= limit:
        return rows, ""
    return rows[:limit], write_token(request, key(rows[limit - 1]))


def cursor_key(row: Any) -> list[Any]:
    """The key of a row that has a moment and an id."""
    return [to_microseconds(row.created_at), row.id]


def write_token(request: Message, key: Any) -> str:
    """Make the token of the page behind the row of that key."""
    document = json.dumps([_digest(request), key]).encode()
    return base64.urlsafe_b64encode(document).decode()


def read_token(request: Any, parse: Callable[[Any], Key], violations: Violations) -> Key | None:
    """Read the token; None for the first page. A foreign, changed or broken one is noted."""
    if not request.page_token:
        return None
    try:
        digest, key = json.loads(base64.urlsafe_b64decode(request.page_token))
        if digest == _digest(request):
            return parse(key)
    except (binascii.Error, ValueError, TypeError, LookupError, OverflowError):
        pass
    violations.add(
        "page_token",
        "INVALID_PAGE_TOKEN",
        "give next_page_token of the page before, with the same filter, or nothing",
    )
    return None


def _digest(request: Message) -> str:
    """Digest of everything in the request but the page it is about."""
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("page_token")
    rest.ClearField("page_size")
    return hashlib.sha256(rest.SerializeToString(deterministic=True)).hexdigest()[:16]
