"""What the client's readers of JSON refuse, in the words of our own error tree."""

from stratopt_client import InvalidInput
from stratopt_server.domain.errors import FIELD_BYTES_MAX, Violation, shorten


def violations_of(wrong: InvalidInput) -> tuple[Violation, ...]:
    """Return everything that is wrong with the shape of a document."""
    return tuple(
        Violation(shorten(found.field, FIELD_BYTES_MAX), found.reason, shorten(found.description))
        for found in wrong.violations
    )
