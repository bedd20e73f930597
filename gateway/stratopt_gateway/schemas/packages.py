"""Parameter packages, what review desks said of them, and that they may trade no more."""

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from stratopt.v1.parameter_package_pb2 import ParameterPackage as pb_ParameterPackage
from stratopt_client import to_dict
from stratopt_client.packages import document_of
from stratopt_gateway.schemas.approvals import ParameterPackage
from stratopt_gateway.schemas.base import Moment, Request

PACKAGE_ID = "pkg_1m83w2wbg8y3q3mda"


class Revoke(Request):
    """Why a package may trade no more."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"reason": "the exchange delists it", "revoked_by": "ada"}}
    )

    reason: str = Field(description="Why, at most 2,000 characters.")
    revoked_by: str = Field(description="Who revokes it, at most 100 characters.")
    request_id: str | None = Field(None, description="The same id and body again give the same answer.")


class PackageReview(BaseModel):
    """What a review desk said."""

    approved: bool
    reviewer_id: str
    reason: str
    create_time: Moment


class Revocation(BaseModel):
    """That a package may trade no more."""

    reason: str
    revoked_by: str
    seq: int = Field(description="Place in the order of revocations.")
    create_time: Moment


class Package(BaseModel):
    """A package, and what became of it."""

    package_id: str = Field(examples=[PACKAGE_ID])
    parameter_package: ParameterPackage | None = Field(description="As it is published; null of a draft.")
    approved: bool = Field(description="False of a draft, which waits for a person's word.")
    publish_time: Moment | None = Field(description="When it was handed to the ZeroMQ socket.")
    reviews: list[PackageReview] = Field(description="Words of review desks, oldest first.")
    revocation: Revocation | None = Field(description="Null while it may trade.")

    @classmethod
    def of(cls, package: pb_ParameterPackage) -> Self:
        """Describe a package."""
        plain = to_dict(package)
        document = document_of(package) if package.approved else None
        return cls.model_validate(plain | {"package_id": plain["id"], "parameter_package": document})


class Packages(BaseModel):
    """A page of packages, newest first."""

    packages: list[Package]
    next_page_token: str = Field(description="Asks for the next page; empty at the end.")

    @classmethod
    def of(cls, rows: Iterable[pb_ParameterPackage], next_page_token: str) -> Self:
        """Describe a page."""
        return cls(packages=[Package.of(row) for row in rows], next_page_token=next_page_token)
