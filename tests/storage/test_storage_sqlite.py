"""The stores in an SQLite file keep every promise of the ports."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import storage_contract_advice as advice
import storage_contract_catalog as catalog
import storage_contract_decisions as decisions
import storage_contract_jobs as jobs
import storage_contract_ledger as ledger
import storage_contract_queue as queue
import storage_contract_relay as relay
import storage_contract_reports as reports
import storage_contract_seals as seals
import storage_contract_servers as servers
import storage_contract_trials as trials

from stratopt_server.storage.sql import SqlStorage


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without rows: to copy it is faster than to migrate another."""
    path = tmp_path_factory.mktemp("migrated") / "stratopt.db"
    SqlStorage.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def storage(tmp_path: Path, migrated: Path) -> Iterator[SqlStorage]:
    """An empty storage in a file."""
    path = shutil.copy(migrated, tmp_path)
    with closing(SqlStorage.open(f"sqlite:///{path}", migrated=True)) as opened:
        yield opened


class TestStrategies(catalog.StrategyStoreContract):
    """Strategies in SQLite."""


class TestDatasets(catalog.DatasetStoreContract):
    """Datasets in SQLite."""


class TestRequests(catalog.RequestLogContract):
    """Answered calls in SQLite."""


class TestTransactions(catalog.TransactionContract):
    """Transactions in SQLite."""


class TestJobs(jobs.JobStoreContract):
    """Jobs in SQLite."""


class TestQueue(queue.QueueContract):
    """The queue in SQLite."""


class TestTrials(trials.TrialStoreContract):
    """Trials in SQLite."""


class TestLedger(ledger.LedgerContract):
    """The ledger in SQLite."""


class TestSeals(seals.SealStoreContract):
    """Sealed holdouts in SQLite."""


class TestAdvice(advice.AdviceStoreContract):
    """Advice in SQLite."""


class TestReports(reports.ReportStoreContract):
    """Reports in SQLite."""


class TestDecisions(decisions.DecisionStoreContract):
    """Decisions in SQLite."""


class TestPackages(decisions.PackageStoreContract):
    """Parameter packages in SQLite."""


class TestCounts(decisions.CountsContract):
    """Counts in SQLite."""


class TestReplay(relay.ReplayContract):
    """Replay in SQLite."""


class TestRevocations(relay.RevocationStoreContract):
    """Revocations in SQLite."""


class TestPipelines(relay.PipelineStoreContract):
    """Pipelines in SQLite."""


class TestDeadLetters(relay.DeadLetterStoreContract):
    """Dead letters in SQLite."""


class TestLeases(servers.LeaseStoreContract):
    """Leases in SQLite."""


class TestSharedQueue(servers.SharedQueueContract):
    """The queue of several servers in SQLite."""


class TestForgetting(servers.ForgettingContract):
    """Old answered calls in SQLite."""


class TestCopies(servers.CopyContract):
    """Copied reports in SQLite."""


class TestOutboxOrder(relay.OutboxOrderContract):
    """The order of publication in SQLite."""
