"""Lists of trials <-> proto."""

import math
from typing import Any

from stratopt.v1 import optimization_service_pb2 as service_pb
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.figures import FIGURES, is_of_metrics
from stratopt_server.domain.optimization import Trial
from stratopt_server.domain.ports import TrialFilter, TrialKey, TrialOrder
from stratopt_server.wire.enums import TRIAL_STATUS
from stratopt_server.wire.paging import trial_number
from stratopt_server.wire.reading import optional_count, optional_word


def trial_filter(request: service_pb.ListTrialsRequest, violations: Violations) -> TrialFilter:
    """Read which trials are wanted."""
    return TrialFilter(
        status=optional_word(request.status, TRIAL_STATUS, field="status", violations=violations),
        window=optional_count(request, "window"),
    )


def trial_order(request: service_pb.ListTrialsRequest, violations: Violations) -> TrialOrder:
    """Read what they are ordered by: a figure, and perhaps `desc` or `asc` behind it."""
    words = request.order_by.split() or ["number"]
    figure, direction = words[0], words[1:]
    if figure not in FIGURES or direction not in ([], ["asc"], ["desc"]):
        allowed = ", ".join(FIGURES)
        violations.add(
            "order_by",
            "INVALID_ORDER",
            f'one of these figures, with "desc" behind it for the largest first: {allowed}',
            allowed=allowed,
        )
        return TrialOrder()
    return TrialOrder(figure=figure, descending=direction == ["desc"])


def trial_key(key: Any) -> TrialKey:
    """Read the place of the last trial of a page off its token."""
    figure, number = key
    if not isinstance(figure, int | float) or not math.isfinite(figure):
        raise ValueError(key)
    return TrialKey(figure, trial_number(number))


def key_of(trial: Trial, order: TrialOrder) -> list[float]:
    """The place of a trial in a list of that order."""
    holder = trial.metrics if is_of_metrics(order.figure) else trial
    return [getattr(holder, order.figure), trial.number]
