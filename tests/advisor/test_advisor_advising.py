"""The use-case: what an advisor is told, and what comes of what it says."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from decision_samples import make_decision
from domain_samples import (
    NOW,
    make_backtest_result,
    make_backtest_spec,
    make_job,
    make_metrics,
    make_scenario,
    make_strategy,
)
from hostile import INJECTIONS

from stratopt_server.advisor.rules import RuleAdvisor
from stratopt_server.domain.advice import Advice, Advised, Experiment, Language, Proposal, Subject
from stratopt_server.domain.clock import Ids
from stratopt_server.domain.decisions import Review, ReviewWord
from stratopt_server.domain.errors import WrongStatus
from stratopt_server.domain.jobs import JobStatus
from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.domain.parameters import IntegerRange
from stratopt_server.domain.ports import RequestKey
from stratopt_server.domain.strategy import hash_code
from stratopt_server.storage.memory.storage import MemoryStorage
from stratopt_server.strategies.builtin import ma_cross
from stratopt_server.strategies.catalog import BUILTINS, Catalog
from stratopt_server.usecases.advising import Advising, ProposeRequest
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.requests import Call
from stratopt_server.usecases.threads import StorageThread

BUILTIN = next(one for one in BUILTINS if one.contract.kernel == ma_cross.KERNEL.name)
BUILTIN_HASH = hash_code(BUILTIN.code)
PARAMS = {"fast_period": 5, "slow_period": 20, "signal_threshold": 0.0}
NEVER = Call(None, "")


class StillClock:
    """It is always the same moment."""

    def now(self) -> Any:
        """The moment of the samples."""
        return NOW


@dataclass
class Listener:
    """An advisor that remembers what it was told; each proposal names another set."""

    told: list[Subject] = field(default_factory=list)

    async def explain(self, subject: Subject) -> Advised:
        """Explain by rules."""
        self.told.append(subject)
        return await RuleAdvisor().explain(subject)

    async def propose(self, subject: Subject) -> Advised:
        """Propose the next set, after a while."""
        self.told.append(subject)
        params = {**PARAMS, "fast_period": len(self.told)}
        await asyncio.sleep(0.01)
        experiments = (Experiment(title="t", why="w", params=dict(params)),)
        ranges = {"fast_period": IntegerRange(1, 9)}
        return Advised(text="x", proposal=Proposal(param_ranges=dict(ranges), experiments=experiments))


@dataclass
class Room:
    """The use-case with everything around it."""

    storage: MemoryStorage
    advisor: Listener
    advising: Advising


@pytest.fixture
def room() -> Iterator[Room]:
    """A succeeded backtest bt_1, the decision dec_1 about it, and an advisor that listens."""
    storage, advisor, clock = MemoryStorage(), Listener(), StillClock()
    scenario = make_scenario(strategy_id="victim", code_hash=BUILTIN_HASH)
    spec = replace(make_backtest_spec(), scenario=scenario, params=dict(PARAMS))
    storage.strategies.add(make_strategy("victim", code=BUILTIN.code))
    result = make_backtest_result(metrics=make_metrics(calmar_ratio=float("inf")))
    storage.jobs.add(make_job("bt_1", spec, status=JobStatus.SUCCEEDED, result=result))
    storage.jobs.add(make_job("bt_2", spec))
    storage.decisions.put(make_decision("dec_1", strategy_id="victim"))
    with closing(StorageThread()) as thread:
        repeats = Repeats(storage, clock, kept=timedelta(hours=1))
        advising = Advising(
            storage,
            advisor,
            Catalog([ma_cross.KERNEL.name]),
            repeats=repeats,
            thread=thread,
            clock=clock,
            ids=Ids(clock),
        )
        yield Room(storage, advisor, advising)


async def all_advice(room: Room) -> list[Advice]:
    """Explain both in both languages, and propose."""
    said = []
    for language in Language:
        said.append(await room.advising.explain_backtest("bt_1", language))
        said.append(await room.advising.explain_decision("dec_1", language))
    wanted = ProposeRequest(backtest_id="bt_1", optimization_id="", language=Language.ENGLISH)
    said.append(await room.advising.propose(wanted, NEVER))
    return said


@pytest.mark.parametrize("text", INJECTIONS)
async def test_hostile_names_and_notes_are_texts_and_nothing_else(room: Room, text: str) -> None:
    """Facts, bounds and what the rules say are the same as without them, and nothing else is touched."""
    plain = [one.advised for one in await all_advice(room)]
    before, told = room.advisor.told[:], room.advisor.told
    told.clear()
    strategy = room.storage.strategies.get("victim")
    decision = room.storage.decisions.get("dec_1")
    assert strategy is not None
    assert decision is not None
    word = Review(word=ReviewWord.APPROVED, reviewer=text, note=text, time=NOW)
    room.storage.strategies.update(replace(strategy, name=text))
    room.storage.decisions.put(replace(decision, review=word))
    untouched = everything_else(room)
    hostile = [one.advised for one in await all_advice(room)]
    assert hostile[:-1] == plain[:-1]
    assert everything_else(room) == untouched
    for subject, other in zip(told, before, strict=True):
        assert text in subject.texts.values()
        facts = {name: fact for name, fact in subject.facts.items() if name != "review_word"}
        assert facts == other.facts
        assert not any(text in str(fact) for fact in facts.values())
        for part in ("declared", "constraints", "params", "searched"):
            assert getattr(subject, part) == getattr(other, part)


def everything_else(room: Room) -> dict[str, Any]:
    """What there is, but advice and the ledger of trials."""
    tables = room.storage.tables
    names = ("strategies", "jobs", "decisions", "packages", "seals", "trials", "events")
    return {name: dict(getattr(tables, name)) for name in names}


async def test_facts_hold_no_hash_and_nothing_without_end(room: Room) -> None:
    """They could pass for any number."""
    await all_advice(room)
    for subject in room.advisor.told:
        assert not any("hash" in name for name in subject.facts)
        assert float("inf") not in subject.facts.values()


async def test_one_request_id_proposes_once_even_at_once(room: Room) -> None:
    """Whoever asked again while the first call was under way hears its answer; its set alone is counted."""
    wanted = ProposeRequest(backtest_id="bt_1", optimization_id="", language=Language.ENGLISH)
    call = Call(RequestKey("ProposeSearch", "once"), "same")
    first, second = await asyncio.gather(
        room.advising.propose(wanted, call), room.advising.propose(wanted, call)
    )
    assert first == second == await room.advising.propose(wanted, call)
    assert len(room.advisor.told) == 2
    scenario = make_scenario(strategy_id="victim", code_hash=BUILTIN_HASH)
    assert room.storage.ledger.count(LedgerKey.of(scenario)) == 1
    assert len(room.storage.tables.advice) == 1


async def test_only_what_has_succeeded_is_explained(room: Room) -> None:
    """A backtest that has no result yet has nothing to explain."""
    with pytest.raises(WrongStatus):
        await room.advising.explain_backtest("bt_2", Language.ENGLISH)
    assert not room.storage.tables.advice
