"""The rule-based twin: the same advice without a model, from the facts alone."""

from collections.abc import Mapping

from stratopt_server.advisor.sentences import SENTENCES
from stratopt_server.domain.advice import (
    GATE_FACT,
    AdviceKind,
    Advised,
    Experiment,
    Fact,
    Language,
    Proposal,
    Subject,
)
from stratopt_server.domain.constraints import holds
from stratopt_server.domain.parameters import (
    ChoiceList,
    Integer,
    IntegerRange,
    ParameterRange,
    ParameterSpec,
    ParameterValue,
    Real,
    RealRange,
)

SPREAD = 0.5
"""A range around a value reaches half of it to either side."""
NEAR_EDGE = 0.1
"""Of a searched range: a value this close to its end asks for more beyond it."""
STEPS = 10
GATE_RESULT = "_result"
UNMET = {"failed", "not_computable", "review"}
"""Results of gates that stand in the way."""


class RuleAdvisor:
    """Writes advice by rules."""

    async def explain(self, subject: Subject) -> Advised:
        """Explain a report or a decision in plain words."""
        words = SENTENCES[subject.language]
        if subject.kind is AdviceKind.EXPLAIN_DECISION:
            names = ["decision", "why", "dsr", "pbo", "oos", "sizing", "next_decision"]
        else:
            names = ["backtest", "risk", "trades", "costs", "alone"]
        known = _Shown({**subject.texts, **subject.facts}, subject.language)
        said = [words[name].format_map(known) for name in names]
        return Advised(text=" ".join(part for part in said if MISSING not in part))

    async def propose(self, subject: Subject) -> Advised:
        """Propose ranges around the set that advice is about, and what to try beside it."""
        ranges = {
            name: found
            for name, spec in sorted(subject.declared.items())
            if (found := _around(spec, subject.params.get(name), subject.searched.get(name))) is not None
        }
        words = SENTENCES[subject.language]
        experiments = tuple(
            Experiment(title=words[f"{name}_title"], why=words[f"{name}_why"], params=params)
            for name, params in (
                ("neighbour", _neighbour(subject)),
                ("longer", None),
                ("dearer", None),
            )
        )
        text = words["proposal"].format(names=", ".join(ranges) or "-")
        return Advised(text=text, proposal=Proposal(param_ranges=ranges, experiments=experiments))


MISSING = "\x00"
"""Stands where a fact is not known: the sentence is left out."""


class _Shown(dict[str, str]):
    """Facts as a sentence shows them."""

    def __init__(self, facts: Mapping[str, Fact], language: Language) -> None:
        super().__init__()
        self._facts = facts
        self._language = language

    def __missing__(self, name: str) -> str:
        """`sharpe_ratio__percent` shows that fact in per cent."""
        if name == "gates":
            return _gates(self._facts, self._language)
        fact_name, _, form = name.partition("__")
        fact = self._facts.get(fact_name)
        if fact is None:
            return MISSING
        if form == "word":
            return SENTENCES[self._language].get(f"word_{fact}", str(fact))
        if isinstance(fact, bool | str):
            return str(fact)
        return f"{fact:.1%}" if form == "percent" else _number(fact)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _around(
    spec: ParameterSpec, value: ParameterValue | None, searched: ParameterRange | None
) -> ParameterRange | None:
    """A range with the value inside, within what the strategy declares."""
    if isinstance(value, bool | str) or value is None:
        return searched
    reach = _reach(float(value), searched)
    if reach == 0.0:
        return searched
    if isinstance(spec, Integer):
        low = max(spec.minimum, round(value - reach))
        high = min(spec.maximum, max(round(value + reach), low + 1))
        return IntegerRange(low, high, max((high - low) // STEPS, 1)) if high > low else None
    if isinstance(spec, Real):
        real_low, real_high = max(spec.minimum, value - reach), min(spec.maximum, value + reach)
        return RealRange(float(real_low), float(real_high)) if real_high > real_low else None
    return None


def _reach(value: float, searched: ParameterRange | None) -> float:
    """How far to look: as far as half the value, or beyond the end of the range that it stands at."""
    reach = abs(value) * SPREAD
    if searched is None or isinstance(searched, ChoiceList):
        return reach
    width = float(searched.maximum - searched.minimum)
    at_edge = min(value - searched.minimum, searched.maximum - value) <= NEAR_EDGE * width
    return max(reach, width / 2) if at_edge else reach


def _neighbour(subject: Subject) -> dict[str, ParameterValue] | None:
    """The set one step of every whole number away: what stands on a plateau does not mind."""
    moved = dict(subject.params)
    for name, spec in subject.declared.items():
        value = moved.get(name)
        if isinstance(spec, Integer) and isinstance(value, int) and spec.accepts(value + 1):
            moved[name] = value + 1
    is_another = moved != dict(subject.params)
    return moved if is_another and all(bool(holds(one, moved)) for one in subject.constraints) else None


def _gates(facts: Mapping[str, Fact], language: Language) -> str:
    """Each gate that did not pass, with what was measured and wanted."""
    words = SENTENCES[language]
    told = [
        words["gate"].format(
            criterion=criterion,
            measured=facts[f"{GATE_FACT}{criterion}_measured"],
            wanted=facts[f"{GATE_FACT}{criterion}_wanted"],
        )
        for name, result in facts.items()
        if name.startswith(GATE_FACT) and name.endswith(GATE_RESULT) and result in UNMET
        for criterion in [name[len(GATE_FACT) : -len(GATE_RESULT)]]
    ]
    return words["and"].join(told) or MISSING
