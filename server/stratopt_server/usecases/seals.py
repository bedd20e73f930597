"""Sealed holdouts: sealing bars, and having one decision read them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from stratopt_server.decisions.criteria import SEALED_HOLDOUT
from stratopt_server.decisions.policy import Policy
from stratopt_server.decisions.verdict import outcome_of
from stratopt_server.domain.clock import Clock, Ids
from stratopt_server.domain.decisions import Decision, DecisionOutcome
from stratopt_server.domain.errors import Code, NotFound, Violations
from stratopt_server.domain.evidence import Evidence, SealedEvidence, SealState
from stratopt_server.domain.jobs import Job, JobKind
from stratopt_server.domain.ledger import LedgerKey
from stratopt_server.domain.market import Dataset, from_microseconds
from stratopt_server.domain.paging import Cursor, Page
from stratopt_server.domain.ports import DatasetFilter, JobFilter, Storage
from stratopt_server.domain.runs import BacktestSpec, OptimizationSpec
from stratopt_server.domain.seals import SealedHoldout, SealedTest
from stratopt_server.usecases.grounds import comparable
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.requests import Call, RunRequest
from stratopt_server.usecases.slices import SliceFinder
from stratopt_server.usecases.threads import StorageThread

SHARE_DEFAULT, SHARE_MAX = 0.2, 0.5
SIDE_BARS_MIN = 30
"""Fewest bars to seal, and to leave open."""
JOBS_A_PAGE = 200

OnStage = Callable[[str], None]


def nobody(_: str) -> None:
    """Hear of no stage."""


class SealOpener(Protocol):
    """Reads sealed bars in a process of its own."""

    async def open_seal(self, backtest_id: str, dataset_hash: str, first_bar_time: datetime) -> SealedTest:
        """Run the parameters of the backtest over the bars from that moment on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRequest:
    """Which bars to seal; None stands for what was left out."""

    strategy_id: str
    symbol: str
    exchange: str | None
    timeframe: str | None
    share: float | None
    """Of the bars, at the end."""


@dataclass(frozen=True, slots=True)
class ReadSeal:
    """The evidence, and the sealed holdout that was read for it."""

    evidence: Evidence
    seal: SealedHoldout | None = None


class SealedHoldouts:
    """Seals bars, and opens them once."""

    def __init__(
        self,
        storage: Storage,
        slices: SliceFinder,
        opener: SealOpener,
        *,
        repeats: Repeats,
        thread: StorageThread,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._storage = storage
        self._slices = slices
        self._opener = opener
        self._repeats = repeats
        self._thread = thread
        self._clock = clock
        self._ids = ids

    def page(self, page: Page) -> list[SealedHoldout]:
        """Return a page of them, spent ones too, newest first."""
        return self._storage.seals.page(page)

    def seal(self, wanted: SealRequest, call: Call) -> SealedHoldout:
        """Seal the last bars of a market for a strategy's code; raises RequestRefused or AlreadyExists.

        Bars that any job of the code's lineage may have read cannot be sealed: they are no holdout.
        """
        with self._storage.transaction():
            made = self._repeats.resource_of(call)
            if made is not None:
                known = self._storage.seals.get(made)
                assert known is not None, "seals stay"
                return known
            seal = self._sealed(wanted)
            self._storage.seals.add(seal)
            self._repeats.remember(call, seal.id)
        return seal

    def _sealed(self, wanted: SealRequest) -> SealedHoldout:
        violations = Violations()
        share = SHARE_DEFAULT if wanted.share is None else wanted.share
        if not 0 < share <= SHARE_MAX:
            message = f"a share above 0 and up to {SHARE_MAX}, not {share!r}"
            violations.add("share", "SHARE_OUT_OF_RANGE", message, value=share, max=SHARE_MAX)
        market = self._slices.find(
            RunRequest(
                symbol=wanted.symbol,
                strategy_id=wanted.strategy_id,
                exchange=wanted.exchange,
                timeframe=wanted.timeframe,
            ),
            violations,
        )
        violations.refuse_if_any()
        assert market is not None, "a fault in the bars was refused"
        strategy = self._storage.strategies.get(wanted.strategy_id)
        if strategy is None:
            raise NotFound("strategy", wanted.strategy_id)
        bars = market.bars
        first = round(len(bars) * (1 - share))
        if min(first, len(bars) - first) < SIDE_BARS_MIN:
            message = f"{len(bars)} bars: at least {SIDE_BARS_MIN} must be sealed, and as many stay open"
            violations.add("share", "TOO_FEW_BARS", message, code=Code.FAILED_PRECONDITION, bars=len(bars))
            violations.refuse_if_any()
        dataset = market.dataset
        key = LedgerKey(strategy.code_hash, dataset.exchange, dataset.symbol, dataset.timeframe)
        first_bar_time = from_microseconds(int(bars.time[first]))
        self._refuse_seen(key, first_bar_time, violations)
        return SealedHoldout(
            id=self._ids.new("seal"),
            key=key,
            strategy_id=strategy.id,
            first_bar_time=first_bar_time,
            created_at=self._clock.now(),
        )

    def _refuse_seen(self, key: LedgerKey, first_bar_time: datetime, violations: Violations) -> None:
        """Refuse bars that a job of the code's lineage was made to read."""
        lineage = self._storage.ledger.lineage(key.code_hash)
        for kind in JobKind:
            after: Cursor | None = None
            while jobs := self._storage.jobs.page(
                Page(JOBS_A_PAGE, after), JobFilter(kind=kind, symbol=key.symbol)
            ):
                for job in jobs:
                    scenario = job.spec.scenario
                    market = (scenario.exchange, scenario.timeframe) == (key.exchange, key.timeframe)
                    own = self._storage.ledger.lineage(scenario.code_hash) == lineage
                    if market and own and scenario.end_date >= first_bar_time:
                        violations.add(
                            "share",
                            "HOLDOUT_SEEN",
                            f"{job.id} reads bars up to {scenario.end_date.isoformat()}: only bars that no "
                            "job of this code has read can be sealed. Import later bars, or seal fewer",
                            code=Code.FAILED_PRECONDITION,
                            job_id=job.id,
                            end_date=scenario.end_date.isoformat(),
                        )
                        violations.refuse_if_any()
                after = Cursor(jobs[-1].created_at, jobs[-1].id)

    async def read(self, backtest: Job, policy: Policy, evidence: Evidence, *, on_stage: OnStage) -> ReadSeal:
        """Have the sealed holdout read, if there is one, the policy asks for it and all else lets pass."""
        key = LedgerKey.of(backtest.spec.scenario)
        seal = await self._thread.run(self._storage.seals.latest, key)
        if seal is None or policy.threshold(SEALED_HOLDOUT) is None:
            return ReadSeal(evidence)
        if seal.is_spent:
            return ReadSeal(await self._thread.run(self._with_spent, backtest, evidence, seal))
        if outcome_of(policy.judge(evidence)) is DecisionOutcome.REJECT:
            unopened = SealedEvidence(id=seal.id, state=SealState.UNOPENED, spent_on=None, test=None)
            return ReadSeal(replace(evidence, sealed=unopened))
        on_stage("opening the sealed holdout")
        dataset = await self._thread.run(dataset_of, self._storage, backtest.spec)
        assert dataset is not None, "what was sealed is there"
        test = await self._opener.open_seal(backtest.id, dataset.content_hash, seal.first_bar_time)
        tested = SealedEvidence(id=seal.id, state=SealState.TESTED, spent_on=backtest.id, test=test)
        return ReadSeal(replace(evidence, sealed=tested), seal)

    def _with_spent(self, backtest: Job, evidence: Evidence, seal: SealedHoldout) -> Evidence:
        """What a spent holdout says: of the parameters it was read for the same again, of others nothing."""
        before = None if seal.spent_on is None else self._storage.jobs.get(JobKind.BACKTEST, seal.spent_on)
        same = before is not None and _same_question(before, backtest)
        sealed = SealedEvidence(
            id=seal.id,
            state=SealState.TESTED if same else SealState.SPENT,
            spent_on=seal.spent_on,
            test=seal.test if same else None,
        )
        return replace(evidence, sealed=sealed)

    def spend(self, judged: ReadSeal, decision: Decision) -> None:
        """Note that the sealed holdout was read; raises RequestRefused if another decision was faster."""
        seal, sealed = judged.seal, judged.evidence.sealed
        if seal is None or sealed is None or sealed.test is None:
            return
        now, backtest_id = decision.created_at, decision.backtest_id
        if not self._storage.seals.spend(seal.id, on=backtest_id, test=sealed.test, now=now):
            violations = Violations()
            violations.add(
                "backtest_id",
                "SEALED_HOLDOUT_SPENT",
                f"{seal.id} was spent on another decision at the same moment: ask again to hear what is left",
                code=Code.FAILED_PRECONDITION,
                sealed_holdout_id=seal.id,
            )
            violations.refuse_if_any()


def dataset_of(storage: Storage, spec: BacktestSpec | OptimizationSpec) -> Dataset | None:
    """The bars of a run's market, as they are now."""
    scenario = spec.scenario
    wanted = DatasetFilter(symbol=scenario.symbol, exchange=scenario.exchange, timeframe=scenario.timeframe)
    return next(iter(storage.datasets.page(Page(1), wanted)), None)


def _same_question(one: Job, other: Job) -> bool:
    """Tell whether two backtests are of the same parameters on the same terms."""
    here, there = one.spec, other.spec
    assert isinstance(here, BacktestSpec), "a backtest has a BacktestSpec"
    assert isinstance(there, BacktestSpec), "a backtest has a BacktestSpec"
    terms = comparable(here.scenario.terms) == comparable(there.scenario.terms)
    return terms and here.params == there.params
