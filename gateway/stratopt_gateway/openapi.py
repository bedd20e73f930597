"""The parts of the OpenAPI document that FastAPI cannot know."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from stratopt_gateway.problems import MEDIA_TYPE
from stratopt_gateway.schemas.problem import Problem

REF = "#/components/schemas/{model}"
TEXT_OF = {
    400: "The body is not JSON, or has a number that is not finite.",
    404: "There is no such resource.",
    405: "The route does not take this verb.",
    409: "The resource's state does not allow it, or the id is taken.",
    412: "Something it needs is not there: bars, dates inside them, a strategy that can run.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "One or more fields are wrong; `errors` names every one of them.",
    429: "A limit is reached; try again after Retry-After seconds.",
    500: "Something failed unexpectedly; the logs have the details.",
    501: "The server is older than the gateway and does not know this call.",
    503: "The server cannot be reached, or takes nothing now; try again after Retry-After seconds.",
    504: "The server took too long.",
}
ALWAYS = (413, 500, 501, 503, 504)
BODY = (400, 415, 422)
RETRIED = (429, 503)

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """Return the answers of a route that are problems: those given, and those that any route may give."""
    return {status: _answer(status) for status in sorted({*statuses, *ALWAYS})}


def body_problems(*statuses: int) -> Responses:
    """Return the same of a route that takes a body."""
    return problems(*BODY, *statuses)


def install(app: FastAPI) -> None:
    """Let the app's document tell of problems too."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    problem = Problem.model_json_schema(ref_template=REF)
    document["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
    return document


def _answer(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}. {TEXT_OF[status]}",
        "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}},
    }
    if status in RETRIED:
        answer["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        }
    return answer
