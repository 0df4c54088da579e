"""The history of tasks' runs: a list, a chart of the last ones, the messages, and how long all is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.automation.models import ActionMessage, ActionRun, Ending, Severity, TaskRun
from portal.documents.listing import start_of
from portal.extensions import db
from portal.lists import Query, Sort, Window, count_up_to

NEWEST = Sort("newest", (TaskRun.queued_at, TaskRun.id), descending=True)
OLDEST_MESSAGES = Sort("oldest", (ActionMessage.id,))

# How many runs the chart shows.
CHARTED = 40
CHART_HEIGHT = 60.0
BAR_STEP = 20.0
# What is there at all is seen, however little it is beside the most.
LEAST_BAR = 1.5


@dataclass(frozen=True)
class Wanted:
    """Which runs a list shows. Dates are days in the tenant's zone, both included."""

    task_id: int | None = None
    ending: Ending | None = None
    cause: str | None = None
    since: date | None = None
    until: date | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """What the filters of the URL ask for."""
        ending = values.get("outcome")
        return cls(
            values.get("task"),
            Ending(ending) if ending else None,
            values.get("cause"),
            values.get("since"),
            values.get("until"),
        )


@dataclass(frozen=True)
class Bar:
    """A run in the chart: how long it took and how much it did, in the chart's own units."""

    x: float
    lasted_y: float
    lasted_height: float
    processed_y: float
    processed_height: float
    run: TaskRun


def rows(wanted: Wanted, window: Window, zone: ZoneInfo) -> Sequence[TaskRun]:
    """The runs of one window."""
    query = _these(select(TaskRun).options(joinedload(TaskRun.task)), wanted, zone)
    found: Sequence[TaskRun] = db.session.scalars(window.on(query)).all()
    return found


def count(wanted: Wanted, zone: ZoneInfo) -> int | None:
    return count_up_to(_these(select(TaskRun.id), wanted, zone))


def charted(wanted: Wanted, zone: ZoneInfo) -> list[Bar]:
    """The last of these runs that have ended, the newest on the right."""
    query = _these(select(TaskRun).options(joinedload(TaskRun.task)), wanted, zone)
    query = query.where(TaskRun.ended_at.is_not(None)).order_by(TaskRun.queued_at.desc(), TaskRun.id.desc())
    return chart(db.session.scalars(query.limit(CHARTED)).all()[::-1])


def chart(runs: Sequence[TaskRun]) -> list[Bar]:
    """Each run as two bars, the longest and the one that did most at full height. Pure."""
    longest = max((lasted(run) or timedelta() for run in runs), default=timedelta()) or timedelta(1)
    most = max((run.processed for run in runs), default=0) or 1
    bars = []
    for place, run in enumerate(runs):
        took = _height((lasted(run) or timedelta()) / longest)
        did = _height(run.processed / most)
        bars.append(Bar(place * BAR_STEP, CHART_HEIGHT - took, took, CHART_HEIGHT - did, did, run))
    return bars


def lasted(run: TaskRun | ActionRun) -> timedelta | None:
    """How long a run took that has ended; None before, or where no worker ever began it."""
    return run.ended_at - run.started_at if run.ended_at is not None and run.started_at is not None else None


def message_rows(actions_id: int, severity: Severity | None, window: Window) -> Sequence[ActionMessage]:
    """What a run of area actions has to say, in the order in which it was said."""
    query = _messages(select(ActionMessage), actions_id, severity)
    found: Sequence[ActionMessage] = db.session.scalars(window.on(query)).all()
    return found


def count_messages(actions_id: int, severity: Severity | None) -> int | None:
    return count_up_to(_messages(select(ActionMessage.id), actions_id, severity))


def _height(share: float) -> float:
    return max(CHART_HEIGHT * share, LEAST_BAR) if share else 0.0


def _messages(query: Query, actions_id: int, severity: Severity | None) -> Query:
    query = query.where(ActionMessage.action_run_id == actions_id)
    return query if severity is None else query.where(ActionMessage.severity == severity)


def _these(query: Query, wanted: Wanted, zone: ZoneInfo) -> Query:
    if wanted.task_id is not None:
        query = query.where(TaskRun.task_id == wanted.task_id)
    if wanted.ending is not None:
        query = query.where(TaskRun.ending == wanted.ending)
    if wanted.cause is not None:
        query = query.where(TaskRun.cause == wanted.cause)
    if wanted.since is not None:
        query = query.where(TaskRun.queued_at >= start_of(wanted.since, zone))
    if wanted.until is not None:
        query = query.where(TaskRun.queued_at < start_of(wanted.until + timedelta(days=1), zone))
    return query
