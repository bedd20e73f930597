"""Which opportunities become pipelines of which strategies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from stratopt_server.domain.decisions import CriterionValue
from stratopt_server.domain.errors import Code, StratoptError
from stratopt_server.domain.opportunities import Opportunity
from stratopt_server.usecases.requests import OptimizationRequest


class Pick(Enum):
    """Which trial of a search is run and judged."""

    BEST = "best"
    ROBUST = "robust"
    """The middle of the best neighbourhood, or the best where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyPlan:
    """What a pipeline does with one strategy, read from a route."""

    search: OptimizationRequest
    """Of no symbol yet."""
    pick: Pick
    policy: str
    criteria: Mapping[str, CriterionValue]
    use_analysis_period: bool
    """Search the bars of the opportunity's analysis period only, where it names one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Opportunities of some kinds, and what becomes of them."""

    name: str
    kinds: frozenset[str]
    """Empty means any, as does the next."""
    symbols: frozenset[str]
    confidence_min: float | None
    plans: tuple[dict[str, Any], ...]
    """One for each strategy, as documents: a pipeline keeps its own."""

    def takes(self, opportunity: Opportunity) -> bool:
        """Tell whether it is for this opportunity."""
        sure_enough = self.confidence_min is None or (
            opportunity.confidence is not None and opportunity.confidence >= self.confidence_min
        )
        return (
            sure_enough
            and (not self.kinds or opportunity.kind in self.kinds)
            and (not self.symbols or opportunity.symbol in self.symbols)
        )


class NoRoutesFile(StratoptError):
    """There is nothing to reload."""

    def __init__(self) -> None:
        super().__init__(
            "this server was given no routes file: set STRATOPT_ROUTES_FILE and start it again",
            code=Code.FAILED_PRECONDITION,
            reason="NO_ROUTES_FILE",
        )


class Routes:
    """The routes in force. A reload that fails leaves them as they were."""

    def __init__(self, read: Callable[[], tuple[Route, ...]] | None) -> None:
        """`read` reads and checks the routes file; None where the server was given none."""
        self._read = read
        self.current: tuple[Route, ...] = () if read is None else read()

    def reload(self) -> tuple[Route, ...]:
        """Read the file again; raises RequestRefused naming what is wrong with it, or NoRoutesFile."""
        if self._read is None:
            raise NoRoutesFile
        self.current = self._read()
        return self.current

    def route_for(self, opportunity: Opportunity) -> Route | None:
        """Return the first that takes it."""
        return next((route for route in self.current if route.takes(opportunity)), None)
