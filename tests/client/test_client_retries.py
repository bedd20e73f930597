"""Calls are made again exactly where the schema says that this is safe."""

# ruff: noqa: N802 - gRPC names the methods of servicers

import json

import grpc
import pytest
from client_fakes import Backtests, Strategies, backtest, refusal, serving
from google.protobuf.descriptor_pb2 import MethodOptions

from stratopt.v1.backtest_service_pb2 import GetBacktestResponse, StartBacktestResponse
from stratopt.v1.strategy_service_pb2 import DeleteStrategyResponse
from stratopt_client import Client, InvalidRequest, Unavailable
from stratopt_client._channel import may_be_repeated, service_config, services


class Flaky(Backtests, Strategies):
    """Is unavailable for the first calls, then answers."""

    def __init__(self, status: grpc.Status, failures: int) -> None:
        """Fail so many times in this way."""
        self.status = status
        self.failures = failures
        self.requests: list[object] = []

    async def _answer(self, request, context, response):
        self.requests.append(request)
        if len(self.requests) <= self.failures:
            await context.abort_with_status(self.status)
        return response

    async def StartBacktest(self, request, context):
        """Answer, or not yet."""
        return await self._answer(request, context, StartBacktestResponse(backtest=backtest("PENDING")))

    async def GetBacktest(self, request, context):
        """Answer, or not yet."""
        return await self._answer(request, context, GetBacktestResponse(backtest=backtest()))

    async def DeleteStrategy(self, request, context):
        """Answer, or not yet."""
        return await self._answer(request, context, DeleteStrategyResponse())


DRAINING = refusal(grpc.StatusCode.UNAVAILABLE, "DRAINING")


def test_everything_but_the_import_may_be_repeated() -> None:
    """Each RPC says how often it may be made; only the stream of requests cannot be made again."""
    methods = [method for service in services() for method in service.methods]
    assert [method.name for method in methods if not may_be_repeated(method)] == ["ImportBars"]
    named = json.loads(service_config(services()))["methodConfig"][0]["name"]
    assert {"service": "stratopt.v1.BacktestService", "method": "StartBacktest"} in named
    assert len(named) == len(methods) - 1


def test_every_idempotent_request_has_a_request_id() -> None:
    """What makes an IDEMPOTENT call repeatable is there to be filled in."""
    for service in services():
        for method in service.methods:
            if method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENT:
                asked = method.input_type
                inner = asked.fields_by_name.get("approval")  # of a call that only says more meanwhile
                names = (asked if inner is None else inner.message_type).fields_by_name
                assert method.client_streaming or "request_id" in names, method.name


async def test_start_is_repeated_with_one_request_id() -> None:
    """The server can tell that it is the same start again."""
    flaky = Flaky(DRAINING, failures=2)
    async with serving(flaky) as target, Client(target) as client:
        handle = await client.backtests.start("BTC/USDT", "ma_cross_v1.0")
    assert handle.id == "bt_1"
    assert len(flaky.requests) == 3
    assert len({request.request_id for request in flaky.requests}) == 1
    assert len(flaky.requests[0].request_id) == 36


async def test_request_id_of_the_caller_is_sent() -> None:
    """The client makes one only where the caller has none."""
    flaky = Flaky(DRAINING, failures=0)
    async with serving(flaky) as target, Client(target) as client:
        await client.backtests.start("BTC/USDT", "ma_cross_v1.0", request_id="mine")
        await client.strategies.delete("old", request_id="mine too")
        await client.strategies.delete("older")
    first, second, third = (request.request_id for request in flaky.requests)
    assert (first, second) == ("mine", "mine too")
    assert len(third) == 36


async def test_get_is_repeated() -> None:
    """Reading is always safe."""
    flaky = Flaky(DRAINING, failures=1)
    async with serving(flaky) as target, Client(target) as client:
        assert (await client.backtests.get("bt_1")).id == "bt_1"
    assert len(flaky.requests) == 2


async def test_repeats_are_bounded() -> None:
    """After four attempts the caller hears of it."""
    flaky = Flaky(DRAINING, failures=99)
    async with serving(flaky) as target, Client(target) as client:
        with pytest.raises(Unavailable) as caught:
            await client.backtests.get("bt_1")
    assert caught.value.reason == "DRAINING"
    assert len(flaky.requests) == 4


async def test_refusal_is_not_repeated() -> None:
    """Only UNAVAILABLE may go away by itself."""
    flaky = Flaky(refusal(grpc.StatusCode.INVALID_ARGUMENT, "WRONG"), failures=99)
    async with serving(flaky) as target, Client(target) as client:
        with pytest.raises(InvalidRequest):
            await client.backtests.get("bt_1")
    assert len(flaky.requests) == 1
