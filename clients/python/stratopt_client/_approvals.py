"""Approvals: have parameters judged, find decisions and the packages they made."""

from collections.abc import Mapping
from typing import Unpack

from stratopt.v1.approval_service_pb2 import (
    ApproveStrategyRequest,
    ApproveStrategyResponse,
    GetDecisionRequest,
    GetParameterPackageRequest,
    GetSigningKeyRequest,
    GetSigningKeyResponse,
    ListDecisionsRequest,
    ListParameterPackagesRequest,
)
from stratopt.v1.approval_service_pb2_grpc import ApprovalServiceStub
from stratopt.v1.decision_pb2 import CriterionValue, Decision, DecisionOutcome
from stratopt.v1.parameter_package_pb2 import ParameterPackage
from stratopt_client._connection import Connection
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
        request_id: str | None = None,
    ) -> ApproveStrategyResponse:
        """Have the parameters of a succeeded backtest judged; a rejection is an answer, not an error.

        FailedPrecondition if the backtest has not succeeded. Gathering the evidence takes seconds.
        """
        shape = Shape()
        request = ApproveStrategyRequest(
            request_id=shape.text("request_id", request_id) or new_request_id(),
            strategy_id=shape.text("strategy_id", strategy_id),
            backtest_id=shape.text("backtest_id", backtest_id),
            approval_criteria=_criteria(shape, approval_criteria),
        )
        shape.refuse_if_any()
        return await self._connection.call(
            self._stub.ApproveStrategy, request, deadline_seconds=self._connection.transfer_deadline_seconds
        )

    async def decision(self, decision_id: str) -> Decision:
        """Return one decision; NotFound if there is none of that id."""
        request = GetDecisionRequest(**texts({"decision_id": decision_id}))
        return (await self._connection.call(self._stub.GetDecision, request)).decision

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
        found = texts(wanted)

        async def fetch(size: int, token: str) -> Page[ParameterPackage]:
            request = ListParameterPackagesRequest(page_size=size, page_token=token, **found)
            response = await self._connection.call(self._stub.ListParameterPackages, request)
            return Page(response.parameter_packages, response.next_page_token)

        return Pager(fetch, page_size=PAGE_SIZE)

    async def signing_key(self) -> GetSigningKeyResponse:
        """Return the public key that verifies this server's packages."""
        return await self._connection.call(self._stub.GetSigningKey, GetSigningKeyRequest())


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
