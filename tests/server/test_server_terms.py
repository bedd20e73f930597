"""The terms of a run through the front door: what is filled in, and what is refused, all at once."""

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from stratopt.v1 import backtest_service_pb2, run_pb2
from stratopt.v1.backtest_service_pb2_grpc import BacktestServiceStub
from stratopt_client import (
    BacktestHandle,
    Client,
    FailedPrecondition,
    InvalidRequest,
    OptimizationHandle,
    to_dict,
)
from support import ServerProcess

CROSS, GRID = "ma_cross_v1.0", "grid_v1.2"
FUNDING = [("2023-01-01T08:00Z", 0.0001), ("2023-01-01T16:00Z", -0.0002)]
TERMS: dict[str, Any] = {
    "maker_fee": 0.0002,
    "fixed_fee": 1.5,
    "impact": 0.25,
    "direction": "both",
    "sizing": ("fixed", 1000.0),
    "stop_loss": 0.03,
    "take_profit": 1.5,
    "trailing_stop": 0.04,
    "min_notional": 5.0,
    "lot_size": 1e-5,
    "tick_size": 0.01,
    "borrow_rate": 1e-6,
    "funding": FUNDING,
}

OUT_OF_RANGE: list[tuple[dict[str, Any], str, str]] = [
    *(({name: value}, "COST_OUT_OF_RANGE", f"costs.{name}")
      for name in ("taker_fee", "maker_fee", "slippage") for value in (-1e-9, 1.0)),
    *(({"fixed_fee": value}, "COST_OUT_OF_RANGE", "costs.fixed_fee") for value in (-0.01,)),
    *(({"impact": value}, "COST_OUT_OF_RANGE", "costs.impact") for value in (-0.01, 10.1)),
    *(({"sizing": ("fraction", value)}, "SIZE_OUT_OF_RANGE", "trading.sizing.amount")
      for value in (0.0, -0.5, 1.01)),
    *(({"sizing": ("fixed", value)}, "SIZE_OUT_OF_RANGE", "trading.sizing.amount") for value in (0.0, -5.0)),
    ({"sizing": "fraction"}, "REQUIRED", "trading.sizing.amount"),
    ({"sizing": "fixed"}, "REQUIRED", "trading.sizing.amount"),
    ({"sizing": ("all_in", 0.5)}, "NOT_FOR_ALL_IN", "trading.sizing.amount"),
    *(({name: value}, "STOP_OUT_OF_RANGE", f"trading.stops.{name}")
      for name in ("stop_loss", "trailing_stop") for value in (0.0, -0.1, 1.0)),
    *(({"take_profit": value}, "STOP_OUT_OF_RANGE", "trading.stops.take_profit") for value in (0.0, -0.1)),
    *(({name: -1e-9}, "RULE_OUT_OF_RANGE", f"trading.rules.{name}")
      for name in ("min_notional", "lot_size", "tick_size")),
    *(({"borrow_rate": value}, "CARRY_OUT_OF_RANGE", "trading.carry.borrow_rate") for value in (-0.1, 1.0)),
    *(({"funding": [FUNDING[0], ("2023-02-01", value)]}, "CARRY_OUT_OF_RANGE",
       "trading.carry.funding[1].rate") for value in (-1.0, 1.0)),
    ({"funding": FUNDING[::-1]}, "FUNDING_NOT_ASCENDING", "trading.carry.funding[1].time"),
    ({"funding": [FUNDING[0]] * 2}, "FUNDING_NOT_ASCENDING", "trading.carry.funding[1].time"),
    *(({"strategy_id": GRID, "participation": value}, "PARTICIPATION_OUT_OF_RANGE", "trading.participation")
      for value in (0.0, 1.1)),
    ({"fill_model": "touch"}, "ONLY_FOR_GRIDS", "trading.fill_model"),
    ({"participation": 0.1}, "ONLY_FOR_GRIDS", "trading.participation"),
]  # fmt: skip
"""What to change about a good run, and the reason and field of the refusal."""
NOT_FOR_GRIDS: list[tuple[dict[str, Any], str]] = [
    ({"borrow_rate": 0.001}, "trading.carry"),
    ({"funding": FUNDING}, "trading.carry"),
    ({"fill": "close"}, "fill"),
    ({"direction": "short"}, "trading.direction"),
    ({"direction": "both"}, "trading.direction"),
    ({"sizing": ("fraction", 0.5)}, "trading.sizing"),
    ({"sizing": ("fixed", 100.0)}, "trading.sizing"),
    ({"stop_loss": 0.1}, "trading.stops.stop_loss"),
    ({"take_profit": 0.1}, "trading.stops.take_profit"),
    ({"trailing_stop": 0.1}, "trading.stops.trailing_stop"),
    ({"fixed_fee": 1.0}, "costs.fixed_fee"),
    ({"impact": 0.1}, "costs.impact"),
]


def named(error: InvalidRequest | FailedPrecondition) -> set[tuple[str, str]]:
    """Field and reason of everything a refusal names."""
    return {(violation.field, violation.reason) for violation in error.violations}


async def told(handle: BacktestHandle | OptimizationHandle) -> dict[str, Any]:
    """Return how the run is described, and stop it: only its terms are of interest."""
    described = to_dict(await handle.get())
    with suppress(FailedPrecondition):
        await handle.cancel()
    return described


@pytest.fixture
def still(tmp_path: Path, bars_file: Path) -> Path:
    """The walk with no volume in any bar."""
    path = tmp_path / "still.csv"
    with bars_file.open(newline="") as source, path.open("w", newline="") as target:
        header, *rows = csv.reader(source)
        csv.writer(target).writerows([header, *([*row[:-1], 0] for row in rows)])
    return path


@pytest.mark.parametrize(("change", "reason", "field"), OUT_OF_RANGE)
async def test_terms_out_of_range_are_refused(
    client: Client, walk: str, change: dict[str, Any], reason: str, field: str
) -> None:
    """Each with its reason, under the field as the request has it, and with what is allowed."""
    with pytest.raises(InvalidRequest) as refusal:
        await client.backtests.start(**{"symbol": walk, "strategy_id": CROSS, **change})
    assert (field, reason) in named(refusal.value)


@pytest.mark.parametrize(("change", "field"), NOT_FOR_GRIDS)
async def test_a_grid_places_its_own_orders(
    client: Client, walk: str, change: dict[str, Any], field: str
) -> None:
    """What would change them is refused for a grid, and says why."""
    with pytest.raises(InvalidRequest) as refusal:
        await client.backtests.start(walk, GRID, **change)
    assert (field, "NOT_FOR_GRIDS") in named(refusal.value)
    (why,) = [row.description for row in refusal.value.violations if row.field == field]
    assert "grid" in why


async def test_what_a_grid_takes(client: Client, walk: str) -> None:
    """Nothing that says what a grid does anyway is held against it, nor what it knows of."""
    harmless = {"direction": "long", "sizing": "all_in", "fill": "next_open", "fixed_fee": 0, "impact": 0}
    known = {"maker_fee": 0.0, "lot_size": 0.01, "tick_size": 0.01, "min_notional": 5}
    handle = await client.backtests.start(
        walk, GRID, fill_model="volume", participation=1.0, **harmless, **known
    )
    trading = (await told(handle))["trading"]
    assert (trading["fill_model"], trading["participation"]) == ("volume", 1.0)


async def test_every_fault_of_the_terms_at_once(client: Client) -> None:
    """Costs, side, size, stops, rules, carry and fill model are refused together, and NaN nowhere passes."""
    nan, inf = float("nan"), float("inf")
    request = backtest_service_pb2.StartBacktestRequest(symbol="ABSENT/USDT", strategy_id=GRID)
    request.costs.MergeFrom(run_pb2.Costs(maker_fee=nan, fixed_fee=inf))
    request.trading.MergeFrom(
        run_pb2.Trading(
            direction=9,
            sizing=run_pb2.Sizing(kind=run_pb2.SIZING_KIND_FIXED, amount=inf),
            stops=run_pb2.Stops(take_profit=nan),
            rules=run_pb2.MarketRules(lot_size=nan, tick_size=inf),
            carry=run_pb2.Carry(borrow_rate=nan, funding=[run_pb2.FundingRate(rate=nan)]),
            fill_model=9,
            participation=nan,
        )
    )
    connection = client.backtests._connection
    with pytest.raises(InvalidRequest) as refusal:
        await connection.call(BacktestServiceStub(connection.channel).StartBacktest, request)
    assert {
        "symbol",
        "costs.maker_fee",
        "costs.fixed_fee",
        "trading.direction",
        "trading.sizing",
        "trading.sizing.amount",
        "trading.stops.take_profit",
        "trading.rules.lot_size",
        "trading.rules.tick_size",
        "trading.carry.borrow_rate",
        "trading.carry.funding[0].time",
        "trading.fill_model",
        "trading.participation",
    } <= {violation.field for violation in refusal.value.violations}


@pytest.mark.parametrize("field", ["costs.impact", "trading.fill_model"])
async def test_terms_that_need_volume(client: Client, still: Path, field: str) -> None:
    """Where no bar has volume, an order whose price or fill depends on it is refused."""
    await client.market_data.import_file(still, symbol="STILL/USDT", exchange="test")
    needing = {
        "costs.impact": {"strategy_id": CROSS, "impact": 0.1},
        "trading.fill_model": {"strategy_id": GRID, "fill_model": "volume"},
    }
    with pytest.raises(FailedPrecondition) as refusal:
        await client.backtests.start("STILL/USDT", **needing[field])
    assert (field, "NO_VOLUME") in named(refusal.value)


async def test_defaults_are_filled_in(client: Client, walk: str) -> None:
    """A run that names no terms shows them all the same."""
    described = await told(await client.backtests.start(walk, CROSS))
    costs = {"taker_fee": 0.001, "slippage": 0.0005, "maker_fee": 0.001, "fixed_fee": 0.0, "impact": 0.0}
    assert described["costs"] == costs
    assert described["trading"] == {
        "direction": "long",
        "sizing": {"kind": "all_in", "amount": None},
        "stops": {"stop_loss": None, "take_profit": None, "trailing_stop": None},
        "rules": {"min_notional": 0.0, "lot_size": 0.0, "tick_size": 0.0},
        "carry": {"borrow_rate": 0.0, "funding": []},
        "fill_model": "through",
        "participation": 0.1,
    }


async def test_terms_are_kept(client: Client, walk: str) -> None:
    """Backtests and searches show the terms they were given, after the way through the database."""
    backtest = await told(await client.backtests.start(walk, CROSS, **TERMS))
    search = await told(
        await client.optimizations.start(walk, CROSS, {"fast_period": [2, 9]}, max_iterations=9, **TERMS)
    )
    for described in (backtest, search):
        assert {name: described["costs"][name] for name in ("maker_fee", "fixed_fee", "impact")} == {
            name: TERMS[name] for name in ("maker_fee", "fixed_fee", "impact")
        }
        trading = described["trading"]
        assert (trading["direction"], trading["sizing"]) == ("both", {"kind": "fixed", "amount": 1000.0})
        for part in ("stops", "rules"):
            assert trading[part] == {name: TERMS[name] for name in trading[part]}
        assert trading["carry"]["borrow_rate"] == 1e-6
        assert trading["carry"]["funding"] == [
            {"time": "2023-01-01T08:00:00Z", "rate": 0.0001},
            {"time": "2023-01-01T16:00:00Z", "rate": -0.0002},
        ]


async def test_the_same_call_with_other_terms_is_another(client: Client, walk: str) -> None:
    """A request_id stands for one body, its terms included."""
    handle = await client.backtests.start(walk, CROSS, stop_loss=0.1, request_id="terms-once")
    with pytest.raises(InvalidRequest) as refusal:
        await client.backtests.start(walk, CROSS, stop_loss=0.2, request_id="terms-once")
    assert refusal.value.reason == "REQUEST_ID_REUSED"
    await told(handle)


async def test_what_the_operator_decides(tmp_path: Path, bars_file: Path) -> None:
    """Fill model and participation of grids have settings, and the funding of one run a limit."""
    settings = {
        "STRATOPT_FUNDING_RATES_MAX": "1",
        "STRATOPT_DEFAULT_FILL_MODEL": "touch",
        "STRATOPT_DEFAULT_PARTICIPATION": "0.25",
    }
    server = ServerProcess(tmp_path / "data", settings)
    try:
        async with Client(server.address) as client:
            await client.market_data.import_file(bars_file, symbol="WALK/USDT")
            with pytest.raises(InvalidRequest) as refusal:
                await client.backtests.start("WALK/USDT", CROSS, funding=FUNDING)
            assert named(refusal.value) == {("trading.carry.funding", "TOO_MANY_FUNDING_RATES")}
            assert "at most 1, not 2" in str(refusal.value)
            cross = await told(await client.backtests.start("WALK/USDT", CROSS, funding=FUNDING[:1]))
            assert (cross["trading"]["fill_model"], cross["trading"]["participation"]) == ("through", 0.1)
            grid = await told(await client.backtests.start("WALK/USDT", GRID))
            assert (grid["trading"]["fill_model"], grid["trading"]["participation"]) == ("touch", 0.25)
    finally:
        server.stop()
