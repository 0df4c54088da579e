"""What area actions are made of: an area of records, a scope within it, presets, and the steps to be done.

A part of the portal that has something to do with many records at once says so in its own `actions.py`; the
registry (portal/automation/registry.py) names these parts, and nothing else has to know of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import ColumnElement, Select, select

from portal.automation.models import Made
from portal.extensions import db
from portal.lists import Column, count_up_to


@dataclass(frozen=True)
class Outcome:
    """What came of one record: how many things were done with it, what there is to say, and what it made."""

    processed: int = 0
    warnings: Sequence[str] = ()
    errors: Sequence[str] = ()
    made: Sequence[tuple[Made, int]] = ()


@dataclass(frozen=True)
class Preset:
    """Something that can be done with a record.

    `run` gets the record and the step's arguments. It is called again for a record at which a worker died, so
    repeating it must do no harm. Refused is an error of this record, Unavailable a warning; the others go on.
    `needs` names the field of the assistant that it asks for, "" for none.
    """

    name: str
    label: Any
    hint: Any
    run: Callable[[Any, Mapping[str, Any]], Outcome]
    needs: str = ""


class ScopeKind(StrEnum):
    """Which records of an area."""

    SELECTION = "selection"
    ALL = "all"
    RANGE = "range"


@dataclass(frozen=True)
class Scope:
    """Which records: those with these ids, all, or those from a number to a number (both included, "" for no end).

    `platform` is a platform's number: of a range only what belongs to it.
    """

    kind: ScopeKind = ScopeKind.ALL
    ids: tuple[int, ...] = ()
    first: str = ""
    last: str = ""
    platform: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "ids": list(self.ids),
            "first": self.first,
            "last": self.last,
            "platform": self.platform,
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Self:
        return cls(ScopeKind(kept["kind"]), tuple(kept["ids"]), kept["first"], kept["last"], kept["platform"])


@dataclass(frozen=True)
class Step:
    """A preset, by its name, and what it was told."""

    preset: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"preset": self.preset, "arguments": dict(self.arguments)}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Self:
        return cls(kept["preset"], kept["arguments"])


@dataclass(frozen=True)
class Area:
    """Records of one kind, and what can be done with them.

    `number` is the column a range goes by, of which `numeric` tells whether it holds whole numbers;
    `of_platform` the condition that a record belongs to the platform with a number.
    """

    name: str
    label: Any
    model: Any
    number: Column
    numeric: bool
    of_platform: Callable[[int], ColumnElement[bool]]
    called: Callable[[Any], str]  # what a record is called in a message
    page: str  # the endpoint that shows a record
    list: str  # the endpoint of the list
    presets: tuple[Preset, ...]

    def preset(self, name: str) -> Preset | None:
        return next((preset for preset in self.presets if preset.name == name), None)

    def ids(self, scope: Scope, after: int, most: int) -> Sequence[int]:
        """The ids of the records behind this one, in order."""
        query = self._in(scope).where(self.model.id > after).order_by(self.model.id).limit(most)
        found: Sequence[int] = db.session.scalars(query).all()
        return found

    def count(self, scope: Scope, most: int) -> int | None:
        """How many records there are, None if they are more than `most`."""
        return count_up_to(self._in(scope), most)

    def _in(self, scope: Scope) -> Select[Any]:
        query = select(self.model.id)
        if scope.kind == ScopeKind.SELECTION:
            return query.where(self.model.id.in_(scope.ids))
        if scope.kind == ScopeKind.RANGE:
            if scope.first:
                query = query.where(self.number >= self._typed(scope.first))
            if scope.last:
                query = query.where(self.number <= self._typed(scope.last))
            if scope.platform is not None:
                query = query.where(self.of_platform(scope.platform))
        return query

    def _typed(self, number: str) -> Any:
        return int(number) if self.numeric else number
