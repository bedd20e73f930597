"""Advice about results: facts are gathered, an advisor writes, and everything it was told and said is stored.

Nothing that an advisor writes is run or decided by; sets that it proposes count as trials.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from enum import Enum
from math import isfinite
from typing import Any

from stratopt_server.domain.advice import (
    GATE_FACT,
    Advice,
    AdviceKind,
    Advised,
    Advisor,
    Fact,
    Language,
    Subject,
)
from stratopt_server.domain.clock import Clock, Ids
from stratopt_server.domain.decisions import Decision
from stratopt_server.domain.errors import NotFound, Violations, WrongStatus
from stratopt_server.domain.jobs import BacktestResult, Job, JobKind, JobStatus, OptimizationResult
from stratopt_server.domain.ledger import LedgerKey, LedgerTrial, TrialDigests
from stratopt_server.domain.parameters import ParameterValue
from stratopt_server.domain.ports import Storage
from stratopt_server.domain.runs import BacktestSpec, OptimizationSpec
from stratopt_server.strategies.catalog import Catalog
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.requests import Call
from stratopt_server.usecases.threads import StorageThread

LEFT_OUT = {"params", "gates", "series", "id"}
"""Parts of results that are no facts of their own, or are told in another way."""
HASH = "_hash"
"""How names of what says nothing to anybody end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeRequest:
    """What to propose a search after: exactly one of them."""

    backtest_id: str
    optimization_id: str
    language: Language


class Advising:
    """Explains and proposes."""

    def __init__(
        self,
        storage: Storage,
        advisor: Advisor,
        catalog: Catalog,
        *,
        repeats: Repeats,
        thread: StorageThread,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._storage = storage
        self._advisor = advisor
        self._catalog = catalog
        self._repeats = repeats
        self._thread = thread
        self._clock = clock
        self._ids = ids

    async def explain_backtest(self, backtest_id: str, language: Language) -> Advice:
        """Explain a succeeded backtest; raises NotFound or WrongStatus."""
        subject = await self._thread.run(self._backtest, backtest_id, language)
        return await self._thread.run(self._store, subject, await self._advisor.explain(subject), None)

    async def explain_decision(self, decision_id: str, language: Language) -> Advice:
        """Explain a decision; raises NotFound."""
        subject = await self._thread.run(self._decision, decision_id, language)
        return await self._thread.run(self._store, subject, await self._advisor.explain(subject), None)

    async def propose(self, wanted: ProposeRequest, call: Call) -> Advice:
        """Propose what to search next; raises RequestRefused, NotFound or WrongStatus.

        Sets that it proposes to try are in the ledger from then on: whoever looked at them has tried them.
        """
        violations = Violations()
        if bool(wanted.backtest_id) == bool(wanted.optimization_id):
            text = "name either a backtest or an optimization"
            violations.add("backtest_id", "EXACTLY_ONE", text)
        violations.refuse_if_any()
        made = await self._thread.run(self._made, call)
        if made is not None:
            return made
        subject, job = await self._thread.run(self._to_propose, wanted)
        advised = await self._advisor.propose(subject)
        return await self._thread.run(self._store, subject, advised, job, call)

    def _made(self, call: Call) -> Advice | None:
        made = self._repeats.resource_of(call)
        return None if made is None else self._storage.advice.get(made)

    def _store(self, subject: Subject, advised: Advised, job: Job | None, call: Call | None = None) -> Advice:
        advice = Advice(
            id=self._ids.new("adv"),
            kind=subject.kind,
            subject_id=subject.id,
            language=subject.language,
            advised=advised,
            created_at=self._clock.now(),
        )
        with self._storage.transaction():
            made = None if call is None else self._made(call)  # it may have been answered meanwhile
            if made is not None:
                return made
            self._storage.advice.add(advice)
            if job is not None:
                self._count(advised, job)
            if call is not None:
                self._repeats.remember(call, advice.id)
        return advice

    def _count(self, advised: Advised, job: Job) -> None:
        """Enter proposed sets as trials."""
        proposal, scenario = advised.proposal, job.spec.scenario
        sets = [] if proposal is None else [one.params for one in proposal.experiments if one.params]
        digests = TrialDigests(scenario)
        trials = [LedgerTrial(digests.of(params), None, None) for params in sets]
        self._storage.ledger.add(LedgerKey.of(scenario), trials)

    def _backtest(self, backtest_id: str, language: Language) -> Subject:
        job = self._succeeded(JobKind.BACKTEST, backtest_id)
        return Subject(
            kind=AdviceKind.EXPLAIN_BACKTEST,
            id=job.id,
            language=language,
            facts=_facts_of(job),
            texts=self._texts_of(job),
            declared={},
            params=_params_of(job),
            searched={},
        )

    def _decision(self, decision_id: str, language: Language) -> Subject:
        decision = self._storage.decisions.get(decision_id)
        if decision is None:
            raise NotFound("decision", decision_id)
        return Subject(
            kind=AdviceKind.EXPLAIN_DECISION,
            id=decision.id,
            language=language,
            facts=_facts_of_decision(decision),
            texts=self._texts_of_decision(decision),
            declared={},
            params={},
            searched={},
        )

    def _to_propose(self, wanted: ProposeRequest) -> tuple[Subject, Job]:
        kind = JobKind.BACKTEST if wanted.backtest_id else JobKind.OPTIMIZATION
        job = self._succeeded(kind, wanted.backtest_id or wanted.optimization_id)
        contract = self._catalog.contract(job.spec.scenario.code_hash)
        assert contract is not None, "code that ran is known"
        searched = job.spec.param_ranges if isinstance(job.spec, OptimizationSpec) else {}
        subject = Subject(
            kind=AdviceKind.PROPOSE_SEARCH,
            id=job.id,
            language=wanted.language,
            facts=_facts_of(job),
            texts=self._texts_of(job),
            declared=contract.params,
            params=_params_of(job),
            searched=searched,
            constraints=contract.constraints,
        )
        return subject, job

    def _texts_of(self, job: Job) -> dict[str, str]:
        scenario = job.spec.scenario
        texts = {
            "strategy_id": scenario.strategy_id,
            "strategy_name": self._strategy_name(scenario.strategy_id),
            "symbol": scenario.symbol,
            "exchange": scenario.exchange,
        }
        words = {f"param_{name}": value for name, value in _params_of(job).items() if isinstance(value, str)}
        return texts | words

    def _texts_of_decision(self, decision: Decision) -> dict[str, str]:
        texts = {
            "strategy_id": decision.strategy_id,
            "strategy_name": self._strategy_name(decision.strategy_id),
            "symbol": decision.symbol,
            "policy": decision.policy,
        }
        review = decision.review
        said = {} if review is None else {"reviewer": review.reviewer, "review_note": review.note}
        return texts | said

    def _strategy_name(self, strategy_id: str) -> str:
        strategy = self._storage.strategies.get(strategy_id)
        return "" if strategy is None else strategy.name

    def _succeeded(self, kind: JobKind, job_id: str) -> Job:
        job = self._storage.jobs.get(kind, job_id)
        if job is None:
            raise NotFound(kind.value, job_id)
        if job.status is not JobStatus.SUCCEEDED:
            raise WrongStatus(kind.value, job.id, status=job.status.value, wanted="succeeded")
        return job


def _params_of(job: Job) -> dict[str, Any]:
    """The set that advice is about: the backtest's, or the robust pick of a search, or its best."""
    if isinstance(job.spec, BacktestSpec):
        return job.spec.params
    result = job.result
    assert isinstance(result, OptimizationResult), "a succeeded search has its result"
    picked = result.robust or result.best
    return {} if picked is None else picked.trial.params


def _facts_of(job: Job) -> dict[str, Fact]:
    scenario, result = job.spec.scenario, job.result
    dates = {"start_date": scenario.start_date, "end_date": scenario.end_date}
    facts: dict[str, Fact] = {"timeframe": scenario.timeframe, **dict(_flat(dates))}
    facts |= _figures(_params_of(job), "param")
    if isinstance(result, BacktestResult):
        return facts | dict(_flat(result.metrics))
    assert isinstance(result, OptimizationResult), "a succeeded job has its result"
    for name in ("best", "robust"):
        picked = getattr(result, name)
        if picked is not None:
            facts |= dict(_flat(picked.trial.metrics, name))
            facts |= _figures(picked.trial.params, f"{name}_param")
    return facts | dict(_flat(result.evidence)) | dict(_flat(result.plateau, "plateau"))


def _figures(params: Mapping[str, ParameterValue], before: str) -> dict[str, Fact]:
    """Parameters that are numbers or switches; words among them are whoever's wrote the strategy."""
    return dict(_flat({name: value for name, value in params.items() if not isinstance(value, str)}, before))


def _facts_of_decision(decision: Decision) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"outcome": decision.outcome.value, "reason": decision.reason}
    if decision.review is not None:
        facts["review_word"] = decision.review.word.value
    for gate in decision.gates:
        told = {
            "result": gate.result.value,
            "measured": gate.measured or "not computable",
            "wanted": gate.wanted,
            "explanation": gate.explanation,
        }
        facts |= {f"{GATE_FACT}{gate.criterion}_{name}": value for name, value in told.items()}
    return facts | dict(_flat(decision.evidence))


def _flat(value: Any, before: str = "") -> Iterator[tuple[str, Fact]]:
    """Name every figure inside a value; what is not known is left out."""
    match value:
        case float() if not isfinite(value):
            return
        case bool() | int() | float() | str():
            yield before, value
        case Enum():
            yield before, str(value.value)
        case datetime():
            yield before, value.isoformat(" ")
        case _:
            for name, inner in _parts(value):
                if name not in LEFT_OUT and not name.endswith(HASH):
                    yield from _flat(inner, f"{before}_{name}" if before else name)


def _parts(value: Any) -> list[tuple[str, Any]]:
    """What a value is made of, by name."""
    if is_dataclass(value) and not isinstance(value, type):
        return [(name, getattr(value, name)) for name in value.__dataclass_fields__]
    if isinstance(value, Mapping):
        return [(str(name), inner) for name, inner in value.items()]
    return [(str(number), inner) for number, inner in enumerate(value)] if isinstance(value, tuple) else []
