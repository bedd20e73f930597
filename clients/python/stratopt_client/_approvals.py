"""Approvals: have parameters judged, find decisions and the packages they made."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Unpack

from stratopt.v1.approval_service_pb2 import (
    ApproveStrategyRequest,
    ApproveStrategyResponse,
    GetDecisionReportRequest,
    GetDecisionRequest,
    GetParameterPackageRequest,
    GetPolicyRequest,
    GetSigningKeyRequest,
    GetSigningKeyResponse,
    ListDecisionsRequest,
    ListParameterPackagesRequest,
    ListPoliciesRequest,
    ListSealedHoldoutsRequest,
    RecordReviewRequest,
    RecordReviewResponse,
    ReevaluateDecisionRequest,
    ReplayParameterPackagesRequest,
    ReplayRevocationsRequest,
    RevokeParameterPackageRequest,
    SealHoldoutRequest,
    StreamApprovalRequest,
)
from stratopt.v1.approval_service_pb2_grpc import ApprovalServiceStub
from stratopt.v1.decision_pb2 import CriterionValue, Decision, DecisionOutcome, ReviewWord
from stratopt.v1.parameter_package_pb2 import PackageRevocation, ParameterPackage
from stratopt.v1.policy_pb2 import Policy
from stratopt.v1.sealed_holdout_pb2 import SealedHoldout
from stratopt_client._connection import Connection
from stratopt_client._errors import unreachable
from stratopt_client._options import DecisionFilter, PackageFilter, refuse_unknown
from stratopt_client._pages import Page, Pager
from stratopt_client._requests import new_request_id, texts
from stratopt_client._shape import Shape, is_real, is_whole, kind_of

PAGE_SIZE = 100

Criteria = Mapping[str, float | bool | str]
"""Criteria set to other values than the policy has: a threshold, a switch or a word each."""


class Approvals:
    """The decisions of a server, and the parameter packages they made."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is called yet."""
        self._connection = connection
        self._stub = ApprovalServiceStub(connection.channel)

    async def approve(
        self,
        strategy_id: str,
        backtest_id: str,
        *,
        approval_criteria: Criteria | None = None,
        policy: str | None = None,
        on_stage: Callable[[str], None] | None = None,
        request_id: str | None = None,
    ) -> ApproveStrategyResponse:
        """Have the parameters of a succeeded backtest judged; a rejection is an answer, not an error.

        FailedPrecondition if the backtest has not succeeded. Gathering the evidence takes seconds: `on_stage`
        hears what begins. Without a policy the server's own decides.
        """
        request = approve_request(
            strategy_id,
            backtest_id,
            approval_criteria=approval_criteria,
            policy=policy,
            request_id=request_id,
        )
        if on_stage is not None:
            return await self._streamed(request, on_stage)
        return await self._connection.call(
            self._stub.ApproveStrategy, request, deadline_seconds=self._connection.transfer_deadline_seconds
        )

    async def _streamed(
        self, request: ApproveStrategyRequest, on_stage: Callable[[str], None]
    ) -> ApproveStrategyResponse:
        stream = self._connection.download(self._stub.StreamApproval, StreamApprovalRequest(approval=request))
        async with aclosing(stream):
            async for message in stream:
                if message.HasField("answer"):
                    return message.answer
                on_stage(message.stage)
        raise unreachable(self._connection.target, "the stream ended without an answer")

    async def reevaluate(
        self, decision_id: str, *, policy: str | None = None, approval_criteria: Criteria | None = None
    ) -> Decision:
        """Return what another policy, or other thresholds, would have decided on the same evidence.

        Nothing is run or stored. NotFound if there is no decision of that id.
        """
        shape = Shape()
        request = ReevaluateDecisionRequest(
            decision_id=shape.text("decision_id", decision_id),
            policy=shape.text("policy", policy) or "",
            approval_criteria=_criteria(shape, approval_criteria),
        )
        shape.refuse_if_any()
        return (await self._connection.call(self._stub.ReevaluateDecision, request)).decision

    async def review(
        self,
        decision_id: str,
        word: str,
        *,
        reviewer: str,
        note: str = "",
        request_id: str | None = None,
    ) -> RecordReviewResponse:
        """Record a person's word, "approved" or "rejected", on a decision whose outcome is review.

        An approving word signs and publishes the package. FailedPrecondition for a decision that asks nobody
        or has its word.
        """
        shape = Shape()
        request = RecordReviewRequest(
            request_id=shape.text("request_id", request_id) or new_request_id(),
            decision_id=shape.text("decision_id", decision_id),
            word=ReviewWord.Value(shape.word("word", word, ReviewWord.DESCRIPTOR)),
            reviewer=shape.text("reviewer", reviewer),
            note=shape.text("note", note) or "",
        )
        shape.refuse_if_any()
        return await self._connection.call(self._stub.RecordReview, request)

    async def seal_holdout(
        self,
        strategy_id: str,
        symbol: str,
        *,
        exchange: str | None = None,
        timeframe: str | None = None,
        share: float | None = None,
        request_id: str | None = None,
    ) -> SealedHoldout:
        """Seal the last share of a market's bars, 0.2 unless told, for a strategy's code and its lineage.

        No job reads them until one decision does. FailedPrecondition if a job of the code has read them.
        """
        shape = Shape()
        request = SealHoldoutRequest(
            request_id=shape.text("request_id", request_id) or new_request_id(),
            strategy_id=shape.text("strategy_id", strategy_id),
            symbol=shape.text("symbol", symbol),
            exchange=shape.text("exchange", exchange) or "",
            timeframe=shape.text("timeframe", timeframe) or "",
            share=shape.number("share", share),
        )
        shape.refuse_if_any()
        return (await self._connection.call(self._stub.SealHoldout, request)).sealed_holdout

    def sealed_holdouts(self) -> Pager[SealedHoldout]:
        """Return sealed holdouts, spent ones too, newest first."""

        async def fetch(size: int, token: str) -> Page[SealedHoldout]:
            request = ListSealedHoldoutsRequest(page_size=size, page_token=token)
            response = await self._connection.call(self._stub.ListSealedHoldouts, request)
            return Page(response.sealed_holdouts, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)

    async def policies(self) -> list[Policy]:
        """Return every policy, the one that the server decides by first."""
        return list((await self._connection.call(self._stub.ListPolicies, ListPoliciesRequest())).policies)

    async def policy(self, name: str = "") -> Policy:
        """Return one policy, the server's own for an empty name; NotFound if there is none of that name."""
        request = GetPolicyRequest(**texts({"policy": name}))
        return (await self._connection.call(self._stub.GetPolicy, request)).policy

    async def decision(self, decision_id: str) -> Decision:
        """Return one decision; NotFound if there is none of that id."""
        request = GetDecisionRequest(**texts({"decision_id": decision_id}))
        return (await self._connection.call(self._stub.GetDecision, request)).decision

    async def decision_html(self, decision_id: str) -> str:
        """Return the page of one decision: pictures and a table of every gate."""
        request = GetDecisionReportRequest(**texts({"decision_id": decision_id}))
        return (await self._connection.call(self._stub.GetDecisionReport, request)).html

    def decisions(self, **wanted: Unpack[DecisionFilter]) -> Pager[Decision]:
        """Return the decisions that fit, newest first: iterate with `async for`, or take pages."""
        refuse_unknown(wanted, DecisionFilter, call="decisions")
        shape = Shape()
        outcome = DecisionOutcome.Value(
            shape.word("outcome", wanted.get("outcome"), DecisionOutcome.DESCRIPTOR)
        )
        shape.refuse_if_any()
        found = texts({name: value for name, value in wanted.items() if name != "outcome"})

        async def fetch(size: int, token: str) -> Page[Decision]:
            request = ListDecisionsRequest(page_size=size, page_token=token, outcome=outcome, **found)
            response = await self._connection.call(self._stub.ListDecisions, request)
            return Page(response.decisions, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)

    async def package(self, package_id: str) -> ParameterPackage:
        """Return one parameter package; NotFound if there is none of that id."""
        request = GetParameterPackageRequest(**texts({"package_id": package_id}))
        return (await self._connection.call(self._stub.GetParameterPackage, request)).parameter_package

    def packages(self, **wanted: Unpack[PackageFilter]) -> Pager[ParameterPackage]:
        """Return the packages that fit, newest first: iterate with `async for`, or take pages."""
        refuse_unknown(wanted, PackageFilter, call="packages")
        drafts = bool(wanted.get("drafts"))
        found = texts({name: value for name, value in wanted.items() if name != "drafts"})

        async def fetch(size: int, token: str) -> Page[ParameterPackage]:
            request = ListParameterPackagesRequest(page_size=size, page_token=token, drafts=drafts, **found)
            response = await self._connection.call(self._stub.ListParameterPackages, request)
            return Page(response.parameter_packages, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)

    async def revoke(
        self, package_id: str, *, reason: str, revoked_by: str, request_id: str | None = None
    ) -> ParameterPackage:
        """Say that a package may trade no more, and have that published; return the package.

        One that is revoked stays as it is. FailedPrecondition for a draft.
        """
        shape = Shape()
        request = RevokeParameterPackageRequest(
            request_id=shape.text("request_id", request_id) or new_request_id(),
            package_id=shape.text("package_id", package_id),
            reason=shape.text("reason", reason),
            revoked_by=shape.text("revoked_by", revoked_by),
        )
        shape.refuse_if_any()
        return (await self._connection.call(self._stub.RevokeParameterPackage, request)).parameter_package

    def replay(
        self, *, epoch: str = "", from_seq: int = 1, to_seq: int = 0
    ) -> AsyncGenerator[ParameterPackage]:
        """Yield packages by their places in the order of publication, up to the newest for `to_seq` 0.

        NotFound for an epoch that this database never had.
        """
        call, request = self._stub.ReplayParameterPackages, ReplayParameterPackagesRequest
        return self._replayed(call, request, "parameter_packages", (epoch, from_seq, to_seq))

    def revocations(
        self, *, epoch: str = "", from_seq: int = 1, to_seq: int = 0
    ) -> AsyncGenerator[PackageRevocation]:
        """Yield revocations by their places, which are an order of their own, as `replay` does packages."""
        call, request = self._stub.ReplayRevocations, ReplayRevocationsRequest
        return self._replayed(call, request, "revocations", (epoch, from_seq, to_seq))

    async def _replayed(
        self, call: Any, request: Any, rows: str, span: tuple[object, object, object]
    ) -> AsyncGenerator[Any]:
        """Yield the rows of answer after answer, each asked for behind the last row of the one before."""
        epoch, first, last = _span(*span)
        while True:
            response = await self._connection.call(call, request(epoch=epoch, from_seq=first, to_seq=last))
            found = getattr(response, rows)
            for row in found:
                yield row
            if not found:
                return
            epoch, first = response.epoch, found[-1].seq + 1
            if first > (last or response.last_seq):
                return

    async def signing_key(self) -> GetSigningKeyResponse:
        """Return the public key that verifies this server's packages."""
        return await self._connection.call(self._stub.GetSigningKey, GetSigningKeyRequest())


def _span(epoch: object, from_seq: object, to_seq: object) -> tuple[str, int, int]:
    shape = Shape()
    span = shape.text("epoch", epoch), shape.whole("from_seq", from_seq), shape.whole("to_seq", to_seq)
    shape.refuse_if_any()
    return span[0], span[1] or 0, span[2] or 0


def approve_request(
    strategy_id: object,
    backtest_id: object,
    *,
    approval_criteria: Criteria | None,
    policy: object,
    request_id: object,
) -> ApproveStrategyRequest:
    """Return the request, or raise InvalidInput with every argument that is wrong."""
    shape = Shape()
    request = ApproveStrategyRequest(
        request_id=shape.text("request_id", request_id) or new_request_id(),
        strategy_id=shape.text("strategy_id", strategy_id),
        backtest_id=shape.text("backtest_id", backtest_id),
        approval_criteria=_criteria(shape, approval_criteria),
        policy=shape.text("policy", policy) or "",
    )
    shape.refuse_if_any()
    return request


def _criteria(shape: Shape, given: object) -> dict[str, CriterionValue]:
    """Return criteria by name, none for None."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        shape.wrong("approval_criteria", f"must be a mapping from names, not {kind_of(given)}")
        return {}
    return {name: _criterion(shape, f"approval_criteria.{name}", value) for name, value in given.items()}


def _criterion(shape: Shape, field: str, value: object) -> CriterionValue:
    if isinstance(value, bool):
        return CriterionValue(flag=value)
    if isinstance(value, str):
        return CriterionValue(word=value)
    if is_whole(value) or is_real(value):
        return CriterionValue(number=shape.number(field, value) or 0.0)
    shape.wrong(field, f"must be a number, text, True or False, not {kind_of(value)}")
    return CriterionValue()
