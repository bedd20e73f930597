"""Keeping strategies."""

import math
from dataclasses import replace
from datetime import UTC, datetime

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.errors import NotFound, Violations
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import Storage
from stratopt_server.domain.strategy import STRATEGY_ID, Strategy, hash_code
from stratopt_server.settings import Settings
from stratopt_server.strategies.catalog import BUILTINS, Catalog
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.params import check_params
from stratopt_server.usecases.requests import Call, StrategyRequest

NAME_LENGTH_MAX = 100
VERSION_LENGTH_MAX = 20
SEEDED_AT = datetime(2000, 1, 1, tzinfo=UTC)
"""Seeds are older than anything a caller makes, so lists show them last."""


class Strategies:
    """Creates, reads, changes and removes strategies."""

    def __init__(
        self, storage: Storage, clock: Clock, catalog: Catalog, repeats: Repeats, *, settings: Settings
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._catalog = catalog
        self._repeats = repeats
        self._settings = settings

    def seed(self) -> None:
        """Add the built-in strategies that are not there; renew those that nobody changed."""
        for builtin in BUILTINS:
            fresh = Strategy(
                id=builtin.id,
                name=builtin.name,
                version=builtin.version,
                code=builtin.code,
                default_params=builtin.default_params,
                created_at=SEEDED_AT,
                updated_at=SEEDED_AT,
            )
            with self._storage.transaction():
                stored = self._storage.strategies.get(builtin.id)
                if stored is None:
                    self._storage.strategies.add(fresh)
                elif stored.updated_at == SEEDED_AT and stored != fresh:
                    self._storage.strategies.update(fresh)

    def create(self, wanted: StrategyRequest, call: Call) -> Strategy:
        """Store a new strategy; raises RequestRefused or AlreadyExists."""
        with self._storage.transaction():
            made = self._repeats.resource_of(call)
            if made is not None:
                return self.get(made)
            self._check(wanted, all_of_it=True)
            now = self._clock.now()
            strategy = Strategy(
                id=wanted.id,
                name=wanted.name or "",
                version=wanted.version or "",
                code=wanted.code or "",
                default_params=wanted.default_params or {},
                created_at=now,
                updated_at=now,
            )
            self._storage.strategies.add(strategy)
            self._repeats.remember(call, strategy.id)
            return strategy

    def get(self, strategy_id: str) -> Strategy:
        """Return it; raises NotFound."""
        strategy = self._storage.strategies.get(strategy_id)
        if strategy is None:
            raise NotFound("strategy", strategy_id)
        return strategy

    def page(self, page: Page, *, name: str | None) -> list[Strategy]:
        """Return a page, newest first."""
        return self._storage.strategies.page(page, name=name)

    def update(self, wanted: StrategyRequest, call: Call) -> Strategy:
        """Change the fields that are given; raises RequestRefused or NotFound."""
        with self._storage.transaction():
            if self._repeats.resource_of(call) is not None:
                return self.get(wanted.id)
            before = self.get(wanted.id)
            changes = {
                name: value
                for name in ("name", "version", "code", "default_params")
                if (value := getattr(wanted, name)) is not None
            }
            after = replace(before, **changes, updated_at=self._clock.now())
            self._check(
                replace(wanted, code=after.code, default_params=after.default_params), all_of_it=False
            )
            self._storage.strategies.update(after)
            if after.code_hash != before.code_hash:
                # What was tried with the old text was tried: an edit does not wipe the ledger.
                self._storage.ledger.link(after.code_hash, to=before.code_hash)
            self._repeats.remember(call, after.id)
            return after

    def delete(self, strategy_id: str, call: Call) -> None:
        """Remove it; raises NotFound or InUse."""
        with self._storage.transaction():
            if self._repeats.resource_of(call) is None:
                self._storage.strategies.delete(strategy_id)
                self._repeats.remember(call, strategy_id)

    def _check(self, wanted: StrategyRequest, *, all_of_it: bool) -> None:
        """Refuse what cannot be stored, naming every field."""
        violations = Violations()
        if not STRATEGY_ID.fullmatch(wanted.id):
            violations.add(
                "strategy.id",
                "INVALID_STRATEGY_ID",
                "1 to 50 of letters, digits, dot, underscore and hyphen",
                value=wanted.id,
            )
        for name, length_max in (("name", NAME_LENGTH_MAX), ("version", VERSION_LENGTH_MAX)):
            value = getattr(wanted, name)
            if (value is None and all_of_it) or (value is not None and not 0 < len(value) <= length_max):
                violations.add(
                    f"strategy.{name}",
                    f"INVALID_{name.upper()}",
                    f"1 to {length_max} characters",
                    length_max=length_max,
                )
        self._check_code(wanted, violations)
        violations.refuse_if_any()

    def _check_code(self, wanted: StrategyRequest, violations: Violations) -> None:
        size, size_max = len((wanted.code or "").encode()), self._settings.strategy_code_bytes_max
        if not 0 < size <= size_max:
            violations.add(
                "strategy.code", "INVALID_CODE", f"1 to {size_max} bytes", size=size, size_max=size_max
            )
        for name, value in (wanted.default_params or {}).items():
            if isinstance(value, float) and not math.isfinite(value):
                violations.add(f"strategy.default_params.{name}", "NOT_FINITE", "must be a finite number")
        contract = self._catalog.contract(hash_code(wanted.code or ""))
        if contract is not None and not violations.has("strategy.default_params"):
            known = {name: spec.default for name, spec in contract.params.items()}
            given = wanted.default_params or {}
            check_params(given, contract, known, at="strategy.default_params", violations=violations)
