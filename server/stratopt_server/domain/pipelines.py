"""What becomes of an opportunity: every strategy of its route is searched, run and judged."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from stratopt_server.domain.decisions import DecisionOutcome
from stratopt_server.domain.jobs import Failure, JobStatus
from stratopt_server.domain.opportunities import Opportunity
from stratopt_server.domain.paging import Page


class PipelineStep(Enum):
    """Where one strategy is on its way."""

    WAITING = "waiting"
    OPTIMIZE = "optimize"
    BACKTEST = "backtest"
    APPROVE = "approve"
    PUBLISH = "publish"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRun:
    """One strategy on its way through a pipeline."""

    plan: dict[str, Any]
    """What the route says of it, as it was when the opportunity came."""
    step: PipelineStep = PipelineStep.WAITING
    optimization_id: str | None = None
    backtest_id: str | None = None
    decision_id: str | None = None
    package_id: str | None = None
    outcome: DecisionOutcome | None = None
    failure: Failure | None = None

    @property
    def strategy_id(self) -> str:
        """The strategy."""
        return str(self.plan["strategy_id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """An opportunity and what became of it."""

    id: str
    opportunity: Opportunity
    route: str
    runs: tuple[StrategyRun, ...]
    status: JobStatus = JobStatus.PENDING
    failure: Failure | None = None
    duplicate_key: str
    """The same for messages that say the same."""
    sequence: int = 1
    """Rises with every change."""
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def place(self) -> int | None:
        """Which of its strategies is on its way; None if none is left."""
        return next((at for at, run in enumerate(self.runs) if run.step is not PipelineStep.DONE), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFilter:
    """Which pipelines a list is about; None means any."""

    symbol: str | None = None
    status: JobStatus | None = None


class PipelineStore(Protocol):
    """Pipelines and their leases. Every change of one raises its sequence by one."""

    def add(self, pipeline: Pipeline) -> None:
        """Store a new one."""
        ...

    def get(self, pipeline_id: str) -> Pipeline | None:
        """Return it, or None if there is none of that id."""
        ...

    def page(self, page: Page, wanted: PipelineFilter) -> list[Pipeline]:
        """Return a page of the pipelines that match, newest first."""
        ...

    def has(self, duplicate_key: str, *, since: datetime | None) -> bool:
        """Tell whether one of that key was stored, at or after `since` if that is given."""
        ...

    def pending(self) -> int:
        """Count the pending ones."""
        ...

    def oldest_pending(self) -> Pipeline | None:
        """Return the one that waits longest, or None."""
        ...

    def claim(
        self, owner: str, *, now: datetime, lease_until: datetime, longest: datetime | None = None
    ) -> Pipeline | None:
        """Make the oldest one running and the owner's, if one is pending or its lease has lapsed."""
        ...

    def renew(self, owner: str, *, lease_until: datetime, ids: frozenset[str]) -> None:
        """Prolong the leases that the owner holds of these."""
        ...

    def release(self, owner: str) -> None:
        """Let go of everything the owner holds: it may be claimed at once."""
        ...

    def save(self, pipeline: Pipeline, *, owner: str) -> Pipeline:
        """Store a change; raises LeaseLost unless it is running and the owner's. Returns it as stored."""
        ...

    def end(self, pipeline: Pipeline) -> Pipeline:
        """Give one that has not ended its final status, whoever holds it; raises LeaseLost if it has."""
        ...
