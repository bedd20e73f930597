"""What came in and could not be used, in memory."""

from collections.abc import Sequence

from stratopt_server.domain.opportunities import Cause, DeadLetter
from stratopt_server.domain.paging import Page
from stratopt_server.storage.memory.tables import Memory, cut, one_at_a_time


@one_at_a_time
class MemoryDeadLetterStore:
    """The newest messages that could not be used."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def add(self, letters: Sequence[DeadLetter], *, kept_max: int) -> None:
        """Store them, in order; of all that are stored only the newest `kept_max` stay."""
        with self._memory.transaction():
            rows = self._memory.tables.dead_letters
            rows.update({letter.id: letter for letter in letters})
            for letter in cut(list(rows.values()), Page(len(rows)))[kept_max:]:
                del rows[letter.id]

    def page(self, page: Page, *, cause: Cause | None = None) -> list[DeadLetter]:
        """Return a page of them, newest first."""
        rows = self._memory.tables.dead_letters.values()
        return cut([letter for letter in rows if cause in (None, letter.cause)], page)
