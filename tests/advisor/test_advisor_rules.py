"""The rules, and the check of numbers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_advisor_model import EXPLAIN, FACTS, PROPOSE, TEXTS

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
        assert foreign_numbers(" and ".join(shown), facts, {}) == []


@given(figures, st.floats(1.5, 10))
def test_other_numbers_are_foreign(value: float, factor: float) -> None:
    """A number that no fact rounds to is named."""
    other = f"{abs(value) * factor * 1000 + 7.123:.3f}"
    assert foreign_numbers(f"about {other}", {"a": value}, {}) == [other]


def test_numbers_inside_texts_of_facts_are_known() -> None:
    """The server's own words hold numbers too; per cent there are per cent, and dates may be written out."""
    facts = {"start_date": "2024-01-31 00:00:00", "reason": "dsr is 0.31, wanted >= 0.95; 20 % is too much."}
    assert foreign_numbers("From 2024-01-31 on dsr is 0.31 (31 %), and 20 %.", facts, {}) == []
    assert foreign_numbers("From 2025-01-31 on dsr is 20", facts, {}) == ["2025", "20"]


def test_names_are_said_as_a_whole() -> None:
    """What others call things holds no facts; a name is one word that begins with a letter, or a symbol."""
    facts = {"var_95": 0.03, "timeframe": "15m"}
    texts = {"strategy_id": "grid_v1.2", "strategy_name": "Sharpe 9", "symbol": "1INCH/USDT", "note": "99k"}
    assert foreign_numbers("grid_v1.2在1INCH/USDT,15m: var_95 is 3 %.", facts, texts) == []
    assert foreign_numbers("grid_v1.3", facts, texts) == ["1.3"]
    assert foreign_numbers("Sharpe 9", facts, texts) == ["9"]
    assert foreign_numbers("It made 99k.", facts, texts) == ["99k"]


@given(st.binary(min_size=32, max_size=32), figures)
def test_a_hash_knows_no_number(content: bytes, value: float) -> None:
    """Digits inside of one are no numbers, and none of them is without end."""
    other = f"{abs(value) + 7.123:.3f}"
    assert foreign_numbers(f"about {other}", {"a": value, "hash": f"x{content.hex()}"}, {}) == [other]


@given(st.text(max_size=60))
def test_whatever_is_said_is_read(text: str) -> None:
    """No text breaks the check, and without facts no digit passes."""
    found = foreign_numbers(text, {}, {})
    assert found or not any(sign.isascii() and sign.isdigit() for sign in text)


@pytest.mark.parametrize("language", Language)
async def test_rules_quote_only_facts(language: Language) -> None:
    """Their own words pass the check that a model's must pass."""
    told = await RuleAdvisor().explain(replace(EXPLAIN, language=language))
    assert "42.1%" in told.text
    assert foreign_numbers(told.text, FACTS, TEXTS) == []


async def test_what_is_not_known_is_left_out() -> None:
    """A sentence without its fact is not said, and nothing is made up."""
    few = {"outcome": "reject", "reason": "No."}
    names = {"strategy_id": "a", "symbol": "A/B", "policy": "default/v1"}
    decision = replace(EXPLAIN, kind=AdviceKind.EXPLAIN_DECISION, facts=few, texts=names)
    told = await RuleAdvisor().explain(decision)
    assert told.text.startswith("a on A/B was rejected by default/v1. No.")
    assert "None" not in told.text
    assert "%" not in told.text


async def test_gates_that_stand_in_the_way_are_named_in_chinese() -> None:
    """The reason is written in English; what it says is told in the language that was asked for."""
    gates = {
        "dsr": {"result": "failed", "measured": "0.31", "wanted": ">= 0.95", "explanation": "Luck."},
        "pbo": {"result": "passed", "measured": "0.1", "wanted": "<= 0.2", "explanation": "Fine."},
    }
    facts = {f"gate_{name}_{key}": word for name, gate in gates.items() for key, word in gate.items()}
    names = {"strategy_id": "a", "symbol": "A/B", "policy": "default/v1"}
    decision = replace(
        EXPLAIN,
        kind=AdviceKind.EXPLAIN_DECISION,
        language=Language.CHINESE,
        facts={"outcome": "reject", "reason": "No."} | facts,
        texts=names,
    )
    told = await RuleAdvisor().explain(decision)
    assert "未通过的关口:dsr 为 0.31,要求 >= 0.95。" in told.text
    assert "pbo" not in told.text
    assert "No." not in told.text


async def test_a_neighbour_that_may_not_run_is_not_proposed() -> None:
    """A set that breaks a constraint would count as a trial and could not be one."""
    subject = replace(PROPOSE, constraints=("fast_period < 21",))
    proposal = (await RuleAdvisor().propose(subject)).proposal
    assert proposal is not None
    assert [one.params for one in proposal.experiments] == [None, None, None]


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
