"""The routes file: YAML that says which opportunities become pipelines of which strategies."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from stratopt_client import InvalidInput
from stratopt_client.plain import OPTIMIZATION_FIELDS, approval_request, hint_for, optimization_request
from stratopt_server.domain.decisions import CriterionValue
from stratopt_server.domain.errors import Violations
from stratopt_server.relay.shapes import violations_of
from stratopt_server.usecases.requests import OptimizationRequest
from stratopt_server.usecases.routes import Pick, Route, StrategyPlan
from stratopt_server.wire.optimizations import optimization_from_proto
from stratopt_server.wire.policies import criteria_from_proto

FILE_FIELDS = ("version", "routes")
ROUTE_FIELDS = ("name", "match", "policy", "approval_criteria", "strategies")
MATCH_FIELDS = ("kinds", "symbols", "confidence_min")
PLAN_FIELDS = {"pick", "policy", "approval_criteria", "use_analysis_period"}
"""Of a strategy, beside the fields of a search."""
NOT_OF_A_PLAN = {"symbol", "request_id"}
"""Fields of a search that the opportunity decides."""
VERSION = 1
FILE_BYTES_MAX = 1_048_576
NAME_LENGTH_MAX = 100


def read_routes(path: Path, policies: Collection[str]) -> tuple[Route, ...]:
    """Read and check the file; raises RequestRefused with everything that is wrong with it."""
    violations = Violations()
    document = _load(path, violations)
    violations.refuse_if_any()
    _note_unknown(document, FILE_FIELDS, "", violations)
    if document.get("version") != VERSION:
        violations.add("version", "WRONG_VERSION", f"must be {VERSION}", version=document.get("version"))
    routes = []
    for place, found in enumerate(_list(document, "routes", "routes", violations)):
        routes.append(_route(found, f"routes[{place}]", policies, violations))
    names = [route.name for route in routes if route is not None]
    for name in sorted({name for name in names if names.count(name) > 1}):
        violations.add("routes", "NAME_TAKEN", f"two routes are named {name!r}", name=name)
    violations.refuse_if_any()
    return tuple(route for route in routes if route is not None)


def read_plan(document: Mapping[str, Any]) -> StrategyPlan:
    """Read what a route says of one strategy; raises RequestRefused with everything that is wrong with it."""
    violations = Violations()
    plan = _plan(document, "", violations)
    violations.refuse_if_any()
    assert plan is not None, "what is wrong was refused"
    return plan


def _load(path: Path, violations: Violations) -> dict[str, Any]:
    try:
        content = path.read_bytes()
        document = yaml.safe_load(content[:FILE_BYTES_MAX])
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        violations.add("routes_file", "UNREADABLE", f"{path} cannot be read: {error}", path=path)
        return {}
    if len(content) > FILE_BYTES_MAX:
        violations.add("routes_file", "TOO_LARGE", f"{len(content)} bytes; at most {FILE_BYTES_MAX} are read")
    if not isinstance(document, dict):
        violations.add("routes_file", "NOT_A_MAPPING", f"{path} must begin with 'version: {VERSION}'")
        return {}
    return {str(name): _plain(value) for name, value in document.items()}


def _route(found: object, at: str, policies: Collection[str], violations: Violations) -> Route | None:
    if not isinstance(found, dict):
        violations.add(at, "NOT_A_MAPPING", "must be a mapping with name, match and strategies")
        return None
    before = len(violations.found)
    _note_unknown(found, ROUTE_FIELDS, at, violations)
    name = found.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LENGTH_MAX:
        violations.add(f"{at}.name", "REQUIRED", f"name it, with up to {NAME_LENGTH_MAX} characters")
    match = found.get("match") or {}
    if not isinstance(match, dict):
        violations.add(f"{at}.match", "NOT_A_MAPPING", f"must be a mapping of {', '.join(MATCH_FIELDS)}")
        match = {}
    _note_unknown(match, MATCH_FIELDS, f"{at}.match", violations)
    shared = {name: found[name] for name in ("policy", "approval_criteria") if name in found}
    plans = _plans(found, shared, at, policies, violations)
    kinds = _texts(match, "kinds", f"{at}.match.kinds", violations)
    symbols = _texts(match, "symbols", f"{at}.match.symbols", violations)
    confidence = _share(match, "confidence_min", f"{at}.match.confidence_min", violations)
    if len(violations.found) > before:
        return None
    return Route(
        name=str(name),
        kinds=frozenset(kind.lower() for kind in kinds),
        symbols=frozenset(symbol.upper().replace("-", "/") for symbol in symbols),
        confidence_min=confidence,
        plans=plans,
    )


def _plans(
    route: dict[str, Any],
    shared: dict[str, Any],
    at: str,
    policies: Collection[str],
    violations: Violations,
) -> tuple[dict[str, Any], ...]:
    plans = []
    listed = _list(route, "strategies", f"{at}.strategies", violations)
    for place, found in enumerate(listed):
        here = f"{at}.strategies[{place}]"
        if not isinstance(found, dict):
            violations.add(here, "NOT_A_MAPPING", "must be a mapping with strategy_id and param_ranges")
            continue
        document = {**shared, **found}
        plan = _plan(document, here, violations)
        if plan is not None and plan.policy and plan.policy not in policies:
            known = ", ".join(policies)
            violations.add(f"{here}.policy", "UNKNOWN_POLICY", f"there are {known}", policy=plan.policy)
        plans.append(document)
    return tuple(plans)


def _plan(document: Mapping[str, Any], at: str, violations: Violations) -> StrategyPlan | None:
    """Read a strategy's part: the fields of a search, and what becomes of what it finds."""
    found = Violations()
    search = _search(document, found)
    pick = _pick(document.get("pick"), found)
    criteria = _criteria(document, found)
    use_period = document.get("use_analysis_period", False)
    if not isinstance(use_period, bool):
        found.add("use_analysis_period", "WRONG_TYPE", "must be true or false")
    for violation in found.found:
        path = f"{at}.{violation.field}" if at else violation.field
        violations.add(path, violation.reason, violation.message)
    if found.found or search is None or pick is None:
        return None
    return StrategyPlan(
        search=search,
        pick=pick,
        policy=document.get("policy") or "",
        criteria=criteria,
        use_analysis_period=use_period,
    )


def _search(document: Mapping[str, Any], found: Violations) -> OptimizationRequest | None:
    """Read the fields of a search, of a symbol that is not known yet."""
    known = OPTIMIZATION_FIELDS - NOT_OF_A_PLAN
    _note_unknown(document, sorted(known | PLAN_FIELDS), "", found)
    for name, what in (("strategy_id", "name the strategy"), ("param_ranges", "say what may be tried")):
        if not document.get(name):
            found.add(name, "REQUIRED", what)
    fields = {name: value for name, value in document.items() if name in known}
    try:
        request = optimization_request({**fields, "symbol": "ANY/ANY"})
    except InvalidInput as wrong:
        found.extend(violations_of(wrong))
        return None
    search = optimization_from_proto(request)
    found.extend(search.faults)
    return search


def _criteria(document: Mapping[str, Any], found: Violations) -> Mapping[str, CriterionValue]:
    fields = {name: document.get(name) for name in ("policy", "approval_criteria")}
    try:
        request = approval_request(fields)
    except InvalidInput as wrong:
        found.extend(violations_of(wrong))
        return {}
    return criteria_from_proto(request.approval_criteria, found)


def _pick(value: object, violations: Violations) -> Pick | None:
    words = [pick.value for pick in Pick]
    if value is None:
        return Pick.ROBUST
    if value in words:
        return Pick(value)
    violations.add("pick", "UNKNOWN_WORD", f"must be one of {', '.join(words)}, not {value!r}")
    return None


def _plain(value: Any) -> Any:
    """Turn the dates that YAML reads into text, as JSON has it: the plan is stored as JSON."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _list(document: Mapping[str, Any], name: str, at: str, violations: Violations) -> list[Any]:
    value = document.get(name)
    if isinstance(value, list) and value:
        return value
    violations.add(at, "REQUIRED", "must be a list with at least one entry")
    return []


def _texts(document: Mapping[str, Any], name: str, at: str, violations: Violations) -> list[str]:
    value = document.get(name)
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(text, str) and text for text in value):
        return value
    violations.add(at, "WRONG_TYPE", "must be a list of texts")
    return []


def _share(document: Mapping[str, Any], name: str, at: str, violations: Violations) -> float | None:
    value = document.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 <= value <= 1:
        return float(value)
    violations.add(at, "OUT_OF_RANGE", f"must be a number from 0 to 1, not {value!r}")
    return None


def _note_unknown(
    document: Mapping[Any, Any], names: Collection[str], at: str, violations: Violations
) -> None:
    for name in document:
        if name not in names:
            path = f"{at}.{name}".lstrip(".")
            violations.add(path, "UNKNOWN_FIELD", f"no such field; {hint_for(name, names)}")
