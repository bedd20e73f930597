"""Strategies in the database: the seeds, and default parameters that cannot be stored."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stratopt_server.domain.clock import SystemClock
from stratopt_server.domain.errors import RequestRefused
from stratopt_server.domain.paging import Page
from stratopt_server.settings import Settings
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.strategies.catalog import BUILTINS, Catalog
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.requests import Call, StrategyRequest
from stratopt_server.usecases.strategies import SEEDED_AT, Strategies

NEW_CALL = Call(None, "digest")
UPLOADED = StrategyRequest(id="mine", name="Mine", version="1", code="PARAMS = {}", default_params={})


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqlStorage]:
    """An empty storage."""
    with closing(SqlStorage.open(f"sqlite:///{tmp_path / 'stratopt.db'}")) as opened:
        yield opened


@pytest.fixture
def strategies(storage: SqlStorage, tmp_path: Path) -> Strategies:
    """The use-case over that storage."""
    clock = SystemClock()
    repeats = Repeats(storage, clock, kept=timedelta(hours=24))
    return Strategies(storage, clock, Catalog(()), repeats, settings=Settings(data_dir=tmp_path))


def test_seeds_are_stored(storage: SqlStorage, strategies: Strategies) -> None:
    """A new database has every built-in strategy as it is documented; seeding again changes nothing."""
    for _ in range(2):
        strategies.seed()
        rows = {row.id: row for row in storage.strategies.page(Page(1_000))}
        assert set(rows) == {builtin.id for builtin in BUILTINS}
        for builtin in BUILTINS:
            row = rows[builtin.id]
            assert (row.name, row.version, row.code) == (builtin.name, builtin.version, builtin.code)
            assert row.default_params == builtin.default_params


def test_changed_seed_is_kept(storage: SqlStorage, strategies: Strategies) -> None:
    """A seed that a user changed stays changed; one that only grew old is renewed."""
    strategies.seed()
    changed = strategies.update(StrategyRequest(id="grid_v1.2", name="My grid"), NEW_CALL)
    old = replace(strategies.get("ma_cross_v1.0"), code="# an older release")
    storage.strategies.update(old)
    strategies.seed()
    assert strategies.get("grid_v1.2") == changed
    assert strategies.get("ma_cross_v1.0").code == BUILTINS[0].code
    assert strategies.get("ma_cross_v1.0").updated_at == SEEDED_AT


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf")])
def test_default_that_is_no_number(strategies: Strategies, figure: float) -> None:
    """A default parameter that is not a finite number is refused by its field, of uploaded code too."""
    with pytest.raises(RequestRefused) as caught:
        strategies.create(replace(UPLOADED, default_params={"x": figure}), NEW_CALL)
    assert caught.value.violations[0].field.endswith("default_params.x")
    strategies.create(UPLOADED, NEW_CALL)
    with pytest.raises(RequestRefused):
        strategies.update(StrategyRequest(id="mine", default_params={"x": figure}), NEW_CALL)
