"""AdvisorService over the advising use-case."""

from typing import Any

from stratopt.v1 import advisor_service_pb2 as pb
from stratopt.v1.advisor_service_pb2_grpc import AdvisorServiceServicer
from stratopt_server.usecases.advising import Advising
from stratopt_server.wire.advice import advice_to_proto, language_of, propose_from_proto
from stratopt_server.wire.reading import call_of


class AdvisorServicer(AdvisorServiceServicer):
    """Parse, call, convert."""

    def __init__(self, advising: Advising) -> None:
        self._advising = advising

    async def ExplainBacktest(
        self, request: pb.ExplainBacktestRequest, context: Any
    ) -> pb.ExplainBacktestResponse:
        """Explain a backtest."""
        advice = await self._advising.explain_backtest(request.backtest_id, language_of(request))
        return pb.ExplainBacktestResponse(advice=advice_to_proto(advice))

    async def ExplainDecision(
        self, request: pb.ExplainDecisionRequest, context: Any
    ) -> pb.ExplainDecisionResponse:
        """Explain a decision."""
        advice = await self._advising.explain_decision(request.decision_id, language_of(request))
        return pb.ExplainDecisionResponse(advice=advice_to_proto(advice))

    async def ProposeSearch(self, request: pb.ProposeSearchRequest, context: Any) -> pb.ProposeSearchResponse:
        """Propose what to search next."""
        wanted = propose_from_proto(request)
        advice = await self._advising.propose(wanted, call_of(request, "ProposeSearch"))
        return pb.ProposeSearchResponse(advice=advice_to_proto(advice))
