"""Words of a review desk on packages, as they come in over ZeroMQ."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stratopt_server.domain.clock import Clock
from stratopt_server.domain.decisions import ReviewWord
from stratopt_server.domain.errors import StratoptError, Unavailable
from stratopt_server.domain.opportunities import Cause
from stratopt_server.domain.packages import PackageFilter, PackageReview, ParameterPackage
from stratopt_server.domain.paging import Page
from stratopt_server.domain.ports import RequestKey, Storage
from stratopt_server.usecases.dead_letters import DeadLetters, Incoming, Unusable
from stratopt_server.usecases.requests import Call
from stratopt_server.usecases.reviews import ReviewRequest, Reviews
from stratopt_server.usecases.revoking import RevocationRequest, Revoking

REVIEWER_UNNAMED = "review desk"
REVIEWED, DUPLICATE = "reviewed", "duplicate"
"""What became of a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskWord:
    """What a review desk says."""

    strategy_id: str
    package_id: str
    """Empty means the newest package of the strategy."""
    approved: bool
    reviewer_id: str
    reason: str


class DeskWords:
    """Records words on the package that they mean.

    An approving word on a draft signs and publishes it; a rejecting one on a package that may trade
    revokes it.
    """

    def __init__(
        self,
        storage: Storage,
        reviews: Reviews,
        revoking: Revoking,
        *,
        dead_letters: DeadLetters,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._dead_letters = dead_letters
        self._reviews = reviews
        self._revoking = revoking
        self._clock = clock

    def take(self, messages: Sequence[Incoming[DeskWord]]) -> int:
        """Take messages in; return how many words were recorded.

        Words that were recorded before a fault of the database are duplicates when they are taken again.
        """
        recorded = 0
        for message in messages:
            said = message.said
            became = said if isinstance(said, Unusable) else self.record(said)
            if isinstance(became, Unusable):
                self._dead_letters.keep([(message, became)])
            else:
                self._dead_letters.counts[became] += 1
                recorded += became == REVIEWED
        return recorded

    def record(self, word: DeskWord) -> str | Unusable:
        """Record it; return `reviewed`, `duplicate`, or why it could not be recorded."""
        package = self._meant(word)
        if package is None:
            what = word.package_id or f"of strategy {word.strategy_id!r}"
            return Unusable(Cause.NO_PACKAGE, f"there is no package {what}")
        if word.strategy_id and word.strategy_id != package.strategy_id:
            detail = f"{package.id} is of strategy {package.strategy_id!r}, not {word.strategy_id!r}"
            return Unusable(Cause.REFUSED, detail)
        try:
            return self._on_package(package, word) if package.approved else self._on_draft(package, word)
        except Unavailable:
            raise  # the word is taken again: it may be what stops a package
        except StratoptError as error:
            return Unusable(Cause.REFUSED, error.message)

    def _meant(self, word: DeskWord) -> ParameterPackage | None:
        if word.package_id:
            return self._storage.packages.get(word.package_id)
        wanted = PackageFilter(strategy_id=word.strategy_id, approved=None)
        return next(iter(self._storage.packages.page(Page(1), wanted)), None)

    def _on_draft(self, package: ParameterPackage, word: DeskWord) -> str:
        decision = self._storage.decisions.get(package.decision_id)
        said = ReviewWord.APPROVED if word.approved else ReviewWord.REJECTED
        if decision is not None and decision.review is not None and decision.review.word is said:
            return DUPLICATE
        wanted = ReviewRequest(
            decision_id=package.decision_id,
            word=said,
            reviewer=word.reviewer_id or REVIEWER_UNNAMED,
            note=word.reason,
        )
        self._reviews.record(wanted, _call(package, word))
        return REVIEWED

    def _on_package(self, package: ParameterPackage, word: DeskWord) -> str:
        review = PackageReview(
            approved=word.approved,
            reviewer_id=word.reviewer_id or REVIEWER_UNNAMED,
            reason=word.reason,
            created_at=self._clock.now(),
        )
        with self._storage.transaction():
            # Read again: another server may have heard the same word.
            package = self._storage.packages.get(package.id) or package
            if _says_the_same(self._last_review(package), review):
                return DUPLICATE
            self._storage.packages.add_review(package.id, review)
            if not word.approved:
                reason = word.reason.strip() or "rejected by the review desk"
                wanted = RevocationRequest(
                    package_id=package.id, reason=reason, revoked_by=review.reviewer_id
                )
                self._revoking.revoke(wanted, _call(package, word))
        return REVIEWED

    def _last_review(self, package: ParameterPackage) -> PackageReview | None:
        """Return the last word on it: a desk's, or the one that made it more than a draft."""
        if package.reviews:
            return package.reviews[-1]
        decision = self._storage.decisions.get(package.decision_id)
        if decision is None or decision.review is None:
            return None
        review = decision.review
        return PackageReview(
            approved=review.word is ReviewWord.APPROVED,
            reviewer_id=review.reviewer,
            reason=review.note,
            created_at=review.time,
        )


def _says_the_same(left: PackageReview | None, right: PackageReview) -> bool:
    return left is not None and replace(left, created_at=right.created_at) == right


def _call(package: ParameterPackage, word: DeskWord) -> Call:
    text = f"{package.id}:{word.approved}:{word.reviewer_id}:{word.reason}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Call(RequestKey("ReviewDesk", digest), digest)
