"""What lists of trials may be ordered by."""

from dataclasses import fields

from stratopt_server.domain.metrics import Metrics, RunStatus

TRIAL_FIGURES = frozenset({"number", "score"})
METRICS_FIGURES = frozenset(field.name for field in fields(Metrics) if field.type is not RunStatus)


def is_of_metrics(figure: str) -> bool:
    """Tell a figure of a trial's metrics from one of its own; ValueError if it is neither."""
    if figure not in TRIAL_FIGURES | METRICS_FIGURES:
        raise ValueError(f"trials have no figure {figure!r}")
    return figure in METRICS_FIGURES
