"""Evidence -> proto. Messages have the names of the domain's fields, so plain fields write themselves."""

from dataclasses import fields
from typing import Any, TypeVar

from google.protobuf.message import Message

from stratopt.v1 import decision_pb2 as decision_pb
from stratopt.v1 import evidence_pb2 as pb
from stratopt_server.domain.evidence import Evidence, OutOfSample, Regime, SearchEvidence, Significance
from stratopt_server.wire.enums import EVIDENCE_SOURCE
from stratopt_server.wire.jobs import metrics_to_proto
from stratopt_server.wire.results import plateau_to_proto
from stratopt_server.wire.seals import sealed_to_proto

M = TypeVar("M", bound=Message)


def search_evidence_to_proto(evidence: SearchEvidence) -> pb.SearchEvidence:
    """Write what a search says of itself."""
    return pb.SearchEvidence(
        significance=_significance(evidence.significance),
        overfitting=_plain(pb.Overfitting, evidence.overfitting),
        superiority=_plain(pb.Superiority, evidence.superiority),
        out_of_sample=_out_of_sample(evidence.out_of_sample),
        regimes=_regimes(evidence.regimes),
        monte_carlo=_plain(pb.MonteCarlo, evidence.monte_carlo),
        holding=_plain(pb.Holding, evidence.holding),
    )


def evidence_to_proto(evidence: Evidence) -> decision_pb.Evidence:
    """Write what a decision rests on."""
    delayed, plateau = evidence.delayed, evidence.plateau
    return decision_pb.Evidence(
        source=EVIDENCE_SOURCE[evidence.source],
        optimization_id=evidence.optimization_id or "",
        searched_by=evidence.searched_by or "",
        whole=metrics_to_proto(evidence.whole),
        in_sample=metrics_to_proto(evidence.in_sample),
        out_of_sample=metrics_to_proto(evidence.out_of_sample),
        doubled_costs=metrics_to_proto(evidence.doubled_costs),
        delayed=None if delayed is None else metrics_to_proto(delayed),
        out_of_sample_days=evidence.out_of_sample_days,
        psr_oos=evidence.psr_oos,
        drawdown_q95=evidence.drawdown_q95,
        position_size=evidence.position_size,
        max_drawdown_at_size=evidence.max_drawdown_at_size,
        significance=_significance(evidence.significance),
        overfitting=_plain(pb.Overfitting, evidence.overfitting),
        superiority=_plain(pb.Superiority, evidence.superiority),
        plateau=None if plateau is None else plateau_to_proto(plateau),
        tests=_out_of_sample(evidence.tests),
        regimes=_regimes(evidence.regimes),
        monte_carlo=_plain(pb.MonteCarlo, evidence.monte_carlo),
        holding=_plain(pb.Holding, evidence.holding),
        fill_bracket=[
            pb.FillBracketRun(fill_model=run.fill_model.value, metrics=metrics_to_proto(run.metrics))
            for run in evidence.fill_bracket
        ],
        reproduction=_plain(pb.Reproduction, evidence.reproduction),
        sealed=None if evidence.sealed is None else sealed_to_proto(evidence.sealed),
    )


def _significance(value: Significance | None) -> pb.Significance | None:
    message = _plain(pb.Significance, value)
    if message is not None and value is not None and value.daily is not None:
        message.skewness, message.kurtosis = value.daily.skewness, value.daily.kurtosis
    return message


def _out_of_sample(value: OutOfSample | None) -> pb.OutOfSample | None:
    return _plain(pb.OutOfSample, value)


def _regimes(regimes: tuple[Regime, ...]) -> list[pb.Regime]:
    return [pb.Regime(name=regime.name, sharpe=regime.sharpe) for regime in regimes]


def _plain(kind: type[M], value: Any) -> M | None:
    """Write the fields that the message has; None stays unset."""
    if value is None:
        return None
    names = {field.name for field in fields(value)}.intersection(kind.DESCRIPTOR.fields_by_name)
    return kind(**{name: getattr(value, name) for name in names})
