"""Relations between parameters: what they may say, and that they say it of one point as of many."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratopt_server.domain.constraints import holds

VALUES = {"a": 3, "b": 4.5, "on": True}
NAMES = ("a", "b", "c")

# Small enough that no product leaves the whole numbers that an array holds.
numbers = st.integers(-50, 50)
leaves = st.sampled_from(NAMES) | numbers.map(str)


def joined(parts: st.SearchStrategy[str], words: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Two parts with one of the words between them, in brackets."""
    return st.builds("({} {} {})".format, parts, st.sampled_from(words), parts)


sums = st.recursive(
    leaves, lambda parts: joined(parts, ("+", "-", "*")) | parts.map("(-{})".format), max_leaves=5
)
comparisons = joined(sums, ("<", "<=", ">", ">=", "==", "!=")) | st.builds(
    "({} < {} <= {})".format, leaves, leaves, leaves
)
expressions = st.recursive(
    comparisons, lambda parts: joined(parts, ("and", "or")) | parts.map("(not {})".format), max_leaves=4
)
points = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, numbers)), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a < b", True),
        ("a >= b", False),
        ("a == 3 and b == 4.5", True),
        ("a != 3 or b < 0", False),
        ("not a < 0", True),
        ("0 < a < b", True),
        ("0 < a < b < 4", False),
        ("a + b * 2 == 12", True),
        ("-a < 0", True),
        ("b / a == 1.5", True),
        ("a % 2 == 1", True),
        ("on", True),
        ("on and a > 5", False),
        ("not on or a == 3", True),
        ("1 < 2", True),
    ],
)
def test_meaning(expression: str, expected: bool) -> None:
    """An expression means what it means in Python."""
    assert bool(holds(expression, VALUES)) is expected
    many = holds(expression, {name: np.array([value] * 2) for name, value in VALUES.items()})
    assert np.broadcast_to(many, 2).tolist() == [expected] * 2


@settings(deadline=None)
@given(expressions, points)
def test_one_as_many(expression: str, given_points: list[dict[str, int]]) -> None:
    """Of many points it says, one by one, what it says of each and what Python says."""
    many = holds(expression, {name: np.array([point[name] for point in given_points]) for name in NAMES})
    one_by_one = [bool(holds(expression, point)) for point in given_points]
    assert np.broadcast_to(many, len(given_points)).tolist() == one_by_one
    assert one_by_one == [bool(eval(expression, {}, point)) for point in given_points]


@given(expressions, points)
@settings(deadline=None)
def test_some_fixed(expression: str, given_points: list[dict[str, int]]) -> None:
    """Some names may be single values while others are many."""
    fixed = given_points[0]["a"]
    columns = {name: np.array([point[name] for point in given_points]) for name in ("b", "c")}
    many = holds(expression, {"a": fixed, **columns})
    one_by_one = [bool(holds(expression, {**point, "a": fixed})) for point in given_points]
    assert np.broadcast_to(many, len(given_points)).tolist() == one_by_one


@pytest.mark.parametrize("expression", ["-on < 0", "on + on == 2"])
def test_flags_count_as_numbers(expression: str) -> None:
    """In arithmetic a flag is 1 or 0, for many as for one."""
    assert bool(holds(expression, {"on": True}))
    assert holds(expression, {"on": np.array([True, False])}).tolist() == [True, False]


@pytest.mark.parametrize("expression", ["a / b >= 0", "a % b >= 0"])
def test_division_by_zero(expression: str) -> None:
    """A point that divides by zero does not satisfy the relation: nothing is raised, nor warned of."""
    assert not bool(holds(expression, {"a": 1, "b": 0}))
    many = holds(expression, {"a": np.array([1, 1]), "b": np.array([0, 2])})
    assert many.tolist() == [False, True]


@pytest.mark.parametrize(
    "expression",
    [
        "print(a)",
        "__import__('os')",
        "a.real > 0",
        "a.__class__",
        "a[0] > 0",
        "[a, b]",
        "(a, b)",
        "{a}",
        "{a: b}",
        "[x for x in a]",
        "(x for x in a)",
        "{x for x in a}",
        "lambda: a",
        "a if b else 1",
        "(a := 1)",
        "'a' == 'a'",
        "b'a' < b'b'",
        "f'{a}' == 'a'",
        "a == None",
        "a == ...",
        "1j == a",
        "a ** 9 > 0",
        "a // b > 0",
        "a @ b",
        "a & b",
        "a | b",
        "a ^ b",
        "a << 2 > b",
        "~a < 0",
        "a is b",
        "a is not b",
        "a in b",
        "a not in b",
    ],
)
def test_nothing_else(expression: str) -> None:
    """Anything but arithmetic and comparison is refused."""
    with pytest.raises(ValueError, match="only arithmetic and comparison"):
        holds(expression, VALUES)


@pytest.mark.parametrize("expression", ["", "a <", "a = 3", "import os", "a\nb", "\0"])
def test_no_expression(expression: str) -> None:
    """What is no expression at all is refused in the same way."""
    with pytest.raises(ValueError):  # noqa: PT011 - in whatever words
        holds(expression, VALUES)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab01.<>=+-*/%() andortx'[]{},:_\\\"", max_size=24))
def test_whatever_is_written(expression: str) -> None:
    """Whatever is written, it is evaluated or refused as promised."""
    with suppress(ValueError, KeyError):
        holds(expression, {"a": 2, "b": 3})


@pytest.mark.parametrize("expression", ["c > 0", "a > 0 or c > 0", "a < 0 and c > 0", "0 > a > c"])
def test_unknown_name(expression: str) -> None:
    """An unknown name is a KeyError that names it, even where another part would have decided."""
    with pytest.raises(KeyError, match="c"):
        holds(expression, VALUES)


def test_values_stay() -> None:
    """The arrays given are not changed."""
    values = {"a": np.array([1, 2]), "b": np.array([2, 1])}
    holds("not a < b and -a + b > 0", values)
    assert values["a"].tolist() == [1, 2]
    assert values["b"].tolist() == [2, 1]
