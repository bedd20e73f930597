"""Words of a review desk, and what goes out because of them."""

import json
import uuid
from typing import Any

import pytest
import zmq.asyncio
from relay_market import Market, Pipelines
from relay_peers import Hearer, flat_b, two_frames

from stratopt.v1 import decision_pb2
from stratopt_client import Client
from stratopt_client.packages import verify
from support import eventually


async def made(market: Market, pipelines: Pipelines, kind: str) -> Any:
    """Have an opportunity of that kind become a decision; return its run."""
    mark = uuid.uuid4().hex
    market.scanner.say(two_frames(flat_b("EDGE/USDT", kind, nonce=mark)))
    return (await pipelines.ended((await pipelines.of(mark)).id)).strategy_runs[0]


def word(topic: str, **said: Any) -> list[bytes]:
    """A message of a review desk."""
    return [topic.encode(), json.dumps({"strategy_id": "ma_cross_v1.0"} | said).encode()]


async def test_an_approving_word_publishes_the_draft(market: Market, pipelines: Pipelines) -> None:
    """The newest package of the strategy is meant where none is named; said twice it counts once."""
    run = await made(market, pipelines, "asked")
    assert run.outcome == decision_pb2.DECISION_OUTCOME_REVIEW
    before = await pipelines.messages_in()
    async with Client(market.server.address) as client:
        assert not (await client.approvals.package(run.package_id)).approved
        with zmq.asyncio.Context() as context:
            trader = Hearer(context, market.info().relay_address, b"optimizer.pool.trading")
            await trader.hear(b"optimizer.heartbeat")
            said = word(
                "reviewguard.pool.approved",
                decision="approved",
                approval_reason="looks sound",
                reviewer_id="ada",
                extra={"kept": True},
            )
            market.desk.say(said)
            package = await trader.hear(b"optimizer.pool.trading")
            trader.socket.close()
        assert package["package_id"] == run.package_id
        decision = await client.approvals.decision(run.decision_id)
        assert (decision.review.reviewer, decision.review.note) == ("ada", "looks sound")
        market.desk.say(said)
        await pipelines.counted("duplicate", before.get("duplicate", 0) + 1)
    assert (await pipelines.messages_in())["reviewed"] == before.get("reviewed", 0) + 1


async def test_a_rejecting_word_revokes_what_trades(market: Market, pipelines: Pipelines) -> None:
    """The word is kept on the package, traders are told in signed words, and the newest is another."""
    run = await made(market, pipelines, "breakout")
    info = market.info()
    with zmq.asyncio.Context() as context:
        trader = Hearer(context, info.relay_address, b"optimizer.pool.revoked")
        beat = await trader.hear(b"optimizer.heartbeat")
        market.desk.say(
            word(
                "review.pool.rejected",
                package_id=run.package_id,
                review_decision="rejected",
                rejection_reason="the exchange delists it",
                reviewer_id="grace",
            )
        )
        revoked = await trader.hear(b"optimizer.pool.revoked")
        trader.socket.close()
    assert revoked["package_id"] == run.package_id
    assert revoked["seq"] == beat["last_revocation_seq"] + 1
    assert (revoked["reason"], revoked["revoked_by"]) == ("the exchange delists it", "grace")
    async with Client(market.server.address) as client:
        key = (await client.approvals.signing_key()).public_key
        package = await client.approvals.package(run.package_id)
        replayed = [row async for row in client.approvals.revocations()]
    from stratopt_client.packages import verify_revocation

    assert verify_revocation(revoked, key)["package_id"] == run.package_id
    (review,) = package.reviews
    assert (review.approved, review.reviewer_id) == (False, "grace")
    assert package.revocation.reason == "the exchange delists it"
    assert replayed[-1] == package.revocation


@pytest.mark.parametrize(
    ("topic", "said", "cause"),
    [
        ("review.pool.approved", {"package_id": "pkg_none"}, "NO_PACKAGE"),
        ("review.pool.approved", {"strategy_id": "never_ran"}, "NO_PACKAGE"),
        ("review.pool.approved", {"strategy_id": None}, "BAD_FIELD"),
        ("review.pool.approved", {"decision": "rejected"}, "BAD_FIELD"),
        ("review.pool.rejected", {"review_decision": "maybe"}, "BAD_FIELD"),
        ("review.pool.rejected", {"reason": 7}, "BAD_FIELD"),
    ],
)
async def test_words_that_mean_nothing_are_kept(
    market: Market, pipelines: Pipelines, topic: str, said: dict[str, Any], cause: str
) -> None:
    """They are dead letters of the review desk."""
    before = (await pipelines.messages_in()).get(cause.lower(), 0)
    market.desk.say(word(topic, **said))
    await pipelines.counted(cause.lower(), before + 1)
    letter = (await pipelines.letters(cause))[0]
    assert (letter.channel, letter.topic) == ("review", topic)


async def test_a_scanner_is_no_review_desk(market: Market, pipelines: Pipelines) -> None:
    """Words are heard from the desk's address only: the scanner's socket never subscribes to them."""
    run = await made(market, pipelines, "asked")
    market.scanner.say(word("review.pool.approved", package_id=run.package_id, decision="approved"))
    market.scanner.say([b"scanner.pool.preliminary", b"{"])
    before = (await pipelines.messages_in()).get("bad_json", 0)
    market.scanner.say([b"scanner.pool.preliminary", b"{"])
    await pipelines.counted("bad_json", before + 1)
    async with Client(market.server.address) as client:
        assert not (await client.approvals.package(run.package_id)).approved


async def test_revoking_by_rpc(market: Market, pipelines: Pipelines) -> None:
    """Signed and published like a desk's; again changes nothing; a draft cannot be revoked."""
    from stratopt_client import FailedPrecondition, InvalidRequest, NotFound

    run, draft = await made(market, pipelines, "breakout"), await made(market, pipelines, "asked")
    async with Client(market.server.address) as client:
        revoke = client.approvals.revoke
        revoked = await revoke(run.package_id, reason="a test", revoked_by="ops")
        assert await revoke(run.package_id, reason="another word", revoked_by="ops") == revoked
        with pytest.raises(FailedPrecondition):
            await revoke(draft.package_id, reason="a test", revoked_by="ops")
        with pytest.raises(NotFound):
            await revoke("pkg_none", reason="a test", revoked_by="ops")
        with pytest.raises(InvalidRequest) as caught:
            await revoke(run.package_id, reason="", revoked_by="x" * 101)
        assert {found.field for found in caught.value.violations} == {"reason", "revoked_by"}
        key = (await client.approvals.signing_key()).public_key
        verify(revoked_document(await client.approvals.package(run.package_id)), key)

        async def out() -> bool:
            return (await client.system.metrics()).messages_out["optimizer.pool.revoked"] > 0

        await eventually(out, within=5, because="the revocation goes out")


def revoked_document(package: Any) -> dict[str, Any]:
    """The package as it was published; a revocation leaves its bytes alone."""
    from stratopt_client.packages import document_of

    return document_of(package)
