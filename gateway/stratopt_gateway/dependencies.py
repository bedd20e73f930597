"""What routes are given."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from stratopt_client import Client
from stratopt_gateway.settings import Settings
from stratopt_gateway.sse import Streams


async def _client(request: Request) -> Client:
    client: Client = request.app.state.client
    return client


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _streams(request: Request) -> Streams:
    streams: Streams = request.app.state.streams
    return streams


ClientOf = Annotated[Client, Depends(_client)]
"""The one client of the gateway."""
SettingsOf = Annotated[Settings, Depends(_settings)]
"""What the operator decided."""
StreamsOf = Annotated[Streams, Depends(_streams)]
"""The event streams that are open."""


def renamed(**names: str) -> Callable[[Request], Awaitable[None]]:
    """Return a dependency that lets problems name fields as the route does, not as the protocol does."""

    async def rename(request: Request) -> None:
        request.state.renamed = names

    return rename
