"""Break things at random moments and count what is lost, duplicated or stuck: nothing may be.

RUNS sets how often each kind is broken, KINDS (comma-separated) which.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.fault_kinds import KINDS
from bench.fault_world import Toll
from bench.stores import ProgramAbsent

RUNS = 20
SEED = 8


async def broken(kind: str, folder: Path, *, runs: int, seed: int) -> Toll:
    """Break one kind of thing so often; return what went wrong."""
    async with KINDS[kind](folder, seed) as (world, strike):
        for number in range(runs):
            began = time.monotonic()
            await world.run(strike)
            print(f"{kind} {number + 1}/{runs}: {time.monotonic() - began:.1f} s", file=sys.stderr)
    return world.toll


def run() -> dict[str, Any]:
    """Break everything; tell by kind."""
    runs = int(os.environ.get("RUNS", RUNS))
    wanted = os.environ.get("KINDS")
    tolls: dict[str, Toll] = {}
    skipped: dict[str, str] = {}
    began = time.monotonic()
    for kind in wanted.split(",") if wanted else KINDS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                tolls[kind] = asyncio.run(broken(kind, Path(folder), runs=runs, seed=SEED))
            except ProgramAbsent as absent:
                skipped[kind] = str(absent)
        for told in tolls.get(kind, Toll()).told:
            print(f"{kind}: {told}", file=sys.stderr)
    return {
        "name": "faults",
        "lost": sum(toll.lost for toll in tolls.values()),
        "duplicated": sum(toll.duplicated for toll in tolls.values()),
        "stuck": sum(toll.stuck for toll in tolls.values()),
        "runs_each": runs,
        "kinds": {
            kind: {
                "hits": toll.hits,
                "lost": toll.lost,
                "duplicated": toll.duplicated,
                "stuck": toll.stuck,
            }
            for kind, toll in tolls.items()
        },
        "skipped": skipped,
        "seconds": round(time.monotonic() - began),
    }
