"""Decisions that were made, a person's word on them, and the policies they were made by."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse

from stratopt_gateway.dependencies import ClientOf
from stratopt_gateway.json_body import StrictRoute
from stratopt_gateway.openapi import body_problems, problems
from stratopt_gateway.schemas.approvals import Approval, Decision, Policies, Policy, RecordReview, Reevaluate

router = APIRouter(prefix="/api", tags=["decisions"], route_class=StrictRoute)

DecisionId = Annotated[str, Path(description="Id of a decision.", examples=["dec_1m83w2wbg8y3q3mda"])]


@router.get(
    "/decisions/{decision_id}",
    operation_id="getDecision",
    summary="Return one decision",
    responses=problems(404, 422),
)
async def get_decision(client: ClientOf, decision_id: DecisionId) -> Decision:
    """Return it with its gates and everything it rests on."""
    return Decision.of(await client.approvals.decision(decision_id))


@router.get(
    "/decisions/{decision_id}/html",
    operation_id="getDecisionHtml",
    summary="Return one decision as a page",
    response_class=HTMLResponse,
    responses=problems(404, 422) | {200: {"description": "One self-contained page, made by the server."}},
)
async def get_decision_html(client: ClientOf, decision_id: DecisionId) -> HTMLResponse:
    """Return pictures and a table of every gate."""
    return HTMLResponse(await client.approvals.decision_html(decision_id))


@router.post(
    "/decisions/{decision_id}/reevaluate",
    operation_id="reevaluateDecision",
    summary="Tell what another policy would have decided",
    responses=body_problems(404),
)
async def reevaluate_decision(client: ClientOf, decision_id: DecisionId, wanted: Reevaluate) -> Decision:
    """Judge the same evidence by another policy; nothing is run or stored."""
    decision = await client.approvals.reevaluate(
        decision_id, policy=wanted.policy, approval_criteria=wanted.approval_criteria
    )
    return Decision.of(decision)


@router.post(
    "/decisions/{decision_id}/review",
    operation_id="recordReview",
    summary="Record a person's word on a decision that asks for one",
    responses=body_problems(404, 409, 412),
)
async def record_review(client: ClientOf, decision_id: DecisionId, wanted: RecordReview) -> Approval:
    """Sign and publish its package, or leave it a draft for ever."""
    answer = await client.approvals.review(
        decision_id,
        wanted.word,
        reviewer=wanted.reviewer,
        note=wanted.note,
        request_id=wanted.request_id,
    )
    return Approval.answered(answer)


@router.get("/policies", operation_id="listPolicies", summary="List the policies")
async def list_policies(client: ClientOf) -> Policies:
    """Return every policy, the one that the server decides by first."""
    return Policies(policies=[Policy.of(policy) for policy in await client.approvals.policies()])


@router.get(
    "/policies/{name}/{version}",
    operation_id="getPolicy",
    summary="Return one policy",
    responses=problems(404, 422),
)
async def get_policy(client: ClientOf, name: str, version: str) -> Policy:
    """Return it, e.g. default/v1."""
    return Policy.of(await client.approvals.policy(f"{name}/{version}"))
