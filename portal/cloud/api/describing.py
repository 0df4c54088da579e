"""The words in which each module describes its operations for the OpenAPI document, beside their handlers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What every call can meet: no token; the database away or the marketplace not answering.
ALWAYS = (401, 503)
# What every body can meet: not JSON; too large; not application/json; not what is asked for.
WITH_BODY = (400, 413, 415, 422)


@dataclass(frozen=True)
class Operation:
    """One method of one path. `answers` maps a status to a shape, or None where there is no body."""

    method: str
    path: str
    id: str
    summary: str
    answers: Mapping[int, Any]
    takes: Any = None
    body_required: bool = True
    problems: Sequence[int] = ()
    parameters: Sequence[Mapping[str, Any]] = ()
    description: str = ""
    open: bool = False

    @property
    def refusals(self) -> list[int]:
        """Every status that comes with a problem document."""
        statuses = {*self.problems}
        if not self.open:
            statuses.update(ALWAYS)
        if self.takes is not None:
            statuses.update(WITH_BODY)
        return sorted(statuses)


def query(name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": dict(schema)}


def header(name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "description": description, "schema": dict(schema)}
