"""The advisor: a model where there is one and it keeps to the facts, else the rules, with a note."""

import logging
import unicodedata
from dataclasses import replace

from stratopt_server.advisor.breaker import Breaker
from stratopt_server.advisor.model import Completion, Model, ModelTrouble
from stratopt_server.advisor.numbers import foreign_numbers
from stratopt_server.advisor.prompts import data_of, instructions
from stratopt_server.advisor.rules import RuleAdvisor
from stratopt_server.advisor.schema import UnfitProposal, read_proposal
from stratopt_server.domain.advice import AdviceSource, Advised, Language, Proposal, Subject

log = logging.getLogger(__name__)

STORED_ANSWER_MAX = 20_000
"""Characters of an answer that are kept."""
NUMBERS_SHOWN_MAX = 3
HIDDEN = {"Cc", "Cf", "Co", "Cs"}
"""Categories of Unicode."""


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
        system, user = instructions(subject), data_of(subject)
        asked = replace(otherwise, model=self._model.name, prompt=f"{system}\n\n{user}")
        try:
            answer = await self._model.complete(system, user, as_json=bool(subject.declared))
        except ModelTrouble as trouble:
            self._breaker.failed()
            log.warning("advisor: %s", trouble)
            told = asked if trouble.answer is None else _heard(asked, trouble.answer)
            return replace(told, note=f"the model was not used: {trouble}")
        self._breaker.succeeded()
        told = _heard(asked, answer)
        try:
            text, proposal = _read(subject, answer)
        except UnfitProposal as unfit:
            return replace(told, note=f"the model's answer was rejected: {unfit}")
        return replace(told, text=text, proposal=proposal, source=AdviceSource.MODEL)


def _heard(asked: Advised, answer: Completion) -> Advised:
    """Note what was said and what it cost, whether it is used or not."""
    return replace(
        asked,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        answer=answer.text[:STORED_ANSWER_MAX],
    )


def _is_chinese(text: str) -> bool:
    """Tell whether at least a quarter of its letters are; names stay Latin."""
    letters = [sign for sign in text if sign.isalpha()]
    return 4 * sum("\u4e00" <= letter <= "\u9fff" for letter in letters) >= len(letters)


def _is_hidden(sign: str) -> bool:
    """Tell of controls, invisible signs and such that turn the direction of others."""
    return sign not in "\n\t" and unicodedata.category(sign) in HIDDEN


def _read(subject: Subject, answer: Completion) -> tuple[str, Proposal | None]:
    """Take an answer's text and proposal, if it keeps to the facts; raises UnfitProposal."""
    text, proposal = answer.text.strip(), None
    words = [text]
    if subject.declared:
        text, proposal = read_proposal(answer.text, subject)
        words = [text, *(part for one in proposal.experiments for part in (one.title, one.why))]
    if any(_is_hidden(sign) for part in words for sign in part):
        raise UnfitProposal("it holds signs that nobody sees")
    strange = [number for part in words for number in foreign_numbers(part, subject.facts, subject.texts)]
    if strange:
        shown = ", ".join(number[:20] for number in strange[:NUMBERS_SHOWN_MAX])
        raise UnfitProposal(f"it quotes what it was not given ({shown})")
    if _is_chinese(text) is not (subject.language is Language.CHINESE):
        raise UnfitProposal("it is not in the language asked for")
    return text, proposal
