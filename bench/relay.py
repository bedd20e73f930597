"""Whether packages arrive, how fast the relay is, and what a flood does to it; bare pyzmq beside it.

Delivery: 1,000 packages through a network that throws a fifth away, to a subscriber that joins late, while
the server is killed (-9) and started three times. Speed: packages out, packages replayed and round trips of
requests, each beside bare pyzmq with the same bytes in the same run. Flood: 50,000 malformed, oversize,
repeated and stale messages, then a good one. Ways: from a scanner's frame to the decision about RNDR/USDT,
and to the trader's frame about a planted edge.
"""

import asyncio
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import zmq

from bench.markets import planted, write
from bench.relay_traffic import PACKAGES_TOPIC, KilledServer, Outbox, approved, losing
from stratopt.v1 import system_service_pb2
from stratopt_client.packages import PackageFeed
from stratopt_client.sync import SyncClient

NAME = "relay"
DELIVERED, KILLS, LOST_SHARE, SEED = 1_000, 3, 0.2, 11
OUT, REPLAYED, ROUND_TRIPS = 5_000, 5_000, 2_000
FLOOD, OVERSIZE = 50_000, 50
SCANNER_TOPIC = b"scanner.pool.preliminary"
ROUTES = """
version: 1
routes:
  - name: grids
    match: {kinds: [grid]}
    strategies:
      - strategy_id: grid_v1.2
        param_ranges: {grid_num: {min: 10, max: 30, step: 5}}
        fixed_params: {profit_ratio: 0.015}
  - name: breakouts
    match: {kinds: [breakout]}
    policy: lax/v1
    strategies:
      - strategy_id: ma_cross_v1.0
        param_ranges: {fast_period: {choices: [5, 9, 15]}, slow_period: {choices: [30, 60]}}
        fixed_params: {signal_threshold: 0.0}
"""


def run() -> dict[str, object]:
    """Measure all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bars = write(folder / "bars.parquet", planted(0.01, SEED))
        delivered = asyncio.run(_delivered(folder / "delivery", bars))
        speed = _speed(folder / "speed", bars)
        flood = _flood(folder / "flood", bars)
    # What bare sockets carried was compared byte for byte.
    return {"name": NAME, "ratio": speed["out_ratio"], "max_rel_diff": 0.0, **delivered, **speed, **flood}


async def _delivered(folder: Path, bars: Path) -> dict[str, object]:
    """Give how much of what was approved reached the subscriber, once and in order."""
    server = KilledServer(folder)
    server.start()
    try:
        outbox = Outbox(server.data_dir, approved(server.address, bars))
        got: list[int] = []
        all_there = asyncio.Event()

        def note(package: dict[str, Any]) -> None:
            got.append(package["seq"])
            if len(got) == DELIVERED:
                all_there.set()

        outbox.add(DELIVERED // 5)
        began = time.perf_counter()
        with losing(server.published, share=LOST_SHARE, seed=SEED) as published:
            feed = PackageFeed(
                published, requests=server.requests, key=outbox.public_key, state=folder / "trader.db"
            )
            async with feed:
                running = asyncio.create_task(feed.run(note))
                for _ in range(KILLS):
                    adding = asyncio.to_thread(outbox.add, DELIVERED // 5)
                    await asyncio.gather(adding, _restarted(server))
                await asyncio.to_thread(outbox.add, DELIVERED // 5 - 1)
                with suppress(TimeoutError):
                    await asyncio.wait_for(all_there.wait(), 120)
                seconds = time.perf_counter() - began
                await asyncio.sleep(1)  # nothing may come twice
                status = feed.status()
                running.cancel()
                await asyncio.wait([running])
        outbox.close()
    finally:
        server.stop()
    in_order = sum(seq == place for place, seq in enumerate(got, 1))
    return {
        "delivered_share": in_order / max(DELIVERED, len(got)),
        "delivered": len(got),
        "in_order": got == sorted(set(got)),
        "replayed": status.replayed,
        "kills": KILLS,
        "delivery_seconds": seconds,
    }


async def _restarted(server: KilledServer) -> None:
    await asyncio.sleep(0.3)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


def _speed(folder: Path, bars: Path) -> dict[str, Any]:
    """Time packages out, replay and round trips, each beside bare pyzmq."""
    server = KilledServer(folder)
    server.start()
    try:
        outbox = Outbox(server.data_dir, approved(server.address, bars))
        server.stop()
        outbox.add(OUT)
        frames, out_seconds = _heard(server.published, OUT, server.start)
        bare_out = _bare_out(frames)
        replay_seconds, replies = _asked(server.requests, _replays())
        trip_seconds, small = _asked(
            server.requests, [("package.get", {"package_id": "pkg_none"})] * ROUND_TRIPS
        )
        bare_replay, bare_trip = _bare_asked(replies), _bare_asked(small)
        outbox.close()
    finally:
        server.stop()
    return {
        "out_per_second": OUT / out_seconds,
        "out_bare_per_second": OUT / bare_out,
        "out_ratio": bare_out / out_seconds,
        "replay_per_second": REPLAYED / replay_seconds,
        "replay_bare_per_second": REPLAYED / bare_replay,
        "round_trips_per_second": ROUND_TRIPS / trip_seconds,
        "round_trips_bare_per_second": ROUND_TRIPS / bare_trip,
    }


def _heard(address: str, count: int, start: Callable[[], None]) -> tuple[list[list[bytes]], float]:
    """Start whoever publishes; give so many packages, and the time from the first to the last."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.RCVTIMEO, 60_000)
        socket.subscribe(PACKAGES_TOPIC)
        socket.connect(address)
        start()
        frames = [socket.recv_multipart()]
        began = time.perf_counter()
        while len(frames) < count:
            frames.append(socket.recv_multipart())
        return frames, time.perf_counter() - began


def _bare_out(frames: list[list[bytes]]) -> float:
    """Time the same messages from a bare PUB socket to a bare SUB socket in another thread."""
    with zmq.Context() as context, context.socket(zmq.PUB) as out:
        out.setsockopt(zmq.SNDHWM, 0)
        address = f"tcp://127.0.0.1:{out.bind_to_random_port('tcp://127.0.0.1')}"

        def publish() -> None:
            time.sleep(0.5)
            for message in frames:
                out.send_multipart(message)

        worker = threading.Thread(target=publish)
        heard, seconds = _heard(address, len(frames), worker.start)
        worker.join()
        assert heard == frames
        return seconds


def _replays() -> list[tuple[str, dict[str, Any]]]:
    return [
        ("package.replay", {"from_seq": first, "to_seq": first + 499}) for first in range(1, REPLAYED, 500)
    ]


def _asked(address: str, questions: list[tuple[str, dict[str, Any]]]) -> tuple[float, list[bytes]]:
    """Ask one after the other on a REQ socket; give the time and the replies."""
    replies = []
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.RCVTIMEO, 60_000)
        socket.connect(address)
        began = time.perf_counter()
        for number, (method, params) in enumerate(questions):
            socket.send(json.dumps({"method": method, "params": params, "id": str(number)}).encode())
            replies.append(socket.recv())
        return time.perf_counter() - began, replies


def _bare_asked(replies: list[bytes]) -> float:
    """Time the same replies from a bare ROUTER in another thread."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        address = f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"

        def answer() -> None:
            for reply in replies:
                *envelope, _ = router.recv_multipart()
                router.send_multipart([*envelope, reply])

        worker = threading.Thread(target=answer)
        worker.start()
        seconds, same = _asked(address, [("x", {})] * len(replies))
        worker.join()
        assert same == replies
        return seconds


@contextmanager
def _scanner() -> Iterator[tuple["zmq.Socket[bytes]", str]]:
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.LINGER, 0)
        yield socket, f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"


def _opportunity(symbol: str, kind: str, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    found = {"symbol": symbol, "strategy_type": kind, "confidence": 0.9, "timestamp": now.isoformat()}
    return {**found, "nonce": uuid.uuid4().hex, **more}


def _flood(folder: Path, bars: Path) -> dict[str, object]:
    """Flood a server with what is of no use, then time good opportunities."""
    folder.mkdir()
    (folder / "routes.yaml").write_text(ROUTES)
    with _scanner() as (scanner, address):
        server = KilledServer(
            folder, STRATOPT_SCANNER_CONNECT=address, STRATOPT_ROUTES_FILE=str(folder / "routes.yaml")
        )
        server.start()
        try:
            with SyncClient(server.address) as client:
                for symbol in ("EDGE/USDT", "RNDR/USDT"):
                    client.market_data.import_file(bars, symbol=symbol, exchange="test")
                assert scanner.poll(20_000)
                scanner.recv()
                _wait_until_warm(client)
                ways = {
                    "rndr_seconds": _way(client, scanner, _opportunity("RNDR/USDT", "grid")),
                    "edge_seconds": _way(client, scanner, _opportunity("EDGE/USDT", "breakout")),
                    "edge_to_frame_seconds": _to_frame(server.published, scanner),
                }
                return {**ways, **_flooded(client, scanner, psutil.Process(server.pid))}
        finally:
            server.stop()


def _wait_until_warm(client: SyncClient) -> None:
    """Wait for both templates: what they take to load is what `startup` measures."""
    while any(
        part.name.endswith("template") and part.status != system_service_pb2.PART_STATUS_OK
        for part in client.system.info().parts
    ):
        time.sleep(0.05)


def _way(client: SyncClient, scanner: "zmq.Socket[bytes]", opportunity: dict[str, Any]) -> float:
    """Time an opportunity from its frame to the end of its pipeline."""
    began = time.perf_counter()
    pipeline_id = _taken(client, scanner, opportunity)
    client.pipelines.handle(pipeline_id).result(timeout=120)
    return time.perf_counter() - began


def _taken(client: SyncClient, scanner: "zmq.Socket[bytes]", opportunity: dict[str, Any]) -> str:
    """Send an opportunity; return the id of its pipeline as soon as it is there."""
    scanner.send_multipart([SCANNER_TOPIC, json.dumps(opportunity).encode()])
    while True:
        newest = client.pipelines.list().page(size=1).rows
        if newest and opportunity["nonce"] in newest[0].opportunity.document_json:
            return newest[0].id


def _to_frame(published: str, scanner: "zmq.Socket[bytes]") -> float:
    """Time a planted edge from the scanner's frame to the trader's."""
    with zmq.Context() as context, context.socket(zmq.SUB) as trader:
        trader.setsockopt(zmq.RCVTIMEO, 60_000)
        for topic in (PACKAGES_TOPIC, b"optimizer.heartbeat"):
            trader.subscribe(topic)
        trader.connect(published)
        trader.recv_multipart()
        began = time.perf_counter()
        opportunity = _opportunity("EDGE/USDT", "breakout")
        scanner.send_multipart([SCANNER_TOPIC, json.dumps(opportunity).encode()])
        while trader.recv_multipart()[0] != PACKAGES_TOPIC:
            pass
        return time.perf_counter() - began


def _flooded(client: SyncClient, scanner: "zmq.Socket[bytes]", process: psutil.Process) -> dict[str, object]:
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    repeated = _opportunity("EDGE/USDT", "breakout")
    client.pipelines.handle(_taken(client, scanner, repeated)).result(timeout=120)
    before = dict(client.system.metrics().messages_in)
    kinds = {
        "bad_json": b'{"symbol": ',
        "stale": json.dumps(_opportunity("EDGE/USDT", "breakout", timestamp=old)).encode(),
        "unknown_symbol": json.dumps(_opportunity("NOPE/USDT", "breakout")).encode(),
        "duplicate": json.dumps(repeated).encode(),
    }
    wanted = {name: (FLOOD - OVERSIZE) // len(kinds) for name in kinds}
    wanted["bad_json"] += (FLOOD - OVERSIZE) % len(kinds)
    sent = [name for name, count in wanted.items() for _ in range(count)]
    oversize = b" " * 1_100_000
    memory = []
    began = time.perf_counter()
    for number, name in enumerate(sent):
        scanner.send_multipart([SCANNER_TOPIC, kinds[name]])
        if number % (len(sent) // OVERSIZE) == 0 and wanted.get("oversize", 0) < OVERSIZE:
            wanted["oversize"] = wanted.get("oversize", 0) + 1
            scanner.send_multipart([SCANNER_TOPIC, oversize])
        if number % 5_000 == 4_999:
            _wait_for(client, before, number - 1_000)
            memory.append(process.memory_info().rss)
    behind = time.perf_counter()
    behind_id = _taken(client, scanner, _opportunity("EDGE/USDT", "breakout"))
    behind = time.perf_counter() - behind
    gained = _wait_for(client, before, FLOOD + 1)
    seconds = time.perf_counter() - began
    served = []
    for _ in range(5):
        client.pipelines.handle(behind_id).result(timeout=120)
        good = time.perf_counter()
        behind_id = _taken(client, scanner, _opportunity("EDGE/USDT", "breakout"))
        served.append(time.perf_counter() - good)
    return {
        "flood": FLOOD,
        "flood_counts_right": gained == {**wanted, "accepted": 1},
        "flood_counts": gained,
        "flood_per_second": FLOOD / seconds,
        "flood_memory_mb": [round(size / 2**20, 1) for size in memory],
        "peak_mb": max(memory) / 2**20,
        "next_good_ms": max(served) * 1_000,
        "good_behind_flood_ms": behind * 1_000,
    }


def _wait_for(client: SyncClient, before: dict[str, int], count: int) -> dict[str, int]:
    """Wait until so many messages were counted; give what they became."""
    while True:
        now = client.system.metrics().messages_in
        gained = {name: now[name] - before.get(name, 0) for name in now if now[name] > before.get(name, 0)}
        if sum(gained.values()) >= count:
            return gained
        time.sleep(0.01)
