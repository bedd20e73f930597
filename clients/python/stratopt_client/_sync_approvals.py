"""Approvals, advice and the server itself, of the sync face."""

from collections.abc import Callable, Iterator
from typing import Unpack

from stratopt.v1.advice_pb2 import Advice
from stratopt.v1.approval_service_pb2 import (
    ApproveStrategyResponse,
    GetSigningKeyResponse,
    RecordReviewResponse,
)
from stratopt.v1.decision_pb2 import Decision
from stratopt.v1.parameter_package_pb2 import PackageRevocation, ParameterPackage
from stratopt.v1.policy_pb2 import Policy
from stratopt.v1.sealed_holdout_pb2 import SealedHoldout
from stratopt.v1.system_service_pb2 import GetMetricsResponse, GetServerInfoResponse
from stratopt_client._advisor import Advisor
from stratopt_client._approvals import Approvals, Criteria
from stratopt_client._loop import BackgroundLoop
from stratopt_client._options import DecisionFilter, PackageFilter
from stratopt_client._sync_handles import SyncPager
from stratopt_client._system import System


class SyncApprovals:
    """The decisions of a server, and the parameter packages they made."""

    def __init__(self, loop: BackgroundLoop, approvals: Approvals) -> None:
        """Nothing is called yet."""
        self._loop = loop
        self._approvals = approvals

    def approve(
        self,
        strategy_id: str,
        backtest_id: str,
        *,
        approval_criteria: Criteria | None = None,
        policy: str | None = None,
        on_stage: Callable[[str], None] | None = None,
        request_id: str | None = None,
    ) -> ApproveStrategyResponse:
        """Have the parameters of a succeeded backtest judged; a rejection is an answer, not an error."""
        work = self._approvals.approve(
            strategy_id,
            backtest_id,
            approval_criteria=approval_criteria,
            policy=policy,
            on_stage=on_stage,
            request_id=request_id,
        )
        return self._loop.run(work)

    def reevaluate(
        self, decision_id: str, *, policy: str | None = None, approval_criteria: Criteria | None = None
    ) -> Decision:
        """Return what another policy, or other thresholds, would have decided on the same evidence."""
        work = self._approvals.reevaluate(decision_id, policy=policy, approval_criteria=approval_criteria)
        return self._loop.run(work)

    def review(
        self,
        decision_id: str,
        word: str,
        *,
        reviewer: str,
        note: str = "",
        request_id: str | None = None,
    ) -> RecordReviewResponse:
        """Record a person's word, "approved" or "rejected", on a decision whose outcome is review."""
        work = self._approvals.review(decision_id, word, reviewer=reviewer, note=note, request_id=request_id)
        return self._loop.run(work)

    def seal_holdout(
        self,
        strategy_id: str,
        symbol: str,
        *,
        exchange: str | None = None,
        timeframe: str | None = None,
        share: float | None = None,
        request_id: str | None = None,
    ) -> SealedHoldout:
        """Seal the last share of a market's bars, 0.2 unless told, for a strategy's code and its lineage."""
        work = self._approvals.seal_holdout(
            strategy_id,
            symbol,
            exchange=exchange,
            timeframe=timeframe,
            share=share,
            request_id=request_id,
        )
        return self._loop.run(work)

    def sealed_holdouts(self) -> SyncPager[SealedHoldout]:
        """Return sealed holdouts, spent ones too, newest first."""
        return SyncPager(self._loop, self._approvals.sealed_holdouts())

    def policies(self) -> list[Policy]:
        """Return every policy, the one that the server decides by first."""
        return self._loop.run(self._approvals.policies())

    def policy(self, name: str = "") -> Policy:
        """Return one policy, the server's own for an empty name; NotFound if there is none of that name."""
        return self._loop.run(self._approvals.policy(name))

    def decision(self, decision_id: str) -> Decision:
        """Return one decision; NotFound if there is none of that id."""
        return self._loop.run(self._approvals.decision(decision_id))

    def decision_html(self, decision_id: str) -> str:
        """Return the page of one decision: pictures and a table of every gate."""
        return self._loop.run(self._approvals.decision_html(decision_id))

    def decisions(self, **wanted: Unpack[DecisionFilter]) -> SyncPager[Decision]:
        """Return the decisions that fit, newest first."""
        return SyncPager(self._loop, self._approvals.decisions(**wanted))

    def package(self, package_id: str) -> ParameterPackage:
        """Return one parameter package; NotFound if there is none of that id."""
        return self._loop.run(self._approvals.package(package_id))

    def packages(self, **wanted: Unpack[PackageFilter]) -> SyncPager[ParameterPackage]:
        """Return the packages that fit, newest first."""
        return SyncPager(self._loop, self._approvals.packages(**wanted))

    def revoke(
        self, package_id: str, *, reason: str, revoked_by: str, request_id: str | None = None
    ) -> ParameterPackage:
        """Say that a package may trade no more, and have that published; return the package."""
        work = self._approvals.revoke(package_id, reason=reason, revoked_by=revoked_by, request_id=request_id)
        return self._loop.run(work)

    def replay(self, *, epoch: str = "", from_seq: int = 1, to_seq: int = 0) -> Iterator[ParameterPackage]:
        """Yield packages by their places in the order of publication, up to the newest for `to_seq` 0."""
        found = self._approvals.replay(epoch=epoch, from_seq=from_seq, to_seq=to_seq)
        return self._loop.iterate(found)

    def revocations(
        self, *, epoch: str = "", from_seq: int = 1, to_seq: int = 0
    ) -> Iterator[PackageRevocation]:
        """Yield revocations by their places, as `replay` does packages."""
        found = self._approvals.revocations(epoch=epoch, from_seq=from_seq, to_seq=to_seq)
        return self._loop.iterate(found)

    def signing_key(self) -> GetSigningKeyResponse:
        """Return the public key that verifies this server's packages."""
        return self._loop.run(self._approvals.signing_key())


class SyncAdvisor:
    """Advice of a server."""

    def __init__(self, loop: BackgroundLoop, advisor: Advisor) -> None:
        """Nothing is called yet."""
        self._loop = loop
        self._advisor = advisor

    def explain_backtest(self, backtest_id: str, *, language: str | None = None) -> Advice:
        """Explain a succeeded backtest in "english" or "chinese"."""
        return self._loop.run(self._advisor.explain_backtest(backtest_id, language=language))

    def explain_decision(self, decision_id: str, *, language: str | None = None) -> Advice:
        """Explain a decision in "english" or "chinese"."""
        return self._loop.run(self._advisor.explain_decision(decision_id, language=language))

    def propose_search(
        self,
        *,
        backtest_id: str | None = None,
        optimization_id: str | None = None,
        language: str | None = None,
        request_id: str | None = None,
    ) -> Advice:
        """Propose what to search after a succeeded backtest or optimization; name one of them."""
        work = self._advisor.propose_search(
            backtest_id=backtest_id,
            optimization_id=optimization_id,
            language=language,
            request_id=request_id,
        )
        return self._loop.run(work)


class SyncSystem:
    """The server itself."""

    def __init__(self, loop: BackgroundLoop, system: System) -> None:
        """Nothing is called yet."""
        self._loop = loop
        self._system = system

    def metrics(self) -> GetMetricsResponse:
        """Return counts and gauges of the server and its database."""
        return self._loop.run(self._system.metrics())

    def info(self) -> GetServerInfoResponse:
        """Return its version, which of its parts are well, and where it publishes packages."""
        return self._loop.run(self._system.info())
