"""Sealed holdouts <-> proto."""

from stratopt.v1 import approval_service_pb2 as service_pb
from stratopt.v1 import sealed_holdout_pb2 as pb
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.evidence import SealedEvidence
from stratopt_server.domain.seals import SealedHoldout, SealedTest
from stratopt_server.usecases.seals import SealRequest
from stratopt_server.wire.enums import SEAL_STATE
from stratopt_server.wire.reading import check_request_id, optional_number
from stratopt_server.wire.times import to_timestamp


def seal_from_proto(request: service_pb.SealHoldoutRequest) -> SealRequest:
    """Read which bars to seal; raises RequestRefused."""
    violations = Violations()
    check_request_id(request, violations)
    if not request.strategy_id:
        violations.add("strategy_id", "REQUIRED", "name the strategy")
    violations.refuse_if_any()
    return SealRequest(
        strategy_id=request.strategy_id,
        symbol=request.symbol,
        exchange=request.exchange or None,
        timeframe=request.timeframe or None,
        share=optional_number(request, "share"),
    )


def seal_to_proto(seal: SealedHoldout) -> pb.SealedHoldout:
    """Write a sealed holdout."""
    return pb.SealedHoldout(
        id=seal.id,
        strategy_id=seal.strategy_id,
        exchange=seal.key.exchange,
        symbol=seal.key.symbol,
        timeframe=seal.key.timeframe,
        first_bar_time=to_timestamp(seal.first_bar_time),
        create_time=to_timestamp(seal.created_at),
        spend_time=None if seal.spent_at is None else to_timestamp(seal.spent_at),
        spent_on=seal.spent_on or "",
        test=None if seal.test is None else _test(seal.test),
    )


def sealed_to_proto(sealed: SealedEvidence) -> pb.SealedEvidence:
    """Write what became of one in a decision."""
    return pb.SealedEvidence(
        id=sealed.id,
        state=SEAL_STATE[sealed.state],
        spent_on=sealed.spent_on or "",
        test=None if sealed.test is None else _test(sealed.test),
    )


def _test(test: SealedTest) -> pb.SealedTest:
    return pb.SealedTest(
        first_bar_time=to_timestamp(test.first_bar_time),
        last_bar_time=to_timestamp(test.last_bar_time),
        days=test.days,
        sharpe=test.sharpe,
        psr=test.psr,
        total_return=test.total_return,
        trade_count=test.trade_count,
    )
