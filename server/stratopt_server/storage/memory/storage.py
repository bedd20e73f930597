"""All stores over one memory."""

from collections import Counter
from datetime import datetime

from stratopt_server.domain.counts import Counts
from stratopt_server.domain.jobs import JobKind
from stratopt_server.storage.memory.advice import MemoryAdviceStore
from stratopt_server.storage.memory.catalog import MemoryDatasetStore, MemoryRequestLog, MemoryStrategyStore
from stratopt_server.storage.memory.dead_letters import MemoryDeadLetterStore
from stratopt_server.storage.memory.decisions import MemoryDecisionStore
from stratopt_server.storage.memory.jobs import MemoryJobStore
from stratopt_server.storage.memory.leases import MemoryLeaseStore
from stratopt_server.storage.memory.ledger import MemoryLedger
from stratopt_server.storage.memory.packages import MemoryPackageStore, MemoryRevocationStore
from stratopt_server.storage.memory.pipelines import MemoryPipelineStore
from stratopt_server.storage.memory.reports import MemoryReportStore
from stratopt_server.storage.memory.seals import MemorySealStore
from stratopt_server.storage.memory.tables import Memory
from stratopt_server.storage.memory.trials import MemoryTrialStore


class MemoryStorage(Memory):
    """The stores; they share tables, transactions and a lock."""

    def __init__(self) -> None:
        super().__init__()
        self.strategies = MemoryStrategyStore(self)
        self.datasets = MemoryDatasetStore(self)
        self.jobs = MemoryJobStore(self)
        self.trials = MemoryTrialStore(self)
        self.ledger = MemoryLedger(self)
        self.advice = MemoryAdviceStore(self)
        self.seals = MemorySealStore(self)
        self.reports = MemoryReportStore(self)
        self.decisions = MemoryDecisionStore(self)
        self.packages = MemoryPackageStore(self)
        self.revocations = MemoryRevocationStore(self)
        self.pipelines = MemoryPipelineStore(self)
        self.dead_letters = MemoryDeadLetterStore(self)
        self.requests = MemoryRequestLog(self)
        self.leases = MemoryLeaseStore(self)
        self.is_shared = False

    def now(self, own: datetime) -> datetime:
        """It has no clock of its own."""
        return own

    def counts(self) -> Counts:
        """Count the rows."""
        tables = self.tables
        jobs = tables.jobs.values()
        packages = tables.packages.values()
        return Counts(
            backtests=Counter(job.status.value for job in jobs if job.kind is JobKind.BACKTEST),
            optimizations=Counter(job.status.value for job in jobs if job.kind is JobKind.OPTIMIZATION),
            decisions=Counter(decision.outcome.value for decision in tables.decisions.values()),
            strategies=len(tables.strategies),
            datasets=len(tables.datasets),
            trials=sum(len(trials) for trials in tables.trials.values()),
            packages_unpublished=sum(package.published_at is None for package in packages),
            pipelines=Counter(held.pipeline.status.value for held in tables.pipelines.values()),
        )

    def ping(self) -> None:
        """It lives."""

    def close(self) -> None:
        """Nothing to let go of."""
