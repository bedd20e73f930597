"""Saying that a package may trade no more."""

from dataclasses import dataclass

from stratopt_server.decisions.package import describe_revocation
from stratopt_server.decisions.recipe import canonical
from stratopt_server.decisions.signing import SigningKey
from stratopt_server.domain.clock import Clock
from stratopt_server.domain.errors import Code, Violations
from stratopt_server.domain.packages import ParameterPackage, Revocation
from stratopt_server.domain.ports import Storage
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.packaging import found_package
from stratopt_server.usecases.requests import Call

REASON_LENGTH_MAX, REVOKED_BY_LENGTH_MAX = 2_000, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationRequest:
    """Which package to revoke, and why."""

    package_id: str
    reason: str
    revoked_by: str


class Revoking:
    """Signs revocations and gives them their places; they go out from there."""

    def __init__(self, storage: Storage, key: SigningKey, *, repeats: Repeats, clock: Clock) -> None:
        self._storage = storage
        self._key = key
        self._repeats = repeats
        self._clock = clock

    def revoke(self, wanted: RevocationRequest, call: Call) -> ParameterPackage:
        """Revoke a package and return it; raises RequestRefused or NotFound.

        One that is revoked stays as it is.
        """
        _check(wanted)
        with self._storage.transaction():
            self._repeats.resource_of(call)
            package = found_package(self._storage.packages, wanted.package_id)
            if not package.approved:
                violations = Violations()
                violations.add(
                    "package_id",
                    "PACKAGE_IS_A_DRAFT",
                    f"{package.id} is a draft that never could trade: record a rejecting review instead",
                    code=Code.FAILED_PRECONDITION,
                    decision_id=package.decision_id,
                )
                violations.refuse_if_any()
            if package.revocation is None:
                self._add(package, wanted)
            self._repeats.remember(call, package.id)
            return found_package(self._storage.packages, package.id)

    def _add(self, package: ParameterPackage, wanted: RevocationRequest) -> None:
        now = self._clock.now()
        place = self._storage.revocations.next_place(now=now)
        document = describe_revocation(
            package, place, reason=wanted.reason, revoked_by=wanted.revoked_by, now=now
        )
        payload = canonical(document)
        self._storage.revocations.add(
            Revocation(
                package_id=package.id,
                place=place,
                reason=wanted.reason,
                revoked_by=wanted.revoked_by,
                signed_payload=payload,
                signature=self._key.sign(payload),
                key_id=self._key.key_id,
                created_at=now,
            )
        )


def _check(wanted: RevocationRequest) -> None:
    violations = Violations()
    limits = {"reason": REASON_LENGTH_MAX, "revoked_by": REVOKED_BY_LENGTH_MAX}
    for name, limit in limits.items():
        text = getattr(wanted, name)
        if not text.strip():
            violations.add(name, "REQUIRED", "say why" if name == "reason" else "name who revokes it")
        elif len(text) > limit:
            violations.add(
                name, "TOO_LONG", f"{len(text)} characters, at most {limit}", length=len(text), limit=limit
            )
    violations.refuse_if_any()
