"""The lists of runs and of area actions, the newest first, and what a run wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.automation.models import IN_FLIGHT, ActionRun, Run, RunState
from portal.documents.models import IntakePage
from portal.extensions import db
from portal.lists import Query, Sort, Window, count_up_to

NEWEST = Sort("newest", (Run.id,), descending=True)
NEWEST_ACTIONS = Sort("newest", (ActionRun.id,), descending=True)

# What of a run's pages is shown; a backlog has thousands.
MOST_PAGES = 100


def rows(state: RunState | None, platform_id: int | None, window: Window) -> Sequence[Run]:
    """The runs of one window."""
    found: Sequence[Run] = db.session.scalars(window.on(_these(select(Run), state, platform_id))).all()
    return found


def count(state: RunState | None, platform_id: int | None) -> int | None:
    return count_up_to(_these(select(Run.id), state, platform_id))


def action_rows(area: str | None, state: RunState | None, window: Window) -> Sequence[ActionRun]:
    """The runs of area actions of one window."""
    query = _of_actions(select(ActionRun).options(joinedload(ActionRun.schema)), area, state)
    found: Sequence[ActionRun] = db.session.scalars(window.on(query)).all()
    return found


def count_actions(area: str | None, state: RunState | None) -> int | None:
    return count_up_to(_of_actions(select(ActionRun.id), area, state))


def is_moving(runs: Iterable[Any]) -> bool:
    """True while one of these runs has not ended."""
    return any(run.state in IN_FLIGHT for run in runs)


def pages_of(run: Run) -> Sequence[IntakePage]:
    """The pages of orders the run wrote, the last first, MOST_PAGES at most."""
    found: Sequence[IntakePage] = db.session.scalars(
        select(IntakePage).where(IntakePage.run_id == run.id).order_by(IntakePage.id.desc()).limit(MOST_PAGES)
    ).all()
    return found


def _these(query: Query, state: RunState | None, platform_id: int | None) -> Query:
    if state is not None:
        query = query.where(Run.state == state)
    return query if platform_id is None else query.where(Run.platform_id == platform_id)


def _of_actions(query: Query, area: str | None, state: RunState | None) -> Query:
    if area is not None:
        query = query.where(ActionRun.area == area)
    return query if state is None else query.where(ActionRun.state == state)
