"""ApprovalService over the approvals use-case."""

from typing import Any

from stratopt.v1 import approval_service_pb2 as pb
from stratopt.v1.approval_service_pb2_grpc import ApprovalServiceServicer
from stratopt_server.domain.errors import Violations
from stratopt_server.relay.publisher import Publisher
from stratopt_server.usecases.approvals import Approvals
from stratopt_server.usecases.threads import StorageThread
from stratopt_server.wire.approvals import (
    approval_from_proto,
    decision_filter,
    decision_to_proto,
    package_filter,
    package_to_proto,
)
from stratopt_server.wire.paging import cursor_key, cut_page, page_of
from stratopt_server.wire.reading import call_of


class ApprovalServicer(ApprovalServiceServicer):
    """Parse, call, convert."""

    def __init__(self, approvals: Approvals, publisher: Publisher, thread: StorageThread) -> None:
        self._approvals = approvals
        self._publisher = publisher
        self._thread = thread

    async def ApproveStrategy(
        self, request: pb.ApproveStrategyRequest, context: Any
    ) -> pb.ApproveStrategyResponse:
        """Judge the parameters of a backtest."""
        wanted = approval_from_proto(request)
        verdict = await self._approvals.approve(wanted, call_of(request, "ApproveStrategy"))
        self._publisher.wake()
        return pb.ApproveStrategyResponse(
            decision=decision_to_proto(verdict.decision),
            parameter_package=None if verdict.package is None else package_to_proto(verdict.package),
        )

    async def GetDecision(self, request: pb.GetDecisionRequest, context: Any) -> pb.GetDecisionResponse:
        """Return one decision."""
        decision = await self._thread.run(self._approvals.decision, request.decision_id)
        return pb.GetDecisionResponse(decision=decision_to_proto(decision))

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
        key = self._approvals.key
        return pb.GetSigningKeyResponse(public_key=key.public_bytes, key_id=key.key_id)
