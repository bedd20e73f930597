"""Errors: which fault of several decides, and what they tell."""

import itertools

import pytest

from stratopt_server.domain.errors import (
    AlreadyExists,
    Code,
    InUse,
    NotFound,
    RequestRefused,
    StratoptError,
    Unavailable,
    Violation,
    Violations,
    WrongStatus,
)

FAULTS = [
    Violation("dates", "NO_BARS", "no bars", Code.FAILED_PRECONDITION, {"bars": "0"}),
    Violation("strategy_id", "STRATEGY_NOT_FOUND", "there is none", Code.NOT_FOUND, {"strategy_id": "x"}),
    Violation("params.n", "PARAMETER_OUT_OF_RANGE", "1 to 9", Code.INVALID_ARGUMENT, {"allowed": "1 to 9"}),
]


@pytest.mark.parametrize("order", list(itertools.permutations(FAULTS)))
def test_gravest_decides(order: tuple[Violation, ...]) -> None:
    """Code, reason and facts are those of the gravest fault, in whatever order faults were found."""
    refused = RequestRefused(order)
    assert (refused.code, refused.reason) == (Code.INVALID_ARGUMENT, "PARAMETER_OUT_OF_RANGE")
    assert refused.facts == {"allowed": "1 to 9", "field": "params.n"}
    assert refused.violations == order
    assert all(f"{fault.field}: {fault.message}" in refused.message for fault in FAULTS)


def test_first_of_equals_decides() -> None:
    """Of equally grave faults the one that was found first decides."""
    first, second = (Violation(name, name.upper(), "no") for name in ("a", "b"))
    assert RequestRefused([first, second]).reason == "A"
    assert RequestRefused([second, first]).reason == "B"


def test_order_of_codes() -> None:
    """A malformed request comes before what is not there, and that before what is not ready."""
    grave = [Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.FAILED_PRECONDITION]
    assert list(Code)[:4] == grave
    for heavier, lighter in itertools.combinations(Code, 2):
        refused = RequestRefused([Violation("a", "A", "", lighter), Violation("b", "B", "", heavier)])
        assert refused.code is heavier


def test_refusal_needs_a_fault() -> None:
    """A refusal without a fault is a mistake of ours."""
    with pytest.raises(AssertionError):
        RequestRefused([])


def test_collected() -> None:
    """Faults are collected with their facts as texts, and refused together; none is no refusal."""
    violations = Violations()
    violations.refuse_if_any()
    violations.add("a", "TOO_BIG", "at most 3, not 4", most=3, value=4)
    violations.add("b", "ABSENT", "say it", code=Code.NOT_FOUND)
    with pytest.raises(RequestRefused) as caught:
        violations.refuse_if_any()
    assert caught.value.violations == (
        Violation("a", "TOO_BIG", "at most 3, not 4", Code.INVALID_ARGUMENT, {"most": "3", "value": "4"}),
        Violation("b", "ABSENT", "say it", Code.NOT_FOUND, {}),
    )


@pytest.mark.parametrize(
    ("field", "expected"),
    [("params", True), ("params.n", True), ("par", False), ("params.n.x", False), ("x", False)],
)
def test_has(field: str, expected: bool) -> None:
    """A field has a fault if it, or something below it, has one."""
    violations = Violations()
    violations.add("params.n", "R", "m")
    assert violations.has(field) is expected


@pytest.mark.parametrize(
    ("error", "code", "reason", "facts"),
    [
        (NotFound("backtest", "bt_1"), Code.NOT_FOUND, "BACKTEST_NOT_FOUND", {"backtest_id": "bt_1"}),
        (AlreadyExists("strategy", "s"), Code.ALREADY_EXISTS, "STRATEGY_EXISTS", {"strategy_id": "s"}),
        (
            WrongStatus("backtest", "bt_1", status="failed", wanted="running"),
            Code.FAILED_PRECONDITION,
            "BACKTEST_WRONG_STATUS",
            {"backtest_id": "bt_1", "status": "failed", "wanted": "running"},
        ),
        (
            InUse("strategy", "s", used_by="backtests"),
            Code.FAILED_PRECONDITION,
            "STRATEGY_IN_USE",
            {"strategy_id": "s", "used_by": "backtests"},
        ),
        (
            Unavailable("later", reason="DRAINING", facts={"seconds": "10"}),
            Code.UNAVAILABLE,
            "DRAINING",
            {"seconds": "10"},
        ),
    ],
)
def test_each_error(error: StratoptError, code: Code, reason: str, facts: dict[str, str]) -> None:
    """Every error has its code, a stable reason and the facts that its message names."""
    assert (error.code, error.reason, error.facts) == (code, reason, facts)
    assert str(error) == error.message
    for name, fact in facts.items():
        assert name == "seconds" or fact in error.message
