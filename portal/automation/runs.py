"""Runs: one fetch a platform at a time, whatever asks for it, and none lost with its worker.

A running run's worker claims it (portal/automation/claims.py): a run that nobody claims has lost its worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import structlog
from psycopg.errors import LockNotAvailable
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

from jobs.queues import enqueue
from portal.automation.claims import begin
from portal.automation.models import IN_FLIGHT, Run, RunState
from portal.extensions import db
from portal.locks import Lock, alone
from portal.platforms.models import Platform
from portal.scope import current_tenant_id
from portal.sentences import kept, sentence

log = structlog.get_logger()

LOCK_PATIENCE = 1000  # milliseconds; a page takes some 100


def start_fetch(platform: Platform, cause: str) -> Run:
    """Ask for a fetch of the platform's orders. `cause` is schedule, person or event.

    While one is queued or running no second is made: that one looks once more before it ends.
    """
    in_flight = (Run.platform_id == platform.id, Run.state.in_(IN_FLIGHT))
    run: Run | None
    try:
        with db.session.begin_nested():
            # The run's row is locked while a page is written. A worker frozen in there must not stop
            # whoever asks: the run is not marked then, and what it misses the next one finds.
            db.session.execute(text(f"SET LOCAL lock_timeout = {LOCK_PATIENCE}"))
            run = db.session.scalar(
                insert(Run)
                .values(tenant_id=current_tenant_id(), platform_id=platform.id, cause=cause)
                .on_conflict_do_nothing()
                .returning(Run)
            ) or db.session.scalar(update(Run).where(*in_flight).values(again=True).returning(Run))
            db.session.execute(text("SET LOCAL lock_timeout = DEFAULT"))
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        log.info("run_row_locked", platform=platform.id)
        run = db.session.scalar(select(Run).where(*in_flight))
    if run is None:  # it ended between the two statements
        return start_fetch(platform, cause)
    if run.state == RunState.QUEUED:
        queue_anew(run)
    return run


def queue_anew(run: Run) -> None:
    """Queue a run, for the first time or since its job was lost."""
    enqueue("jobs.fetch.fetch_orders", run.tenant_id, run.id)


@contextmanager
def claimed(run_id: int) -> Iterator[Run | None]:
    """The run, as ours until the block ends or this process dies; None where another worker has it or it has ended."""
    with alone(Lock.RUN, run_id) as ours:
        yield begin(Run, run_id, again=False) if ours else None


def end(run: Run) -> bool:
    """Mark the run done. False where it was asked to look once more, which it must do now."""
    done = db.session.execute(
        update(Run)
        .where(Run.id == run.id, Run.attempt == run.attempt, ~Run.again)
        .values(state=RunState.DONE, problem=None, ended_at=datetime.now(UTC))
    )
    if done.rowcount:
        return True
    asked_again = db.session.execute(
        update(Run).where(Run.id == run.id, Run.attempt == run.attempt, Run.again).values(again=False)
    )
    return not asked_again.rowcount


def fail(run: Run, problem: str) -> None:
    """Mark the run failed, with a sentence for the person who looks at it."""
    db.session.execute(
        update(Run)
        .where(Run.id == run.id, Run.attempt == run.attempt)
        .values(state=RunState.FAILED, again=False, problem=problem, ended_at=datetime.now(UTC))
    )


def fail_lost(run: Run) -> None:
    """Give the run up: it was begun again and again, and its worker died each time."""
    gone = sentence("The run was begun %(times)s times and its worker died or failed each time.", times=run.fruitless)
    fail(run, kept(gone))
