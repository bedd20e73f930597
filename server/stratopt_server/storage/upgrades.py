"""JSON documents that an older version wrote, as this one writes them. What is only new has a default."""

from datetime import datetime
from typing import Any

from stratopt_server.domain.market import TIMEFRAMES
from stratopt_server.domain.validation import ValidationMethod


def upgraded_search(spec: dict[str, Any]) -> dict[str, Any]:
    """A search had one target, and a holdout or nothing, before there were goals and validations."""
    if "goal" in spec:
        return spec
    older = ("target", "holdout", "holdout_start_date")
    kept = {name: value for name, value in spec.items() if name not in older}
    return kept | {
        "goal": {"objectives": [{"target": spec["target"]}]},
        "planned_iterations": spec["max_iterations"],
        "validation": _validation(spec),
    }


def _validation(spec: dict[str, Any]) -> dict[str, Any]:
    scenario, start = spec["scenario"], spec["holdout_start_date"]
    if start is None:
        return {"method": ValidationMethod.NONE.value}
    last_seen = datetime.fromisoformat(start) - TIMEFRAMES[scenario["timeframe"]]
    split = {
        "train": {"first": scenario["start_date"], "last": last_seen.isoformat()},
        "test": {"first": start, "last": scenario["end_date"]},
    }
    return {"method": ValidationMethod.HOLDOUT.value, "holdout": spec["holdout"], "splits": [split]}
