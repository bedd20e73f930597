"""Advice <-> proto."""

from stratopt.v1 import advice_pb2 as pb
from stratopt.v1 import advisor_service_pb2 as service_pb
from stratopt_server.domain.advice import Advice, Language
from stratopt_server.domain.errors import Violations
from stratopt_server.usecases.advising import ProposeRequest
from stratopt_server.wire.enums import ADVICE_KIND, ADVICE_LANGUAGE, ADVICE_SOURCE
from stratopt_server.wire.parameters import params_to_proto, ranges_to_proto
from stratopt_server.wire.reading import check_request_id, optional_word
from stratopt_server.wire.times import to_timestamp

Asked = (
    service_pb.ExplainBacktestRequest | service_pb.ExplainDecisionRequest | service_pb.ProposeSearchRequest
)


def language_of(request: Asked) -> Language:
    """Read in which language to write; raises RequestRefused."""
    violations = Violations()
    found = optional_word(request.language, ADVICE_LANGUAGE, field="language", violations=violations)
    violations.refuse_if_any()
    return found or Language.ENGLISH


def propose_from_proto(request: service_pb.ProposeSearchRequest) -> ProposeRequest:
    """Read after what to propose; raises RequestRefused."""
    violations = Violations()
    check_request_id(request, violations)
    violations.refuse_if_any()
    return ProposeRequest(
        backtest_id=request.backtest_id,
        optimization_id=request.optimization_id,
        language=language_of(request),
    )


def advice_to_proto(advice: Advice) -> pb.Advice:
    """Write advice; what a model was told and said stays on the server."""
    advised = advice.advised
    proposal = advised.proposal
    return pb.Advice(
        id=advice.id,
        kind=ADVICE_KIND[advice.kind],
        subject_id=advice.subject_id,
        language=ADVICE_LANGUAGE[advice.language],
        text=advised.text,
        param_ranges={} if proposal is None else ranges_to_proto(proposal.param_ranges),
        experiments=[]
        if proposal is None
        else [
            pb.Experiment(title=one.title, why=one.why, params=params_to_proto(one.params or {}))
            for one in proposal.experiments
        ],
        source=ADVICE_SOURCE[advised.source],
        model=advised.model,
        note=advised.note,
        input_tokens=advised.input_tokens,
        output_tokens=advised.output_tokens,
        create_time=to_timestamp(advice.created_at),
    )
