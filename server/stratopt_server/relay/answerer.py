"""Answers requests on a ROUTER socket: of plain REQ peers as well as of DEALERs."""

import asyncio
import json
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import zmq
import zmq.asyncio

from stratopt_client import InvalidInput
from stratopt_server import logs
from stratopt_server.domain.clock import Clock
from stratopt_server.domain.errors import Code, Exhausted, NotFound, RequestRefused, StratoptError, Violations
from stratopt_server.relay.life import Life, together
from stratopt_server.relay.refusals import log_refusals
from stratopt_server.relay.shapes import violations_of
from stratopt_server.relay.sockets import Sockets

log = logging.getLogger(__name__)

Method = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Answers the params of a request with a result; raises StratoptError or InvalidInput."""


class UnknownMethod(NotFound):
    """There is no such method."""

    def __init__(self, name: str, known: Mapping[str, Method]) -> None:
        super().__init__("method", name)
        self.message += f"; there are {', '.join(sorted(known))}"
        self.facts["methods"] = ", ".join(sorted(known))


class Answerer:
    """One ROUTER socket over the methods."""

    def __init__(
        self,
        sockets: Sockets,
        methods: Mapping[str, Method],
        clock: Clock,
        *,
        bind: str,
        bytes_max: int,
        running_max: int,
    ) -> None:
        """`running_max` requests are worked on at a time; a further one is told to come back."""
        sockets.check(bind, "STRATOPT_RELAY_REQUESTS_BIND")
        self._sockets = sockets
        self._methods = methods
        self._clock = clock
        self._bind = bind
        self._bytes_max = bytes_max
        self._running_max = running_max
        self._running: set[asyncio.Task[None]] = set()
        self.life = Life("relay_requests", self._serve, where=bind)
        self.address: str | None = None
        """Address that others are told; None while no socket is bound."""
        self.counts: Counter[str] = Counter()
        """Answers, by status."""

    async def _serve(self) -> None:
        with self._sockets.bound(zmq.ROUTER, self._bind) as socket:
            bound = socket.getsockopt_string(zmq.LAST_ENDPOINT)
            self.address = self._sockets.told(bound)
            self.life.well(self.address)
            log.info("relay: answering requests on %s", bound)
            try:
                await together(log_refusals(socket, log, self._clock), self._take_requests(socket))
            finally:
                self.address = None
                for task in self._running:
                    task.cancel()

    async def _take_requests(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            frames = await socket.recv_multipart()
            task = asyncio.create_task(self._answer(socket, frames[:-1], frames[-1]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _answer(self, socket: zmq.asyncio.Socket, envelope: list[bytes], body: bytes) -> None:
        """Answer one request; a peer that is gone meanwhile hears nothing, and keeps nobody waiting."""
        request_id: object = None
        try:
            request = _read(body, bytes_max=self._bytes_max)
            request_id = request.get("id")
            logs.bind(
                request_id=secrets.token_hex(6) if request_id is None else str(request_id),
                method=str(request.get("method", "")),
            )
            result = await self._result(request)
            reply = self._reply(request_id, result=result)
        except InvalidInput as wrong:
            reply = self._reply(request_id, error=_error(RequestRefused(violations_of(wrong))))
        except StratoptError as error:
            reply = self._reply(request_id, error=_error(error))
        except Exception:
            log.exception("relay: a request failed")
            reply = self._reply(request_id, error=_error(INTERNAL))
        self.counts[f"answer_{reply['status']}"] += 1
        try:
            # A ROUTER never waits: what a peer has no room for is dropped.
            await socket.send_multipart([*envelope, json.dumps(reply).encode()])
        except zmq.ZMQError as error:
            log.info("relay: an answer could not be sent: %s", error)

    async def _result(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if len(self._running) > self._running_max:
            raise Exhausted("requests at work", limit=self._running_max)
        violations = Violations()
        name, params = request.get("method"), request.get("params")
        if not isinstance(name, str):
            violations.add("method", "REQUIRED", "name the method, as text")
        if params is not None and not isinstance(params, dict):
            violations.add("params", "WRONG_TYPE", "must be an object")
        violations.refuse_if_any()
        assert isinstance(name, str), "another was refused"
        method = self._methods.get(name)
        if method is None:
            raise UnknownMethod(name, self._methods)
        return await method(params or {})

    def _reply(
        self,
        request_id: object,
        *,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return {
            "id": request_id,
            "status": "success" if error is None else "error",
            "result": result,
            "error": error,
            "timestamp": self._clock.now().isoformat(),
        }


INTERNAL = StratoptError(
    "the server failed unexpectedly; its log has the details", code=Code.INTERNAL, reason="INTERNAL"
)


def _read(body: bytes, *, bytes_max: int) -> dict[str, Any]:
    violations = Violations()
    request: object = None
    if len(body) > bytes_max:
        violations.add("request", "TOO_LARGE", f"{len(body)} bytes; at most {bytes_max}", max=bytes_max)
    else:
        try:
            request = json.loads(body)
            json.dumps(request, ensure_ascii=False).encode()  # a lone surrogate is no text
        except (ValueError, RecursionError) as error:
            violations.add("request", "BAD_JSON", f"this is no JSON: {error}")
        else:
            if not isinstance(request, dict):
                violations.add("request", "BAD_JSON", 'must be an object: {"method", "params", "id"}')
    violations.refuse_if_any()
    assert isinstance(request, dict), "another was refused"
    return request


def _error(error: StratoptError) -> dict[str, Any]:
    """Say what is wrong as every door does: a code, a reason, and all fields at once."""
    violations = [
        {"field": found.field, "reason": found.reason, "message": found.message} for found in error.violations
    ]
    details = {"reason": error.reason, **error.facts, "violations": violations}
    return {"code": error.code.value, "message": error.message, "details": details}
