"""The rules, and the check of numbers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_advisor_model import EXPLAIN, FACTS, PROPOSE

from stratopt_server.advisor.numbers import foreign_numbers
from stratopt_server.advisor.rules import RuleAdvisor
from stratopt_server.advisor.sentences import CHINESE, ENGLISH
from stratopt_server.domain.advice import AdviceKind, Language
from stratopt_server.domain.parameters import Integer, IntegerRange, Real, RealRange

figures = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(figures, min_size=1, max_size=8), st.integers(0, 6))
def test_rounded_facts_are_known(values: list[float], decimals: int) -> None:
    """Whatever it is rounded to, with or without separators, in per cent and without its sign."""
    facts = {f"fact {number}": value for number, value in enumerate(values)}
    for value in values:
        shown = [f"{value:.{decimals}f}", f"{value:,.{decimals}f}", f"{abs(value):.{decimals}f}"]
        shown += [f"{value * 100:.{decimals}f} %", f"{value:.{decimals}%}"]
        assert foreign_numbers(" and ".join(shown), facts) == []


@given(figures, st.floats(1.5, 10))
def test_other_numbers_are_foreign(value: float, factor: float) -> None:
    """A number that no fact rounds to is named."""
    other = f"{abs(value) * factor * 1000 + 7.123:.3f}"
    assert foreign_numbers(f"about {other}", {"a": value}) == [other]


def test_numbers_inside_texts_are_known() -> None:
    """Names and dates hold numbers too."""
    facts = {"strategy_id": "grid_v1.2", "start_date": "2024-01-31T00:00:00"}
    assert foreign_numbers("grid_v1.2 from 2024-01-31 on", facts) == []
    assert foreign_numbers("grid_v1.3", facts) == ["1.3"]


@pytest.mark.parametrize("language", Language)
async def test_rules_quote_only_facts(language: Language) -> None:
    """Their own words pass the check that a model's must pass."""
    told = await RuleAdvisor().explain(replace(EXPLAIN, language=language))
    assert "42.1%" in told.text
    assert foreign_numbers(told.text, FACTS) == []


async def test_what_is_not_known_is_left_out() -> None:
    """A sentence without its fact is not said, and nothing is made up."""
    few = {"strategy_id": "a", "symbol": "A/B", "policy": "default/v1", "outcome": "reject", "reason": "No."}
    told = await RuleAdvisor().explain(replace(EXPLAIN, kind=AdviceKind.EXPLAIN_DECISION, facts=few))
    assert told.text.startswith("a on A/B was rejected by default/v1. No.")
    assert "None" not in told.text
    assert "%" not in told.text


def test_both_languages_say_the_same_things() -> None:
    """Every sentence has its twin."""
    assert set(ENGLISH) == set(CHINESE)


@given(
    st.integers(1, 100),
    st.floats(0.0, 1.0),
    st.one_of(st.none(), st.tuples(st.integers(1, 50), st.integers(51, 100))),
)
def test_ranges_hold_the_value_within_what_is_declared(
    period: int, threshold: float, searched: tuple[int, int] | None
) -> None:
    """Whatever the value and wherever it stands in what was searched."""
    import asyncio

    ranges = {} if searched is None else {"fast_period": IntegerRange(*searched)}
    subject = replace(PROPOSE, params={"fast_period": period, "threshold": threshold}, searched=ranges)
    proposal = asyncio.run(RuleAdvisor().propose(subject)).proposal
    assert proposal is not None
    for name, found in proposal.param_ranges.items():
        spec = subject.declared[name]
        assert isinstance(spec, Integer | Real)
        assert isinstance(found, IntegerRange | RealRange)
        assert spec.minimum <= found.minimum <= found.maximum <= spec.maximum
        if found is not ranges.get(name):
            assert found.minimum <= subject.params[name] <= found.maximum  # type: ignore[operator]
    for one in proposal.experiments:
        if one.params is not None:
            assert all(subject.declared[name].accepts(value) for name, value in one.params.items())
