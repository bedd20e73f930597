"""Keyword arguments become requests."""

# ruff: noqa: N802 - gRPC names the methods of servicers

import uuid
from datetime import UTC, date, datetime

import pytest
from client_fakes import Backtests, MarketData, Optimizations, Strategies, backtest, optimization, serving

from stratopt.v1 import run_pb2
from stratopt.v1.backtest_service_pb2 import ListBacktestsResponse
from stratopt.v1.job_pb2 import JobStatus
from stratopt.v1.market_data_service_pb2 import ListDatasetsResponse
from stratopt.v1.optimization_pb2 import Algorithm, OptimizationTarget, Trial, TrialStatus
from stratopt.v1.optimization_service_pb2 import ListOptimizationsResponse, ListTrialsResponse
from stratopt.v1.run_pb2 import Fill
from stratopt.v1.strategy_pb2 import Strategy
from stratopt.v1.strategy_service_pb2 import (
    CreateStrategyResponse,
    ListStrategiesResponse,
    UpdateStrategyResponse,
)
from stratopt_client import Client, InvalidInput, params_to_python
from stratopt_client._options import RunOptions
from stratopt_client._requests import start_backtest, start_optimization


def test_backtest_with_everything() -> None:
    """Each keyword lands in its field."""
    request = start_backtest(
        "BTC/USDT",
        "ma_cross_v1.0",
        {
            "params": {"fast_period": 5},
            "start_date": "2020-01-01",
            "end_date": "2020-12-31",
            "exchange": "binance",
            "timeframe": "1h",
            "taker_fee": 0,
            "slippage": 0.0001,
            "initial_cash": 5000,
            "fill": "close",
            "request_id": "mine",
        },
    )
    assert (request.symbol, request.strategy_id, request.request_id) == ("BTC/USDT", "ma_cross_v1.0", "mine")
    assert params_to_python(request.params) == {"fast_period": 5}
    assert request.start_date.ToDatetime(tzinfo=UTC) == datetime(2020, 1, 1, tzinfo=UTC)
    assert request.end_date.ToDatetime(tzinfo=UTC) == datetime(2020, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert (request.exchange, request.timeframe) == ("binance", "1h")
    assert (request.costs.taker_fee, request.costs.slippage, request.initial_cash) == (0.0, 0.0001, 5000.0)
    assert request.costs.HasField("taker_fee")
    assert request.fill == Fill.FILL_CLOSE


FUNDING = [
    ("2024-01-01T08:00Z", 0.0001),
    (datetime(2024, 1, 1, 16, tzinfo=UTC), -0.0002),
    (date(2024, 1, 2), 0),
]
TERMS: RunOptions = {
    "maker_fee": 0,
    "fixed_fee": 1.5,
    "impact": 0.25,
    "direction": "short",
    "sizing": ("fraction", 0.5),
    "stop_loss": 0.03,
    "take_profit": 0.06,
    "trailing_stop": 0.04,
    "min_notional": 5,
    "lot_size": 1e-5,
    "tick_size": 0.01,
    "borrow_rate": 1e-6,
    "funding": iter(FUNDING),
    "fill_model": "touch_path",
    "participation": 0.2,
}


def test_terms_land_in_their_fields() -> None:
    """Costs and trading terms, each under its own name; of funding, times as they are written."""
    request = start_backtest("BTC/USDT", "grid_v1.2", {**TERMS, "taker_fee": 0.001})
    costs, trading = request.costs, request.trading
    assert (costs.taker_fee, costs.maker_fee, costs.fixed_fee, costs.impact) == (0.001, 0.0, 1.5, 0.25)
    assert costs.HasField("maker_fee")
    assert not costs.HasField("slippage")
    assert (trading.direction, trading.fill_model) == (
        run_pb2.DIRECTION_SHORT,
        run_pb2.FILL_MODEL_TOUCH_PATH,
    )
    assert (trading.sizing.kind, trading.sizing.amount) == (run_pb2.SIZING_KIND_FRACTION, 0.5)
    stops, rules = trading.stops, trading.rules
    assert (stops.stop_loss, stops.take_profit, stops.trailing_stop) == (0.03, 0.06, 0.04)
    assert (rules.min_notional, rules.lot_size, rules.tick_size) == (5.0, 1e-5, 0.01)
    assert (trading.carry.borrow_rate, trading.participation) == (1e-6, 0.2)
    paid = [(rate.time.ToDatetime(tzinfo=UTC), rate.rate) for rate in trading.carry.funding]
    assert paid == [
        (datetime(2024, 1, 1, 8, tzinfo=UTC), 0.0001),
        (datetime(2024, 1, 1, 16, tzinfo=UTC), -0.0002),
        (datetime(2024, 1, 2, tzinfo=UTC), 0.0),
    ]


@pytest.mark.parametrize(
    ("sizing", "kind", "amount"),
    [
        ("all_in", "ALL_IN", None),
        (("fixed", 1000), "FIXED", 1000.0),
        (["fraction", 0.5], "FRACTION", 0.5),
        ("fraction", "FRACTION", None),
    ],
)
def test_sizes_as_they_are_written(sizing: object, kind: str, amount: float | None) -> None:
    """A word, or a word with an amount; that one is missing is the server's to say."""
    sent = start_optimization("BTC/USDT", "ma_cross_v1.0", {"x": [1, 2]}, {"sizing": sizing}).trading.sizing
    assert run_pb2.SizingKind.Name(sent.kind) == f"SIZING_KIND_{kind}"
    assert (sent.amount if sent.HasField("amount") else None) == amount


@pytest.mark.parametrize(
    ("option", "field", "told"),
    [
        ({"sizing": "half"}, "sizing", "must be one of all_in, fraction, fixed, not 'half'"),
        ({"sizing": 0.5}, "sizing", 'must be "all_in", ("fraction", 0.5) or ("fixed", 1000.0), not 0.5'),
        ({"sizing": ("fraction", 0.5, 1)}, "sizing", 'must be "all_in"'),
        ({"sizing": ("fixed", "1000")}, "sizing.amount", "must be a finite number, not '1000'"),
        ({"direction": "up"}, "direction", "must be one of long, short, both"),
        ({"fill_model": "maybe"}, "fill_model", "must be one of touch, through, volume, touch_path"),
        ({"stop_loss": "2 %"}, "stop_loss", "must be a finite number"),
        ({"maker_fee": float("nan")}, "maker_fee", "must be a finite number"),
        ({"lot_size": float("inf")}, "lot_size", "must be a finite number"),
        ({"funding": 0.1}, "funding", "must be pairs of a time and a rate, not 0.1"),
        ({"funding": {"2024-01-01": 0.1}}, "funding", "must be pairs of a time and a rate"),
        ({"funding": ["2024-01-01"]}, "funding[0]", "must be pairs of a time and a rate"),
        ({"funding": [FUNDING[0], ("soon", 0.1)]}, "funding[1].time", "must be a date or time"),
        ({"funding": [FUNDING[0], (None, 0.1)]}, "funding[1]", "must be pairs of a time and a rate"),
        ({"funding": [FUNDING[0], ("2024-01-02", "0.1")]}, "funding[1].rate", "must be a finite number"),
    ],
)
def test_terms_of_the_wrong_shape(option: RunOptions, field: str, told: str) -> None:
    """Each is told under its own name, with what it may be."""
    with pytest.raises(InvalidInput) as caught:
        start_backtest("BTC/USDT", "ma_cross_v1.0", option)
    (violation,) = caught.value.violations
    assert violation.field == field
    assert told in violation.description


def test_backtest_with_nothing_more_than_it_needs() -> None:
    """What is left out, or None, stays unset: the server has the defaults."""
    request = start_backtest(
        "BTC/USDT",
        "ma_cross_v1.0",
        {"params": None, "fill": None, "initial_cash": None, **dict.fromkeys(TERMS)},
    )
    assert {field.name for field, _ in request.ListFields()} == {"symbol", "strategy_id", "request_id"}
    assert uuid.UUID(request.request_id).version == 4


def test_optimization_with_everything() -> None:
    """Each keyword lands in its field."""
    request = start_optimization(
        "BTC/USDT",
        "ma_cross_v1.0",
        {"fast_period": {"min": 5, "max": 50, "step": 1}},
        {
            "optimization_target": "drawdown",
            "max_iterations": 500,
            "algorithm": "random",
            "seed": 2**64 - 1,
            "holdout": 0,
            "min_trades": 1,
            "fixed_params": {"slow_period": 60},
            "end_date": "2020-12-31",
        },
    )
    assert request.param_ranges["fast_period"].integer.max == 50
    assert request.optimization_target == OptimizationTarget.OPTIMIZATION_TARGET_DRAWDOWN
    assert request.algorithm == Algorithm.ALGORITHM_RANDOM
    assert (request.max_iterations, request.seed, request.min_trades) == (500, 2**64 - 1, 1)
    assert request.HasField("holdout")
    assert params_to_python(request.fixed_params) == {"slow_period": 60}
    assert request.end_date.ToDatetime().hour == 23


def test_optimization_with_nothing_more_than_it_needs() -> None:
    """Seed, holdout and the like stay unset: the server draws or knows them."""
    request = start_optimization("BTC/USDT", "ma_cross_v1.0", {"fast_period": [5, 50]}, {})
    named = {field.name for field, _ in request.ListFields()}
    assert named == {"symbol", "strategy_id", "request_id", "param_ranges"}


def test_everything_wrong_is_named_at_once() -> None:
    """One refusal names every argument, and the server is not called."""
    wrong = {
        "optimization_target": "profit",
        "max_iterations": "many",
        "seed": -1,
        "holdout": "0.3",
        "start_date": "soon",
        "taker_fee": True,
        "fill": "open",
        "timeframe": 60,
    }
    with pytest.raises(InvalidInput) as caught:
        start_optimization(None, 7, {"x": 5}, wrong)
    named = {violation.field for violation in caught.value.violations}
    assert named == {*wrong, "strategy_id", "param_ranges.x"}
    assert "fill: must be one of next_open, close, not 'open'" in str(caught.value)
    assert caught.value.metadata["field"] in named


def test_unknown_keyword_is_a_type_error_with_a_hint() -> None:
    """A misspelt option is told at once, as Python tells it."""
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'param'; did you mean 'params'"):
        start_backtest("BTC/USDT", "ma_cross_v1.0", {"param": {}})
    with pytest.raises(TypeError, match=r"'zzz'; it takes algorithm, borrow_rate"):
        start_optimization("BTC/USDT", "ma_cross_v1.0", {}, {"zzz": 1})


class Recording(Backtests, Optimizations, MarketData, Strategies):
    """Keeps what it was asked, answers in two pages."""

    def __init__(self) -> None:
        """Nothing asked yet."""
        self.asked: list = []

    def _paged(self, request, kind, **rows):
        self.asked.append(request)
        return kind(**rows, next_page_token="" if request.page_token else "more")

    async def ListBacktests(self, request, _context):
        """Answer a page."""
        return self._paged(request, ListBacktestsResponse, backtests=[backtest(), backtest()])

    async def ListOptimizations(self, request, _context):
        """Answer a page."""
        return self._paged(request, ListOptimizationsResponse, optimizations=[optimization()])

    async def ListTrials(self, request, _context):
        """Answer a page."""
        return self._paged(request, ListTrialsResponse, trials=[Trial(number=len(self.asked))])

    async def ListDatasets(self, request, _context):
        """Answer a page."""
        return self._paged(request, ListDatasetsResponse, datasets=[{"id": "ds_1"}])

    async def ListStrategies(self, request, _context):
        """Answer a page."""
        return self._paged(request, ListStrategiesResponse, strategies=[Strategy(id="a")])

    async def CreateStrategy(self, request, _context):
        """Give it back."""
        self.asked.append(request)
        return CreateStrategyResponse(strategy=request.strategy)

    async def UpdateStrategy(self, request, _context):
        """Give it back."""
        self.asked.append(request)
        return UpdateStrategyResponse(strategy=request.strategy)


async def test_lists_yield_the_rows_of_every_page() -> None:
    """The second page is asked for with the token of the first and the same filter."""
    recording = Recording()
    async with serving(recording) as target, Client(target) as client:
        found = [row async for row in client.backtests.list(strategy_id="grid_v1.2", status="running")]
    assert len(found) == 4
    assert [request.page_token for request in recording.asked] == ["", "more"]
    assert {request.strategy_id for request in recording.asked} == {"grid_v1.2"}
    assert {request.status for request in recording.asked} == {JobStatus.JOB_STATUS_RUNNING}


async def test_every_list_takes_its_filter() -> None:
    """Optimizations, trials, datasets and strategies are listed alike."""
    recording = Recording()
    async with serving(recording) as target, Client(target) as client:
        trials = client.optimizations.handle("opt_1").trials(status="too_few_trades")
        assert len([row async for row in trials]) == 2
        assert len([row async for row in client.optimizations.list(symbol="BTC/USDT")]) == 2
        assert len([row async for row in client.market_data.list(exchange="binance", symbol=None)]) == 2
        assert len([row async for row in client.strategies.list(name="Grid")]) == 2
    assert recording.asked[0].status == TrialStatus.TRIAL_STATUS_TOO_FEW_TRADES
    assert (recording.asked[2].symbol, recording.asked[4].exchange) == ("BTC/USDT", "binance")
    assert recording.asked[6].name == "Grid"


async def test_pages_can_be_taken_one_at_a_time() -> None:
    """Size and token go over as they are, for callers that page themselves."""
    recording = Recording()
    async with serving(recording) as target, Client(target) as client:
        pager = client.optimizations.list()
        first = await pager.page(size=1)
        last = await pager.page(size=1, token=first.next_page_token)
    assert (first.next_page_token, last.next_page_token) == ("more", "")
    assert [request.page_size for request in recording.asked] == [1, 1]
    assert [row.id for row in last.rows] == ["opt_1"]


async def test_strategy_is_created_and_changed() -> None:
    """An update masks the fields given, so that one can be set to empty and the others stay."""
    recording = Recording()
    async with serving(recording) as target, Client(target) as client:
        await client.strategies.create("mine", name="Mine", version="1", code="PARAMS = {}")
        await client.strategies.update("mine", default_params={}, version="2", name=None)
    created, updated = recording.asked
    assert (created.strategy.id, created.strategy.name, created.strategy.code) == (
        "mine",
        "Mine",
        "PARAMS = {}",
    )
    assert created.request_id
    assert sorted(updated.update_mask.paths) == ["default_params", "version"]
    assert updated.strategy.version == "2"


async def test_update_of_nothing_is_refused() -> None:
    """An empty mask would mean every field that is set; nobody means that by giving none."""
    async with Client() as client:
        with pytest.raises(InvalidInput, match="nothing to change"):
            await client.strategies.update("mine")
        with pytest.raises(TypeError, match="did you mean 'version'"):
            await client.strategies.update("mine", versions="2")


async def test_filters_are_checked() -> None:
    """A status that does not exist, or a name that is no text, is told before the call."""
    async with Client() as client:
        with pytest.raises(InvalidInput, match="status: must be one of pending, running"):
            client.backtests.list(status="done")
        with pytest.raises(InvalidInput, match="strategy_id: must be text"):
            await client.strategies.get(7)
        with pytest.raises(TypeError, match="unexpected keyword"):
            client.market_data.list(symbols="BTC/USDT")
