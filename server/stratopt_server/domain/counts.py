"""How much there is in the database."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows there are, by status or outcome where they have one."""

    backtests: dict[str, int]
    optimizations: dict[str, int]
    decisions: dict[str, int]
    strategies: int
    datasets: int
    trials: int
    packages_unpublished: int
    pipelines: dict[str, int]
