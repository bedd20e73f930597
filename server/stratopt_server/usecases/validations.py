"""How a search shall be tested on bars it does not see: checked, and cut into dates."""

from dataclasses import replace
from datetime import datetime

from stratopt_server.domain.errors import Code, Violations
from stratopt_server.domain.market import Bars, from_microseconds
from stratopt_server.domain.validation import Span, Split, Validation, ValidationMethod
from stratopt_server.settings import Settings
from stratopt_server.usecases.requests import OptimizationRequest, ValidationRequest
from stratopt_server.validation.splits import (
    WINDOWS_DEFAULT,
    WINDOWS_MAX,
    WINDOWS_MIN,
    Cut,
    TooFewBars,
    default_purge,
    holdout,
    walk_forward,
)

HOLDOUT_MAX = 0.9
REMEDY = "widen the dates, or ask for fewer windows, a smaller purge, a holdout or none"


def check_validation(
    wanted: OptimizationRequest, bars: Bars, *, look_back: int, settings: Settings, violations: Violations
) -> Validation:
    """Return how the search is tested on these bars; note what is wrong with what was asked.

    `look_back` is the longest that the ranges allow: what a walk-forward purges unless it is told.
    """
    asked = _asked(wanted, violations)
    match asked.method:
        case ValidationMethod.NONE:
            return Validation(method=ValidationMethod.NONE)
        case ValidationMethod.HOLDOUT:
            return _holdout(wanted, asked, bars, settings=settings, violations=violations)
        case _:
            return _walk_forward(asked, bars, look_back, violations)


def _asked(wanted: OptimizationRequest, violations: Violations) -> ValidationRequest:
    """Read the shorthand, and refuse fields that do not belong to the method."""
    if wanted.validation is None:
        if wanted.holdout is None:
            return ValidationRequest(method=ValidationMethod.WALK_FORWARD)
        method = ValidationMethod.NONE if wanted.holdout == 0 else ValidationMethod.HOLDOUT
        return ValidationRequest(method=method, holdout=wanted.holdout)
    if wanted.holdout is not None:
        violations.add(
            "holdout", "HOLDOUT_AND_VALIDATION", "validation says how bars are held out: leave one out"
        )
    asked = wanted.validation
    method = asked.method or (
        ValidationMethod.WALK_FORWARD if asked.holdout is None else ValidationMethod.HOLDOUT
    )
    foreign = {
        "windows": asked.windows is not None and method is not ValidationMethod.WALK_FORWARD,
        "rolling": asked.rolling and method is not ValidationMethod.WALK_FORWARD,
        "purge_bars": asked.purge_bars is not None and method is not ValidationMethod.WALK_FORWARD,
        "holdout": asked.holdout is not None and method is not ValidationMethod.HOLDOUT,
    }
    for name, is_foreign in foreign.items():
        if is_foreign:
            violations.add(
                f"validation.{name}",
                "NOT_OF_THIS_METHOD",
                f"does not belong to {method.value}: leave it out",
                method=method.value,
            )
    return replace(asked, method=method)


def _holdout(
    wanted: OptimizationRequest,
    asked: ValidationRequest,
    bars: Bars,
    *,
    settings: Settings,
    violations: Violations,
) -> Validation:
    at = "holdout" if wanted.validation is None else "validation.holdout"
    share = settings.default_holdout if asked.holdout is None else asked.holdout
    found = Validation(method=ValidationMethod.HOLDOUT, holdout=share)
    if not 0 < share <= HOLDOUT_MAX:
        violations.add(
            at,
            "HOLDOUT_OUT_OF_RANGE",
            f"a share above 0 and up to {HOLDOUT_MAX}, not {share!r}",
            value=share,
            max=HOLDOUT_MAX,
        )
        return found
    try:
        return replace(found, splits=(_dated(holdout(len(bars), share), bars),))
    except TooFewBars as short:
        _note_too_few(at, bars, short, violations)
        return found


def _walk_forward(asked: ValidationRequest, bars: Bars, look_back: int, violations: Violations) -> Validation:
    windows = WINDOWS_DEFAULT if asked.windows is None else asked.windows
    purge = default_purge(len(bars), look_back) if asked.purge_bars is None else asked.purge_bars
    found = Validation(method=ValidationMethod.WALK_FORWARD, rolling=asked.rolling, purge_bars=purge)
    if not WINDOWS_MIN <= windows <= WINDOWS_MAX:
        violations.add(
            "validation.windows",
            "WINDOWS_OUT_OF_RANGE",
            f"{WINDOWS_MIN} to {WINDOWS_MAX}, not {windows}",
            windows_min=WINDOWS_MIN,
            windows_max=WINDOWS_MAX,
        )
    if purge < 0:
        violations.add("validation.purge_bars", "OUT_OF_RANGE", f"at least 0, not {purge}", value=purge)
    if violations.has("validation"):
        return found
    try:
        cuts = walk_forward(len(bars), windows, purge=purge, rolling=asked.rolling)
    except TooFewBars as short:
        _note_too_few("validation.windows", bars, short, violations)
        return found
    return replace(found, splits=tuple(_dated(cut, bars) for cut in cuts))


def _dated(cut: Cut, bars: Bars) -> Split:
    """Say in dates which bars a split has: numbers mean nothing to who reads them."""

    def opens(number: int) -> datetime:
        return from_microseconds(int(bars.time[number]))

    return Split(
        train=Span(opens(cut.train_first), opens(cut.train_stop - 1)),
        test=Span(opens(cut.test_first), opens(cut.test_stop - 1)),
    )


def _note_too_few(at: str, bars: Bars, short: TooFewBars, violations: Violations) -> None:
    violations.add(
        at,
        "TOO_FEW_BARS",
        f"{short}: {REMEDY}",
        code=Code.FAILED_PRECONDITION,
        bars=len(bars),
        bars_min=short.needed,
    )
