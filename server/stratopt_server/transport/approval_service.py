"""ApprovalService over the approvals use-case."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from stratopt.v1 import approval_service_pb2 as pb
from stratopt.v1.approval_service_pb2_grpc import ApprovalServiceServicer
from stratopt_server.decisions.signing import SigningKey
from stratopt_server.domain.errors import Violations
from stratopt_server.pages.decision import decision_page
from stratopt_server.usecases.approvals import Approvals, Verdict
from stratopt_server.usecases.replays import Replays
from stratopt_server.usecases.reviews import Reviews
from stratopt_server.usecases.revoking import Revoking
from stratopt_server.usecases.seals import SealedHoldouts
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.wire.approvals import (
    approval_from_proto,
    decision_filter,
    decision_to_proto,
    review_from_proto,
    verdict_to_proto,
)
from stratopt_server.wire.packages import (
    package_filter,
    package_to_proto,
    replayed_packages,
    replayed_revocations,
    revocation_from_proto,
)
from stratopt_server.wire.paging import cursor_key, cut_page, page_of
from stratopt_server.wire.policies import criteria_from_proto, policy_to_proto
from stratopt_server.wire.reading import call_of
from stratopt_server.wire.seals import seal_from_proto, seal_to_proto


class ApprovalServicer(ApprovalServiceServicer):
    """Parse, call, convert."""

    def __init__(
        self,
        approvals: Approvals,
        reviews: Reviews,
        seals: SealedHoldouts,
        key: SigningKey,
        *,
        revoking: Revoking,
        replays: Replays,
        announce: Callable[[], None],
        thread: StorageThread,
    ) -> None:
        """`announce` tells the relay that a package or a revocation was added."""
        self._approvals = approvals
        self._reviews = reviews
        self._seals = seals
        self._key = key
        self._revoking = revoking
        self._replays = replays
        self._announce = announce
        self._thread = thread
        self._judging: set[asyncio.Task[Verdict]] = set()
        """Approvals whose caller may be gone: they go on, for the caller to ask again."""

    async def ApproveStrategy(
        self, request: pb.ApproveStrategyRequest, context: Any
    ) -> pb.ApproveStrategyResponse:
        """Judge the parameters of a backtest."""
        wanted = approval_from_proto(request)
        verdict = await self._approvals.approve(wanted, call_of(request, "ApproveStrategy"))
        self._announce()
        return verdict_to_proto(verdict)

    async def StreamApproval(
        self, request: pb.StreamApprovalRequest, context: Any
    ) -> AsyncIterator[pb.StreamApprovalResponse]:
        """Judge likewise, and say meanwhile what happens."""
        wanted = approval_from_proto(request.approval)
        call = call_of(request.approval, "ApproveStrategy")
        stages: asyncio.Queue[str | None] = asyncio.Queue()
        judging = asyncio.create_task(self._approvals.approve(wanted, call, on_stage=stages.put_nowait))
        self._judging.add(judging)
        judging.add_done_callback(self._judging.discard)
        judging.add_done_callback(lambda _: stages.put_nowait(None))
        while (stage := await stages.get()) is not None:
            yield pb.StreamApprovalResponse(stage=stage)
        verdict = judging.result()
        self._announce()
        yield pb.StreamApprovalResponse(answer=verdict_to_proto(verdict))

    async def ReevaluateDecision(
        self, request: pb.ReevaluateDecisionRequest, context: Any
    ) -> pb.ReevaluateDecisionResponse:
        """Tell what another policy would have decided."""
        violations = Violations()
        criteria = criteria_from_proto(request.approval_criteria, violations)
        violations.refuse_if_any()
        decision = await self._thread.run(
            self._approvals.reevaluate, request.decision_id, request.policy, criteria
        )
        return pb.ReevaluateDecisionResponse(decision=decision_to_proto(decision))

    async def RecordReview(self, request: pb.RecordReviewRequest, context: Any) -> pb.RecordReviewResponse:
        """Record a person's word."""
        wanted = review_from_proto(request)
        call = call_of(request, "RecordReview")
        decision, package = await self._thread.run(self._reviews.record, wanted, call)
        self._announce()
        return pb.RecordReviewResponse(
            decision=decision_to_proto(decision),
            parameter_package=None if package is None else package_to_proto(package),
        )

    async def SealHoldout(self, request: pb.SealHoldoutRequest, context: Any) -> pb.SealHoldoutResponse:
        """Seal the last bars of a market."""
        wanted = seal_from_proto(request)
        seal = await self._thread.run(self._seals.seal, wanted, call_of(request, "SealHoldout"))
        return pb.SealHoldoutResponse(sealed_holdout=seal_to_proto(seal))

    async def ListSealedHoldouts(
        self, request: pb.ListSealedHoldoutsRequest, context: Any
    ) -> pb.ListSealedHoldoutsResponse:
        """Return a page of sealed holdouts."""
        violations = Violations()
        page = page_of(request, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(self._seals.page, page)
        seals, token = cut_page(request, rows, seal_to_proto, key=cursor_key)
        return pb.ListSealedHoldoutsResponse(sealed_holdouts=seals, next_page_token=token)

    async def ListPolicies(self, request: pb.ListPoliciesRequest, context: Any) -> pb.ListPoliciesResponse:
        """Return every policy."""
        policies = self._approvals.policies
        found = [policy_to_proto(policy, default=policies.default) for policy in policies.all()]
        return pb.ListPoliciesResponse(policies=found)

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Any) -> pb.GetPolicyResponse:
        """Return one policy."""
        policies = self._approvals.policies
        policy = policy_to_proto(policies.get(request.policy), default=policies.default)
        return pb.GetPolicyResponse(policy=policy)

    async def GetDecision(self, request: pb.GetDecisionRequest, context: Any) -> pb.GetDecisionResponse:
        """Return one decision."""
        decision = await self._thread.run(self._approvals.decision, request.decision_id)
        return pb.GetDecisionResponse(decision=decision_to_proto(decision))

    async def GetDecisionReport(
        self, request: pb.GetDecisionReportRequest, context: Any
    ) -> pb.GetDecisionReportResponse:
        """Return the page of one decision."""
        decision = await self._thread.run(self._approvals.decision, request.decision_id)
        return pb.GetDecisionReportResponse(html=decision_page(decision))

    async def ListDecisions(self, request: pb.ListDecisionsRequest, context: Any) -> pb.ListDecisionsResponse:
        """Return a page of decisions."""
        violations = Violations()
        page, wanted = page_of(request, violations), decision_filter(request, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(self._approvals.decisions, page, wanted)
        decisions, token = cut_page(request, rows, decision_to_proto, key=cursor_key)
        return pb.ListDecisionsResponse(decisions=decisions, next_page_token=token)

    async def GetParameterPackage(
        self, request: pb.GetParameterPackageRequest, context: Any
    ) -> pb.GetParameterPackageResponse:
        """Return one package."""
        package = await self._thread.run(self._approvals.package, request.package_id)
        return pb.GetParameterPackageResponse(parameter_package=package_to_proto(package))

    async def ListParameterPackages(
        self, request: pb.ListParameterPackagesRequest, context: Any
    ) -> pb.ListParameterPackagesResponse:
        """Return a page of packages."""
        violations = Violations()
        page = page_of(request, violations)
        violations.refuse_if_any()
        rows = await self._thread.run(self._approvals.packages, page, package_filter(request))
        packages, token = cut_page(request, rows, package_to_proto, key=cursor_key)
        return pb.ListParameterPackagesResponse(parameter_packages=packages, next_page_token=token)

    async def GetSigningKey(self, request: pb.GetSigningKeyRequest, context: Any) -> pb.GetSigningKeyResponse:
        """Return the key that verifies packages."""
        return pb.GetSigningKeyResponse(public_key=self._key.public_bytes, key_id=self._key.key_id)

    async def ReplayParameterPackages(
        self, request: pb.ReplayParameterPackagesRequest, context: Any
    ) -> pb.ReplayParameterPackagesResponse:
        """Return packages by place."""
        return replayed_packages(await self._thread.run(self._replays.packages, *_span(request)))

    async def ReplayRevocations(
        self, request: pb.ReplayRevocationsRequest, context: Any
    ) -> pb.ReplayRevocationsResponse:
        """Return revocations by place."""
        return replayed_revocations(await self._thread.run(self._replays.revocations, *_span(request)))

    async def RevokeParameterPackage(
        self, request: pb.RevokeParameterPackageRequest, context: Any
    ) -> pb.RevokeParameterPackageResponse:
        """Say that a package may trade no more."""
        wanted = revocation_from_proto(request)
        call = call_of(request, "RevokeParameterPackage")
        package = await self._thread.run(self._revoking.revoke, wanted, call)
        self._announce()
        return pb.RevokeParameterPackageResponse(parameter_package=package_to_proto(package))


def _span(request: Any) -> tuple[str, int, int]:
    return request.epoch, request.from_seq, request.to_seq
