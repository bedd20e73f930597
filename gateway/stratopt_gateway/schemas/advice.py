"""Advice."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from stratopt.v1.advice_pb2 import Advice as pb_Advice
from stratopt_client import to_dict
from stratopt_gateway.schemas.base import Moment, ParamRanges, Params, Request

Language = Literal["english", "chinese"]


class Explain(Request):
    """What to explain: either a backtest or a decision."""

    backtest_id: str | None = Field(None, description="A succeeded backtest.")
    decision_id: str | None = Field(None, description="A decision.")
    language: Language | None = Field(None, description="Not given: English.")


class Propose(Request):
    """After what to propose: either a backtest or an optimization."""

    backtest_id: str | None = Field(None, description="A succeeded backtest.")
    optimization_id: str | None = Field(None, description="A succeeded optimization.")
    language: Language | None = Field(None, description="Not given: English.")
    request_id: str | None = Field(None, description="The same id and body again give the same answer.")


class Experiment(BaseModel):
    """Something to try next."""

    title: str
    why: str
    params: Params = Field(description="A set to backtest, which counts as a trial; empty where it is none.")


class Advice(BaseModel):
    """Words about a result, and perhaps a proposal. It decides nothing."""

    advice_id: str
    kind: Literal["explain_backtest", "explain_decision", "propose_search"]
    subject_id: str
    language: Language
    text: str = Field(description="It quotes only numbers of the subject.")
    param_ranges: ParamRanges
    experiments: list[Experiment]
    source: Literal["rules", "model"]
    model: str = Field(description="The model that was asked; empty where none was.")
    note: str = Field(description="Why the rules speak although a model was to be asked.")
    input_tokens: int
    output_tokens: int
    create_time: Moment

    @classmethod
    def of(cls, advice: pb_Advice) -> Self:
        """Describe advice."""
        plain = to_dict(advice)
        return cls.model_validate(plain | {"advice_id": plain["id"]})
