"""Started as the command line starts the server; FAKE_BEHAVIOUR says how it goes."""

# ruff: noqa: T201 - it says on stdout where it listens, as the server does

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

TESTS = Path(__file__).parents[3]
sys.path[:0] = [str(TESTS / "cli"), str(TESTS / "client")]


async def serve(ends: str) -> None:
    """Serve until SIGTERM, as the server does."""
    from cli_fakes import FakeService
    from client_fakes import serving

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with serving(FakeService(ends=ends)) as target:
        print("warming up")
        print(json.dumps({"listening": target, "pid": os.getpid()}), flush=True)
        await stop.wait()


match os.environ["FAKE_BEHAVIOUR"]:
    case "dies":
        print("the data folder is locked", file=sys.stderr)
        sys.exit(3)
    case "echoes":
        given = {name: value for name, value in os.environ.items() if name.startswith("STRATOPT_")}
        print(json.dumps({"argv": sys.argv[1:], "environment": given}))
    case "mute":
        signal.pause()
    case ends:
        Path(os.environ["FAKE_PID_FILE"]).write_text(str(os.getpid()))
        asyncio.run(serve(ends))
