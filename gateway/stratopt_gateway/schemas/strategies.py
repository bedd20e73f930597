"""Strategies."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from stratopt.v1.strategy_pb2 import Strategy as StrategyMessage
from stratopt_client import to_dict
from stratopt_gateway.schemas.base import Moment, Params, Request

CODE = "PARAMS = {}\n\ndef signals(bars, p):\n    ...\n"


class CreateStrategy(Request):
    """A strategy to store."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "my_breakout_v1.0",
                "name": "My breakout",
                "version": "1.0",
                "code": CODE,
                "default_params": {"window": 20},
            }
        }
    )

    id: str = Field(description="Chosen by you, [A-Za-z0-9._-]{1,50}. Immutable.")
    name: str = Field(description="Display name, 1 to 100 characters.")
    version: str = Field(description="1 to 20 characters.")
    code: str = Field(description="Python source, at most 256 KiB.")
    default_params: Params | None = Field(None, description="Values used where a run gives none.")
    request_id: str | None = Field(None, description="The same id and body again give the same answer.")


class ChangeStrategy(Request):
    """The fields to change; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "My better breakout"}})

    name: str | None = Field(None, description="Display name, 1 to 100 characters.")
    version: str | None = Field(None, description="1 to 20 characters.")
    code: str | None = Field(None, description="Python source, at most 256 KiB.")
    default_params: Params | None = Field(None, description="Values used where a run gives none.")
    request_id: str | None = Field(None, description="The same id and body again give the same answer.")


class Parameter(BaseModel):
    """What a strategy declares about one of its parameters."""

    name: str
    description: str
    kind: str = Field(description="integer, real, choice or flag.", examples=["integer"])
    default: Any = Field(description="Value used where a run gives none.")
    min: float | int | None = Field(None, description="Smallest value allowed, of numbers.")
    max: float | int | None = Field(None, description="Largest value allowed, of numbers.")
    choices: list[str] | None = Field(None, description="The words allowed, of a choice.")

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        """Describe what `to_dict` says of a declaration."""
        kind = next(name for name in ("integer", "real", "choice", "flag") if name in plain)
        domain = plain[kind]
        return cls(
            name=plain["name"],
            description=plain["description"],
            kind=kind,
            default=plain["default_value"],
            min=domain.get("min"),
            max=domain.get("max"),
            choices=domain.get("values"),
        )


class Strategy(BaseModel):
    """A strategy as stored."""

    id: str = Field(examples=["ma_cross_v1.0"])
    name: str
    version: str
    code: str
    default_params: Params
    parameters: list[Parameter] = Field(
        description="What the code declares; empty for uploaded code, which is not executed to find out."
    )
    runnable: bool = Field(description="Whether a backtest of it can run here.")
    not_runnable_reason: str = Field(description="Why not, in one sentence.")
    code_hash: str = Field(description="SHA-256 of the code, in hex.")
    create_time: Moment
    update_time: Moment

    @classmethod
    def of(cls, strategy: StrategyMessage) -> Self:
        """Describe a strategy."""
        plain = to_dict(strategy)
        return cls.model_validate(
            plain | {"parameters": [Parameter.of(spec) for spec in plain["parameters"]]}
        )


class Strategies(BaseModel):
    """A page of strategies."""

    strategies: list[Strategy]
    next_page_token: str = Field(description="Asks for the next page; empty at the end.")
