"""What lists of trials may be ordered by."""

from dataclasses import fields

from stratopt_server.domain.metrics import Metrics, RunStatus

METRICS_FIGURES = tuple(field.name for field in fields(Metrics) if field.type is not RunStatus)
FIGURES = ("number", "score", *METRICS_FIGURES)


def is_of_metrics(figure: str) -> bool:
    """Tell a figure of a trial's metrics from one of its own; ValueError if it is neither."""
    if figure not in FIGURES:
        raise ValueError(f"trials have no figure {figure!r}")
    return figure in METRICS_FIGURES
