"""The tables as peewee sees them. The migrations make them; nothing here creates a table."""

import json
from datetime import UTC, datetime
from typing import Any, TypeVar

import peewee


class UtcField(peewee.DateTimeField):
    """A moment: aware and in UTC in Python, without a zone in the database."""

    def db_value(self, value: datetime | None) -> Any:
        """Drop the zone."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def python_value(self, value: Any) -> datetime | None:
        """Put the zone back."""
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return None if moment is None else moment.replace(tzinfo=UTC)


class JsonField(peewee.TextField):
    """A JSON document, kept as the text that was written, so that every number comes back exactly."""

    def db_value(self, value: Any) -> str | None:
        """Write the document; None is SQL's NULL."""
        return None if value is None else json.dumps(value, allow_nan=False)

    def python_value(self, value: Any) -> Any:
        """Read the document; some drivers have parsed it already."""
        return json.loads(value) if isinstance(value, str) else value


class StrategyRow(peewee.Model):
    """A strategy."""

    id = peewee.CharField(primary_key=True)
    name = peewee.CharField()
    version = peewee.CharField()
    code = peewee.TextField()
    default_params = JsonField(null=True)
    created_at = UtcField()
    updated_at = UtcField()

    class Meta:
        """The documented table."""

        table_name = "strategies"


class BacktestReportRow(peewee.Model):
    """A succeeded backtest."""

    id = peewee.CharField(primary_key=True)
    strategy_id = peewee.CharField()
    symbol = peewee.CharField()
    params = JsonField()
    metrics = JsonField()
    max_drawdown = peewee.FloatField(null=True)
    sharpe_ratio = peewee.FloatField(null=True)
    total_return = peewee.FloatField(null=True)
    start_date = UtcField(null=True)
    end_date = UtcField(null=True)
    created_at = UtcField()
    parts_of = peewee.CharField(null=True)

    class Meta:
        """The documented table, with the backtest whose parts are its own added."""

        table_name = "backtest_reports"


class OptimizationTaskRow(peewee.Model):
    """An optimization, as other services read it; jobs holds the rest."""

    id = peewee.CharField(primary_key=True)
    strategy_id = peewee.CharField()
    symbol = peewee.CharField()
    param_ranges = JsonField()
    optimization_target = peewee.CharField()
    status = peewee.CharField()
    progress = peewee.FloatField()
    created_at = UtcField()
    completed_at = UtcField(null=True)
    objectives = JsonField(null=True)

    class Meta:
        """The documented table, with the objectives added."""

        table_name = "optimization_tasks"


class OptimizationResultRow(peewee.Model):
    """What an optimization found in the end."""

    id = peewee.CharField(primary_key=True)
    optimization_id = peewee.CharField()
    best_params = JsonField()
    best_score = peewee.FloatField()
    all_results = JsonField(null=True)
    created_at = UtcField()

    class Meta:
        """The documented table."""

        table_name = "optimization_results"


class DatasetRow(peewee.Model):
    """A dataset."""

    id = peewee.CharField(primary_key=True)
    exchange = peewee.CharField()
    symbol = peewee.CharField()
    timeframe = peewee.CharField()
    bar_count = peewee.BigIntegerField()
    first_bar_time = UtcField()
    last_bar_time = UtcField()
    content_hash = peewee.CharField()
    bars_per_year = peewee.DoubleField()
    quality = JsonField()
    created_at = UtcField()
    updated_at = UtcField()

    class Meta:
        """The catalog."""

        table_name = "datasets"


class JobRow(peewee.Model):
    """A backtest or optimization in the queue."""

    id = peewee.CharField(primary_key=True)
    kind = peewee.CharField()
    strategy_id = peewee.CharField()
    symbol = peewee.CharField()
    spec = JsonField()
    status = peewee.CharField()
    progress = JsonField()
    result = JsonField(null=True)
    failure = JsonField(null=True)
    attempt = peewee.IntegerField()
    last_sequence = peewee.BigIntegerField()
    lease_owner = peewee.CharField(null=True)
    lease_until = UtcField(null=True)
    created_at = UtcField()
    started_at = UtcField(null=True)
    completed_at = UtcField(null=True)
    priority = peewee.IntegerField()
    caller = peewee.CharField()
    losses = peewee.IntegerField()

    class Meta:
        """The queue."""

        table_name = "jobs"
        only_save_dirty = True  # a row is also read without its long columns


class JobEventRow(peewee.Model):
    """One event of a job."""

    job_id = peewee.CharField()
    sequence = peewee.BigIntegerField()
    kind = peewee.CharField()
    payload = JsonField(null=True)

    class Meta:
        """The events."""

        table_name = "job_events"
        primary_key = peewee.CompositeKey("job_id", "sequence")


class TrialRow(peewee.Model):
    """One trial of an optimization."""

    optimization_id = peewee.CharField()
    number = peewee.BigIntegerField()
    status = peewee.CharField()
    score = peewee.DoubleField(null=True)
    params = JsonField()
    metrics = JsonField()
    search_window = peewee.IntegerField(null=True)
    blocks = peewee.BlobField(null=True)

    class Meta:
        """The trials."""

        table_name = "trials"
        primary_key = peewee.CompositeKey("optimization_id", "number")


class TrialBatchRow(peewee.Model):
    """Trials of an optimization that were proposed together."""

    optimization_id = peewee.CharField()
    number = peewee.BigIntegerField()
    search_window = peewee.IntegerField(null=True)
    first_trial = peewee.BigIntegerField()
    trial_count = peewee.BigIntegerField()
    candidates = JsonField(null=True)

    class Meta:
        """The batches."""

        table_name = "trial_batches"
        primary_key = peewee.CompositeKey("optimization_id", "number")


class CodeLineageRow(peewee.Model):
    """The lineage of a code."""

    code_hash = peewee.CharField(primary_key=True)
    lineage = peewee.CharField()

    class Meta:
        """The lineages."""

        table_name = "code_lineages"


class LedgerMarketRow(peewee.Model):
    """A lineage on a market: what distinct trials are counted by."""

    id = peewee.BigIntegerField(primary_key=True)
    lineage = peewee.CharField()
    exchange = peewee.CharField()
    symbol = peewee.CharField()
    timeframe = peewee.CharField()

    class Meta:
        """The markets of the ledger."""

        table_name = "ledger_markets"


class LedgerTrialRow(peewee.Model):
    """A distinct trial."""

    market_id = peewee.BigIntegerField()
    digest = peewee.BlobField()
    sharpe = peewee.DoubleField(null=True)
    stream = peewee.BlobField(null=True)

    class Meta:
        """The trials of the ledger."""

        table_name = "ledger_trials"
        primary_key = peewee.CompositeKey("market_id", "digest")


class ReportPartRow(peewee.Model):
    """One piece of a report."""

    backtest_id = peewee.CharField()
    kind = peewee.CharField()
    number = peewee.BigIntegerField()
    content = peewee.BlobField()

    class Meta:
        """The pieces."""

        table_name = "report_parts"
        primary_key = peewee.CompositeKey("backtest_id", "kind", "number")


class RequestRow(peewee.Model):
    """A call that was answered."""

    method = peewee.CharField()
    request_id = peewee.CharField()
    digest = peewee.CharField()
    resource_id = peewee.CharField()
    created_at = UtcField()

    class Meta:
        """The calls."""

        table_name = "request_log"
        primary_key = peewee.CompositeKey("method", "request_id")


class SealedHoldoutRow(peewee.Model):
    """A sealed holdout."""

    id = peewee.CharField(primary_key=True)
    lineage = peewee.CharField()
    code_hash = peewee.CharField()
    exchange = peewee.CharField()
    symbol = peewee.CharField()
    timeframe = peewee.CharField()
    strategy_id = peewee.CharField()
    first_bar_time = UtcField()
    created_at = UtcField()
    spent_at = UtcField(null=True)
    spent_on = peewee.CharField(null=True)
    test = JsonField(null=True)

    class Meta:
        """The sealed holdouts."""

        table_name = "sealed_holdouts"


class AdviceRow(peewee.Model):
    """A piece of advice."""

    id = peewee.CharField(primary_key=True)
    kind = peewee.CharField()
    subject_id = peewee.CharField()
    source = peewee.CharField()
    document = JsonField()
    created_at = UtcField()

    class Meta:
        """The advice."""

        table_name = "advice"


class DecisionRow(peewee.Model):
    """A decision."""

    id = peewee.CharField(primary_key=True)
    backtest_id = peewee.CharField()
    strategy_id = peewee.CharField()
    symbol = peewee.CharField()
    outcome = peewee.CharField()
    document = JsonField()
    created_at = UtcField()

    class Meta:
        """The decisions."""

        table_name = "decisions"


class ParameterPackageRow(peewee.Model):
    """A parameter package, as other services read it; the outbox holds the rest."""

    id = peewee.CharField(primary_key=True)
    backtest_id = peewee.CharField()
    symbol = peewee.CharField()
    strategy_id = peewee.CharField()
    params = JsonField()
    metrics = JsonField()
    approved = peewee.BooleanField()
    draft = JsonField(null=True)
    reviews = JsonField(null=True)
    created_at = UtcField()
    published_at = UtcField(null=True)

    class Meta:
        """The documented table."""

        table_name = "parameter_packages"


class OutboxRow(peewee.Model):
    """A package at its place in the order of publication."""

    epoch = peewee.CharField()
    seq = peewee.BigIntegerField()
    package_id = peewee.CharField()
    document = JsonField()
    signed_payload = peewee.BlobField()
    signature = peewee.BlobField()
    created_at = UtcField()
    published_at = UtcField(null=True)

    class Meta:
        """The order of publication."""

        table_name = "package_outbox"
        primary_key = peewee.CompositeKey("epoch", "seq")


class RevocationRow(peewee.Model):
    """A revocation at its place in the order of revocations."""

    epoch = peewee.CharField()
    seq = peewee.BigIntegerField()
    package_id = peewee.CharField()
    reason = peewee.TextField()
    revoked_by = peewee.TextField()
    signed_payload = peewee.BlobField()
    signature = peewee.BlobField()
    key_id = peewee.CharField()
    created_at = UtcField()
    published_at = UtcField(null=True)

    class Meta:
        """The order of revocations."""

        table_name = "package_revocations"
        primary_key = peewee.CompositeKey("epoch", "seq")


class PipelineRow(peewee.Model):
    """A pipeline."""

    id = peewee.CharField(primary_key=True)
    symbol = peewee.CharField()
    status = peewee.CharField()
    duplicate_key = peewee.CharField()
    sequence = peewee.BigIntegerField()
    document = JsonField()
    created_at = UtcField()
    lease_owner = peewee.CharField(null=True)
    lease_until = UtcField(null=True)

    class Meta:
        """The pipelines."""

        table_name = "pipelines"


class DeadLetterRow(peewee.Model):
    """A message that could not be used."""

    id = peewee.CharField(primary_key=True)
    channel = peewee.CharField()
    cause = peewee.CharField()
    detail = peewee.TextField()
    topic = peewee.TextField()
    body = peewee.BlobField()
    body_bytes = peewee.BigIntegerField()
    created_at = UtcField()

    class Meta:
        """The newest of them."""

        table_name = "dead_letters"


class LeaseRow(peewee.Model):
    """What one server does for all."""

    name = peewee.CharField(primary_key=True)
    owner = peewee.CharField()
    detail = peewee.CharField()
    lease_until = UtcField()

    class Meta:
        """The leases."""

        table_name = "leases"


class EpochRow(peewee.Model):
    """The life of this database."""

    epoch = peewee.CharField(primary_key=True)
    created_at = UtcField()

    class Meta:
        """One row."""

        table_name = "database_epoch"


Row = TypeVar("Row", bound=peewee.Model)


def bound(model: type[Row], database: peewee.Database) -> type[Row]:
    """Make the model's twin that talks to this database: two may be open in one process."""
    options = {"database": database, "table_name": model._meta.table_name}  # noqa: SLF001 - peewee's way
    return type(model.__name__, (model,), {"Meta": type("Meta", (), options)})
