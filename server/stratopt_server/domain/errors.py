"""The one error tree: everything a caller may be told about.

StratoptError            has a canonical code, a stable reason, a message and the facts it names
├── RequestRefused       one or more fields of a request are wrong; names them all at once
├── NotFound             there is no such resource
├── AlreadyExists        the id is taken
├── WrongStatus          the resource's status does not allow the call
├── InUse                other resources refer to this one
├── Exhausted            a limit of this server is reached
└── Unavailable          the server cannot take this now; later or elsewhere it may
Anything else that is raised is a bug and reaches the caller as INTERNAL without its text.
"""

import dataclasses
import errno
from collections.abc import Iterable, Mapping
from enum import Enum

VIOLATIONS_SHOWN_MAX = 16
"""Faults named in one refusal; a caller with more has enough to mend first."""
VIOLATIONS_BYTES_MAX = 3_000
"""Size of all faults named in one refusal: gRPC's clients refuse trailers above 8 KB, in which the faults
stand once and the status's message twice, once of these with three bytes for each that is not ASCII."""
MESSAGE_BYTES_MAX = 300
"""Size of one fault's message, and of one value it names."""
FIELD_BYTES_MAX = 100
STATUS_BYTES_MAX = 600


def shorten(text: str, bytes_max: int = MESSAGE_BYTES_MAX) -> str:
    """Cut a text that a caller made long."""
    encoded = text.encode(errors="replace")
    return text if len(encoded) <= bytes_max else encoded[: bytes_max - 3].decode(errors="ignore") + "..."


class Code(Enum):
    """Canonical status codes, in order of precedence when one request has several faults."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with one field of a request."""

    field: str
    """Path of the field as the caller wrote it, e.g. `param_ranges.fast_period.min`."""
    reason: str
    """Stable word for programs, UPPER_SNAKE."""
    message: str
    """What is wrong and what is allowed, for people."""
    code: Code = Code.INVALID_ARGUMENT
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Every value the message names."""


class StratoptError(Exception):
    """Anything a caller may be told about."""

    def __init__(
        self,
        message: str,
        *,
        code: Code,
        reason: str,
        facts: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
    ) -> None:
        """Keep the facts as facts; the message is for people."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.facts = dict(facts or {})
        self.violations = violations


class RequestRefused(StratoptError):
    """One or more fields of a request are wrong; nothing was stored."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        """Take code, reason and facts from the gravest violation; keep them all."""
        every = tuple(violations)
        assert every, "a refusal names at least one violation"
        found = _shown(every)
        order = list(Code)
        gravest = min(found, key=lambda violation: order.index(violation.code))
        listed = "; ".join(f"{violation.field}: {violation.message}" for violation in found)
        if len(every) > len(found):
            listed = f"{len(every)} things are wrong, the first {len(found)} of them: {listed}"
        super().__init__(
            shorten(listed, STATUS_BYTES_MAX),
            code=gravest.code,
            reason=gravest.reason,
            facts={**gravest.facts, "field": gravest.field},
            violations=found,
        )


def _shown(violations: tuple[Violation, ...]) -> tuple[Violation, ...]:
    """The first of them: as many as one status carries."""
    room = VIOLATIONS_BYTES_MAX
    for count, violation in enumerate(violations[:VIOLATIONS_SHOWN_MAX]):
        room -= sum(len(text.encode()) for text in (violation.field, violation.reason, violation.message))
        if room < 0:
            return violations[:count]
    return violations[:VIOLATIONS_SHOWN_MAX]


class NotFound(StratoptError):
    """There is no resource of that kind and id."""

    def __init__(self, kind: str, resource_id: str) -> None:
        """`kind` is the resource's word, e.g. `backtest`."""
        resource_id = shorten(resource_id)
        message = f"there is no {kind} {resource_id!r}"
        reason = f"{kind.upper()}_NOT_FOUND"
        field_name = f"{kind}_id"
        super().__init__(
            message,
            code=Code.NOT_FOUND,
            reason=reason,
            facts={field_name: resource_id},
            violations=(Violation(field_name, reason, message, Code.NOT_FOUND),),
        )


class AlreadyExists(StratoptError):
    """The id a caller chose is taken."""

    def __init__(self, kind: str, resource_id: str) -> None:
        """`kind` is the resource's word, e.g. `strategy`."""
        message = f"there is a {kind} {resource_id!r} already: choose another id or update it"
        reason = f"{kind.upper()}_EXISTS"
        super().__init__(
            message,
            code=Code.ALREADY_EXISTS,
            reason=reason,
            facts={f"{kind}_id": resource_id},
            violations=(Violation(f"{kind}.id", reason, message, Code.ALREADY_EXISTS),),
        )


class WrongStatus(StratoptError):
    """The resource's status does not allow the call."""

    def __init__(self, kind: str, resource_id: str, *, status: str, wanted: str) -> None:
        """`wanted` says which statuses would do."""
        super().__init__(
            f"{kind} {resource_id!r} is {status}; this needs it {wanted}",
            code=Code.FAILED_PRECONDITION,
            reason=f"{kind.upper()}_WRONG_STATUS",
            facts={f"{kind}_id": resource_id, "status": status, "wanted": wanted},
        )


class InUse(StratoptError):
    """Other resources refer to this one, so it cannot go."""

    def __init__(self, kind: str, resource_id: str, *, used_by: str) -> None:
        """`used_by` names what refers to it."""
        super().__init__(
            f"{kind} {resource_id!r} is used by {used_by}",
            code=Code.FAILED_PRECONDITION,
            reason=f"{kind.upper()}_IN_USE",
            facts={f"{kind}_id": resource_id, "used_by": used_by},
        )


class Unavailable(StratoptError):
    """The server cannot take this now; later, or on another server, it may."""

    def __init__(self, message: str, *, reason: str, facts: Mapping[str, str] | None = None) -> None:
        """`reason` says which part is not there, e.g. `DRAINING`."""
        super().__init__(message, code=Code.UNAVAILABLE, reason=reason, facts=facts)


def no_room(error: OSError) -> Unavailable | None:
    """Tell a full disk as callers hear it; None if the error is another."""
    if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
        return None
    return Unavailable("there is no room on the disk: free some, and try again", reason="DISK_FULL")


class Exhausted(StratoptError):
    """A limit of this server is reached; later there is room again."""

    def __init__(self, what: str, *, limit: int) -> None:
        """`what` names what there is too much of."""
        super().__init__(
            f"there are {limit} {what} already: try again shortly",
            code=Code.RESOURCE_EXHAUSTED,
            reason="LIMIT_REACHED",
            facts={"what": what, "limit": str(limit)},
        )


class Violations:
    """Collects everything that is wrong with a request, to refuse it once."""

    def __init__(self, found: Iterable[Violation] = ()) -> None:
        """Start with those that were found before."""
        self._found: list[Violation] = list(found)

    @property
    def found(self) -> tuple[Violation, ...]:
        """Everything that was noted."""
        return tuple(self._found)

    def add(
        self,
        field_path: str,
        reason: str,
        message: str,
        *,
        code: Code = Code.INVALID_ARGUMENT,
        **facts: object,
    ) -> None:
        """Note one fault; the keyword arguments are the values its message names."""
        texts = {name: shorten(str(value)) for name, value in facts.items()}
        at = shorten(field_path, FIELD_BYTES_MAX)
        self._found.append(Violation(at, reason, shorten(message), code, texts))

    def extend(self, found: Iterable[Violation]) -> None:
        """Note faults that were found elsewhere, as they are."""
        self._found.extend(found)

    def has(self, field_path: str) -> bool:
        """Tell whether the field, or something below it, is wrong already."""
        return any(
            found.field == field_path or found.field.startswith((f"{field_path}.", f"{field_path}["))
            for found in self._found
        )

    def refuse_if_any(self) -> None:
        """Raise RequestRefused with all of them, if there are any."""
        if self._found:
            raise RequestRefused(self._found)
