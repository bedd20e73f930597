"""Making parameter packages: drafts that wait for a word, and signed ones at their place in the outbox."""

from dataclasses import replace
from datetime import datetime, timedelta

from stratopt_server.decisions.package import PackageFacts, describe
from stratopt_server.decisions.recipe import canonical
from stratopt_server.decisions.signing import SigningKey
from stratopt_server.domain.decisions import Decision
from stratopt_server.domain.errors import NotFound
from stratopt_server.domain.jobs import BacktestResult, Job
from stratopt_server.domain.packages import PackageStore, ParameterPackage
from stratopt_server.domain.ports import Storage
from stratopt_server.domain.runs import BacktestSpec
from stratopt_server.strategies.catalog import Catalog


def found_package(packages: PackageStore, package_id: str) -> ParameterPackage:
    """Return a package; raises NotFound."""
    package = packages.get(package_id)
    if package is None:
        raise NotFound("package", package_id)
    return package


class Packaging:
    """Writes, signs and stores packages, inside the transaction of whoever decides."""

    def __init__(self, storage: Storage, *, key: SigningKey, catalog: Catalog) -> None:
        self._storage = storage
        self._catalog = catalog
        self.key = key

    def draft(self, backtest: Job, decision: Decision, *, validity: timedelta) -> None:
        """Store a package that waits for a person's word."""
        self._storage.packages.add(self._blank(backtest, decision, decision.created_at, validity))

    def publish(self, backtest: Job, decision: Decision, *, now: datetime, validity: timedelta) -> None:
        """Sign the package and give it its place; it goes out from there. A draft of it becomes it."""
        blank = self._blank(backtest, decision, now, validity)
        spec, scenario = backtest.spec, backtest.spec.scenario
        assert isinstance(spec, BacktestSpec), "a backtest has a BacktestSpec"
        strategy = self._storage.strategies.get(scenario.strategy_id)
        contract = self._catalog.contract(scenario.code_hash)
        assert strategy is not None, "a strategy in use cannot be deleted"
        assert contract is not None, "code that ran is known"
        facts = PackageFacts(
            package_id=blank.id,
            place=self._storage.packages.next_place(now=now),
            strategy=strategy,
            strategy_type=contract.strategy_type,
            spec=spec,
            metrics=blank.metrics,
            decision=decision,
            validity=validity,
            created_at=now,
        )
        payload = canonical(describe(facts))
        signed = replace(
            blank,
            epoch=facts.place.epoch,
            seq=facts.place.seq,
            signed_payload=payload,
            signature=self.key.sign(payload),
            key_id=self.key.key_id,
            approved=True,
        )
        self._storage.packages.add(signed)

    def _blank(
        self, backtest: Job, decision: Decision, now: datetime, validity: timedelta
    ) -> ParameterPackage:
        spec, result = backtest.spec, backtest.result
        assert isinstance(spec, BacktestSpec), "a backtest has a BacktestSpec"
        assert isinstance(result, BacktestResult), "a succeeded backtest has its result"
        assert decision.package_id is not None, "what is rejected has no package"
        scenario = spec.scenario
        return ParameterPackage(
            id=decision.package_id,
            decision_id=decision.id,
            backtest_id=backtest.id,
            strategy_id=scenario.strategy_id,
            symbol=scenario.symbol,
            exchange=scenario.exchange,
            timeframe=scenario.timeframe,
            params=spec.params,
            metrics=result.metrics,
            epoch="",
            seq=0,
            signed_payload=b"",
            signature=b"",
            key_id="",
            valid_until=now + validity,
            created_at=now,
            published_at=None,
            approved=False,
        )
