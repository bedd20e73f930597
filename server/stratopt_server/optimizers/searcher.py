"""The port every searcher fills."""

from collections.abc import Sequence
from typing import Protocol

from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.parameters import ParameterValue

Candidate = dict[str, ParameterValue]
"""A proposed parameter set: every parameter of the strategy, in order of name."""


class Searcher(Protocol):
    """Proposes what to try next."""

    def ask(self, count: int) -> list[Candidate]:
        """Propose up to `count` feasible candidates, none of them proposed before.

        Fewer than `count` means that there are no others; the next call then proposes none.
        """
        ...

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn what came of the candidates of the last `ask`, in the order of proposal."""
        ...
