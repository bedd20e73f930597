"""What a search shall make best, and when it shall stop early: checked."""

from stratopt_server.domain.errors import Violations
from stratopt_server.domain.goals import OBJECTIVES_MAX, Goal, Objective, Target
from stratopt_server.domain.parameters import is_real
from stratopt_server.domain.validation import StopRule
from stratopt_server.usecases.requests import OptimizationRequest


def check_goal(wanted: OptimizationRequest, violations: Violations) -> Goal:
    """Return the goal; note what is wrong with it."""
    if not wanted.objectives:
        return Goal.of(wanted.target or Target.SHARPE)
    if wanted.target is not None:
        violations.add(
            "optimization_target",
            "TARGET_AND_OBJECTIVES",
            "objectives say what is made best: leave one of the two out",
        )
    _check_objectives(wanted.objectives, violations)
    return Goal(wanted.objectives)


def _check_objectives(objectives: tuple[Objective, ...], violations: Violations) -> None:
    if not 1 < len(objectives) <= OBJECTIVES_MAX:
        violations.add(
            "objectives",
            "TOO_MANY_OBJECTIVES" if len(objectives) > 1 else "TOO_FEW_OBJECTIVES",
            f"two to {OBJECTIVES_MAX}, not {len(objectives)}: for one there is optimization_target",
            objectives_max=OBJECTIVES_MAX,
        )
    if len({objective.target for objective in objectives}) < len(objectives):
        violations.add("objectives", "REPEATED_TARGET", "each target once")
    weights = [objective.weight for objective in objectives]
    if None in weights and any(weight is not None for weight in weights):
        violations.add(
            "objectives",
            "SOME_WEIGHTS_MISSING",
            "give every objective a weight for a weighted sum, or none for a Pareto front",
        )
    for place, weight in enumerate(weights):
        if weight is not None and not (is_real(weight) and weight > 0):
            violations.add(
                f"objectives[{place}].weight", "WEIGHT_OUT_OF_RANGE", f"above 0, not {weight!r}", value=weight
            )


def check_stop_rule(rule: StopRule, goal: Goal, violations: Violations) -> StopRule:
    """Return the rule; note what is wrong with it."""
    seconds, score = rule.time_budget_seconds, rule.target_score
    if seconds is not None and not (is_real(seconds) and seconds > 0):
        violations.add(
            "stop_rule.time_budget_seconds", "OUT_OF_RANGE", f"above 0, not {seconds!r}", value=seconds
        )
    if score is not None and not is_real(score):
        violations.add("stop_rule.target_score", "OUT_OF_RANGE", f"a number, not {score!r}", value=score)
    if goal.dimensions > 1 and (score is not None or rule.plateau):
        violations.add(
            "stop_rule",
            "STOP_RULE_NEEDS_ONE_SCORE",
            "a Pareto front has no single score: give weights, or use time_budget_seconds",
        )
    return rule
