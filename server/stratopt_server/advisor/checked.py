"""The advisor: a model where there is one and it keeps to the facts, else the rules, with a note."""

import logging
from dataclasses import replace

from stratopt_server.advisor.breaker import Breaker
from stratopt_server.advisor.model import Completion, Model, ModelTrouble
from stratopt_server.advisor.numbers import foreign_numbers
from stratopt_server.advisor.prompts import facts_of, instructions
from stratopt_server.advisor.rules import RuleAdvisor
from stratopt_server.advisor.schema import UnfitProposal, read_proposal
from stratopt_server.domain.advice import AdviceSource, Advised, Proposal, Subject

log = logging.getLogger(__name__)

STORED_ANSWER_MAX = 20_000
"""Characters of an answer that are kept."""
NUMBERS_SHOWN_MAX = 3


class CheckedAdvisor:
    """Asks a model, checks what it says, and falls back to the rules."""

    def __init__(self, model: Model, rules: RuleAdvisor, breaker: Breaker) -> None:
        self._model = model
        self._rules = rules
        self._breaker = breaker

    async def explain(self, subject: Subject) -> Advised:
        """Explain a report or a decision in plain words."""
        return await self._advise(subject, await self._rules.explain(subject))

    async def propose(self, subject: Subject) -> Advised:
        """Propose ranges and experiments."""
        return await self._advise(subject, await self._rules.propose(subject))

    async def _advise(self, subject: Subject, otherwise: Advised) -> Advised:
        if self._breaker.is_open:
            return replace(otherwise, note="the model has failed several times in a row and is left alone")
        system, user = instructions(subject), facts_of(subject)
        asked = replace(otherwise, model=self._model.name, prompt=f"{system}\n\n{user}")
        try:
            answer = await self._model.complete(system, user, as_json=bool(subject.declared))
        except ModelTrouble as trouble:
            self._breaker.failed()
            log.warning("advisor: %s", trouble)
            return replace(asked, note=f"the model was not used: {trouble}")
        self._breaker.succeeded()
        told = replace(
            asked,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            answer=answer.text[:STORED_ANSWER_MAX],
        )
        try:
            text, proposal = _read(subject, answer)
        except UnfitProposal as unfit:
            return replace(told, note=f"the model's answer was rejected: {unfit}")
        return replace(told, text=text, proposal=proposal, source=AdviceSource.MODEL)


def _read(subject: Subject, answer: Completion) -> tuple[str, Proposal | None]:
    """Take an answer's text and proposal, if it keeps to the facts; raises UnfitProposal."""
    text, proposal = answer.text.strip(), None
    words = [text]
    if subject.declared:
        text, proposal = read_proposal(answer.text, subject.declared)
        words = [text, *(part for one in proposal.experiments for part in (one.title, one.why))]
    # What it proposes itself it may name.
    facts = dict(subject.facts) | _proposed(proposal)
    strange = [number for part in words for number in foreign_numbers(part, facts)]
    if strange:
        shown = ", ".join(number[:20] for number in strange[:NUMBERS_SHOWN_MAX])
        raise UnfitProposal(f"it quotes what it was not given ({shown})")
    return text, proposal


def _proposed(proposal: Proposal | None) -> dict[str, str]:
    if proposal is None:
        return {}
    sets = [one.params for one in proposal.experiments if one.params is not None]
    return {"proposed": f"{list(proposal.param_ranges.values())} {sets}"}
