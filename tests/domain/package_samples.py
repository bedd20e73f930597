"""Packages that go out, made without the backtest and the evidence that an approval costs."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

from decision_samples import make_decision
from domain_samples import make_backtest_result, make_backtest_spec, make_job, make_report, make_scenario

from stratopt_server.decisions.signing import SigningKey
from stratopt_server.domain.decisions import DecisionOutcome
from stratopt_server.domain.jobs import JobStatus
from stratopt_server.domain.strategy import hash_code
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.strategies.catalog import BUILTINS, Catalog
from stratopt_server.usecases.packaging import Packaging

STRATEGY = next(builtin for builtin in BUILTINS if builtin.id == "ma_cross_v1.0")
VALIDITY = timedelta(days=30)


def put_package(url: str, data_dir: Path) -> str:
    """Sign a package and give it its place in the outbox, as another server would; return its id.

    The database has a server's tables and seeds.
    """
    now = datetime.now(UTC)
    spec = make_backtest_spec(scenario=make_scenario(code_hash=hash_code(STRATEGY.code)))
    backtest = make_job(f"bt_{token_hex(8)}", spec, created_at=now)
    result = make_backtest_result(fill_bracket=(), cached_from="")
    decision = make_decision(
        f"dec_{token_hex(8)}",
        backtest_id=backtest.id,
        outcome=DecisionOutcome.APPROVE,
        package_id=f"pkg_{token_hex(8)}",
        created_at=now,
    )
    with closing(SqlStorage.open(url, migrated=True)) as storage, storage.transaction():
        packaging = Packaging(
            storage, key=SigningKey.open(data_dir / "keys" / "signing.pem"), catalog=Catalog(())
        )
        storage.jobs.add(backtest)
        storage.reports.add(backtest, make_report(), "<p>", now=now)
        done = storage.jobs.finish(backtest.id, JobStatus.SUCCEEDED, now=now, result=result)
        storage.decisions.put(decision)
        packaging.publish(done, decision, now=now, validity=VALIDITY)
    assert decision.package_id is not None
    return decision.package_id
