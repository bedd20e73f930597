"""Known sets first, then whatever a searcher proposes."""

from collections.abc import Sequence

from stratopt_server.optimizers.searcher import Candidate, Losses, Searcher, key_of


class WarmStart:
    """A searcher that is told of known sets before it begins."""

    def __init__(self, searcher: Searcher, initial: Sequence[Candidate]) -> None:
        """`initial` are feasible candidates."""
        self._searcher = searcher
        self._waiting = {key_of(candidate): candidate for candidate in initial}

    def ask(self, count: int) -> list[Candidate]:
        """Propose the known sets that were not told yet; after them, go on."""
        waiting = list(self._waiting.values())[:count]
        return [dict(candidate) for candidate in waiting] or self._searcher.ask(count)

    def tell(self, candidates: Sequence[Candidate], losses: Losses) -> None:
        """Pass it on."""
        for candidate in candidates:
            self._waiting.pop(key_of(candidate), None)
        self._searcher.tell(candidates, losses)
