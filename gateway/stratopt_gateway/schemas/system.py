"""How gateway and server are."""

from typing import Literal

from pydantic import BaseModel, Field

PartWord = Literal["ok", "idle", "off", "ill"]


class Part(BaseModel):
    """One part of the whole."""

    status: PartWord = Field(
        description="idle: starting; off: by setting, or not built yet; ill: detail says why."
    )
    detail: str = Field(description="What there is to say about it.")


class Parts(BaseModel):
    """The parts."""

    gateway: Part
    server: Part
    database: Part
    cache: Part
    relay: Part
    relay_requests: Part
    scanner: Part
    review: Part
    sweep_template: Part = Field(description="The process that forks those of searches and backtests.")
    report_template: Part = Field(description="The process that forks those that write reports.")


class Health(BaseModel):
    """How everything is."""

    status: Literal["ok", "degraded", "ill"] = Field(
        description="ill if a part is that the server needs, and the answer is then a 503; degraded if only "
        "the cache is; a neighbour that is away is no illness."
    )
    detail: str = Field(description="Which parts are ill and why; empty if all is well.")
    version: str | None = Field(description="Version of the server, where it answers.")
    parts: Parts


class ServerMetrics(BaseModel):
    """Counts and gauges of the server and its database."""

    uptime_seconds: float
    backtests: dict[str, int] = Field(description="Backtests by status.")
    optimizations: dict[str, int] = Field(description="Optimizations by status.")
    jobs_running: int = Field(description="Jobs the server works on now.")
    jobs_running_max: int
    strategies: int
    datasets: int
    trials: int
    decisions: dict[str, int] = Field(description="Decisions by outcome.")
    packages_unpublished: int = Field(description="Parameter packages not yet handed to the ZeroMQ socket.")
    pipelines: dict[str, int] = Field(description="Pipelines by status.")
    messages_in: dict[str, int] = Field(
        description="Messages that came in over ZeroMQ since the server began, by what became of them."
    )
    messages_out: dict[str, int] = Field(
        description="Messages that went out over ZeroMQ since then by topic, and answers by status."
    )
    parts: dict[str, Part] = Field(description="Parts of the server by name: how each is.")
