"""Looking at messages through their descriptors."""

from collections.abc import Iterator
from typing import TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


def sent(message: M) -> M:
    """The message as the other side receives it."""
    return type(message).FromString(message.SerializeToString())


def unset(message: Message, path: str = "") -> Iterator[str]:
    """Name, with its path, every field that is at its default; of a oneof one field is enough."""
    held = {field.name: value for field, value in message.ListFields()}
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof is not None and len(oneof.fields) > 1 and message.WhichOneof(oneof.name):
            continue
        if field.name not in held:
            yield path + field.name
    for name, value in held.items():
        yield from _unset_inside(value, f"{path}{name}.")


def _unset_inside(value: object, path: str) -> Iterator[str]:
    """Look into a message, and into the messages of a list or a map; a Timestamp may hold zeros."""
    if isinstance(value, Message):
        if not value.DESCRIPTOR.full_name.startswith("google.protobuf."):
            yield from unset(value, path)
    elif hasattr(value, "values"):
        for entry in value.values():
            yield from _unset_inside(entry, path)
    elif hasattr(value, "append"):
        for entry in value:
            yield from _unset_inside(entry, path)
