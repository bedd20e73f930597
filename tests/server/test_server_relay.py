"""The relay: what a plain subscriber hears, and what happens when the address is taken."""

import json
import socket
import sqlite3
from pathlib import Path

import zmq
import zmq.asyncio

from stratopt.v1 import system_service_pb2
from stratopt_client import Client
from stratopt_client.packages import verify
from support import LAX, ServerProcess, eventually, write_bars

STRATEGY = "ma_cross_v1.0"
WIRE_FIELDS = {
    "schema_version": str,
    "package_id": str,
    "seq": int,
    "epoch": str,
    "strategy_id": str,
    "strategy_name": str,
    "strategy_type": str,
    "symbol": str,
    "parameters": dict,
    "expected_return": float,
    "max_drawdown": float,
    "risk_level": str,
    "confidence": float,
    "action": str,
    "position_size": float,
    "stop_loss": float | None,
    "take_profit": float | None,
    "risk_metrics": dict,
    "backtest_results": dict,
    "timestamp": str,
    "valid_until": str,
    "source": str,
    "signature": str,
    "signed_payload": str,
}
"""The fields that subscribers refuse to do without, with their types."""


async def approved(client: Client, tmp_path: Path) -> str:
    """Approve a backtest of generated bars and return the package's id."""
    path = write_bars(tmp_path / "bars.csv", count=3_000, regime_bars=100, regime_drift=0.001)
    await client.market_data.import_file(path, symbol="OUT/USDT")
    params = {"fast_period": 5, "slow_period": 20, "signal_threshold": 0.0}
    backtest = await client.backtests.start(symbol="OUT/USDT", strategy_id=STRATEGY, params=params)
    await backtest.result(timeout=60)
    answer = await client.approvals.approve(STRATEGY, backtest.id, policy=LAX)
    assert answer.decision.package_id, answer.decision.reason
    return answer.decision.package_id


async def heard(subscriber: zmq.asyncio.Socket, topic: bytes) -> bytes:
    """Wait for the next message of a topic and return its body."""
    while True:
        assert await subscriber.poll(15_000), f"nothing on {topic!r}"
        frames = await subscriber.recv_multipart()
        assert len(frames) == 2
        if frames[0] == topic:
            return bytes(frames[1])


async def test_package_waits_for_the_relay(tmp_path: Path) -> None:
    """While the address is taken an approval is answered; its package goes out once the address is free."""
    with socket.create_server(("127.0.0.1", 0)) as blocker, zmq.asyncio.Context() as context:
        address = f"tcp://127.0.0.1:{blocker.getsockname()[1]}"
        server = ServerProcess(tmp_path / "data", {"STRATOPT_RELAY_BIND": address})
        try:
            async with Client(server.address) as client:
                package_id = await approved(client, tmp_path)
                assert not (await client.approvals.package(package_id)).HasField("publish_time")
                with context.socket(zmq.SUB) as subscriber:
                    subscriber.subscribe(b"optimizer.")
                    subscriber.connect(address)
                    blocker.close()
                    body = await heard(subscriber, b"optimizer.pool.trading")
                    beat = json.loads(await heard(subscriber, b"optimizer.heartbeat"))
                key = (await client.approvals.signing_key()).public_key
                package = verify(body, key)
                assert package["package_id"] == package_id
                assert (beat["epoch"], beat["last_seq"]) == (package["epoch"], package["seq"])
                assert (await client.approvals.package(package_id)).HasField("publish_time")
                document = json.loads(body)
                for field, kind in WIRE_FIELDS.items():
                    assert isinstance(document[field], kind), field
                assert 0 < document["confidence"] <= 1
                assert document["risk_level"] in ("low", "medium", "high")
                assert document["action"] in ("BUY", "HOLD")
        finally:
            server.stop()


async def test_epoch_and_seq_outlive_the_server(tmp_path: Path) -> None:
    """After a restart the epoch is the same and seq goes on; the key is the same too."""
    server = ServerProcess(tmp_path / "data")
    async with Client(server.address) as client:
        first = await client.approvals.package(await approved(client, tmp_path))
        key = await client.approvals.signing_key()
    server.kill()
    again = ServerProcess(tmp_path / "data")
    try:
        async with Client(again.address) as client:
            second = await client.approvals.package(await approved(client, tmp_path))
            assert (second.epoch, second.seq) == (first.epoch, first.seq + 1)
            assert await client.approvals.signing_key() == key
    finally:
        again.stop()


def test_key_file_is_for_its_owner(server: ServerProcess) -> None:
    """The signing key may be read by its owner only."""
    assert (server.data_dir / "keys" / "signing.pem").stat().st_mode & 0o777 == 0o600


async def test_relay_outlives_a_fault_of_the_database(tmp_path: Path) -> None:
    """While the outbox cannot be read the relay says so and tries again; afterwards packages go out."""
    server = ServerProcess(tmp_path / "data")
    try:
        async with Client(server.address) as client:

            async def relay_is(status: int) -> bool:
                parts = (await client.system.info()).parts
                return next(part.status for part in parts if part.name == "relay") == status

            await eventually(
                lambda: relay_is(system_service_pb2.PART_STATUS_OK), within=10, because="the relay binds"
            )
            with sqlite3.connect(server.data_dir / "stratopt.db", isolation_level=None) as database:
                database.execute("ALTER TABLE package_outbox RENAME TO package_outbox_away")
                await eventually(
                    lambda: relay_is(system_service_pb2.PART_STATUS_ILL), within=15, because="it cannot read"
                )
                database.execute("ALTER TABLE package_outbox_away RENAME TO package_outbox")
            database.close()
            package_id = await approved(client, tmp_path)

            async def published() -> bool:
                return (await client.approvals.package(package_id)).HasField("publish_time")

            await eventually(published, within=20, because="the relay is back")
    finally:
        server.stop()
