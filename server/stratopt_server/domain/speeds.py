"""How fast the engine is on the machine it runs on."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """What the engine was measured to take, by kernel; a kernel that is not named was not measured."""

    sweep: dict[str, float] = field(default_factory=dict)
    """Seconds of a search for each bar and parameter set, on all cores."""
    report: dict[str, float] = field(default_factory=dict)
    """Seconds of a backtest for each bar."""
