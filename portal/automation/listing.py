"""The lists of runs and of area actions, the newest first, and what a run wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select

from portal.automation.models import IN_FLIGHT, ActionRun, Run
from portal.documents.models import IntakePage
from portal.extensions import db
from portal.lists import Sort

NEWEST = Sort("newest", (Run.id,), descending=True)
NEWEST_ACTIONS = Sort("newest", (ActionRun.id,), descending=True)

# What of a run's pages is shown; a backlog has thousands.
MOST_PAGES = 100


def is_moving(runs: Iterable[Any]) -> bool:
    """True while one of these runs has not ended."""
    return any(run.state in IN_FLIGHT for run in runs)


def pages_of(run: Run) -> Sequence[IntakePage]:
    """The pages of orders the run wrote, the last first, MOST_PAGES at most."""
    found: Sequence[IntakePage] = db.session.scalars(
        select(IntakePage).where(IntakePage.run_id == run.id).order_by(IntakePage.id.desc()).limit(MOST_PAGES)
    ).all()
    return found
