"""The app: routes over one client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from stratopt_client import Client
from stratopt_gateway import openapi, problems
from stratopt_gateway.limits import BodyLimit
from stratopt_gateway.logs import request_id
from stratopt_gateway.observing import Observed, Observing
from stratopt_gateway.request_ids import RequestIds
from stratopt_gateway.routes import (
    advisor,
    approvals,
    backtests,
    decisions,
    health,
    metrics,
    optimizations,
    packages,
    pipelines,
    reports,
    strategies,
    trials,
)
from stratopt_gateway.settings import Settings
from stratopt_gateway.sse import Streams

DESCRIPTION = """
Which parameters of a strategy may trade a symbol, and the evidence for it.

Bars are imported over gRPC or the command line. Ratios are fractions (0.05 is 5 %), times UTC. Everything
that goes wrong is an RFC 9457 problem: `reason` is for programs, `errors` names every wrong field at once.
"""
TAGS = [
    {"name": "health", "description": "How everything is."},
    {"name": "strategies", "description": "Store, find, change and remove strategies; approve parameters."},
    {"name": "decisions", "description": "What was decided, on which evidence, by which policy."},
    {"name": "backtest", "description": "Run one set of parameters over stored bars."},
    {"name": "optimization", "description": "Search for the best parameters."},
    {"name": "advisor", "description": "Results in plain words, and what to search next."},
    {"name": "reports", "description": "What succeeded backtests earned and risked."},
    {"name": "packages", "description": "Parameters that may trade, signed."},
    {"name": "pipelines", "description": "What became of opportunities that scanners sent."},
    {"name": "metrics", "description": "Counts and gauges."},
]


ROUTES = (
    health,
    strategies,
    approvals,
    decisions,
    advisor,
    backtests,
    optimizations,
    trials,
    reports,
    packages,
    pipelines,
    metrics,
)


def make_app(settings: Settings) -> FastAPI:
    """Return the app; it opens its client when it starts, and closes it when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Client(
            settings.server,
            deadline_seconds=settings.call_seconds_max,
            transfer_deadline_seconds=settings.long_call_seconds_max,
            request_id=request_id.get,
        ) as client:
            app.state.client = client
            yield

    app = FastAPI(
        title="stratopt",
        version="1.0",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.streams = Streams(streams_max=settings.streams_max)
    app.state.observed = Observed()
    for routes in ROUTES:
        app.include_router(routes.router)
    problems.install(app)
    openapi.install(app)
    # The last one added comes first.
    app.add_middleware(BodyLimit, bytes_max=settings.body_bytes_max)
    app.add_middleware(Observing, observed=app.state.observed)
    app.add_middleware(RequestIds)
    return app
