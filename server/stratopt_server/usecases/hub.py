"""Wakes those who watch a job when its rows change."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Hub:
    """Who waits for news of which job. The news themselves are rows."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def listening(self, job_id: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the job's rows change."""
        news = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(news)
        try:
            yield news
        finally:
            waiting = self._waiting[job_id]
            waiting.discard(news)
            if not waiting:
                del self._waiting[job_id]

    def notify(self, job_id: str) -> None:
        """Wake everyone who listens to the job."""
        for news in self._waiting.get(job_id, ()):
            news.set()

    def notify_all(self) -> None:
        """Wake everyone."""
        for job_id in list(self._waiting):
            self.notify(job_id)
