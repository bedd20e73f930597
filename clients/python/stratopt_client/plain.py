"""Requests from plain JSON, and plain JSON from messages: for doors that speak JSON, such as ZeroMQ.

The names are those of the REST API. What is wrong with the shape of a document raises InvalidInput with
every field that is wrong; what its values may be is the server's to say.
"""

import difflib
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, cast

from google.protobuf.message import Message

from stratopt.v1.approval_service_pb2 import ApproveStrategyRequest
from stratopt.v1.backtest_service_pb2 import StartBacktestRequest
from stratopt.v1.optimization_service_pb2 import StartOptimizationRequest
from stratopt_client._approvals import approve_request
from stratopt_client._options import BacktestOptions, OptimizationOptions
from stratopt_client._plain import to_dict
from stratopt_client._requests import start_backtest, start_optimization, texts
from stratopt_client._shape import Shape, kind_of

__all__ = [
    "BACKTEST_FIELDS",
    "OPTIMIZATION_FIELDS",
    "approval_request",
    "backtest_request",
    "hint_for",
    "optimization_request",
    "simple_request",
    "text_fields",
    "to_dict",
]

RUN_OF = ("symbol", "strategy_id")
NOT_IN_JSON = {"caller"}
"""Options of a call that are no part of the request."""


def _fields(of: type, arguments: tuple[str, ...]) -> frozenset[str]:
    options: frozenset[str] = of.__optional_keys__  # type: ignore[attr-defined]  # every TypedDict has it
    return options - NOT_IN_JSON | set(arguments)


BACKTEST_FIELDS = _fields(BacktestOptions, RUN_OF)
OPTIMIZATION_FIELDS = _fields(OptimizationOptions, (*RUN_OF, "param_ranges"))


def backtest_request(document: Mapping[str, Any]) -> StartBacktestRequest:
    """Read the fields of POST /api/backtest/start."""
    _refuse_unknown(document, BACKTEST_FIELDS)
    options = _options(document, RUN_OF)
    return start_backtest(document.get("symbol"), document.get("strategy_id"), options)


def optimization_request(document: Mapping[str, Any]) -> StartOptimizationRequest:
    """Read the fields of POST /api/optimization/start."""
    _refuse_unknown(document, OPTIMIZATION_FIELDS)
    options = _options(document, (*RUN_OF, "param_ranges"))
    return start_optimization(
        document.get("symbol"), document.get("strategy_id"), document.get("param_ranges"), options
    )


def approval_request(document: Mapping[str, Any]) -> ApproveStrategyRequest:
    """Read the fields of POST /api/strategies/approve."""
    names = {"strategy_id", "backtest_id", "approval_criteria", "policy", "request_id"}
    _refuse_unknown(document, names)
    given = {name: document.get(name) for name in names}
    return approve_request(**cast("dict[str, Any]", given))


def text_fields(document: Mapping[str, Any], *names: str) -> dict[str, str]:
    """Read texts of these names, empty where they are left out."""
    _refuse_unknown(document, set(names))
    return texts({name: document.get(name) for name in names})


def simple_request(kind: type[Message]) -> Callable[[Mapping[str, Any]], Message]:
    """Make a reader of a request that has texts and whole numbers only, under the names of the protocol."""
    fields = {field.name: field for field in kind.DESCRIPTOR.fields}

    def read(document: Mapping[str, Any]) -> Message:
        _refuse_unknown(document, set(fields))
        shape = Shape()
        values = {
            name: shape.text(name, value)
            if fields[name].cpp_type == fields[name].CPPTYPE_STRING
            else shape.whole(name, value)
            for name, value in document.items()
        }
        shape.refuse_if_any()
        return kind(**{name: value for name, value in values.items() if value is not None})

    return read


def _options(document: Mapping[str, Any], arguments: tuple[str, ...]) -> Any:
    """Cut the options out of a document, pairs as the client has them."""
    options = {name: value for name, value in document.items() if name not in arguments}
    if isinstance(options.get("sizing"), Mapping):
        sizing = options["sizing"]
        kind, amount = sizing.get("kind"), sizing.get("amount")
        options["sizing"] = kind if amount is None else (kind, amount)
    if isinstance(options.get("funding"), list):
        options["funding"] = [
            (paid.get("time"), paid.get("rate")) if isinstance(paid, Mapping) else paid
            for paid in options["funding"]
        ]
    return options


def _refuse_unknown(document: Mapping[str, Any], known: AbstractSet[str]) -> None:
    shape = Shape()
    if not isinstance(document, Mapping):
        shape.wrong("params", f"must be an object, not {kind_of(document)}")
        shape.refuse_if_any()
    for name in document:
        if name not in known:
            shape.wrong(str(name), f"no such field; {hint_for(name, known)}", reason="UNKNOWN_FIELD")
    shape.refuse_if_any()


def hint_for(name: object, known: Collection[str]) -> str:
    """Say which name may have been meant, or which there are."""
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"
