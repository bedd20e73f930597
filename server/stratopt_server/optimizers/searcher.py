"""The port every searcher fills."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stratopt_server.domain.parameters import ParameterValue

Candidate = dict[str, ParameterValue]
"""A proposed parameter set: every parameter of the strategy, in order of name."""
Losses = NDArray[np.float64]
"""Of evaluated candidates, shape (candidates, objectives): finite, smaller being better."""
Key = tuple[ParameterValue, ...]


class Searcher(Protocol):
    """Proposes what to try next.

    What it proposes is a function of its space, its seed and the batches it was told: `ask` changes nothing,
    and another searcher that was told the same goes on in the same way.
    """

    def ask(self, count: int) -> list[Candidate]:
        """Propose up to `count` feasible candidates, none of them told before, each once.

        None at all means that there are no others.
        """
        ...

    def tell(self, candidates: Sequence[Candidate], losses: Losses) -> None:
        """Learn what came of a batch of candidates, whoever proposed them."""
        ...


def key_of(candidate: Candidate) -> Key:
    """What two equal candidates have in common."""
    return tuple(candidate.values())


def batch_rng(seed: int, batch: int) -> np.random.Generator:
    """The randomness of one batch, or of one piece of a sequence: its own, whatever came before."""
    return np.random.default_rng(np.random.SeedSequence([seed, batch]))
