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


def check_asked(
    wanted: OptimizationRequest, *, settings: Settings, violations: Violations
) -> ValidationRequest:
    """Return how the search shall be tested, method and defaults filled in; note what is wrong with it."""
    asked = _asked(wanted, violations)
    match asked.method:
        case ValidationMethod.HOLDOUT:
            share = settings.default_holdout if asked.holdout is None else asked.holdout
            if not 0 < share <= HOLDOUT_MAX:
                violations.add(
                    _at_holdout(wanted),
                    "HOLDOUT_OUT_OF_RANGE",
                    f"a share above 0 and up to {HOLDOUT_MAX}, not {share!r}",
                    value=share,
                    max=HOLDOUT_MAX,
                )
            return replace(asked, holdout=share)
        case ValidationMethod.WALK_FORWARD:
            windows = WINDOWS_DEFAULT if asked.windows is None else asked.windows
            _check_windows(windows, asked.purge_bars, violations)
            return replace(asked, windows=windows)
        case _:
            return asked


def cut_bars(
    wanted: OptimizationRequest,
    asked: ValidationRequest,
    bars: Bars,
    *,
    look_back: int,
    violations: Violations,
) -> Validation:
    """Say which bars each search sees and is tested on; note where there are too few.

    `look_back` is the longest that the ranges allow: what a walk-forward purges unless it is told.
    """
    if violations.has("validation") or violations.has("holdout"):
        return Validation(method=ValidationMethod.NONE)
    match asked.method:
        case ValidationMethod.HOLDOUT:
            share = asked.holdout or 0.0
            found = Validation(method=ValidationMethod.HOLDOUT, holdout=share)
            try:
                return replace(found, splits=(_dated(holdout(len(bars), share), bars),))
            except TooFewBars as short:
                _note_too_few(_at_holdout(wanted), bars, short, violations)
                return found
        case ValidationMethod.WALK_FORWARD:
            return _windows(asked, bars, look_back, violations)
        case _:
            return Validation(method=ValidationMethod.NONE)


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
    walks, holds = method is ValidationMethod.WALK_FORWARD, method is ValidationMethod.HOLDOUT
    foreign = {
        "windows": asked.windows is not None and not walks,
        "rolling": asked.rolling and not walks,
        "purge_bars": asked.purge_bars is not None and not walks,
        "holdout": asked.holdout is not None and not holds,
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


def _at_holdout(wanted: OptimizationRequest) -> str:
    """Where the request says the share."""
    return "holdout" if wanted.validation is None else "validation.holdout"


def _check_windows(windows: int, purge: int | None, violations: Violations) -> None:
    if not WINDOWS_MIN <= windows <= WINDOWS_MAX:
        violations.add(
            "validation.windows",
            "WINDOWS_OUT_OF_RANGE",
            f"{WINDOWS_MIN} to {WINDOWS_MAX}, not {windows}",
            windows_min=WINDOWS_MIN,
            windows_max=WINDOWS_MAX,
        )
    if purge is not None and purge < 0:
        violations.add("validation.purge_bars", "OUT_OF_RANGE", f"at least 0, not {purge}", value=purge)


def _windows(asked: ValidationRequest, bars: Bars, look_back: int, violations: Violations) -> Validation:
    purge = default_purge(len(bars), look_back) if asked.purge_bars is None else asked.purge_bars
    found = Validation(method=ValidationMethod.WALK_FORWARD, rolling=asked.rolling, purge_bars=purge)
    windows = asked.windows or WINDOWS_DEFAULT
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
