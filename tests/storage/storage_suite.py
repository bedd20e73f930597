"""Every promise of the ports, as tests: import it beside a fixture `storage` that gives an empty one."""

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


class TestStrategies(catalog.StrategyStoreContract):
    """Strategies."""


class TestDatasets(catalog.DatasetStoreContract):
    """Datasets."""


class TestRequests(catalog.RequestLogContract):
    """Answered calls."""


class TestTransactions(catalog.TransactionContract):
    """Transactions."""


class TestJobs(jobs.JobStoreContract):
    """Jobs."""


class TestQueue(queue.QueueContract):
    """The queue."""


class TestTrials(trials.TrialStoreContract):
    """Trials."""


class TestLedger(ledger.LedgerContract):
    """The ledger."""


class TestSeals(seals.SealStoreContract):
    """Sealed holdouts."""


class TestAdvice(advice.AdviceStoreContract):
    """Advice."""


class TestReports(reports.ReportStoreContract):
    """Reports."""


class TestDecisions(decisions.DecisionStoreContract):
    """Decisions."""


class TestPackages(decisions.PackageStoreContract):
    """Parameter packages."""


class TestCounts(decisions.CountsContract):
    """Counts."""


class TestReplay(relay.ReplayContract):
    """Replay."""


class TestRevocations(relay.RevocationStoreContract):
    """Revocations."""


class TestPipelines(relay.PipelineStoreContract):
    """Pipelines."""


class TestDeadLetters(relay.DeadLetterStoreContract):
    """Dead letters."""


class TestLeases(servers.LeaseStoreContract):
    """Leases."""


class TestSharedQueue(servers.SharedQueueContract):
    """The queue of several servers."""


class TestForgetting(servers.ForgettingContract):
    """Old answered calls."""


class TestCopies(servers.CopyContract):
    """Copied reports."""


class TestOutboxOrder(relay.OutboxOrderContract):
    """The order of publication."""
