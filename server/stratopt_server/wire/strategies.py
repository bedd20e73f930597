"""Strategies <-> proto."""

from stratopt.v1 import strategy_pb2 as pb
from stratopt.v1 import strategy_service_pb2 as service_pb
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.strategy import Strategy
from stratopt_server.strategies.catalog import Catalog
from stratopt_server.usecases.requests import StrategyRequest
from stratopt_server.wire.parameters import params_from_proto, params_to_proto, specs_to_proto
from stratopt_server.wire.reading import check_request_id
from stratopt_server.wire.times import to_timestamp

UPDATABLE = ("name", "version", "code", "default_params")


def strategy_to_proto(strategy: Strategy, catalog: Catalog) -> pb.Strategy:
    """Write a strategy with what is known about its code."""
    contract = catalog.contract(strategy.code_hash)
    obstacle = catalog.why_not_runnable(strategy.code_hash)
    return pb.Strategy(
        id=strategy.id,
        name=strategy.name,
        version=strategy.version,
        code=strategy.code,
        default_params=params_to_proto(strategy.default_params),
        parameters=[] if contract is None else specs_to_proto(contract.params),
        runnable=obstacle is None,
        not_runnable_reason=obstacle or "",
        code_hash=strategy.code_hash,
        create_time=to_timestamp(strategy.created_at),
        update_time=to_timestamp(strategy.updated_at),
    )


def create_from_proto(request: service_pb.CreateStrategyRequest) -> StrategyRequest:
    """Read the strategy to store; raises RequestRefused."""
    violations = Violations()
    check_request_id(request, violations)
    wanted = _read(request.strategy, violations, fields=UPDATABLE)
    violations.refuse_if_any()
    return wanted


def update_from_proto(request: service_pb.UpdateStrategyRequest) -> StrategyRequest:
    """Read the fields to change; raises RequestRefused."""
    violations = Violations()
    check_request_id(request, violations)
    paths = tuple(request.update_mask.paths)
    for path in paths:
        if path not in UPDATABLE:
            allowed = ", ".join(UPDATABLE)
            violations.add(
                "update_mask", "UNKNOWN_PATH", f"may name {allowed}, not {path!r}", allowed=allowed, path=path
            )
    fields = paths or tuple(name for name in UPDATABLE if getattr(request.strategy, name))
    wanted = _read(request.strategy, violations, fields=fields)
    violations.refuse_if_any()
    return wanted


def _read(message: pb.Strategy, violations: Violations, *, fields: tuple[str, ...]) -> StrategyRequest:
    params = params_from_proto(message.default_params, field="strategy.default_params", violations=violations)
    return StrategyRequest(
        id=message.id,
        name=message.name if "name" in fields else None,
        version=message.version if "version" in fields else None,
        code=message.code if "code" in fields else None,
        default_params=params if "default_params" in fields else None,
    )
