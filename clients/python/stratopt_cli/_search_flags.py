"""The options that say how to search, test and stop."""

from dataclasses import dataclass
from typing import Annotated, Literal

from stratopt_cli._parse import objectives, params_document
from stratopt_cli._run_flags import option
from stratopt_client import OptimizationOptions, StopRuleOptions, ValidationOptions

SEARCH = "How to search"
TESTING = "How to test it, on bars the search does not see"
STOPPING = "When to stop early"

Target = Literal["sharpe", "return", "drawdown", "sortino", "calmar", "profit_factor"]
Algorithm = Literal["grid", "random", "genetic", "bayesian", "sobol", "nsga2", "tpe"]
METHODS: dict[str, Literal["walk_forward", "holdout", "none"]] = {
    "walk-forward": "walk_forward",
    "holdout": "holdout",
    "none": "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFlags:
    """What was written on the command line; None stands for what was not."""

    target: Annotated[Target | None, option(SEARCH, "What to make best; not given: sharpe.")] = None
    objective: Annotated[
        list[str] | None,
        option(
            SEARCH,
            "In place of --target, again for each of two to four: sharpe=0.7 weighs it in a sum, sharpe "
            "alone asks for a Pareto front.",
            metavar="TARGET[=WEIGHT]",
        ),
    ] = None
    iterations: Annotated[
        int | None, option(SEARCH, "Most trials of each search, its windows' included; 100 if not given.")
    ] = None
    algorithm: Annotated[
        Algorithm | None,
        option(
            SEARCH,
            "Not given: nsga2 for a Pareto front, grid if it fits into the trials, bayesian for up to 200 "
            "trials or slow runs, else genetic.",
        ),
    ] = None
    constraint: Annotated[
        list[str] | None,
        option(
            SEARCH,
            "A relation that every trial satisfies, e.g. 'fast_period * 2 < slow_period'; again for each.",
            metavar="RELATION",
        ),
    ] = None
    start_from: Annotated[
        list[str] | None,
        option(
            SEARCH,
            'A set to try first, e.g. \'{"fast_period": 5, "slow_period": 20}\'; again for each.',
            metavar="JSON",
        ),
    ] = None
    seed: Annotated[int | None, option(SEARCH, "Makes the search repeatable.")] = None
    min_trades: Annotated[int | None, option(SEARCH, "Round trips a trial needs to be the best.")] = None

    validation: Annotated[
        Literal["walk-forward", "holdout", "none"] | None,
        option(TESTING, "Not given: walk-forward, or holdout where --holdout is given."),
    ] = None
    windows: Annotated[
        int | None, option(TESTING, "Of a walk-forward: windows over the second half; 5 if not given.")
    ] = None
    rolling: Annotated[
        bool, option(TESTING, "Of a walk-forward: train each window on equally many bars.", "--rolling")
    ] = False
    purge_bars: Annotated[
        int | None,
        option(TESTING, "Of a walk-forward: bars left out between training and test; not given: look-back."),
    ] = None
    holdout: Annotated[
        float | None,
        option(TESTING, "Share of the bars, at the end, that a holdout holds out; 0 for none."),
    ] = None

    time_budget: Annotated[
        float | None, option(STOPPING, "After so long no batch is begun.", metavar="SECONDS")
    ] = None
    target_score: Annotated[float | None, option(STOPPING, "Once the best score reaches it.")] = None
    plateau: Annotated[
        bool, option(STOPPING, "Once the score no longer rises over a fifth of the trials.", "--plateau")
    ] = False

    def options(self) -> OptimizationOptions:
        """Return them as the client's keyword arguments; wrong usage ends the program."""
        return OptimizationOptions(
            optimization_target=self.target,
            objectives=objectives(self.objective or ()) or None,
            max_iterations=self.iterations,
            algorithm=self.algorithm,
            constraints=self.constraint or None,
            initial_params=[params_document(text) for text in self.start_from or ()] or None,
            seed=self.seed,
            min_trades=self.min_trades,
            **self._validation(),
            stop_rule=self._stop_rule(),
        )

    def _validation(self) -> OptimizationOptions:
        """A holdout alone is the client's shorthand, which knows 0 for none."""
        others = (self.validation, self.windows, self.purge_bars)
        if all(value is None for value in others) and not self.rolling:
            return OptimizationOptions(holdout=self.holdout)
        return OptimizationOptions(
            validation=ValidationOptions(
                method=None if self.validation is None else METHODS[self.validation],
                windows=self.windows,
                rolling=self.rolling,
                purge_bars=self.purge_bars,
                holdout=self.holdout,
            )
        )

    def _stop_rule(self) -> StopRuleOptions | None:
        if self.time_budget is None and self.target_score is None and not self.plateau:
            return None
        return StopRuleOptions(
            time_budget_seconds=self.time_budget, target_score=self.target_score, plateau=self.plateau
        )
