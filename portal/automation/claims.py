"""Beginning a run that is locked: by whom, and how often it was begun. Handing it on before its end.

A run in the queue that everybody shares has a worker for SLICE_SECONDS; then it goes on behind what others wait for.
"""

from __future__ import annotations

import os
import socket
from typing import Any, TypeVar

from sqlalchemy import and_, case, func, update

from portal.automation.models import IN_FLIGHT, ActionRun, Run, RunState, TaskRun
from portal.extensions import db

SLICE_SECONDS = 30.0

T = TypeVar("T", Run, ActionRun, TaskRun)


def begin(model: type[T], id: int, **more: Any) -> T | None:
    """Mark what we locked as running, by us; None where it has ended. Commits.

    It is one more attempt, unless the one before has handed it on.
    """
    run: T | None = db.session.scalar(
        update(model)
        .where(model.id == id, model.state.in_(IN_FLIGHT))
        .values(
            state=RunState.RUNNING,
            attempt=model.attempt + case((and_(model.state == RunState.QUEUED, model.attempt > 0), 0), else_=1),
            fruitless=model.fruitless + 1,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            started_at=func.coalesce(model.started_at, func.now()),
            **more,
        )
        .returning(model)
    )
    db.session.commit()  # seen as running, and by whom, before the work begins
    return run


def hand_on(run: Run | ActionRun) -> None:
    """Leave the rest to whoever begins it next. Commits."""
    model = type(run)
    db.session.execute(
        update(model)
        .where(model.id == run.id, model.attempt == run.attempt, model.state == RunState.RUNNING)
        .values(state=RunState.QUEUED, fruitless=0)
    )
    db.session.commit()
