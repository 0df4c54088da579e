"""Claims: who works on a row, and whether anybody does.

A claim is a PostgreSQL advisory lock on a connection of its own. It goes with the process, so what nobody
claims has lost its worker, at once and without a time-out.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, TypeVar

from sqlalchemy import func, select, text, update

from portal.automation.models import IN_FLIGHT, ActionRun, Run, RunState, TaskRun
from portal.extensions import db

T = TypeVar("T", Run, ActionRun, TaskRun)


class Claimed(IntEnum):
    """The first half of a lock's key: of which table the id is."""

    RUN = 71
    ACTION_RUN = 72
    TASK_RUN = 73


@contextmanager
def claim(table: Claimed, id: int) -> Iterator[bool]:
    """True where the row is ours until the block ends or this process dies, False where it is another's."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as lock:
        if not lock.scalar(select(func.pg_try_advisory_lock(int(table), id))):
            yield False
            return
        try:
            yield True
        finally:
            lock.execute(select(func.pg_advisory_unlock(int(table), id)))


def claimed_ids(table: Claimed) -> set[int]:
    """The rows of the table that somebody works on at this moment: those of all tenants."""
    held = text(
        "SELECT objid FROM pg_locks JOIN pg_database ON pg_database.oid = database "
        "WHERE datname = current_database() AND locktype = 'advisory' AND classid = :table AND granted"
    )
    return set(db.session.scalars(held, {"table": int(table)}))


def begin(model: type[T], id: int, **more: Any) -> T | None:
    """Mark what we claimed as running, by us and once more; None where it has ended. Commits."""
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
