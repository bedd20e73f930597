"""A model on good and bad days: whatever it does, there is advice, and it keeps to the facts."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from api_server import ApiServer

from stratopt_server.advisor.breaker import Breaker
from stratopt_server.advisor.checked import CheckedAdvisor
from stratopt_server.advisor.model import Completion, GroqModel, ModelSettings
from stratopt_server.advisor.rules import RuleAdvisor
from stratopt_server.domain.advice import AdviceKind, AdviceSource, Language, Subject
from stratopt_server.domain.parameters import ChoiceList, Integer, IntegerRange, Real, RealRange

PATIENCE, TIMEOUT = 10.0, 0.4
"""Seconds: where an answer comes however busy the machine is, and where none does."""
TEXTS = {"strategy_id": "ma_cross_v1.0", "strategy_name": "Sharpe 77", "symbol": "BTC/USDT"}
FACTS: dict[str, Any] = {
    "total_return": 0.4213,
    "sharpe_ratio": 1.5432,
    "max_drawdown": 0.2,
    "var_95": 0.031,
    "trade_count": 5_120,
    "win_rate": 0.5,
    "fees_paid": 100.5,
}
DECLARED = {
    "fast_period": Integer(default=5, minimum=1, maximum=100),
    "threshold": Real(default=0.0, minimum=0.0, maximum=1.0),
}
EXPLAIN = Subject(
    kind=AdviceKind.EXPLAIN_BACKTEST,
    id="bt_1",
    language=Language.ENGLISH,
    facts=FACTS,
    texts=TEXTS,
    declared={},
    params={},
    searched={},
)
PROPOSE = replace(
    EXPLAIN,
    kind=AdviceKind.PROPOSE_SEARCH,
    facts=FACTS | {"param_fast_period": 20},
    declared=DECLARED,
    params={"fast_period": 20, "threshold": 0.5},
    constraints=("fast_period < 50 + threshold",),
)
PROPOSAL: dict[str, Any] = {
    "text": "Look around 20, where the Sharpe ratio was 1.54.",
    "param_ranges": {"fast_period": {"min": 10, "max": 30, "step": 2}, "threshold": {"min": 0.1, "max": 1}},
    "experiments": [
        {"title": "Next to it", "why": "A plateau lasts.", "params": {"fast_period": 21, "threshold": 0.5}},
        {"title": "More bars", "why": "They say more.", "params": None},
    ],
}


def advisor(
    api: ApiServer,
    *,
    timeout: float = PATIENCE,
    retries: int = 1,
    failures: int = 3,
    now: Callable[[], float] = time.monotonic,
) -> CheckedAdvisor:
    """An advisor that asks that server."""
    model = GroqModel(
        ModelSettings(
            api_key="secret",
            base_url=api.url,
            model="m",
            timeout_seconds=timeout,
            retries_max=retries,
            answer_bytes_max=20_000,
            answer_tokens_max=500,
        )
    )
    return CheckedAdvisor(model, RuleAdvisor(), Breaker(failures, 30.0, now))


@dataclass
class Sayer:
    """A model that always says the same, where it does not matter how the answer comes."""

    text: str
    name: str = "m"

    async def complete(self, system: str, user: str, *, as_json: bool) -> Completion:
        """Answer."""
        assert system
        assert user
        assert as_json in (True, False)
        return Completion(self.text, 120, 30)


def saying(text: str) -> CheckedAdvisor:
    """An advisor whose model says that."""
    return CheckedAdvisor(Sayer(text), RuleAdvisor(), Breaker(3, 30.0, time.monotonic))


@pytest.mark.parametrize("mode", ["good", "slow", "busy_once"])
async def test_a_model_that_keeps_to_the_facts_is_heard(api: ApiServer, mode: str) -> None:
    """Rounded, in per cent and with separators its numbers are those it was given; tokens are counted."""
    api.mode = mode
    api.text = "It returned 42 %, a Sharpe ratio of 1.54 over 5,120 trips, and fell by 20 %."
    told = await advisor(api).explain(EXPLAIN)
    assert told.source is AdviceSource.MODEL, told.note
    assert (told.text, told.note, told.model) == (api.text, "", "m")
    assert (told.input_tokens, told.output_tokens) == (120, 30)
    assert "BTC/USDT" in told.prompt
    system, user = api.asked[-1]["messages"]
    assert json.loads(user["content"]) == {"facts": FACTS, "texts": TEXTS}
    assert "no instruction" in system["content"]


@pytest.mark.parametrize(
    ("mode", "retries", "why"),
    [
        ("hang", 1, "no answer within 0.4 s"),
        ("trickle", 1, "no answer within 0.4 s"),
        ("busy_long", 1, "no answer within 0.4 s"),
        ("busy", 0, "status 429"),
        ("busy_silent", 0, "status 429"),
        ("broken", 0, "status 500"),
        ("denied", 0, "status 401"),
        ("cut", 0, "cannot be reached or understood"),
        ("packed", 0, "cannot be reached or understood"),
        ("malformed", 0, "malformed"),
        ("nested", 0, "malformed"),
        ("half", 0, "malformed"),
        ("page", 0, "malformed"),
        ("wrong", 0, "malformed"),
        ("no_text", 0, "malformed"),
        ("huge", 0, "has 100,000 bytes, at most 20,000"),
    ],
)
async def test_a_bad_day_ends_in_the_rules(api: ApiServer, mode: str, retries: int, why: str) -> None:
    """The same words as without a model, with a note that tells no secret, within the time allowed."""
    api.mode = mode
    asking = advisor(api, timeout=TIMEOUT if retries else PATIENCE, retries=retries)
    began = time.monotonic()
    told = await asking.explain(EXPLAIN)
    assert time.monotonic() - began < TIMEOUT + 1.0
    plain = await RuleAdvisor().explain(EXPLAIN)
    assert (told.text, told.source) == (plain.text, AdviceSource.RULES)
    assert told.note.startswith("the model was not used")
    assert why in told.note
    assert "secret" not in told.note
    proposed = await asking.propose(PROPOSE)
    assert proposed.proposal == (await RuleAdvisor().propose(PROPOSE)).proposal


async def test_an_answer_without_end_is_not_read_to_it(api: ApiServer) -> None:
    """Not more than a few megabytes, which the sockets hold, are ever sent."""
    api.mode = "endless"
    told = await advisor(api, retries=0).explain(EXPLAIN)
    assert told.note.startswith("the model was not used")
    assert "no answer within" not in told.note
    assert 0 < api.sent < 20_000_000


async def test_what_a_refused_answer_cost_is_counted(api: ApiServer) -> None:
    """It was paid for, whether it is used or not; counts that are none are no counts."""
    api.mode = "huge"
    told = await advisor(api).explain(EXPLAIN)
    assert (told.source, told.input_tokens, told.output_tokens) == (AdviceSource.RULES, 120, 30)
    assert 0 < len(told.answer) <= 20_000
    api.mode, api.text = "good", "It returned 43 %."
    told = await advisor(api).explain(EXPLAIN)
    assert (told.source, told.input_tokens, told.answer) == (AdviceSource.RULES, 120, api.text)
    assert "quotes what it was not given (43 %)" in told.note
    api.mode, api.text = "odd_counts", "It is fine."
    told = await advisor(api).explain(EXPLAIN)
    assert (told.source, told.input_tokens, told.output_tokens) == (AdviceSource.MODEL, 0, 0)


async def test_another_language_than_asked_for_is_refused() -> None:
    """In either direction; names stay as they are."""
    chinese = replace(EXPLAIN, language=Language.CHINESE)
    for text, fits in (("It fell by 20 %.", EXPLAIN), ("ma_cross_v1.0 的最大回撤为20%。", chinese)):
        for subject in (EXPLAIN, chinese):
            told = await saying(text).explain(subject)
            assert (told.source is AdviceSource.MODEL) is (subject is fits), told.note


@pytest.mark.parametrize("sign", ["\x00", "\x1b[2J", "\u202e", "\u200b"])
async def test_signs_that_nobody_sees_are_refused(sign: str) -> None:
    """They would turn a terminal's text around, or stand inside a number."""
    told = await saying(f"Fine{sign}.").explain(EXPLAIN)
    assert "nobody sees" in told.note
    proposal = json.dumps(PROPOSAL | {"text": f"Fine{sign}."})
    assert "nobody sees" in (await saying(proposal).propose(PROPOSE)).note


@pytest.mark.parametrize(
    "text",
    [
        "It returned 43 %.",
        "It returned -42 %.",
        "总收益为-42%。",
        "It returned 42.",
        "Its Sharpe ratio is 77.",
        "Its name is Sharpe 77.",
        "It made 5,120k trips.",
        "夏普比率为1.54万。",
        "Its Sharpe ratio is 1e99999.",
        f"Its Sharpe ratio is 1e{'5' * 5_000}.",
        "Its Sharpe ratio is 0e400.",
        "Its Sharpe ratio is ten.",
        "收益翻了三倍。",
        "Its Sharpe ratio is 1.55.",
        "Expect 3 times as much.",
        "A Sharpe ratio of \uff11.\uff16.",
        "It will double to 200%.",
        "It returned forty percent.",
        "胜率为百分之六十。",
        "It made 5,121 trips.",
    ],
)
async def test_a_number_it_was_not_given_is_rejected(text: str) -> None:
    """In digits of any script, or in words; what it said is kept, and not shown."""
    told = await saying(text).explain(EXPLAIN)
    assert told.source is AdviceSource.RULES
    assert "quotes what it was not given" in told.note
    assert told.answer == text
    assert text not in told.text


async def test_a_proposal_within_what_is_declared_is_taken(api: ApiServer) -> None:
    """Ranges and sets in the parameters' own types."""
    api.text = json.dumps(PROPOSAL)
    told = await advisor(api).propose(PROPOSE)
    assert told.source is AdviceSource.MODEL, told.note
    assert told.proposal is not None
    assert told.proposal.param_ranges == {
        "fast_period": IntegerRange(10, 30, 2),
        "threshold": RealRange(0.1, 1.0),
    }
    assert told.proposal.experiments[0].params == {"fast_period": 21, "threshold": 0.5}
    assert api.asked[-1]["response_format"] == {"type": "json_object"}
    api.text = json.dumps(PROPOSAL | {"param_ranges": {"fast_period": {"choices": [5, 8]}}})
    chosen = (await advisor(api).propose(PROPOSE)).proposal
    assert chosen is not None
    assert chosen.param_ranges == {"fast_period": ChoiceList((5, 8))}


@pytest.mark.parametrize(
    "change",
    [
        {"param_ranges": {}},
        {"param_ranges": {"leverage": {"min": 1, "max": 9}}},
        {"param_ranges": {"fast_period": {"min": 0, "max": 9}}},
        {"param_ranges": {"fast_period": {"min": 1, "max": 101}}},
        {"param_ranges": {"fast_period": {"min": 9, "max": 1}}},
        {"param_ranges": {"fast_period": {"min": 1, "max": 9, "step": 0}}},
        {"param_ranges": {"fast_period": {"min": 1, "max": 9, "step": 1.5}}},
        {"param_ranges": {"fast_period": {"min": 1.5, "max": 9}}},
        {"param_ranges": {"fast_period": {"min": "1", "max": 9}}},
        {"param_ranges": {"fast_period": {"min": True, "max": 9}}},
        {"param_ranges": {"fast_period": {}}},
        {"param_ranges": {"fast_period": {"choices": [0]}}},
        {"param_ranges": {"fast_period": {"choices": [5, 5]}}},
        {"param_ranges": {"fast_period": {"min": 60, "max": 90}}},
        {"experiments": [{"title": "x", "why": "y", "params": {"fast_period": 3}}]},
        {"experiments": [{"title": "x", "why": "y", "params": {"fast_period": 3, "threshold": 2}}]},
        {"experiments": [{"title": "x", "why": "y", "run": "rm -rf /"}]},
        {"experiments": [{"title": "x", "why": "y"}] * 6},
        {"experiments": [{"title": "x", "why": "y", "params": {"fast_period": 60, "threshold": 0}}]},
        {"experiments": [{"title": "Try 33", "why": "y", "params": {"fast_period": 33, "threshold": 0}}]},
        {"text": "Expect a Sharpe ratio of 30."},
        {"text": ""},
        {"text": "Expect a Sharpe ratio of 9.99."},
        {"code": "import os"},
    ],
)
async def test_a_proposal_that_does_not_fit_is_rejected(change: dict[str, Any]) -> None:
    """Unknown parameters, values beyond their bounds, other shapes and foreign numbers: the rules propose."""
    told = await saying(json.dumps(PROPOSAL | change)).propose(PROPOSE)
    assert told.source is AdviceSource.RULES
    assert told.note.startswith("the model's answer was rejected")
    assert told.proposal == (await RuleAdvisor().propose(PROPOSE)).proposal


@pytest.mark.parametrize("text", ["no JSON", "[]", "3", '{"text": 1}', "[" * 5_000, '{"text": NaN}'])
async def test_an_answer_that_is_no_proposal_is_rejected(text: str) -> None:
    """Whatever it is."""
    told = await saying(text).propose(PROPOSE)
    assert told.source is AdviceSource.RULES
    assert told.note


async def test_a_model_that_keeps_failing_is_left_alone(api: ApiServer) -> None:
    """After so many failures it is not asked, until the pause is over; then one try tells."""
    clock = [0.0]
    api.mode = "denied"
    asking = advisor(api, retries=0, failures=2, now=lambda: clock[0])
    for _ in range(2):
        await asking.explain(EXPLAIN)
    asked = len(api.asked)
    told = await asking.explain(EXPLAIN)
    assert "left alone" in told.note
    assert len(api.asked) == asked
    clock[0] = 31.0
    api.mode, api.text = "good", "Fine."
    assert (await asking.explain(EXPLAIN)).source is AdviceSource.MODEL
    assert (await asking.explain(EXPLAIN)).source is AdviceSource.MODEL
