"""Policies as documents: JSON or YAML, checked against a schema, one version a file."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stratopt_server.decisions.criteria import DEFINITIONS, Passes
from stratopt_server.decisions.policy import Criterion, Policy
from stratopt_server.domain.decisions import CriterionValue, GateKind

PRESETS = Path(__file__).parent / "policies"
SUFFIXES = {".json", ".yaml", ".yml"}
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
FILE_BYTES_MAX = 262_144
VALIDITY_DAYS_MAX = 3_650


class PolicyFault(ValueError):
    """A document is no policy; the message names every fault with its place."""

    def __init__(self, source: str, faults: list[str]) -> None:
        super().__init__(f"{source} is no policy: {'; '.join(faults)}")
        self.faults = faults


class _CriterionDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal["hard", "review", "warn"]
    threshold: bool | int | float
    review: float | None = None
    warn: float | None = None


class _PolicyDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    description: Annotated[str, Field(min_length=1, max_length=1_000)]
    validity_days: Annotated[int, Field(ge=1, le=VALIDITY_DAYS_MAX)]
    criteria: Annotated[dict[str, _CriterionDocument], Field(min_length=1)]


def _load(text: str) -> object:
    """Read JSON, or else YAML, whose reader is a hundred times slower: policies are read at every start."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except ValueError:
        return yaml.safe_load(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def read_policy(text: str, source: str) -> Policy:
    """Make the policy that a document in JSON or YAML describes; raises PolicyFault."""
    try:
        document = _PolicyDocument.model_validate(_load(text))
    except yaml.YAMLError as error:
        raise PolicyFault(source, [f"neither JSON nor YAML: {error}"]) from error
    except ValidationError as error:
        raise PolicyFault(source, [_told(fault) for fault in error.errors()]) from error
    faults = [fault for name, one in document.criteria.items() for fault in _faults(name, one)]
    if faults:
        raise PolicyFault(source, faults)
    given = document.criteria
    return Policy(
        name=f"{document.name}/v{document.version}",
        description=document.description,
        validity=timedelta(days=document.validity_days),
        criteria=tuple(_criterion(name, given[name]) for name in DEFINITIONS if name in given),
    )


def write_policy(policy: Policy) -> dict[str, Any]:
    """Describe a policy as a document."""
    name, _, version = policy.name.partition("/v")
    return {
        "name": name,
        "version": int(version),
        "description": policy.description,
        "validity_days": policy.validity.days,
        "criteria": {
            criterion.name: {
                key: value
                for key, value in (
                    ("kind", criterion.kind.value),
                    ("threshold", criterion.threshold),
                    ("review", criterion.review),
                    ("warn", criterion.warn),
                )
                if value is not None
            }
            for criterion in policy.criteria
        },
    }


def load_policies(folder: Path | None) -> dict[str, Policy]:
    """Read the presets and the documents of a folder, by name; raises PolicyFault.

    A version is written once: a document that has the name and version of another is a fault.
    """
    found: dict[str, Policy] = {}
    for path in [*_documents(PRESETS), *(_documents(folder) if folder is not None else ())]:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise PolicyFault(path.name, [f"larger than {FILE_BYTES_MAX:,} bytes"])
        policy = read_policy(path.read_text(encoding="utf-8"), path.name)
        if policy.name in found:
            raise PolicyFault(
                path.name, [f"{policy.name} is there already: a changed policy is a new version"]
            )
        found[policy.name] = policy
    return found


def _documents(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)


def _criterion(name: str, document: _CriterionDocument) -> Criterion:
    return Criterion(
        name=name,
        kind=GateKind(document.kind),
        threshold=document.threshold,
        review=document.review,
        warn=document.warn,
    )


def _faults(name: str, document: _CriterionDocument) -> Iterator[str]:
    """Name what the schema cannot see: unknown names, values beyond their range, bands on the wrong side."""
    definition = DEFINITIONS.get(name)
    if definition is None:
        yield f"criteria.{name}: unknown, there are {', '.join(DEFINITIONS)}"
        return
    values: Mapping[str, CriterionValue | None] = {
        "threshold": document.threshold,
        "review": document.review,
        "warn": document.warn,
    }
    for key, value in values.items():
        if value is not None and not definition.accepts(value):
            yield f"criteria.{name}.{key}: must be {definition.allowed}, not {value!r}"
            return
    if definition.passes is Passes.TRUE:
        return
    if document.review is not None and not definition.is_looser(document.review, document.threshold):
        yield f"criteria.{name}.review: must let more pass than the threshold {document.threshold:g}"
    if document.review is not None and document.kind != "hard":
        yield f"criteria.{name}.review: only a hard criterion has it"
    if document.warn is not None and not definition.is_looser(document.threshold, document.warn):
        yield f"criteria.{name}.warn: must let less pass than the threshold {document.threshold:g}"


def _told(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"]) or "document"
    return f"{place}: {fault['msg']}"
