"""Pages of lists: sizes, and tokens that say where the next page begins.

A token carries the key of the last row and a digest of the filter it came with, so that a foreign or
changed one is refused.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from google.protobuf.message import Message

from stratopt_server.domain.errors import Violations
from stratopt_server.domain.market import from_microseconds, to_microseconds
from stratopt_server.domain.paging import Cursor, Page

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1_000
PAGE_BYTES_MAX = 3_000_000
"""Size of one page: its rows may be long, and a message has a limit."""
TOKEN_LENGTH_MAX = 1_000
TRIAL_NUMBER_MAX = 1 << 62

Row = TypeVar("Row")
Key = TypeVar("Key")
Sent = TypeVar("Sent", bound=Message)


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


def cut_page(
    request: Any, rows: Sequence[Row], convert: Callable[[Row], Sent], *, key: Callable[[Row], Any]
) -> tuple[list[Sent], str]:
    """Convert the rows that fit on the page wanted; the token of the next page if some are left.

    A page ends early where its messages would grow too large; it has at least one.
    """
    limit = min(request.page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    sent: list[Sent] = []
    size = 0
    for row in rows[:limit]:
        message = convert(row)
        size += message.ByteSize()
        if sent and size > PAGE_BYTES_MAX:
            break
        sent.append(message)
    if len(sent) == len(rows):
        return sent, ""
    return sent, write_token(request, key(rows[len(sent) - 1]))


def trial_number(key: Any) -> int:
    """Read the number of the last trial of a page off its token."""
    if not isinstance(key, int) or not 0 <= key <= TRIAL_NUMBER_MAX:
        raise ValueError(key)
    return key


def cursor_key(row: Any) -> list[Any]:
    """The key of a row that has a moment and an id."""
    return [to_microseconds(row.created_at), row.id]


def write_token(request: Message, key: Any) -> str:
    """Make the token of the page behind the row of that key."""
    document = json.dumps([_digest(request, key), key]).encode()
    return base64.urlsafe_b64encode(document).decode()


def read_token(request: Any, parse: Callable[[Any], Key], violations: Violations) -> Key | None:
    """Read the token; None for the first page. A foreign, changed or broken one is noted."""
    token: str = request.page_token
    if not token:
        return None
    with suppress(ValueError, TypeError, LookupError, OverflowError, RecursionError):
        _, key = json.loads(base64.urlsafe_b64decode(token[:TOKEN_LENGTH_MAX]))
        if token == write_token(request, key):
            return parse(key)
    violations.add(
        "page_token",
        "INVALID_PAGE_TOKEN",
        "give next_page_token of the page before, with the same filter, or nothing",
    )
    return None


def _digest(request: Message, key: Any) -> str:
    """Digest of the list, its filter and the key."""
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("page_token")
    rest.ClearField("page_size")
    wanted = rest.SerializeToString(deterministic=True).hex()
    parts = "\n".join((request.DESCRIPTOR.full_name, json.dumps(key), wanted))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]
