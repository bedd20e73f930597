"""Opportunities as scanners send them: what is taken, what is not, and that nothing stops the relay."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from relay_market import Market, Pipelines
from relay_peers import OPPORTUNITIES, enveloped, flat_a, flat_b, one_frame, three_frames, two_frames

Framing = Callable[..., list[bytes]]
Shape = Callable[[str, str], dict[str, Any]]
FRAMINGS = (one_frame, two_frames, three_frames)
SHAPES = {
    "flat_a": flat_a,
    "flat_b": flat_b,
    "enveloped_a": lambda symbol, kind: enveloped(flat_a(symbol, kind)),
    "enveloped_b": lambda symbol, kind: enveloped(flat_b(symbol, kind)),
}
UNROUTED = "asked_by_nobody"
"""A kind that no route takes: what is sound so far ends as a dead letter, and no search runs."""


@pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: framing.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
async def test_every_framing_of_every_shape(
    market: Market, pipelines: Pipelines, framing: Framing, shape: str
) -> None:
    """Each is read to the same opportunity; here up to the routes, none of which takes it."""
    before = (await pipelines.messages_in()).get("no_route", 0)
    document = SHAPES[shape]("EDGE/USDT", UNROUTED)
    market.scanner.say(framing(document))
    await pipelines.counted("no_route", before + 1)
    letter = (await pipelines.letters("NO_ROUTE"))[0]
    assert UNROUTED in letter.detail
    assert "EDGE/USDT" in letter.detail
    assert json.loads(letter.body) == document
    assert (letter.channel, letter.topic) == ("scanner", OPPORTUNITIES.decode())


@pytest.mark.parametrize("written", ["EDGE/USDT", "EDGE-USDT", "EDGEUSDT", "edge/usdt", " edgeusdt "])
async def test_symbols_however_written(market: Market, pipelines: Pipelines, written: str) -> None:
    """A symbol is found by every way in which scanners write it."""
    before = (await pipelines.messages_in()).get("no_route", 0)
    market.scanner.say(two_frames(flat_b(written, UNROUTED)))
    await pipelines.counted("no_route", before + 1)
    assert "EDGE/USDT" in (await pipelines.letters("NO_ROUTE"))[0].detail


def hours_from_now(hours: int) -> str:
    """A moment that is as far away when the test runs, however long the tests before it took."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


UNUSABLE: dict[str, tuple[Callable[[], list[bytes]], str, str]] = {
    "no json": (lambda: [OPPORTUNITIES, b"{not json"], "BAD_JSON", "no JSON"),
    "no text": (lambda: [OPPORTUNITIES, b"\xff\xfe\x00"], "BAD_JSON", "no JSON"),
    "nan": (lambda: [OPPORTUNITIES, b'{"symbol": "EDGE/USDT", "confidence": NaN}'], "BAD_JSON", "NaN"),
    "no object": (lambda: [OPPORTUNITIES, b"[1, 2]"], "BAD_JSON", "object"),
    "deep": (
        lambda: [OPPORTUNITIES, b'{"symbol": "E/U", "x": ' + b"[" * 60 + b"]" * 60 + b"}"],
        "BAD_JSON",
        "32",
    ),
    "very deep": (lambda: [OPPORTUNITIES, b"[" * 100_000], "BAD_JSON", ""),
    "empty": (lambda: [OPPORTUNITIES, b""], "BAD_JSON", ""),
    "only a topic": (lambda: [OPPORTUNITIES], "BAD_JSON", ""),
    "four frames": (lambda: [OPPORTUNITIES, b"{}", b"{}", b"{}"], "BAD_FRAMES", "4 frames"),
    "other topic": (lambda: [OPPORTUNITIES + b"2", b"{}"], "BAD_FRAMES", "topic"),
    "no symbol": (lambda: two_frames({"confidence": 0.5}), "NO_SYMBOL", "no symbol"),
    "empty symbol": (lambda: two_frames(flat_a("")), "NO_SYMBOL", "no symbol"),
    "symbol is a number": (lambda: two_frames(flat_a("x", symbol=7)), "BAD_FIELD", "symbol"),
    "unknown symbol": (lambda: two_frames(flat_a("NOPE/USDT")), "UNKNOWN_SYMBOL", "NOPE/USDT"),
    "too sure": (lambda: two_frames(flat_a("EDGE/USDT", confidence=1.5)), "BAD_FIELD", "confidence"),
    "sure in words": (lambda: two_frames(flat_a("EDGE/USDT", confidence="high")), "BAD_FIELD", "confidence"),
    "no time": (lambda: two_frames(flat_a("EDGE/USDT", timestamp="yesterday")), "BAD_FIELD", "timestamp"),
    "old": (lambda: two_frames(flat_a("EDGE/USDT", timestamp=hours_from_now(-2))), "STALE", "s old"),
    "ahead": (lambda: two_frames(flat_a("EDGE/USDT", timestamp=hours_from_now(2))), "STALE", "ahead"),
    "unsure": (lambda: two_frames(flat_a("EDGE/USDT", confidence=0.1)), "NO_ROUTE", "0.1"),
    "surrogate": (lambda: [OPPORTUNITIES, b'{"symbol": "E/U", "source": "\\ud800"}'], "BAD_FIELD", "source"),
    "oversize": (lambda: [OPPORTUNITIES, b" " * 1_100_000], "OVERSIZE", "1048576"),
}


@pytest.mark.parametrize("case", UNUSABLE)
async def test_unusable_messages_are_kept_with_their_cause(
    market: Market, pipelines: Pipelines, case: str
) -> None:
    """Each is counted and stored with what is wrong; the relay goes on."""
    message, cause, words = UNUSABLE[case]
    frames = message()
    before = (await pipelines.messages_in()).get(cause.lower(), 0)
    market.scanner.say(frames)
    await pipelines.counted(cause.lower(), before + 1)
    letter = (await pipelines.letters(cause))[0]
    assert words in letter.detail
    assert letter.body == frames[-1][: len(letter.body)] or len(frames) == 1
    assert len(letter.body) <= 4_096
    assert letter.body_bytes == sum(map(len, frames))


async def test_said_twice_starts_one_pipeline(market: Market, pipelines: Pipelines) -> None:
    """By correlation id whatever the content, or by the content whatever the framing."""
    mark = uuid.uuid4().hex
    before = await pipelines.messages_in()
    for number in range(3):
        market.scanner.say(two_frames(enveloped(flat_a("EDGE/USDT", "slow", n=number), mark)))
    same = flat_b("EDGE/USDT", "slow", nonce=mark)
    for framing in FRAMINGS:
        market.scanner.say(framing(same))
    market.scanner.say(two_frames(enveloped(same)))
    counts = await pipelines.counted("duplicate", before.get("duplicate", 0) + 5)
    assert counts["accepted"] == before.get("accepted", 0) + 2
    found = await pipelines.marked(mark)
    assert len(found) == 2
    for row in found:
        await pipelines.cancel(row.id)


async def test_unknown_fields_are_kept(market: Market, pipelines: Pipelines) -> None:
    """What nobody here knows comes back as it was sent."""
    mark = uuid.uuid4().hex
    document = flat_b("EDGE/USDT", "slow", nonce=mark, whatever={"a": [1, 2.5, None, "é"]})
    market.scanner.say(two_frames(document))
    pipeline = await pipelines.of(mark)
    await pipelines.cancel(pipeline.id)
    seen = pipeline.opportunity
    assert json.loads(seen.document_json) == document
    assert (seen.symbol, seen.kind, seen.signal_type, seen.source) == ("EDGE/USDT", "slow", "BUY", "scanner")
    assert seen.confidence == 0.7
    assert pipeline.route == "slow"


async def test_a_flood_does_not_hide_a_good_one(market: Market, pipelines: Pipelines) -> None:
    """2,000 useless messages of every kind: counts are right, and a good one is taken at once."""
    before = await pipelines.messages_in()
    same = flat_a("EDGE/USDT", "slow")
    kinds = {
        "bad_json": [OPPORTUNITIES, b"{"],
        "stale": two_frames(flat_a("EDGE/USDT", timestamp=hours_from_now(-2))),
        "unknown_symbol": two_frames(flat_a("NOPE/USDT")),
        "duplicate": two_frames(same),
    }
    for number in range(2_000):
        market.scanner.say(list(kinds.values())[number % 4])
    mark = uuid.uuid4().hex
    market.scanner.say(two_frames(flat_b("EDGE/USDT", "slow", nonce=mark)))
    pipeline = await pipelines.of(mark, within=20)
    counts = await pipelines.messages_in()
    gained = {word: counts.get(word, 0) - before.get(word, 0) for word in kinds}
    assert gained == {"bad_json": 500, "stale": 500, "unknown_symbol": 500, "duplicate": 499}
    for row in (pipeline, await pipelines.of(same["data"]["n"])):
        await pipelines.cancel(row.id)
