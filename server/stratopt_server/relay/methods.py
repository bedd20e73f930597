"""The methods of requests: the RPCs under plain JSON, and packages as they are published."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.message import Message

from stratopt.v1.approval_service_pb2 import ReplayParameterPackagesRequest
from stratopt.v1.backtest_service_pb2 import GetBacktestRequest
from stratopt.v1.optimization_service_pb2 import GetOptimizationRequest
from stratopt.v1.strategy_service_pb2 import ListStrategiesRequest
from stratopt.v1.system_service_pb2 import GetServerInfoRequest, ServerHealth
from stratopt_client.plain import (
    approval_request,
    backtest_request,
    optimization_request,
    simple_request,
    text_fields,
    to_dict,
)
from stratopt_server.domain.errors import Code, StratoptError
from stratopt_server.domain.packages import PackageStore, ParameterPackage, Place
from stratopt_server.relay.answerer import Method
from stratopt_server.relay.message import package_document, revocation_document
from stratopt_server.usecases.packaging import found_package
from stratopt_server.usecases.replays import Replays
from stratopt_server.usecases.threads import StorageThread

CALLER = "zeromq"
"""Whose jobs these are in the queue, where a request does not say."""

Rpc = Callable[[Any, Any], Awaitable[Message]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpcs:
    """The RPCs that have a method, as their servicers have them."""

    start_backtest: Rpc
    get_backtest: Rpc
    start_optimization: Rpc
    get_optimization: Rpc
    approve_strategy: Rpc
    list_strategies: Rpc
    get_server_info: Rpc


class PlainContext:
    """What an RPC may ask of the one who calls."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Name the caller, so that the jobs of this door take turns with those of others."""
        return (("stratopt-caller", CALLER),)


class PackageMethods:
    """Packages and revocations, as they are published."""

    def __init__(self, packages: PackageStore, replays: Replays, thread: StorageThread) -> None:
        self._packages = packages
        self._replays = replays
        self._thread = thread

    async def get(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return one package; params: package_id."""
        package_id = text_fields(params, "package_id")["package_id"]
        package = await self._thread.run(found_package, self._packages, package_id)
        if not package.approved:
            raise StratoptError(
                f"{package_id} is a draft that waits for a person's word: nothing of it is signed",
                code=Code.FAILED_PRECONDITION,
                reason="PACKAGE_IS_A_DRAFT",
                facts={"package_id": package_id, "decision_id": package.decision_id},
            )
        return _described(package)

    async def latest(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the newest package that may trade now; params: symbol, strategy_id?."""
        found = text_fields(params, "symbol", "strategy_id")
        return _described(await self._thread.run(self._replays.latest, found["symbol"], found["strategy_id"]))

    async def replay(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return packages by place; params: epoch, from_seq, to_seq."""
        replay = await self._thread.run(self._replays.packages, *_span(params))
        documents = [package_document(package) for package in replay.rows]
        return {**_places(replay.last, replay.epochs), "packages": documents}

    async def revocations(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return revocations by place; params as for a replay."""
        replay = await self._thread.run(self._replays.revocations, *_span(params))
        documents = [revocation_document(revocation) for revocation in replay.rows]
        return {**_places(replay.last, replay.epochs), "revocations": documents}


def _places(last: Place, epochs: Sequence[Place]) -> dict[str, Any]:
    """Describe the newest place of the epoch asked for, and those of all epochs, the present one last."""
    every = [{"epoch": place.epoch, "last_seq": place.seq} for place in epochs]
    return {"epoch": last.epoch, "last_seq": last.seq, "epochs": every}


def methods(rpcs: Rpcs, packages: PackageMethods) -> dict[str, Method]:
    """Return every method by its name."""
    of_backtest = _renamed(simple_request(GetBacktestRequest), {"task_id": "backtest_id"})
    return {
        "health_check": partial(_health, rpcs.get_server_info),
        "backtest.start": partial(_call, rpcs.start_backtest, backtest_request),
        "backtest.status": partial(_call, rpcs.get_backtest, of_backtest),
        "optimization.start": partial(_call, rpcs.start_optimization, optimization_request),
        "optimization.status": partial(_call, rpcs.get_optimization, simple_request(GetOptimizationRequest)),
        "strategy.approve": partial(_call, rpcs.approve_strategy, approval_request),
        "strategies.list": partial(_call, rpcs.list_strategies, simple_request(ListStrategiesRequest)),
        "package.get": packages.get,
        "package.latest": packages.latest,
        "package.replay": packages.replay,
        "package.revocations": packages.revocations,
    }


async def _call(
    rpc: Rpc, read: Callable[[Mapping[str, Any]], Message], params: Mapping[str, Any]
) -> Mapping[str, Any]:
    return to_dict(await rpc(read(params), PlainContext()))


async def _health(rpc: Rpc, params: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001 - it asks nothing
    info: Any = await rpc(GetServerInfoRequest(), PlainContext())
    return {"healthy": info.health != ServerHealth.SERVER_HEALTH_ILL, **to_dict(info)}


def _renamed(
    read: Callable[[Mapping[str, Any]], Message], names: Mapping[str, str]
) -> Callable[[Mapping[str, Any]], Message]:
    """Let fields have another name too: that of the REST API."""
    return lambda params: read({names.get(name, name): value for name, value in params.items()})


def _described(package: ParameterPackage) -> dict[str, Any]:
    revocation = package.revocation
    return {
        "package": package_document(package),
        "revocation": None if revocation is None else revocation_document(revocation),
    }


def _span(params: Mapping[str, Any]) -> tuple[str, int, int]:
    """Read which places are meant; those of revocations are asked for in the same words."""
    request: Any = READ_SPAN(params)
    return request.epoch, request.from_seq, request.to_seq


READ_SPAN = simple_request(ReplayParameterPackagesRequest)
