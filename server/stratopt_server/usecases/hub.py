"""Wakes those who watch a job when its rows change."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_PER_LISTENER = 0.005
"""Pause between two wakes of a job's listeners, for each of them: 50 are told of progress four times a
second, 200 once. Telling takes time that the job would have; nothing is lost, since the news are rows."""


class Hub:
    """Who waits for news of which job. The news themselves are rows."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._woken_at: dict[str, float] = {}
        self._due: dict[str, asyncio.TimerHandle] = {}
        self._followers: list[tuple[Callable[[str], None], bool]] = []

    def follow(self, tell: Callable[[str], None], *, of_others: bool = True) -> None:
        """Have `tell` called with the id of every job or pipeline whose rows change; it must be quick.

        With `of_others` also of those that another server changes, where it tells.
        """
        self._followers.append((tell, of_others))

    @contextmanager
    def listening(self, job_id: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set when the job's rows have changed."""
        news = asyncio.Event()
        self._waiting.setdefault(job_id, set()).add(news)
        try:
            yield news
        finally:
            waiting = self._waiting[job_id]
            waiting.discard(news)
            if not waiting:
                del self._waiting[job_id]
                self._woken_at.pop(job_id, None)

    def notify(self, job_id: str, *, here: bool = True) -> None:
        """Wake everyone who listens to the job: now, or at the end of their pause.

        `here` says that this server changed the rows.
        """
        for tell, of_others in self._followers:
            if here or of_others:
                tell(job_id)
        waiting = self._waiting.get(job_id)
        if not waiting or job_id in self._due:
            return
        loop = asyncio.get_running_loop()
        pause_ends = self._woken_at.get(job_id, float("-inf")) + len(waiting) * SECONDS_PER_LISTENER
        if loop.time() >= pause_ends:
            self._wake(job_id)
        else:
            self._due[job_id] = loop.call_at(pause_ends, self._wake, job_id)

    def notify_all(self) -> None:
        """Wake everyone now."""
        for job_id in list(self._waiting):
            self._wake(job_id)

    def _wake(self, job_id: str) -> None:
        due = self._due.pop(job_id, None)
        if due is not None:
            due.cancel()
        if job_id in self._waiting:
            self._woken_at[job_id] = asyncio.get_running_loop().time()
            for news in self._waiting[job_id]:
                news.set()
