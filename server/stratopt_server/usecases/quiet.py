"""Says the same thing once a minute, however often it happens."""

import logging
from collections import Counter
from datetime import datetime, timedelta

SILENCE = timedelta(minutes=1)


class QuietLog:
    """A logger for what may come in floods: one line a minute for each kind, with how many there were."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said_at: dict[str, datetime] = {}
        self._unsaid: Counter[str] = Counter()

    def warn(self, kind: str, message: str, *, now: datetime) -> None:
        """Say it, unless something of that kind was said less than a minute ago."""
        said_at = self._said_at.get(kind)
        if said_at is not None and now - said_at < SILENCE:
            self._unsaid[kind] += 1
            return
        more = self._unsaid.pop(kind, 0)
        self._said_at[kind] = now
        self._log.warning("%s: %s%s", kind, message, f" (and {more} more like it)" if more else "")
