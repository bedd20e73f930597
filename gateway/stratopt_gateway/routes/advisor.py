"""Advice: results in plain words, and what to search next."""

from fastapi import APIRouter

from stratopt_client import InvalidInput, Violation
from stratopt_gateway.dependencies import ClientOf
from stratopt_gateway.json_body import StrictRoute
from stratopt_gateway.openapi import body_problems
from stratopt_gateway.schemas.advice import Advice, Explain, Propose

router = APIRouter(prefix="/api/advisor", tags=["advisor"], route_class=StrictRoute)


@router.post(
    "/explain",
    operation_id="explain",
    summary="Explain a report or a decision in plain words",
    responses=body_problems(404, 409),
)
async def explain(client: ClientOf, wanted: Explain) -> Advice:
    """Explain it by rules, or by a language model whose every number is checked."""
    backtest_id, decision_id = wanted.backtest_id, wanted.decision_id
    if backtest_id is not None and decision_id is None:
        return Advice.of(await client.advisor.explain_backtest(backtest_id, language=wanted.language))
    if decision_id is not None and backtest_id is None:
        return Advice.of(await client.advisor.explain_decision(decision_id, language=wanted.language))
    told = "name either a backtest or a decision"
    raise InvalidInput([Violation(field="backtest_id", reason="EXACTLY_ONE", description=told)])


@router.post(
    "/propose",
    operation_id="propose",
    summary="Propose what to search next",
    responses=body_problems(404, 409),
)
async def propose(client: ClientOf, wanted: Propose) -> Advice:
    """Propose ranges and experiments; sets that it proposes to try count as trials."""
    advice = await client.advisor.propose_search(
        backtest_id=wanted.backtest_id,
        optimization_id=wanted.optimization_id,
        language=wanted.language,
        request_id=wanted.request_id,
    )
    return Advice.of(advice)
