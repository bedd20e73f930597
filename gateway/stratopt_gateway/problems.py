"""What goes wrong, as RFC 9457 `application/problem+json`; the one place where errors become answers.

The table, from the server's canonical codes:

| code                | status                                                                          |
|---------------------|---------------------------------------------------------------------------------|
| INVALID_ARGUMENT    | 422, every wrong field in `errors`; a body that is no JSON is 400               |
| NOT_FOUND           | 404                                                                             |
| ALREADY_EXISTS      | 409                                                                             |
| FAILED_PRECONDITION | 409 where the resource's own state forbids it (`..._WRONG_STATUS`, `..._IN_USE`)  |
|                     | 412 where something it needs is not there: bars, dates, a kernel that can run    |
| RESOURCE_EXHAUSTED  | 429 with Retry-After                                                            |
| UNAVAILABLE         | 503 with Retry-After                                                            |
| DEADLINE_EXCEEDED   | 504                                                                             |
| anything else       | 500, without a word of what broke                                               |
"""

import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import grpc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from stratopt_client import StratoptError, Violation
from stratopt_gateway.logs import request_id
from stratopt_gateway.request_ids import HEADER
from stratopt_gateway.schemas.problem import FieldProblem, Problem

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
RETRIED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
WRONG_STATE = ("_WRONG_STATUS", "_IN_USE", "_ASKS_NOBODY", "_REVIEWED")
"""Ends of the reasons that speak about the resource's own state."""
STATUS_OF = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.UNPROCESSABLE_ENTITY,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.PRECONDITION_FAILED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
NESTED_IN_PROTO = (
    "costs.",
    "strategy.",
    *(f"trading.{part}." for part in ("stops", "rules", "carry")),
    "trading.",
)
"""Messages of the protocol whose fields stand at the top of a request here."""


class Refused(Exception):
    """A request that the gateway itself refuses."""

    def __init__(
        self, status: HTTPStatus, reason: str, detail: str, errors: Iterable[FieldProblem] = ()
    ) -> None:
        """Keep what the answer will say."""
        super().__init__(detail)
        self.problem = problem(status, reason, detail, errors)


class ProblemResponse(JSONResponse):
    """An answer that says what is wrong."""

    media_type = MEDIA_TYPE

    def __init__(self, said: Problem, headers: dict[str, str] | None = None) -> None:
        """Take the status from the problem itself."""
        given = dict(headers or {})
        if said.status in RETRIED:
            given.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
        super().__init__(said.model_dump(mode="json"), status_code=said.status, headers=given)


def problem(status: HTTPStatus, reason: str, detail: str, errors: Iterable[FieldProblem] = ()) -> Problem:
    """Describe a problem; its type and title follow from the reason."""
    return Problem(
        type=f"urn:stratopt:problem:{reason.lower().replace('_', '-')}",
        title=reason.replace("_", " ").capitalize(),
        status=status.value,
        detail=detail,
        reason=reason,
        errors=list(errors),
    )


def problem_of(error: StratoptError, renamed: dict[str, str]) -> Problem:
    """Describe an error of the client; `renamed` has the fields that are called otherwise here."""
    status = STATUS_OF.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    if status is HTTPStatus.PRECONDITION_FAILED and error.reason.endswith(WRONG_STATE):
        status = HTTPStatus.CONFLICT
    return problem(
        status, error.reason, error.message, (_field(found, renamed) for found in error.violations)
    )


def problem_of_rpc(error: grpc.aio.AioRpcError) -> Problem:
    """Describe a failed call that came without the server's own words."""
    log.error("the call failed with %s: %s", error.code(), error.details())
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return problem(HTTPStatus.GATEWAY_TIMEOUT, "TIMEOUT", "the server took too long; it may still do it")
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        text = "the server behind this gateway is older than it and does not know this call"
        return problem(HTTPStatus.NOT_IMPLEMENTED, "NOT_IMPLEMENTED", text)
    return _internal()


def install(app: FastAPI) -> None:
    """Answer every error of an app with a problem."""
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(StratoptError, _on_stratopt_error)
    app.add_exception_handler(grpc.aio.AioRpcError, _on_rpc_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


async def _on_refused(_: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, Refused), "registered for it"
    return ProblemResponse(error.problem)


async def _on_stratopt_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, StratoptError), "registered for it"
    return ProblemResponse(problem_of(error, getattr(request.state, "renamed", {})))


async def _on_rpc_error(_: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, grpc.aio.AioRpcError), "registered for it"
    return ProblemResponse(problem_of_rpc(error))


async def _on_invalid(_: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError), "registered for it"
    faults = [_fault(fault) for fault in error.errors()]
    detail = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
    return ProblemResponse(problem(HTTPStatus.UNPROCESSABLE_ENTITY, "INVALID_REQUEST", detail, faults))


async def _on_http(request: Request, error: Exception) -> ProblemResponse:
    """Answer what routing found out: no such route, no such verb."""
    assert isinstance(error, HTTPException), "registered for it"
    status = HTTPStatus(error.status_code)
    path = request.url.path
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if status is HTTPStatus.NOT_FOUND:
        detail = f"there is no route {path}; GET /openapi.json lists them"
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = allowed = ", ".join(_verbs(request))
        detail = f"{path} takes {allowed}, not {request.method}"
    reason = "ROUTE_NOT_FOUND" if status is HTTPStatus.NOT_FOUND else status.name
    return ProblemResponse(problem(status, reason, detail), headers)


async def _on_bug(request: Request, error: Exception) -> ProblemResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return ProblemResponse(_internal(), {HEADER: request_id.get()})


def _internal() -> Problem:
    text = "something failed unexpectedly; the logs have the details"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL", text)


def _verbs(request: Request) -> list[str]:
    """Every verb that the path takes; routing itself knows only those of the first route that fits."""
    verbs = {"GET"} if request.url.path in (request.app.openapi_url, request.app.docs_url) else set()
    for path, operations in request.app.openapi()["paths"].items():
        if compile_path(path)[0].match(request.url.path):
            verbs.update(verb.upper() for verb in operations)
    return sorted(verbs)


def _field(violation: Violation, renamed: dict[str, str]) -> FieldProblem:
    name = violation.field
    for prefix in NESTED_IN_PROTO:
        name = name.removeprefix(prefix)
    name = renamed.get(name, name)
    return FieldProblem(field=name, reason=violation.reason, message=violation.description)


def _fault(fault: dict[str, Any]) -> FieldProblem:
    """Describe what pydantic found, in the words of the other errors."""
    kind, place = str(fault["type"]), [_step(part) for part in fault["loc"]]
    # The first part says whether it stood in body, query, path or header; a union adds its members.
    names = [part for part in place[1:] if not part.startswith(("constrained-", "function-", "literal["))]
    field = ".".join(names).replace(".[", "[") or place[0]
    reasons = {"missing": "REQUIRED", "extra_forbidden": "UNKNOWN_FIELD"}
    text = "there is no such field" if kind == "extra_forbidden" else str(fault["msg"])
    return FieldProblem(field=field, reason=reasons.get(kind, kind.upper()), message=text)


def _step(part: str | int) -> str:
    """One step of a field's path: a name, or a place in a list."""
    return f"[{part}]" if isinstance(part, int) else part
