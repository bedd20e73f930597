"""Problems, as RFC 9457 has them."""

from pydantic import BaseModel, ConfigDict, Field


class FieldProblem(BaseModel):
    """One thing that is wrong with one field of the request."""

    field: str = Field(
        description="Path of the field, as the request has it.", examples=["params.fast_period"]
    )
    reason: str = Field(description="Stable word for programs.", examples=["PARAMETER_OUT_OF_RANGE"])
    message: str = Field(
        description="What is wrong and what is allowed, for people.",
        examples=["must be a whole number from 1 to 100000, not 0"],
    )


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:stratopt:problem:parameter-out-of-range",
                "title": "Parameter out of range",
                "status": 422,
                "detail": "params.fast_period: must be a whole number from 1 to 100000, not 0",
                "reason": "PARAMETER_OUT_OF_RANGE",
                "errors": [
                    {
                        "field": "params.fast_period",
                        "reason": "PARAMETER_OUT_OF_RANGE",
                        "message": "must be a whole number from 1 to 100000, not 0",
                    }
                ],
            }
        }
    )

    type: str = Field(description="URN of the kind of problem; it follows from the reason.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What went wrong this time, for people.")
    reason: str = Field(description="Stable word for programs, UPPER_SNAKE.")
    errors: list[FieldProblem] = Field(description="Every field that is wrong; empty if none is.")
