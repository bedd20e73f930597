"""Delivery from the real outbox to the real consumer, on a network that loses and a server that is killed."""

import asyncio
from pathlib import Path
from typing import Any

from bench.relay_traffic import KilledServer, Outbox, approved, losing

from stratopt_client.packages import PackageFeed
from support import eventually

PACKAGES, KILLS, LOST_SHARE = 50, 3, 0.2


async def test_fifty_of_fifty(tmp_path: Path, market_bars: Path) -> None:
    """A subscriber that joins late, loses a fifth, and outlives three kills hears all, once, in order."""
    server = KilledServer(tmp_path)
    server.start()
    try:
        outbox = Outbox(server.data_dir, approved(server.address, market_bars))
        got: list[int] = []

        def note(package: dict[str, Any]) -> None:
            got.append(package["seq"])

        outbox.add(PACKAGES // 5)
        with losing(server.published, share=LOST_SHARE, seed=3) as published:
            async with PackageFeed(
                published, requests=server.requests, key=outbox.public_key, state=tmp_path / "trader.db"
            ) as feed:
                running = asyncio.create_task(feed.run(note))
                for _ in range(KILLS):
                    await asyncio.to_thread(outbox.add, PACKAGES // 5)
                    await asyncio.sleep(0.1)
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
                await asyncio.to_thread(outbox.add, PACKAGES // 5 - 1)

                async def all_there() -> bool:
                    return len(got) >= PACKAGES

                await eventually(all_there, within=30, because=f"{PACKAGES} arrive")
                await asyncio.sleep(0.3)
                assert got == list(range(1, PACKAGES + 1))
                assert feed.status().invalid == 0
                running.cancel()
                await asyncio.wait([running])
        outbox.close()
    finally:
        server.stop()
