"""`python -m stratopt_gateway`: read the settings, serve until SIGTERM or SIGINT."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from pydantic import ValidationError

from stratopt_gateway import logs
from stratopt_gateway.app import make_app
from stratopt_gateway.settings import Settings


class GatewayServer(uvicorn.Server):
    """uvicorn that says where it listens, and whose event streams end with it."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is bound yet."""
        self._app = make_app(settings)
        config = uvicorn.Config(
            self._app,
            host=settings.host,
            port=settings.port,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where on one JSON line."""
        await super().startup(sockets)
        bound = self.servers[0].sockets[0].getsockname()
        host = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        ready = {"listening": f"http://{host}:{bound[1]}"}
        print(json.dumps(ready), flush=True)  # noqa: T201 - how whoever started us learns the port

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, which would last for hours, then wait for the rest."""
        self._app.state.streams.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on a signal as on any other wish: with exit code 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def main() -> None:
    """Run the gateway; a setting that cannot be is one line on standard error and exit code 2."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(str(part) for part in fault["loc"]).upper()
            told = f"STRATOPT_GATEWAY_{name}: " if name else ""
            print(told + fault["msg"].removeprefix("Value error, "), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    logs.configure(settings.log_level, settings.log_format)
    asyncio.run(GatewayServer(settings).serve())


if __name__ == "__main__":
    main()
