"""The stores in PostgreSQL keep every promise of the ports."""

from collections.abc import Iterator
from contextlib import closing

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
from storage_postgres import emptied, schema_url

from stratopt_server.storage.sql import SqlStorage


@pytest.fixture(scope="module")
def migrated() -> Iterator[str]:
    """URL of a database with tables and no rows."""
    with schema_url() as url:
        SqlStorage.open(url).close()
        yield url


@pytest.fixture
def storage(migrated: str) -> Iterator[SqlStorage]:
    """An empty storage on the server."""
    with closing(SqlStorage.open(migrated, migrated=True)) as opened:
        yield emptied(opened)


class TestStrategies(catalog.StrategyStoreContract):
    """Strategies in PostgreSQL."""


class TestDatasets(catalog.DatasetStoreContract):
    """Datasets in PostgreSQL."""


class TestRequests(catalog.RequestLogContract):
    """Answered calls in PostgreSQL."""


class TestTransactions(catalog.TransactionContract):
    """Transactions in PostgreSQL."""


class TestJobs(jobs.JobStoreContract):
    """Jobs in PostgreSQL."""


class TestQueue(queue.QueueContract):
    """The queue in PostgreSQL."""


class TestTrials(trials.TrialStoreContract):
    """Trials in PostgreSQL."""


class TestLedger(ledger.LedgerContract):
    """The ledger in PostgreSQL."""


class TestSeals(seals.SealStoreContract):
    """Sealed holdouts in PostgreSQL."""


class TestAdvice(advice.AdviceStoreContract):
    """Advice in PostgreSQL."""


class TestReports(reports.ReportStoreContract):
    """Reports in PostgreSQL."""


class TestDecisions(decisions.DecisionStoreContract):
    """Decisions in PostgreSQL."""


class TestPackages(decisions.PackageStoreContract):
    """Parameter packages in PostgreSQL."""


class TestCounts(decisions.CountsContract):
    """Counts in PostgreSQL."""


class TestReplay(relay.ReplayContract):
    """Replay in PostgreSQL."""


class TestRevocations(relay.RevocationStoreContract):
    """Revocations in PostgreSQL."""


class TestPipelines(relay.PipelineStoreContract):
    """Pipelines in PostgreSQL."""


class TestDeadLetters(relay.DeadLetterStoreContract):
    """Dead letters in PostgreSQL."""


class TestLeases(servers.LeaseStoreContract):
    """Leases in PostgreSQL."""


class TestSharedQueue(servers.SharedQueueContract):
    """The queue of several servers in PostgreSQL."""


class TestForgetting(servers.ForgettingContract):
    """Old answered calls in PostgreSQL."""


class TestCopies(servers.CopyContract):
    """Copied reports in PostgreSQL."""


class TestOutboxOrder(relay.OutboxOrderContract):
    """The order of publication in PostgreSQL."""
