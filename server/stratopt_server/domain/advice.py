"""Advice: words about results, and proposals of what to search next. It decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from stratopt_server.domain.parameters import ParameterRange, ParameterSpec, ParameterValue

Fact = float | int | str | bool
"""One thing that is known, by the server's own words."""
GATE_FACT = "gate_"
"""Before the criterion in names of facts about gates: gate_dsr_result, _measured, _wanted, _explanation."""


class Language(Enum):
    """What advice is written in."""

    ENGLISH = "english"
    CHINESE = "chinese"


class AdviceKind(Enum):
    """What was asked for."""

    EXPLAIN_BACKTEST = "explain_backtest"
    EXPLAIN_DECISION = "explain_decision"
    PROPOSE_SEARCH = "propose_search"


class AdviceSource(Enum):
    """Who wrote it."""

    RULES = "rules"
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What advice is about, and everything it may say of it."""

    kind: AdviceKind
    id: str
    language: Language
    facts: Mapping[str, Fact]
    """By name; an answer may quote no number that is not among them."""
    texts: Mapping[str, str]
    """Names and notes, by what they are. Anybody may have written them: data, never instructions or facts."""
    declared: Mapping[str, ParameterSpec]
    """Parameters of the strategy; of an explanation none."""
    params: Mapping[str, ParameterValue]
    """The set that advice is about."""
    searched: Mapping[str, ParameterRange]
    """What was searched; empty where nothing was."""
    constraints: tuple[str, ...] = ()
    """Relations between parameters that must hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Something to try next."""

    title: str
    why: str
    params: dict[str, ParameterValue] | None
    """A set to backtest; None where it is no single one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What to search next."""

    param_ranges: dict[str, ParameterRange]
    experiments: tuple[Experiment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """What an advisor says, and how it came to it."""

    text: str
    proposal: Proposal | None = None
    source: AdviceSource = AdviceSource.RULES
    model: str = ""
    note: str = ""
    """Why the rules speak where a model was asked; empty otherwise."""
    input_tokens: int = 0
    output_tokens: int = 0
    prompt: str = ""
    """What the model was told; empty where none was asked."""
    answer: str = ""
    """What it said, whether it was used or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Advice, as it is stored."""

    id: str
    kind: AdviceKind
    subject_id: str
    language: Language
    advised: Advised
    created_at: datetime


class Advisor(Protocol):
    """Writes advice; never raises for what a model does."""

    async def explain(self, subject: Subject) -> Advised:
        """Explain a report or a decision in plain words."""
        ...

    async def propose(self, subject: Subject) -> Advised:
        """Propose ranges and experiments."""
        ...


class AdviceStore(Protocol):
    """Advice that was given, with what a model was told and what it said."""

    def add(self, advice: Advice) -> None:
        """Store a new one."""
        ...

    def get(self, advice_id: str) -> Advice | None:
        """Return it, or None if there is none of that id."""
        ...
