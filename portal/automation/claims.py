"""Beginning a run that is locked: by whom, and how often it was begun."""

from __future__ import annotations

import os
import socket
from typing import Any, TypeVar

from sqlalchemy import func, update

from portal.automation.models import IN_FLIGHT, ActionRun, Run, RunState, TaskRun
from portal.extensions import db

T = TypeVar("T", Run, ActionRun, TaskRun)


def begin(model: type[T], id: int, **more: Any) -> T | None:
    """Mark what we locked as running, by us and once more; None where it has ended. Commits."""
    run: T | None = db.session.scalar(
        update(model)
        .where(model.id == id, model.state.in_(IN_FLIGHT))
        .values(
            state=RunState.RUNNING,
            attempt=model.attempt + 1,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            started_at=func.coalesce(model.started_at, func.now()),
            **more,
        )
        .returning(model)
    )
    db.session.commit()  # seen as running, and by whom, before the work begins
    return run
