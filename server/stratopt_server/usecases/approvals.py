"""Deciding whether the parameters of a backtest may trade."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from stratopt_server.decisions.criteria import MAX_DRAWDOWN
from stratopt_server.decisions.policy import Policy
from stratopt_server.decisions.recipe import recipe_of
from stratopt_server.decisions.verdict import outcome_of, reason_of
from stratopt_server.domain.clock import Clock, Ids
from stratopt_server.domain.decisions import CriterionValue, Decision, DecisionOutcome
from stratopt_server.domain.errors import Code, NotFound, Violations, WrongStatus
from stratopt_server.domain.evidence import Evidence, Reproduction
from stratopt_server.domain.jobs import BacktestResult, Job, JobKind, JobStatus
from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.metrics import Metrics
from stratopt_server.domain.packages import PackageFilter, ParameterPackage
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import DecisionFilter, JobFilter, Storage
from stratopt_server.domain.runs import BacktestSpec, OptimizationSpec
from stratopt_server.usecases.grounds import same_ground, same_market
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.packaging import Packaging, found_package
from stratopt_server.usecases.policies import Policies
from stratopt_server.usecases.requests import Call
from stratopt_server.usecases.seals import OnStage, ReadSeal, SealedHoldouts, SealOpener, dataset_of, nobody
from stratopt_server.usecases.threads import StorageThread

DRAWDOWN_LIMIT = 0.25
"""What positions are sized to by a policy that does not ask for a drawdown."""
SEARCHES_LOOKED_AT_MAX = 200
"""Newest optimizations of a strategy and symbol that are looked at for evidence."""


class EvidenceGatherer(SealOpener, Protocol):
    """Measures evidence in processes of their own."""

    async def gather(
        self,
        backtest_id: str,
        *,
        optimization_id: str | None,
        searched_by: str | None,
        grade: DataGrade,
        drawdown_max: float,
        on_stage: OnStage,
    ) -> Evidence:
        """Measure what a decision about the backtest rests on; `on_stage` hears what begins."""
        ...

    async def reproduce(self, recipe: dict[str, Any], metrics: Metrics) -> Reproduction:
        """Run a recipe in another process, and hold its metrics against those given."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """Which parameters to judge."""

    strategy_id: str
    backtest_id: str
    criteria: Mapping[str, CriterionValue]
    """Criteria to set to other thresholds than the policy has."""
    policy: str = ""
    """Empty means the server's own."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and the package it made, if it may trade."""

    decision: Decision
    package: ParameterPackage | None


@dataclass(frozen=True, slots=True)
class _Searches:
    """What earlier searches mean for the parameters that are judged."""

    evidence: str | None = None
    """The newest that tried them on the same ground and held bars out."""
    searched_by: str | None = None
    """Where there is none: the newest that tried them at all, and so saw the bars."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What is judged, by which policy, on which search's evidence."""

    backtest: Job
    spec: BacktestSpec
    result: BacktestResult
    policy: Policy
    searches: _Searches
    grade: DataGrade


class Approvals:
    """Judges backtests by policy; signs what may trade."""

    def __init__(
        self,
        storage: Storage,
        jobs: Jobs,
        *,
        gatherer: EvidenceGatherer,
        policies: Policies,
        packaging: Packaging,
        seals: SealedHoldouts,
        repeats: Repeats,
        thread: StorageThread,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._storage = storage
        self._jobs = jobs
        self._gatherer = gatherer
        self.policies = policies
        self._packaging = packaging
        self._seals = seals
        self._repeats = repeats
        self._thread = thread
        self._clock = clock
        self._ids = ids

    async def approve(self, wanted: ApprovalRequest, call: Call, *, on_stage: OnStage = nobody) -> Verdict:
        """Gather the evidence and decide; raises RequestRefused, NotFound or WrongStatus.

        The decision, its package and the package's place in the outbox are one transaction.
        """
        opened = await self._thread.run(self._open, wanted, call)
        if isinstance(opened, Verdict):
            return opened
        limit = opened.policy.threshold(MAX_DRAWDOWN)
        evidence = await self._gatherer.gather(
            opened.backtest.id,
            optimization_id=opened.searches.evidence,
            searched_by=opened.searches.searched_by,
            grade=opened.grade,
            drawdown_max=DRAWDOWN_LIMIT if limit is None else float(limit),
            on_stage=on_stage,
        )
        on_stage("reproducing the backtest")
        metrics = opened.result.metrics
        again = await self._gatherer.reproduce(recipe_of(opened.spec, metrics), metrics)
        evidence = replace(evidence, reproduction=again)
        judged = await self._seals.read(opened.backtest, opened.policy, evidence, on_stage=on_stage)
        on_stage("deciding")
        return await self._thread.run(self._decide, opened, judged, wanted.criteria, call)

    def reevaluate(self, decision_id: str, policy: str, criteria: Mapping[str, CriterionValue]) -> Decision:
        """Tell what another policy would have decided on the same evidence; nothing is stored.

        Raises NotFound or RequestRefused. It decides nothing, so it may be as loose as it likes.
        """
        decision = self.decision(decision_id)
        violations = Violations()
        moved = self.policies.moved(policy, criteria, violations)
        violations.refuse_if_any()
        assert moved is not None, "an unknown policy was refused"
        gates = moved.judge(decision.evidence)
        return replace(
            decision,
            policy=moved.name,
            criteria=dict(criteria),
            outcome=outcome_of(gates),
            reason=reason_of(moved.name, gates),
            gates=gates,
            not_measured=(),
            package_id=None,
            review=None,
        )

    def decision(self, decision_id: str) -> Decision:
        """Return it; raises NotFound."""
        decision = self._storage.decisions.get(decision_id)
        if decision is None:
            raise NotFound("decision", decision_id)
        return decision

    def decisions(self, page: Page, wanted: DecisionFilter) -> list[Decision]:
        """Return a page of the decisions that match, newest first."""
        return self._storage.decisions.page(page, wanted)

    def package(self, package_id: str) -> ParameterPackage:
        """Return it; raises NotFound."""
        return found_package(self._storage.packages, package_id)

    def packages(self, page: Page, wanted: PackageFilter) -> list[ParameterPackage]:
        """Return a page of the packages that match, newest first."""
        return self._storage.packages.page(page, wanted)

    def _open(self, wanted: ApprovalRequest, call: Call) -> "_Case | Verdict":
        """Find what is to be judged; the verdict itself if the same call was answered before."""
        made = self._repeats.resource_of(call)
        if made is not None:
            return self._verdict(self.decision(made))
        violations = Violations()
        policy = self.policies.chosen(wanted.policy, wanted.criteria, violations)
        for name in ("strategy_id", "backtest_id"):
            if not getattr(wanted, name):
                violations.add(name, "REQUIRED", f"name the {name.removesuffix('_id')}")
        violations.refuse_if_any()
        backtest = self._jobs.get(JobKind.BACKTEST, wanted.backtest_id)
        owner = backtest.spec.scenario.strategy_id
        if owner != wanted.strategy_id:
            violations.add(
                "backtest_id",
                "BACKTEST_OF_ANOTHER_STRATEGY",
                f"backtest {backtest.id} is of strategy {owner!r}, not {wanted.strategy_id!r}",
                strategy_id=owner,
            )
        self._note_changed_code(backtest, violations)
        violations.refuse_if_any()
        if backtest.status is not JobStatus.SUCCEEDED:
            raise WrongStatus("backtest", backtest.id, status=backtest.status.value, wanted="succeeded")
        assert isinstance(backtest.spec, BacktestSpec), "a backtest has a BacktestSpec"
        assert isinstance(backtest.result, BacktestResult), "a succeeded backtest has its result"
        assert policy is not None, "an unknown policy was refused"
        return _Case(
            backtest=backtest,
            spec=backtest.spec,
            result=backtest.result,
            policy=policy,
            searches=self._searches(backtest.spec),
            grade=self._grade(backtest.spec),
        )

    def _note_changed_code(self, backtest: Job, violations: Violations) -> None:
        """Refuse to judge code that the strategy of that name no longer has."""
        scenario = backtest.spec.scenario
        strategy = self._storage.strategies.get(scenario.strategy_id)
        if strategy is not None and strategy.code_hash != scenario.code_hash:
            violations.add(
                "backtest_id",
                "STRATEGY_CHANGED",
                f"the code of {strategy.id!r} has changed since backtest {backtest.id}: run it again",
                code=Code.FAILED_PRECONDITION,
                code_hash=strategy.code_hash,
            )

    def _searches(self, spec: BacktestSpec) -> _Searches:
        """Find the newest succeeded search that is evidence for these parameters, or that spoils it."""
        scenario = spec.scenario
        wanted = JobFilter(
            kind=JobKind.OPTIMIZATION, strategy_id=scenario.strategy_id, symbol=scenario.symbol
        )
        searched_by = None
        for job in self._storage.jobs.page(Page(SEARCHES_LOOKED_AT_MAX), wanted):
            search = job.spec
            assert isinstance(search, OptimizationSpec), "an optimization has an OptimizationSpec"
            if self._storage.trials.find(job.id, spec.params) is None:
                continue
            if job.status is JobStatus.SUCCEEDED and same_ground(search, spec):
                return _Searches(evidence=job.id)
            if same_market(search, spec):
                searched_by = searched_by or job.id
        return _Searches(searched_by=searched_by)

    def _grade(self, spec: BacktestSpec) -> DataGrade:
        """The grade of the bars; bars that were replaced since are judged by what replaced them."""
        dataset = dataset_of(self._storage, spec)
        return DataGrade.BAD if dataset is None else dataset.quality.grade

    def _decide(
        self, case: _Case, judged: ReadSeal, criteria: Mapping[str, CriterionValue], call: Call
    ) -> Verdict:
        gates = case.policy.judge(judged.evidence)
        outcome = outcome_of(gates)
        decision = Decision(
            id=self._ids.new("dec"),
            backtest_id=case.backtest.id,
            strategy_id=case.spec.scenario.strategy_id,
            symbol=case.spec.scenario.symbol,
            policy=case.policy.name,
            criteria=dict(criteria),
            outcome=outcome,
            reason=reason_of(case.policy.name, gates),
            gates=gates,
            evidence=judged.evidence,
            package_id=None if outcome is DecisionOutcome.REJECT else self._ids.new("pkg"),
            created_at=self._clock.now(),
        )
        with self._storage.transaction():
            made = self._repeats.resource_of(call)  # the same call may have been answered meanwhile
            if made is not None:
                return self._verdict(self.decision(made))
            changed = Violations()
            self._note_changed_code(case.backtest, changed)  # it may have been while evidence was gathered
            changed.refuse_if_any()
            self._seals.spend(judged, decision)
            self._storage.decisions.put(decision)
            validity = case.policy.validity
            if outcome is DecisionOutcome.APPROVE:
                now = decision.created_at
                self._packaging.publish(case.backtest, decision, now=now, validity=validity)
            elif outcome is DecisionOutcome.REVIEW:
                self._packaging.draft(case.backtest, decision, validity=validity)
            self._repeats.remember(call, decision.id)
        return self._verdict(decision)

    def _verdict(self, decision: Decision) -> Verdict:
        may_trade = decision.is_approved and decision.package_id is not None
        return Verdict(decision, self.package(decision.package_id or "") if may_trade else None)
