"""How work is put on a queue, and what is seen of queues. Parts of the portal know this module of jobs and no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.command import send_shutdown_command
from rq.serializers import JSONSerializer
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from jobs import turns
from portal.extensions import db, redis

log = structlog.get_logger()

# One queue for all tenants, at which they take turns (jobs/turns.py), and one for each automation service.
WORK = "work"
SERVICE = "service-"


class Task(NamedTuple):
    """What is known of a task: within a tenant's jobs a lower rank goes first; the seconds it may take.

    `owner` is whose jobs the first of its ids tells: a tenant's or an account's of the cloud.
    """

    rank: int
    seconds: int
    owner: str = "tenant"


# What a person waits for comes first. A job is a batch, so a long one is normal.
TASKS = {
    "jobs.fetch.fetch_orders": Task(0, 3600),
    "jobs.report.report_shipment": Task(1, 120),
    "jobs.outbox.send_message": Task(1, 120, "account"),
    "jobs.outbox.deliver_event": Task(1, 60, "account"),
    # Before its account's messages: one for each platform at most, while thousands of those may wait for Amazon's plan.
    "jobs.collect.collect_orders": Task(0, 900, "account"),
    "jobs.notices.tell": Task(2, 300),
    "jobs.actions.run_actions": Task(3, 6 * 3600),
    "jobs.tasks.run_task": Task(3, 6 * 3600),
}

# What went wrong is in PostgreSQL; RQ's own trace of a failed job is only for the operator.
FAILURE_SECONDS = 7 * 24 * 3600
TO_SEND = "jobs_to_send"
KEPT = "kontor:places_kept"
KEEP_EVERY = 10  # seconds


@dataclass(frozen=True)
class Job:
    """A task and its ids, the first of which is its owner's."""

    task: str
    ids: tuple[int, ...]

    @property
    def owner(self) -> str:
        return f"{TASKS[self.task].owner}-{self.ids[0]}" if self.ids else "nobody"

    def __str__(self) -> str:
        return f"{self.task}({','.join(map(str, self.ids))})"

    @classmethod
    def of(cls, text: str) -> Job:
        task, _bracket, ids = text.removesuffix(")").partition("(")
        return cls(task, tuple(int(id) for id in ids.split(",") if id))


@dataclass(frozen=True)
class WorkerSeen:
    """A worker as it told of itself: at most a minute ago, or it is not among those seen."""

    name: str
    host: str
    pid: int
    began_at: datetime
    seen_at: datetime
    jobs: tuple[Job, ...]  # what it is doing


class _Waiting(NamedTuple):
    """A job that is sent with the commit, and the savepoint that it was asked for in."""

    job: Job
    on: str
    first: bool
    savepoint: SessionTransaction | None

    def is_within(self, savepoint: SessionTransaction) -> bool:
        """True where that savepoint's end is this one's, or of one that it was within."""
        each = self.savepoint
        while each is not None and each is not savepoint:
            each = each.parent
        return each is savepoint


def service_queue(service_id: int) -> str:
    """The queue of an automation service."""
    return f"{SERVICE}{service_id}"


def enqueue(task: str, *ids: int, on: str = WORK, first: bool = False) -> None:
    """Put a task on a queue after the open transaction has committed, at once where there is none.

    Only ids travel. Nothing is sent if the transaction rolls back. `first` puts it before all that waits there.
    A job lost on the way (Redis down, machine off) is found again by the scheduler, since what is due stands
    in PostgreSQL.
    """
    session, job = db.session(), Job(task, ids)
    if session.in_transaction():
        session.info.setdefault(TO_SEND, []).append(_Waiting(job, on, first, session.get_nested_transaction()))
    else:
        _send(job, on, first)


def queue(name: str) -> Queue:
    """The RQ queue of this name. JSON only: a pickle would run whatever lies in Redis."""
    return Queue(name, connection=redis(), serializer=JSONSerializer)


def taken(name: str, job: Job) -> None:
    """A worker has taken the job from the queue: its owner's next gets a place there."""
    turns.leave(redis(), name, job.owner, str(job))
    _move_up(name, job.owner)


def keep_order() -> None:
    """Give places to those in line who have none, since their last job was lost; for the scheduler.

    Who has waited long for a worker keeps his place.
    """
    if redis().set(KEPT, 1, nx=True, ex=KEEP_EVERY):
        turns.keep(redis(), [each.name for each in Queue.all(connection=redis(), serializer=JSONSerializer)])
    for name, owner in turns.without_place(redis()):
        _move_up(name, owner)


def lost(jobs: Sequence[tuple[Job, str]]) -> list[bool]:
    """Of each job and the queue it belongs on: True where it does not wait there."""
    return [not waits for waits in turns.are_waiting(redis(), [(on, job.owner, str(job)) for job, on in jobs])]


def waiting(name: str) -> list[Job]:
    """What waits on a queue: first what has a place there, in order, then what stands in line for one."""
    placed = (Job(str(job.func_name), tuple(job.args)) for job in queue(name).jobs)
    return [*placed, *(job for jobs in in_line(name).values() for job in jobs)]


def in_line(name: str) -> dict[str, list[Job]]:
    """What stands in line for a place on a queue, by its owner."""
    owners = sorted(owner for line, owner in turns.lines(redis()) if line == name)
    return {owner: [Job.of(job) for job in turns.in_line(redis(), name, owner)] for owner in owners}


def remove(name: str) -> None:
    """End the workers that serve only this queue after the job in hand, and forget what waits there."""
    end_workers(name)
    clear(name)
    queue(name).delete()


def clear(name: str) -> None:
    """Take everything from a queue."""
    for job in waiting(name):
        turns.leave(redis(), name, job.owner, str(job))
    queue(name).empty()
    turns.clear(redis(), name)


def workers(names: Sequence[str]) -> dict[str, list[WorkerSeen]]:
    """The workers of these queues that live, by the queue they serve."""
    found: dict[str, list[WorkerSeen]] = {}
    for worker in Worker.all(connection=redis(), serializer=JSONSerializer):
        for name in worker.queue_names():
            if name in names:
                found.setdefault(name, []).append(_seen(worker))
    return found


def served() -> set[str]:
    """The queues that a living worker serves."""
    found = Worker.all(connection=redis(), serializer=JSONSerializer)
    return {name for worker in found for name in worker.queue_names()}


def end_workers(name: str) -> None:
    """Ask the workers that serve only this queue to end after the job in hand."""
    for worker in Worker.all(connection=redis(), serializer=JSONSerializer):
        if worker.queue_names() == [name]:
            send_shutdown_command(redis(), worker.name)


def _seen(worker: Any) -> WorkerSeen:
    jobs = (worker.get_current_job(),)
    return WorkerSeen(
        name=worker.name,
        host=worker.hostname or "",
        pid=worker.pid or 0,
        began_at=_utc(worker.birth_date),
        seen_at=_utc(worker.last_heartbeat),
        jobs=tuple(Job(str(job.func_name), tuple(job.args)) for job in jobs if job is not None),
    )


def _utc(moment: datetime | None) -> datetime:
    """RQ's moments are UTC; those it has read back do not all say so."""
    moment = moment or datetime.fromtimestamp(0, UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _send(job: Job, on: str, first: bool) -> None:
    """Have the job wait on the queue, unless it does already."""
    if first:
        turns.jump(redis(), on, job.owner, str(job))
        _put(on, job, first=True)
    elif turns.join(redis(), on, job.owner, str(job), TASKS[job.task].rank):
        _move_up(on, job.owner)


def _move_up(on: str, owner: str) -> None:
    job = turns.move_up(redis(), on, owner)
    if job is not None:
        _put(on, Job.of(job))


def _put(on: str, job: Job, first: bool = False) -> None:
    queue(on).enqueue(
        job.task,
        *job.ids,
        job_timeout=TASKS[job.task].seconds,
        result_ttl=3600,
        failure_ttl=FAILURE_SECONDS,
        description=turns.described(job.owner, str(job)),
        at_front=first,
    )


@event.listens_for(Session, "after_commit")
def _send_waiting(session: Session) -> None:
    if session.in_nested_transaction():  # a savepoint is released, nothing is committed
        return
    to_send: list[_Waiting] = session.info.pop(TO_SEND, [])
    for job, on, first, _savepoint in to_send:
        try:
            _send(job, on, first)
        except RedisError as error:  # committed already: the scheduler will find what is due
            log.warning("job_not_queued", task=job.task, error=type(error).__name__)


@event.listens_for(Session, "after_soft_rollback")
def _forget_waiting(session: Session, ended: SessionTransaction) -> None:
    if ended.nested:
        waiting: list[_Waiting] = session.info.get(TO_SEND, [])
        waiting[:] = [each for each in waiting if not each.is_within(ended)]
    else:
        session.info.pop(TO_SEND, None)
