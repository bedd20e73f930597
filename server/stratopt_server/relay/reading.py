"""What neighbours send: three framings, three shapes of an opportunity, the words of a review desk."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from stratopt_server.domain.opportunities import Cause, Channel, Opportunity
from stratopt_server.usecases.dead_letters import Incoming, Said, Unusable
from stratopt_server.usecases.desk_words import DeskWord

OPPORTUNITIES_TOPIC = "scanner.pool.preliminary"
APPROVED_TOPICS = ("reviewguard.pool.approved", "review.pool.approved")
REJECTED_TOPICS = ("review.pool.rejected", "reviewguard.pool.rejected")
DEPTH_MAX = 32
"""Objects and lists inside each other in one message."""
TEXT_LENGTH_MAX = 200
"""Of a field that we read."""
MILLISECONDS_ABOVE = 1e11
"""A number of seconds since 1970 that is larger is one of milliseconds."""
SAID = {"approved": True, "approve": True, "rejected": False, "reject": False}


class Refused(Exception):
    """A message that cannot be used."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.why = Unusable(cause, detail)


@dataclass(frozen=True, slots=True)
class Framed:
    """The parts of a message: its topic, an envelope if it has one, and its body."""

    topic: str
    envelope: bytes | None
    body: bytes


def read_opportunity(frames: Sequence[bytes], *, now: datetime, bytes_max: int) -> Incoming[Opportunity]:
    """Read what a scanner sent, or say why it cannot be used."""

    def read(framed: Framed) -> Opportunity:
        envelope = {} if framed.envelope is None else _object(framed.envelope)
        return _opportunity(_object(framed.body), envelope, now=now)

    return _read(frames, Channel.SCANNER, (OPPORTUNITIES_TOPIC,), read, bytes_max=bytes_max)


def read_word(frames: Sequence[bytes], *, bytes_max: int) -> Incoming[DeskWord]:
    """Read what a review desk said, or say why it cannot be used."""

    def read(framed: Framed) -> DeskWord:
        return _word(_object(framed.body), topic=framed.topic)

    topics = (*APPROVED_TOPICS, *REJECTED_TOPICS)
    return _read(frames, Channel.REVIEW, topics, read, bytes_max=bytes_max)


def _read(
    frames: Sequence[bytes],
    channel: Channel,
    topics: Sequence[str],
    read: Callable[[Framed], Said],
    *,
    bytes_max: int,
) -> Incoming[Said]:
    topic, body = "", frames[-1] if frames else b""
    size = sum(map(len, frames))
    said: Said | Unusable
    try:
        framed = _framed(frames, topics, size=size, bytes_max=bytes_max)
        topic, body = framed.topic, framed.body
        said = read(framed)
    except Refused as refused:
        said = refused.why
    return Incoming(channel=channel, topic=topic, body=body, body_bytes=size, said=said)


def _framed(frames: Sequence[bytes], topics: Sequence[str], *, size: int, bytes_max: int) -> Framed:
    if size > bytes_max:
        raise Refused(Cause.OVERSIZE, f"{size} bytes; at most {bytes_max} are read")
    match frames:
        case [text]:
            head, _, body = text.partition(b" ")
            found = Framed(_topic(head), None, body)
        case [head, body]:
            found = Framed(_topic(head), None, body)
        case [head, envelope, body]:
            found = Framed(_topic(head), envelope, body)
        case _:
            raise Refused(Cause.BAD_FRAMES, f"{len(frames)} frames; a message has one, two or three")
    if found.topic not in topics:
        raise Refused(Cause.BAD_FRAMES, f"the topic is {found.topic!r}, not {' or '.join(topics)}")
    return found


def _topic(head: bytes) -> str:
    return head[:TEXT_LENGTH_MAX].decode(errors="replace").replace("\0", "\ufffd").strip()


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(Cause.BAD_JSON, f"this is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise Refused(Cause.BAD_JSON, f"an object is wanted, not {type(document).__name__}")
    if _is_deep(document):
        raise Refused(Cause.BAD_JSON, f"more than {DEPTH_MAX} objects and lists inside each other")
    return document


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _is_deep(document: object) -> bool:
    level: list[object] = [document]
    for _ in range(DEPTH_MAX):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(outer: object) -> Sequence[object]:
    inner = outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ()
    return [one for one in inner if isinstance(one, dict | list)]


def _opportunity(document: dict[str, Any], envelope: Mapping[str, Any], *, now: datetime) -> Opportunity:
    """Read any of the shapes: in an envelope of its own, or flat."""
    if "message_type" in document and isinstance(document.get("data"), dict):
        envelope, document = {**envelope, **document}, document["data"]
    symbol = _text(document, "symbol")
    if not symbol:
        raise Refused(Cause.NO_SYMBOL, "there is no symbol")
    kind = _text(document, "strategy_type") or _text(document, "opportunity_type")
    observed = _moment(document, "timestamp") or _moment(envelope, "timestamp")
    return Opportunity(
        symbol=symbol,
        kind=kind.lower(),
        confidence=_share(document, "confidence"),
        signal_type=_text(document, "signal_type").upper(),
        observed_at=observed or now,
        source=_text(document, "source") or _text(envelope, "source"),
        correlation_id=_text(document, "correlation_id") or _text(envelope, "correlation_id"),
        document=document,
    )


def _word(document: dict[str, Any], *, topic: str) -> DeskWord:
    approved = topic in APPROVED_TOPICS
    decision = _text(document, "review_decision") or _text(document, "decision")
    if decision and SAID.get(decision.lower()) is not approved:
        raise Refused(Cause.BAD_FIELD, f"decision is {decision!r} under the topic {topic}")
    strategy_id, package_id = _text(document, "strategy_id"), _text(document, "package_id")
    if not strategy_id and not package_id:
        raise Refused(Cause.BAD_FIELD, "neither a package_id nor a strategy_id says what it is about")
    reasons = ("reason", "approval_reason" if approved else "rejection_reason")
    reason = next((found for name in reasons if (found := _text(document, name, length_max=2_000))), "")
    return DeskWord(
        strategy_id=strategy_id,
        package_id=package_id,
        approved=approved,
        reviewer_id=_text(document, "reviewer_id", length_max=100),
        reason=reason,
    )


def _text(document: Mapping[str, Any], name: str, *, length_max: int = TEXT_LENGTH_MAX) -> str:
    """Read a text; empty where it is left out or null."""
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused(Cause.BAD_FIELD, f"{name} must be text, not {type(value).__name__}")
    if len(value) > length_max:
        raise Refused(Cause.BAD_FIELD, f"{name} has {len(value)} characters; at most {length_max} are read")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Refused(Cause.BAD_FIELD, f"{name} holds a character that no text has")
    return value.strip()


def _share(document: Mapping[str, Any], name: str) -> float | None:
    value = document.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1:
        raise Refused(Cause.BAD_FIELD, f"{name} must be a number from 0 to 1, not {str(value)[:40]}")
    return float(value)


def _moment(document: Mapping[str, Any], name: str) -> datetime | None:
    """Read ISO 8601, or seconds or milliseconds since 1970; without a zone it is UTC."""
    value = document.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return datetime.fromtimestamp(value / 1000 if value > MILLISECONDS_ABOVE else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise Refused(Cause.BAD_FIELD, f"{name} must be a time in ISO 8601, not {str(value)[:40]}")
