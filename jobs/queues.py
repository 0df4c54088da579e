"""How work is put on a queue. Parts of the portal know this module of jobs and no other."""

from __future__ import annotations

import structlog
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import event
from sqlalchemy.orm import Session

from portal.extensions import db, redis

log = structlog.get_logger()

# In the order in which a worker prefers them: what a person waits for comes first.
QUEUES = ("fetch", "send", "collect", "actions")

# task name -> (queue, seconds it may take). A job is a batch, so a long one is normal.
TASKS = {
    "jobs.fetch.fetch_orders": ("fetch", 3600),
    "jobs.report.report_shipment": ("send", 120),
    "jobs.outbox.send_message": ("send", 120),
    "jobs.outbox.deliver_event": ("send", 60),
    "jobs.collect.collect_orders": ("collect", 900),
    "jobs.actions.run_actions": ("actions", 6 * 3600),
    "jobs.tasks.run_task": ("actions", 6 * 3600),
    "jobs.notices.tell": ("actions", 300),
}

# What went wrong is in PostgreSQL; RQ's own trace of a failed job is only for the operator.
FAILURE_SECONDS = 7 * 24 * 3600
WAITING = "jobs_to_send"
MARK_SECONDS = 60


def enqueue(task: str, *ids: int) -> None:
    """Put a task on its queue after the open transaction has committed, at once where there is none.

    Only ids travel. Nothing is sent if the transaction rolls back. A job lost on the way (Redis
    down, machine off) is found again by the scheduler, since what is due stands in PostgreSQL.
    """
    session = db.session()
    if session.in_transaction():
        session.info.setdefault(WAITING, []).append((task, ids))
    else:
        _send(task, ids)


def queue(name: str) -> Queue:
    """The RQ queue of this name. JSON only: a pickle would run whatever lies in Redis."""
    return Queue(name, connection=redis(), serializer=JSONSerializer)


def began(task: str, ids: tuple[int, ...]) -> None:
    """The job has left the queue: from now on the same may be queued again."""
    redis().delete(_mark(task, ids))


def _send(task: str, ids: tuple[int, ...]) -> None:
    """Queue the task unless it is queued already."""
    # The mark outlives a job that Redis or a worker lost by this much, then the scheduler may repeat it.
    if not redis().set(_mark(task, ids), 1, nx=True, ex=MARK_SECONDS):
        return
    name, timeout = TASKS[task]
    queue(name).enqueue(
        task,
        *ids,
        job_timeout=timeout,
        result_ttl=3600,
        failure_ttl=FAILURE_SECONDS,
        description=f"{task}{ids}",
    )


def _mark(task: str, ids: tuple[int, ...]) -> str:
    return f"kontor:queued:{task}:{','.join(map(str, ids))}"


@event.listens_for(Session, "after_commit")
def _send_waiting(session: Session) -> None:
    waiting: list[tuple[str, tuple[int, ...]]] = session.info.pop(WAITING, [])
    for task, ids in waiting:
        try:
            _send(task, ids)
        except RedisError as error:  # committed already: the scheduler will find what is due
            log.warning("job_not_queued", task=task, error=type(error).__name__)


@event.listens_for(Session, "after_rollback")
def _forget_waiting(session: Session) -> None:
    session.info.pop(WAITING, None)
