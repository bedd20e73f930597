"""The advisor: results in plain words, and what to search next."""

from stratopt.v1.advice_pb2 import Advice, AdviceLanguage
from stratopt.v1.advisor_service_pb2 import (
    ExplainBacktestRequest,
    ExplainDecisionRequest,
    ProposeSearchRequest,
)
from stratopt.v1.advisor_service_pb2_grpc import AdvisorServiceStub
from stratopt_client._connection import Connection
from stratopt_client._requests import new_request_id
from stratopt_client._shape import Shape


class Advisor:
    """Advice of a server. It decides nothing, and nothing of it is run."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is called yet."""
        self._connection = connection
        self._stub = AdvisorServiceStub(connection.channel)

    async def explain_backtest(self, backtest_id: str, *, language: str | None = None) -> Advice:
        """Explain a succeeded backtest in "english" or "chinese"."""
        shape = Shape()
        request = ExplainBacktestRequest(
            backtest_id=shape.text("backtest_id", backtest_id), language=_language(shape, language)
        )
        shape.refuse_if_any()
        return (await self._connection.call(self._stub.ExplainBacktest, request)).advice

    async def explain_decision(self, decision_id: str, *, language: str | None = None) -> Advice:
        """Explain a decision in "english" or "chinese"."""
        shape = Shape()
        request = ExplainDecisionRequest(
            decision_id=shape.text("decision_id", decision_id), language=_language(shape, language)
        )
        shape.refuse_if_any()
        return (await self._connection.call(self._stub.ExplainDecision, request)).advice

    async def propose_search(
        self,
        *,
        backtest_id: str | None = None,
        optimization_id: str | None = None,
        language: str | None = None,
        request_id: str | None = None,
    ) -> Advice:
        """Propose what to search after a succeeded backtest or optimization; name one of them.

        Sets that it proposes to try count as trials.
        """
        shape = Shape()
        request = ProposeSearchRequest(
            request_id=shape.text("request_id", request_id) or new_request_id(),
            backtest_id=shape.text("backtest_id", backtest_id) or "",
            optimization_id=shape.text("optimization_id", optimization_id) or "",
            language=_language(shape, language),
        )
        shape.refuse_if_any()
        return (await self._connection.call(self._stub.ProposeSearch, request)).advice


def _language(shape: Shape, language: str | None) -> AdviceLanguage.ValueType:
    return AdviceLanguage.Value(shape.word("language", language, AdviceLanguage.DESCRIPTOR))
