"""What a job's process works with."""

from collections.abc import Callable
from dataclasses import dataclass

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.jobs import Job
from stratopt_server.domain.market import Bars
from stratopt_server.domain.ports import BarsStore, Storage
from stratopt_server.domain.runs import Scenario
from stratopt_server.domain.strategy import StrategyContract


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """One attempt of a job, and the outside it may touch."""

    job: Job
    storage: Storage
    columns: BarsStore
    contract: StrategyContract
    clock: Clock
    fills_max: int
    """Most fills that a report may have."""
    changed: Callable[[], None]
    """Tells the server that the job's rows changed."""

    def bars(self) -> Bars:
        """The bars of the run."""
        return bars_of(self.job.spec.scenario, self.columns)


def bars_of(scenario: Scenario, columns: BarsStore) -> Bars:
    """The bars between the scenario's dates, mapped from disk."""
    return columns.open(scenario.dataset_hash).between(scenario.start_date, scenario.end_date)
