"""Messages as JSON-ready dictionaries, the way people write them."""

import base64
import math
from typing import Any

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from stratopt.v1.decision_pb2 import CriterionValue
from stratopt.v1.parameter_pb2 import ParameterRange, ParameterValue
from stratopt_client._params import value_to_python
from stratopt_client._shape import words_of

Field = Any
"""A field's descriptor. Its class depends on how protobuf was built, so the stubs name two."""


def to_dict(message: Message) -> dict[str, Any]:
    """Return a message as a dictionary that json.dumps takes, under the field names of the protocol.

    Whole numbers stay numbers, enums become their short words ("succeeded"), times ISO 8601 text,
    parameters, ranges and criteria what a caller would write for them. What is not set, not defined or not a
    finite number is None; of several alternatives only the one that is set appears.
    """
    return {
        field.name: _field(message, field)
        for field in message.DESCRIPTOR.fields
        if not _is_other_alternative(message, field)
    }


def _is_other_alternative(message: Message, field: Field) -> bool:
    # An `optional` field is its own oneof in the descriptors; real ones have several members.
    oneof = field.containing_oneof
    return oneof is not None and len(oneof.fields) > 1 and message.WhichOneof(oneof.name) != field.name


def _field(message: Message, field: Field) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        of = field.message_type.fields_by_name["value"]
        return {key: _value(value[key], of) for key in sorted(value)}
    if field.is_repeated:
        return [_value(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value(value, field)


def _value(value: Any, field: Field) -> Any:
    if isinstance(value, Message):
        return _message(value)
    if field.enum_type is not None:
        return enum_word(field.enum_type, value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def _message(message: Message) -> Any:
    if isinstance(message, Timestamp):
        return message.ToJsonString()
    if isinstance(message, ParameterValue):
        return value_to_python(message)
    if isinstance(message, ParameterRange):
        return _range(message)
    if isinstance(message, CriterionValue):
        kind = message.WhichOneof("kind")
        return None if kind is None else getattr(message, kind)
    return to_dict(message)


def enum_word(enum: EnumDescriptor, number: int) -> str | int | None:
    """Return the short word of an enum's value; None for its zero, the number if it is newer than we are."""
    if number == 0:
        return None
    words = {name: word for word, name in words_of(enum).items()}
    value = enum.values_by_number.get(number)
    return number if value is None else words[value.name]


def _range(value: ParameterRange) -> dict[str, Any]:
    """Return the range as it can be given to a search again."""
    kind = value.WhichOneof("kind")
    if kind == "choices":
        return {"choices": [value_to_python(choice) for choice in value.choices.values]}
    span = value.real if kind == "real" else value.integer
    written: dict[str, Any] = {"min": span.min, "max": span.max}
    if span.step:
        written["step"] = span.step
    if kind == "real" and value.real.log:
        written["log"] = True
    return written
