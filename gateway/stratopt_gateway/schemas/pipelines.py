"""Pipelines, routes and what could not become a pipeline."""

import json
from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from stratopt.v1.opportunity_pb2 import DeadLetter as pb_DeadLetter
from stratopt.v1.pipeline_pb2 import Pipeline as pb_Pipeline
from stratopt.v1.pipeline_pb2 import Route as pb_Route
from stratopt_client import to_dict
from stratopt_gateway.schemas.base import Failure, Moment, Progress

PIPELINE_ID = "pl_1m83w2wbg8y3q3mda"
PipelineWord = Literal["pending", "running", "succeeded", "failed", "cancelled"]
Step = Literal["optimize", "backtest", "approve", "publish", "done"]


class Opportunity(BaseModel):
    """What a scanner saw."""

    symbol: str = Field(examples=["RNDR/USDT"])
    kind: str = Field(description="Its strategy_type, or else its opportunity_type.", examples=["grid"])
    confidence: float | None = Field(description="From 0 to 1; null where the scanner does not say.")
    signal_type: str = Field(description="BUY, SELL, NEUTRAL; empty where it does not say.")
    observe_time: Moment
    source: str
    correlation_id: str
    document: dict[str, Any] = Field(description="As it came; fields that nobody here knows are kept.")


class StrategyRun(BaseModel):
    """One strategy on its way through a pipeline."""

    strategy_id: str
    step: Step | None = Field(description="Null while it waits for its turn.")
    optimization_id: str = Field(description="Empty until there is one, as are the next three.")
    backtest_id: str
    decision_id: str
    package_id: str = Field(description="A draft where a person is asked.")
    outcome: Literal["approve", "review", "reject"] | None = Field(description="Null until it is judged.")
    failure: Failure | None = Field(description="Why it could not be judged.")


class Pipeline(BaseModel):
    """What became of an opportunity."""

    pipeline_id: str = Field(examples=[PIPELINE_ID])
    opportunity: Opportunity
    route: str = Field(description="Name of the route that it takes.")
    status: PipelineWord = Field(
        description="succeeded: every strategy that could be judged was, whatever the outcome."
    )
    strategy_runs: list[StrategyRun]
    progress: Progress | None = Field(description="Of the job that it waits for, if it waits for one.")
    failure: Failure | None
    create_time: Moment
    start_time: Moment | None
    complete_time: Moment | None

    @classmethod
    def of(cls, pipeline: pb_Pipeline) -> Self:
        """Describe a pipeline."""
        plain = to_dict(pipeline)
        seen = plain["opportunity"]
        opportunity = seen | {"document": json.loads(seen["document_json"])}
        return cls.model_validate(plain | {"pipeline_id": plain["id"], "opportunity": opportunity})


class Pipelines(BaseModel):
    """A page of pipelines, newest first."""

    pipelines: list[Pipeline]
    next_page_token: str = Field(description="Asks for the next page; empty at the end.")

    @classmethod
    def of(cls, rows: Iterable[pb_Pipeline], next_page_token: str) -> Self:
        """Describe a page."""
        return cls(pipelines=[Pipeline.of(row) for row in rows], next_page_token=next_page_token)


class Route(BaseModel):
    """Opportunities of some kinds, and the strategies that run for them."""

    name: str
    kinds: list[str] = Field(description="Empty: any.")
    symbols: list[str] = Field(description="Empty: any.")
    confidence_min: float | None
    strategy_ids: list[str]
    policy: str = Field(description="Empty: the server's own.")


class Routes(BaseModel):
    """The routes in force; an opportunity takes the first that takes it."""

    routes: list[Route]

    @classmethod
    def of(cls, routes: Iterable[pb_Route]) -> Self:
        """Describe the routes."""
        return cls(routes=[Route.model_validate(to_dict(route)) for route in routes])


class DeadLetter(BaseModel):
    """A message that came in over ZeroMQ and could not be used."""

    dead_letter_id: str
    channel: str = Field(description="scanner or review.")
    cause: str = Field(examples=["UNKNOWN_SYMBOL"])
    detail: str = Field(description="What is wrong and what would do.")
    topic: str
    body: str = Field(description="The message, base64; of a long one its first 4,096 bytes.")
    body_bytes: int = Field(description="Size of the whole message.")
    create_time: Moment


class DeadLetters(BaseModel):
    """A page of them, newest first."""

    dead_letters: list[DeadLetter]
    next_page_token: str = Field(description="Asks for the next page; empty at the end.")

    @classmethod
    def of(cls, rows: Iterable[pb_DeadLetter], next_page_token: str) -> Self:
        """Describe a page."""
        plain = [to_dict(row) for row in rows]
        letters = [DeadLetter.model_validate(row | {"dead_letter_id": row["id"]}) for row in plain]
        return cls(dead_letters=letters, next_page_token=next_page_token)
