"""The stores in memory keep every promise of the ports."""

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

from stratopt_server.storage.memory import MemoryStorage


@pytest.fixture
def storage() -> MemoryStorage:
    """An empty storage."""
    return MemoryStorage()


class TestStrategies(catalog.StrategyStoreContract):
    """Strategies in memory."""


class TestDatasets(catalog.DatasetStoreContract):
    """Datasets in memory."""


class TestRequests(catalog.RequestLogContract):
    """Answered calls in memory."""


class TestTransactions(catalog.TransactionContract):
    """Transactions in memory."""


class TestJobs(jobs.JobStoreContract):
    """Jobs in memory."""


class TestQueue(queue.QueueContract):
    """The queue in memory."""


class TestTrials(trials.TrialStoreContract):
    """Trials in memory."""


class TestLedger(ledger.LedgerContract):
    """The ledger in memory."""


class TestSeals(seals.SealStoreContract):
    """Sealed holdouts in memory."""


class TestAdvice(advice.AdviceStoreContract):
    """Advice in memory."""


class TestReports(reports.ReportStoreContract):
    """Reports in memory."""


class TestDecisions(decisions.DecisionStoreContract):
    """Decisions in memory."""


class TestPackages(decisions.PackageStoreContract):
    """Parameter packages in memory."""


class TestCounts(decisions.CountsContract):
    """Counts in memory."""


class TestReplay(relay.ReplayContract):
    """Replay in memory."""


class TestRevocations(relay.RevocationStoreContract):
    """Revocations in memory."""


class TestPipelines(relay.PipelineStoreContract):
    """Pipelines in memory."""


class TestDeadLetters(relay.DeadLetterStoreContract):
    """Dead letters in memory."""


class TestLeases(servers.LeaseStoreContract):
    """Leases in memory."""


class TestSharedQueue(servers.SharedQueueContract):
    """The queue of several servers in memory."""


class TestForgetting(servers.ForgettingContract):
    """Old answered calls in memory."""


class TestCopies(servers.CopyContract):
    """Copied reports in memory."""


class TestOutboxOrder(relay.OutboxOrderContract):
    """The order of publication in memory."""
