"""The history of tasks' runs: a list, a chart of the last ones, the messages, and how long all is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import joinedload

from portal.automation.models import ActionMessage, ActionRun, Ending, TaskRun
from portal.documents.listing import start_of
from portal.extensions import db
from portal.listings.records import numbered
from portal.lists import Filter, Sort
from portal.presentation import TASK_CAUSES

NEWEST = Sort("newest", (TaskRun.queued_at, TaskRun.id), descending=True)
OLDEST_MESSAGES = Sort("oldest", (ActionMessage.id,))

ENDINGS = {
    Ending.MOVING: _l("Under way"),
    Ending.OK: _l("OK"),
    Ending.WARNING: _l("Warning"),
    Ending.ERROR: _l("Error"),
}

# How many runs the chart shows.
CHARTED = 40
CHART_HEIGHT = 60.0
BAR_STEP = 20.0
# What is there at all is seen, however little it is beside the most.
LEAST_BAR = 1.5


@dataclass(frozen=True)
class Bar:
    """A run in the chart: how long it took and how much it did, in the chart's own units."""

    x: float
    lasted_y: float
    lasted_height: float
    processed_y: float
    processed_height: float
    run: TaskRun


def filters(tasks: Mapping[int, str], zone: ZoneInfo) -> tuple[Filter, ...]:
    """The filters of the list of runs; `tasks` are the tenant's names, by id. Days are those of the zone."""
    return (
        numbered(_l("Run number"), TaskRun.id),
        Filter.among("task", _l("Task"), tasks, lambda id: TaskRun.task_id == id),
        Filter.among("outcome", _l("Outcome"), ENDINGS, lambda ending: TaskRun.ending == ending),
        Filter.among("cause", _l("Started by"), TASK_CAUSES, lambda cause: TaskRun.cause == cause),
        Filter.of_day("since", _l("From"), lambda day: TaskRun.queued_at >= start_of(day, zone)),
        Filter.of_day("until", _l("To"), lambda day: TaskRun.queued_at < start_of(day + timedelta(days=1), zone)),
    )


def charted(*conditions: ColumnElement[bool]) -> list[Bar]:
    """The last runs that meet these and have ended, the newest on the right."""
    query = select(TaskRun).options(joinedload(TaskRun.task)).where(TaskRun.ended_at.is_not(None), *conditions)
    query = query.order_by(TaskRun.queued_at.desc(), TaskRun.id.desc())
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


def _height(share: float) -> float:
    return max(CHART_HEIGHT * share, LEAST_BAR) if share else 0.0
