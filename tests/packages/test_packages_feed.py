"""The feed: every package once, in order, through loss, restarts, forgery and failing callbacks."""

import asyncio
import random
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from feed_peer import FeedPeer, Signer

from stratopt_client.packages import (
    HandoverFailed,
    InvalidPackage,
    PackageFeed,
    Retries,
    SyncPackageFeed,
    UnusableState,
    verify,
    verify_revocation,
)
from support import eventually

QUICK = Retries(seconds_min=0.01, seconds_max=0.05)
SILENCE = 0.3


@pytest.fixture
async def peer() -> AsyncIterator[FeedPeer]:
    """A server that is up."""
    async with FeedPeer(Signer()).up() as found:
        yield found


def feed_of(peer: FeedPeer, **more: Any) -> PackageFeed:
    """A feed of it that does not wait long."""
    options = {"retries": QUICK, "silence_seconds": SILENCE} | more
    return PackageFeed(peer.published, requests=peer.requests, key=peer.signer.public, **options)


@asynccontextmanager
async def running(feed: PackageFeed, *callbacks: Any) -> AsyncIterator[PackageFeed]:
    """Run it for the time of the block."""
    async with feed:
        task = asyncio.create_task(feed.run(*callbacks))
        try:
            yield feed
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and task.exception() is not None:
                raise task.exception()  # type: ignore[misc]  # it is one


async def reaches(seqs: list[int], wanted: list[int]) -> None:
    """Wait until exactly these have been handed over, and no more come."""

    async def there() -> bool:
        return len(seqs) >= len(wanted)

    await eventually(there, within=10, because=f"{wanted} arrive; {seqs[-5:]} are last")
    await asyncio.sleep(0.02)
    assert seqs == wanted


class Seqs(list[int]):
    """A callback that notes places."""

    def __call__(self, package: dict[str, Any]) -> None:
        """Note one."""
        self.append(package["seq"])


async def test_late_joiner_gets_everything(peer: FeedPeer) -> None:
    """What was published before comes first, then what is published."""
    await peer.publish(1_200)
    got = Seqs()
    async with running(feed_of(peer), got) as feed:
        await reaches(got, list(range(1, 1_201)))
        await peer.publish(3)
        await peer.beat()
        await reaches(got, list(range(1, 1_204)))
        assert feed.status().handed_over == 1_203
        assert feed.status().package_seq == 1_203


async def test_start_new_leaves_out_what_was(peer: FeedPeer) -> None:
    """A feed may begin behind the newest."""
    await peer.publish(5)
    got = Seqs()
    async with running(feed_of(peer, start="new"), got) as feed:

        async def begun() -> bool:
            return feed.status().epoch == "e1"

        await eventually(begun, within=5, because="it learns where the server is")
        await peer.publish(2)
        await peer.beat()
        await reaches(got, [6, 7])


@pytest.mark.parametrize("as_string", [False, True])
async def test_a_fifth_is_lost_and_the_server_restarts(as_string: bool, tmp_path: Path) -> None:
    """Every package arrives once and in order, in either framing."""
    peer = FeedPeer(Signer(), as_string=as_string)
    chance = random.Random(5)
    peer.lost = {seq for seq in range(1, 301) if chance.random() < 0.2}
    got = Seqs()
    async with peer.up():
        pass  # it has addresses now
    async with running(feed_of(peer, state=tmp_path / "state.db"), got):
        for _ in range(3):
            async with peer.up():
                for _ in range(10):
                    await peer.publish(10)
                    await asyncio.sleep(0.005)
                await peer.beat()
                await asyncio.sleep(0.05)
        async with peer.up():
            await reaches(got, list(range(1, 301)))


async def test_silence_is_asked_about(peer: FeedPeer) -> None:
    """A package that was lost is found without a heartbeat, a while later."""
    got = Seqs()
    async with running(feed_of(peer), got):
        await peer.publish(1)
        await reaches(got, [1])
        peer.lost = {2}
        await peer.publish(1)
        await reaches(got, [1, 2])


async def test_state_outlives_the_feed(peer: FeedPeer, tmp_path: Path) -> None:
    """A feed that is opened again goes on behind the last it handed over."""
    state = tmp_path / "state.db"
    await peer.publish(4)
    got = Seqs()
    async with running(feed_of(peer, state=state), got):
        await reaches(got, [1, 2, 3, 4])
    await peer.publish(3)
    async with running(feed_of(peer, state=state), got):
        await reaches(got, [1, 2, 3, 4, 5, 6, 7])


async def test_failing_callback_is_called_again_in_order(peer: FeedPeer) -> None:
    """Nothing is skipped and nothing overtakes; an async callback is awaited."""
    calls: list[int] = []
    done: list[int] = []

    async def flaky(package: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        calls.append(package["seq"])
        if calls.count(package["seq"]) < 3:
            raise RuntimeError("not now")
        done.append(package["seq"])

    await peer.publish(4)
    async with running(feed_of(peer), flaky) as feed:
        await reaches(done, [1, 2, 3, 4])
        assert calls == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
        assert feed.status().failures == 8


async def test_attempts_may_be_limited(peer: FeedPeer, tmp_path: Path) -> None:
    """Then the run ends, and the package comes again in the next one."""
    await peer.publish(1)

    def broken(_: dict[str, Any]) -> None:
        raise RuntimeError("never")

    limited = Retries(attempts_max=2, seconds_min=0.01, seconds_max=0.01)
    async with feed_of(peer, state=tmp_path / "s.db", retries=limited) as feed:
        with pytest.raises(HandoverFailed, match="2 attempts"):
            await feed.run(broken)
    got = Seqs()
    async with running(feed_of(peer, state=tmp_path / "s.db"), got):
        await reaches(got, [1])


async def test_forged_messages_move_nothing(peer: FeedPeer) -> None:
    """Signed by another, changed, of another epoch, or a revocation in a package's place: none counts."""
    thief = FeedPeer(Signer())
    forged = thief.package(parameters={"n": "all in"})
    got: list[Any] = []

    def note(package: dict[str, Any]) -> None:
        got.append(package["parameters"]["n"])

    async with running(feed_of(peer), note) as feed:
        await peer.publish(1)
        await reaches(got, [1])
        genuine = peer.package()
        changed = {**genuine, "parameters": {"n": "changed"}}
        revocation = peer.signer.sign(
            {"package_id": "e1_2", "epoch": "e1", "seq": 2, "reason": "x", "revoked_by": "y"}
        )
        elsewhere = peer.signer.sign(
            {
                "package_id": "x",
                "epoch": "e0",
                "seq": 2,
                "parameters": {"n": "old"},
                "valid_until": "2999-01-01T00:00:00+00:00",
            }
        )
        for message in (forged, changed, revocation, elsewhere, {"seq": 2}, [], "noise"):
            await peer.say("optimizer.pool.trading", message)
        await peer.say("optimizer.pool.revoked", genuine)
        await peer.say("optimizer.heartbeat", {"epoch": "e1", "last_seq": 10**15, "last_revocation_seq": "x"})
        await peer.say("optimizer.heartbeat", {"epoch": "e9"})
        await peer.say("optimizer.pool.trading", genuine)
        await reaches(got, [1, 2])
        assert feed.status().invalid >= 7
        with pytest.raises(InvalidPackage):
            verify(revocation, peer.signer.public)
        with pytest.raises(InvalidPackage):
            verify_revocation(genuine, peer.signer.public)


async def test_what_cannot_be_believed_in_a_replay_is_passed(peer: FeedPeer) -> None:
    """It stops the feed no more than what has expired does; both are counted."""
    peer.package()
    peer.packages.append({**FeedPeer(Signer()).package(), "seq": 2})
    peer.package(valid_until="2020-01-01T00:00:00+00:00")
    peer.package()
    got = Seqs()
    async with running(feed_of(peer), got) as feed:
        await reaches(got, [1, 4])
        status = feed.status()
    assert (status.invalid, status.expired, status.handed_over, status.package_seq) == (1, 1, 2, 4)


async def test_revoked_packages_are_not_handed_over(peer: FeedPeer, tmp_path: Path) -> None:
    """Neither on a replay, nor while their callback fails; whoever asks hears of revocations, once."""
    for _ in range(3):
        peer.package()
    peer.revocation("e1_2")
    got: Seqs = Seqs()
    revoked: list[str] = []

    def note_revoked(said: dict[str, Any]) -> None:
        revoked.append(said["package_id"])

    state = tmp_path / "s.db"
    async with running(feed_of(peer, state=state), got, note_revoked):
        await reaches(got, [1, 3])
        await peer.say("optimizer.pool.revoked", peer.revocation("e1_1"))
        await eventually(lambda: _is(revoked, ["e1_2", "e1_1"]), within=5, because="it is told")
    refused = []

    def refuse(package: dict[str, Any]) -> None:
        refused.append(package["seq"])
        raise RuntimeError("not now")

    peer.package()
    peer.package()
    async with running(feed_of(peer, state=state), refuse, note_revoked) as feed:
        await eventually(lambda: _has(refused, 4), within=5, because="it is tried")
        await peer.say("optimizer.pool.revoked", peer.revocation("e1_4"))
        await eventually(lambda: _has(refused, 5), within=5, because="the next has its turn")
        assert feed.status().revoked == 1
    assert revoked == ["e1_2", "e1_1", "e1_4"]


async def _is(left: Any, right: Any) -> bool:
    return bool(left == right)


async def _has(seqs: list[int], seq: int) -> bool:
    return seq in seqs


async def test_another_epoch_begins_anew(tmp_path: Path) -> None:
    """Another database behind the same address: from its first place on, once the server says so itself."""
    signer = Signer()
    first = FeedPeer(signer)
    got: list[str] = []

    def note(said: dict[str, Any]) -> None:
        got.append(said["package_id"])

    async with first.up():
        await first.publish(3)
        async with running(feed_of(first, state=tmp_path / "s.db"), note):
            await eventually(lambda: _is(len(got), 3), within=5, because="all come")
    second = FeedPeer(signer, "e2")
    second.published, second.requests = first.published, first.requests
    async with second.up():
        await second.publish(2)
        async with running(feed_of(second, state=tmp_path / "s.db"), note):
            await eventually(lambda: _is(len(got), 5), within=5, because="those of the new epoch come")
    assert got == ["e1_1", "e1_2", "e1_3", "e2_1", "e2_2"]


async def test_restored_server_has_earlier_epochs(tmp_path: Path) -> None:
    """What the backup had comes first and once, what was revoked anywhere not at all, then the new epoch."""
    signer = Signer()
    first = FeedPeer(signer)
    got: list[str] = []

    def note(said: dict[str, Any]) -> None:
        got.append(said["package_id"])

    async with first.up():
        await first.publish(2)
        async with running(feed_of(first, state=tmp_path / "s.db"), note):
            await eventually(lambda: _is(len(got), 2), within=5, because="both come")
    for _ in range(3):
        first.package()
    second = FeedPeer(signer, "e2")
    second.earlier, second.published, second.requests = first, first.published, first.requests
    second.revocation("e1_4")
    async with second.up():
        await second.publish(2)
        async with running(feed_of(second, state=tmp_path / "s.db"), note) as feed:
            await eventually(lambda: _is(len(got), 6), within=5, because="the rest comes")
            assert (feed.status().epoch, feed.status().package_seq) == ("e2", 2)
        whole = Seqs()
        async with running(feed_of(second), whole):
            await reaches(whole, [1, 2, 3, 5, 1, 2])
        newest = Seqs()
        async with running(feed_of(second, start="new"), newest) as feed:
            await eventually(lambda: _is(feed.status().epoch, "e2"), within=5, because="it has begun")
            await second.publish(1)
            await second.beat()
            await reaches(newest, [3])
    assert got == ["e1_1", "e1_2", "e1_3", "e1_5", "e2_1", "e2_2"]


@pytest.mark.parametrize("answer", ["another epoch", "earlier places"])
async def test_replay_of_what_was_not_asked_for(peer: FeedPeer, answer: str) -> None:
    """A server that answers with other places does not make the feed ask for ever."""
    others = FeedPeer(peer.signer, "e0")
    peer.package()
    peer.packages.append(others.package() if answer == "another epoch" else peer.packages[0])
    peer.package()
    got = Seqs()
    async with running(feed_of(peer), got) as feed:
        await reaches(got, [1, 3])
        assert feed.status().package_seq == 3
        asked = len(peer.asked)
        await asyncio.sleep(0.1)
        assert len(peer.asked) == asked


async def test_older_state_is_read(peer: FeedPeer, tmp_path: Path) -> None:
    """A state file of the first version keeps its place."""
    import hashlib
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(tmp_path / "s.db", isolation_level=None)) as older:
        older.execute(
            "CREATE TABLE feed (id INTEGER PRIMARY KEY, key_id TEXT, epoch TEXT, package_seq INTEGER, "
            "revocation_seq INTEGER)"
        )
        older.execute("CREATE TABLE revoked (package_id TEXT PRIMARY KEY)")
        key_id = hashlib.sha256(peer.signer.public).hexdigest()
        older.execute("INSERT INTO feed VALUES (1, ?, 'e1', 2, 0)", (key_id,))
        older.execute("PRAGMA user_version = 1")
    await peer.publish(4)
    got = Seqs()
    async with running(feed_of(peer, state=tmp_path / "s.db"), got):
        await reaches(got, [3, 4])


def test_state_of_another_feed_is_refused(tmp_path: Path) -> None:
    """A file of another key, or that is no state at all, is told apart."""
    addresses = {"requests": "tcp://127.0.0.1:1", "state": tmp_path / "s.db"}

    async def opened(key: bytes, **more: Any) -> None:
        async with PackageFeed("tcp://127.0.0.1:1", key=key, **{**addresses, **more}):
            pass

    asyncio.run(opened(Signer().public))
    with pytest.raises(UnusableState, match="whose key is"):
        asyncio.run(opened(Signer().public))
    noise = tmp_path / "noise.db"
    noise.write_bytes(b"no database" * 1_000)
    with pytest.raises(UnusableState, match=r"noise\.db"):
        asyncio.run(opened(Signer().public, state=noise))
    with pytest.raises(ValueError, match="32 bytes"):
        asyncio.run(opened(b"short"))


async def test_sync_face_calls_back_in_its_thread(peer: FeedPeer, tmp_path: Path) -> None:
    """The same without asyncio; a failing callback is called again, and stop ends the run."""
    import threading

    await peer.publish(3)
    got: list[int] = []
    threads: set[int] = set()

    def work() -> None:
        threads.add(threading.get_ident())
        mine = threading.get_ident()
        with SyncPackageFeed(
            peer.published,
            requests=peer.requests,
            key=peer.signer.public.hex(),
            state=tmp_path / "s.db",
            retries=QUICK,
            silence_seconds=SILENCE,
        ) as feed:

            def note(package: dict[str, Any]) -> None:
                assert threading.get_ident() == mine
                got.append(package["seq"])
                if got.count(2) == 1:
                    raise RuntimeError("once")
                if package["seq"] == 3:
                    feed.stop()

            feed.run(note)
            assert feed.status().package_seq == 3

    await asyncio.to_thread(work)
    assert got == [1, 2, 2, 3]


async def test_kill_in_the_middle_loses_nothing(peer: FeedPeer, tmp_path: Path) -> None:
    """A consumer that is killed goes on where it was; what it had not finished comes again."""
    await peer.publish(6)
    program = tmp_path / "trader.py"
    program.write_text(
        textwrap.dedent(f"""
            import os, signal
            from stratopt_client.packages import SyncPackageFeed

            def trade(package):
                print(package["seq"], flush=True)
                if package["seq"] == 3 and not os.path.exists({str(tmp_path / "killed")!r}):
                    open({str(tmp_path / "killed")!r}, "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)
                if package["seq"] == 6:
                    feed.stop()

            with SyncPackageFeed({peer.published!r}, requests={peer.requests!r},
                                 key={peer.signer.public.hex()!r}, state={str(tmp_path / "s.db")!r}) as feed:
                feed.run(trade)
            """)
    )
    seen: list[int] = []
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(sys.executable, str(program), stdout=subprocess.PIPE)
        output, _ = await asyncio.wait_for(process.communicate(), 20)
        seen += [int(line) for line in output.split()]
    assert seen == [1, 2, 3, 3, 4, 5, 6]
