"""Approval: have parameters judged by policy."""

from fastapi import APIRouter

from stratopt_gateway.dependencies import ClientOf
from stratopt_gateway.json_body import StrictRoute
from stratopt_gateway.openapi import body_problems
from stratopt_gateway.schemas.approvals import Approval, Approve

router = APIRouter(prefix="/api/strategies", tags=["strategies"], route_class=StrictRoute)


@router.post(
    "/approve",
    operation_id="approveStrategy",
    summary="Decide whether the parameters of a backtest may trade",
    responses=body_problems(404, 409, 412),
)
async def approve_strategy(client: ClientOf, wanted: Approve) -> Approval:
    """Gather the evidence, decide by policy, and sign a package if it approves.

    A rejection is an answer, with what was measured and wanted; 409 if the backtest has not succeeded.
    """
    answer = await client.approvals.approve(
        wanted.strategy_id,
        wanted.backtest_id,
        approval_criteria=wanted.approval_criteria,
        policy=wanted.policy,
        request_id=wanted.request_id,
    )
    return Approval.answered(answer)
