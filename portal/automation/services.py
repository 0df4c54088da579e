"""Automation services: workers of a tenant's own, that do his tasks and nobody else's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from jobs.queues import SERVICE, Job, WorkerSeen, end_workers, served, service_queue, waiting, workers
from jobs.queues import remove as remove_queue
from portal.automation.models import Service, Task, TaskRun
from portal.errors import Refused
from portal.extensions import db, redis
from portal.scope import current_tenant_id
from portal.tenants.models import Tenant

# A worker tells of itself every ten seconds at work and every three quarters of a minute at rest.
NOT_SEEN_AFTER = timedelta(minutes=3)
WATCHED = "kontor:services_watched"
WATCH_EVERY = 10  # seconds
UNWATCHED_AFTER = 60  # seconds without anybody looking: the machine was off, or no scheduler ran
MOST_WORKERS = 8
# Of all services of a tenant. Each is a process, with connections to the database, on every machine of workers.
MOST_WORKERS_IN_ALL = 16


class NameTaken(Refused):
    """Another service of the tenant bears this name."""

    field = "name"


class TooMany(Refused):
    """The tenant's services have as many workers as he may have."""

    field = "workers"


class InUse(Refused):
    """Tasks belong to the service."""


class State(StrEnum):
    """How a service is: `missing` is active, but none of its workers was seen."""

    STARTED = "started"
    STOPPING = "stopping"
    STOPPED = "stopped"
    STARTING = "starting"
    MISSING = "missing"


# What becomes another state by itself, within seconds.
PASSING = {State.STARTING, State.STOPPING}


@dataclass(frozen=True)
class Look:
    """A service at this moment: its workers, what they run, and what waits for them."""

    service: Service
    state: State
    minutes: int  # for which it has not been seen, where it is missing
    workers: Sequence[WorkerSeen]
    running: Sequence[TaskRun]
    waiting: Sequence[TaskRun]


def all_of_tenant() -> Sequence[Service]:
    found: Sequence[Service] = db.session.scalars(select(Service).order_by(func.lower(Service.name))).all()
    return found


def first() -> Service:
    """The tenant's first service, which is made where there is none. Of two at once, one makes it."""
    oldest = select(Service).order_by(Service.id).limit(1)
    found: Service | None = db.session.scalar(oldest)
    if found is None:
        one = {"tenant_id": current_tenant_id(), "name": _("Automation")}
        db.session.execute(insert(Service).values(one).on_conflict_do_nothing())
        found = db.session.scalars(oldest).one()
    return found


def save(service: Service, name: str, count: int) -> None:
    """Keep a service, new or changed, with so many workers. Raises TooMany and NameTaken; nothing is written then."""
    if count > (service.workers or 0):
        db.session.get_one(Tenant, current_tenant_id(), with_for_update=True)  # or two at once would be one too many
        others = select(func.coalesce(func.sum(Service.workers), 0)).where(Service.id != (service.id or 0))
        left = MOST_WORKERS_IN_ALL - int(db.session.scalar(others))
        if count > left:
            raise TooMany(
                _(
                    "All services together may have %(most)s workers: this one %(left)s at most.",
                    most=MOST_WORKERS_IN_ALL,
                    left=max(left, 0),
                )
            )
    try:
        with db.session.begin_nested():
            service.tenant_id = current_tenant_id()
            service.name, service.workers = name, count
            db.session.add(service)
            db.session.flush()
    except IntegrityError as error:
        raise NameTaken(_("There is a service called “%(name)s” already.", name=name)) from error


def start(service: Service) -> None:
    """Let its workers run again. Whoever keeps them (jobs/pool.py) starts them within seconds."""
    service.active, service.watched_since = True, datetime.now(UTC)
    db.session.flush()


def stop(service: Service) -> None:
    """Have its workers end after the job in hand. What is due waits until it is started again."""
    service.active = False
    db.session.flush()
    end_workers(service_queue(service.id))


def remove(service: Service) -> None:
    """Raises InUse while tasks belong to it."""
    tasks = db.session.scalar(select(func.count()).select_from(Task).where(Task.service_id == service.id))
    if tasks:
        raise InUse(
            ngettext(
                "%(number)s task belongs to this service. Give it to another first.",
                "%(number)s tasks belong to this service. Give them to another first.",
                tasks,
                number=tasks,
            )
        )
    db.session.delete(service)
    db.session.flush()
    remove_queue(service_queue(service.id))


def look(services: Sequence[Service]) -> list[Look]:
    """How these services are, from RQ's own registries."""
    names = [service_queue(service.id) for service in services]
    alive = workers(names)
    jobs = {name: ([job for one in alive.get(name, ()) for job in one.jobs], waiting(name)) for name in names}
    runs = _runs_of([job for running, waits in jobs.values() for job in (*running, *waits)])

    def found(of: Sequence[Job]) -> list[TaskRun]:
        return [runs[job] for job in dict.fromkeys(of) if job in runs]

    looked = []
    for service, name in zip(services, names, strict=True):
        seen = alive.get(name, [])
        state, minutes = state_of(service, bool(seen))
        running, waits = jobs[name]
        looked.append(Look(service, state, minutes, seen, found(running), found(waits)))
    return looked


def state_of(service: Service, is_seen: bool) -> tuple[State, int]:
    """How the service is, and for how many minutes nobody has seen it."""
    if is_seen:
        return State.STARTED if service.active else State.STOPPING, 0
    if not service.active:
        return State.STOPPED, 0
    unseen = datetime.now(UTC) - unseen_since(service)
    return (State.MISSING if unseen > NOT_SEEN_AFTER else State.STARTING), int(unseen.total_seconds() // 60)


def unseen_since(service: Service) -> datetime:
    """When one of its workers was seen last, or since when somebody looks, whichever is later."""
    return max(filter(None, (service.seen_at, service.watched_since)))


def are_missing() -> ColumnElement[bool]:
    """True for services that should run and were not seen for a while."""
    since = func.greatest(func.coalesce(Service.seen_at, Service.watched_since), Service.watched_since)
    return Service.active & (since < func.now() - NOT_SEEN_AFTER)


def missing() -> Sequence[Service]:
    """The services of the tenant that should run and were not seen for a while."""
    found: Sequence[Service] = db.session.scalars(select(Service).where(are_missing()).order_by(Service.id)).all()
    return found


def watch() -> None:
    """Note which services of all tenants have workers: for the scheduler, which looks every few seconds."""
    if not redis().set(WATCHED + ":turn", 1, nx=True, ex=WATCH_EVERY):
        return
    if not redis().set(WATCHED, 1, ex=UNWATCHED_AFTER, get=True):  # nobody has looked: nobody could be seen
        db.session.execute(text("SELECT portal_services_watched()"))
    seen = [int(name.removeprefix(SERVICE)) for name in served() if name.startswith(SERVICE)]
    if seen:
        db.session.execute(text("SELECT portal_services_seen(:seen)"), {"seen": seen})
    db.session.commit()


def _runs_of(jobs: Sequence[Job]) -> dict[Job, TaskRun]:
    """The task runs that jobs are about; those of this tenant."""
    by_id = {job.ids[-1]: job for job in jobs if job.task == "jobs.tasks.run_task"}
    if not by_id:
        return {}
    found = select(TaskRun).where(TaskRun.id.in_(by_id)).options(joinedload(TaskRun.task))
    return {by_id[run.id]: run for run in db.session.scalars(found)}
