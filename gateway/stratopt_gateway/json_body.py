"""Bodies of requests: strict JSON, said to be JSON, before a model looks at them."""

import math
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from stratopt_gateway.problems import Refused


class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:
        """Return the body; raise Refused unless it is JSON with finite numbers only."""
        return read_json(await self.body())


class StrictRoute(APIRoute):
    """A route that refuses a body which is no JSON, or is not declared as such."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Look at the body before the route's own handler does."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            if self.body_field is not None:
                await strict.json()
                _check_declared(strict)
            return await handle(strict)

        return handle_strictly


def read_json(body: bytes) -> Any:
    """Read JSON as RFC 8259 has it: no NaN, no lone surrogates, no number beyond what a double holds."""
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "MALFORMED_JSON", f"the body is not JSON: {error}") from None
    if not _is_finite(value):
        raise Refused(HTTPStatus.BAD_REQUEST, "NUMBER_NOT_FINITE", "a number of the body is too large")
    return value


def _is_finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _check_declared(request: Request) -> None:
    """Refuse JSON that is sent as something else: a page of another site could send it unasked."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "NOT_DECLARED_AS_JSON",
            f"send Content-Type: application/json, not {media_type or 'nothing'}",
        )
