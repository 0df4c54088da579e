"""Tasks: started by the scheduler or a person, done by a worker action by action, locked by an error.

A task never runs twice at once: the database allows one run in flight. What was due meanwhile, or while the
machine was off, is one start and not one for each time missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from jobs.queues import enqueue, service_queue
from portal.automation import services
from portal.automation.claims import begin
from portal.automation.kinds import KINDS, Planned, called, kind_of
from portal.automation.models import (
    IN_FLIGHT,
    ActionMessage,
    ActionRun,
    Condition,
    Delivery,
    RunState,
    Service,
    Severity,
    Task,
    TaskAction,
    TaskRun,
    secret_place,
)
from portal.automation.reports import doings_of
from portal.automation.triggers import Trigger, TriggerKind, Window
from portal.errors import Refused
from portal.extensions import db
from portal.lists import Sort
from portal.locks import Lock, alone
from portal.scope import current_tenant_id
from portal.secrets import seal
from portal.sentences import kept, sentence, sentence_of, source_of
from portal.tenants.models import Tenant

log = structlog.get_logger()

# How many runs a task's page shows; the history has them all.
MOST_RUNS = 10


# Behind all that have a next start.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
SORTS = (
    Sort("name", (Task.name, Task.id)),
    Sort(
        "next",
        (func.coalesce(Task.next_at, NEVER), Task.id),
        reads=lambda task: (task.next_at or NEVER, task.id),
    ),
)


class Standing(StrEnum):
    """How a task is: a locked one waits for a person, whether it is on or off."""

    ON = "on"
    OFF = "off"
    LOCKED = "locked"


class NotRun(Refused):
    """The task runs already, or is locked."""


class IsRunning(Refused):
    """A task that runs cannot be removed."""


class NameTaken(Refused):
    """Another task of the tenant bears this name."""

    field = "name"


def standing_of(task: Task) -> Standing:
    if task.locked_at is not None:
        return Standing.LOCKED
    return Standing.ON if task.active else Standing.OFF


def standing_at(standing: Standing) -> ColumnElement[bool]:
    """True for the tasks that are so."""
    locked = Task.locked_at.is_not(None)
    return {Standing.LOCKED: locked, Standing.ON: ~locked & Task.active, Standing.OFF: ~locked & ~Task.active}[standing]


def trigger_of(task: Task) -> Trigger:
    window = None
    if task.window_begin is not None and task.window_end is not None:
        window = Window(task.window_begin, task.window_end)
    return Trigger(
        task.kind,
        tuple(task.times),
        frozenset(task.weekdays),
        task.month_day,
        timedelta(minutes=task.pause_minutes),
        window,
    )


def zone() -> ZoneInfo:
    """The time zone of the tenant in scope."""
    return ZoneInfo(db.session.get_one(Tenant, current_tenant_id()).time_zone)


def save(
    task: Task,
    name: str,
    active: bool,
    trigger: Trigger,
    planned: Sequence[Planned],
    service: Service | None = None,
) -> None:
    """Keep a task, new or changed, and when it starts next. Without a service it gets the tenant's first.

    Raises NameTaken; nothing is written then.
    """
    try:
        with db.session.begin_nested():
            task.tenant_id = current_tenant_id()
            task.service = service or task.service or services.first()
            task.name, task.active = name, active
            task.kind, task.times, task.weekdays = trigger.kind, list(trigger.times), sorted(trigger.weekdays)
            task.month_day = trigger.month_day
            task.pause_minutes = int(trigger.pause.total_seconds() // 60)
            task.window_begin = trigger.window.begin if trigger.window else None
            task.window_end = trigger.window.end if trigger.window else None
            task.changed_at = datetime.now(UTC)
            plan_next(task)
            db.session.add(task)
            db.session.flush()
            db.session.execute(delete(TaskAction).where(TaskAction.task_id == task.id))
            db.session.execute(
                insert(TaskAction),
                [
                    {
                        "task_id": task.id,
                        "position": position,
                        "tenant_id": task.tenant_id,
                        "kind": action.kind,
                        "name": action.name,
                        "schema_id": action.schema_id,
                        "settings": dict(action.settings),
                        "secret": _sealed(task, action),
                        "condition": action.condition,
                    }
                    for position, action in enumerate(planned)
                ],
            )
            db.session.expire(task, ["actions"])
    except IntegrityError as error:
        raise NameTaken(_("There is a task called “%(name)s” already.", name=name)) from error


def plan_next(task: Task) -> None:
    """Set when the scheduler starts the task next, seen from now."""
    waits = not task.active or task.locked_at is not None
    task.next_at = None if waits else trigger_of(task).next_after(datetime.now(UTC), zone())


def unlock(task: Task) -> None:
    """Let a locked task run again, from its next start on."""
    task.locked_at = task.lock_reason = None
    plan_next(task)
    db.session.flush()


def start(task: Task, cause: str) -> TaskRun | None:
    """Have a worker of its service run the task. None where it is queued or running already."""
    run_id = start_these([task], cause).get(task.id)
    return None if run_id is None else db.session.get(TaskRun, run_id)


def start_these(tasks: Sequence[Task], cause: str) -> dict[int, int]:
    """Have workers run the tasks; the runs' ids by the tasks'. Those queued or running already are left out."""
    rows = [
        {
            "tenant_id": task.tenant_id,
            "task_id": task.id,
            "cause": cause,
            "plan": [_planned(action) for action in task.actions],
        }
        for task in tasks
    ]
    new = insert(TaskRun).on_conflict_do_nothing().returning(TaskRun.task_id, TaskRun.id)
    started: dict[int, int] = dict(db.session.execute(new, rows).all())
    for task in tasks:
        if task.id in started:
            _queue(started[task.id], task)
    return started


def switch(task: Task, active: bool) -> None:
    """Let the task start by itself, or not any more."""
    task.active, task.changed_at = active, datetime.now(UTC)
    plan_next(task)


def remove(task: Task) -> None:
    """Remove the task, with the list of its runs. Raises IsRunning."""
    if is_in_flight(task):
        raise IsRunning(_("“%(name)s” is running. Remove it when that has ended.", name=task.name))
    db.session.delete(task)


def run_next(task: Task) -> TaskRun:
    """Have a worker run the task before all else that waits for its service. Raises NotRun."""
    if task.locked_at is not None:
        raise NotRun(_("“%(name)s” is locked. Unlock it first.", name=task.name))
    waits = select(TaskRun).where(TaskRun.task_id == task.id, TaskRun.state == RunState.QUEUED)
    run: TaskRun | None = start(task, "person") or db.session.scalar(waits)
    if run is None:
        raise NotRun(_("“%(name)s” is running already.", name=task.name))
    _queue(run.id, task, first=True)
    return run


def queue_anew(run: TaskRun) -> None:
    """Queue a run whose job was lost."""
    _queue(run.id, run.task)


def _queue(run_id: int, task: Task, first: bool = False) -> None:
    enqueue("jobs.tasks.run_task", task.tenant_id, run_id, on=service_queue(task.service_id), first=first)


def is_in_flight(task: Task) -> bool:
    """True while a run of the task is queued or running."""
    in_flight = select(TaskRun.id).where(TaskRun.task_id == task.id, TaskRun.state.in_(IN_FLIGHT))
    return db.session.scalar(in_flight) is not None


def start_due(task_ids: Sequence[int]) -> None:
    """Start tasks that the scheduler has claimed, in the claim's transaction, and set when they are due next.

    One that is running stays due: it starts once more when it has ended, for however many times it missed.
    """
    query = (
        select(Task)
        .where(Task.id.in_(task_ids))
        .options(joinedload(Task.actions).joinedload(TaskAction.schema))
        .execution_options(populate_existing=True)
    )
    found = db.session.scalars(query).unique().all()
    started = start_these(found, "schedule")
    for task in found:
        if task.id not in started:
            continue
        if task.kind == TriggerKind.CONTINUOUS:
            task.next_at = None  # until it has ended
        else:
            plan_next(task)
    db.session.flush()


def carry_out(run_id: int) -> None:
    """Do the run from where it stands to its end, or leave it to the worker that is doing it already."""
    with alone(Lock.TASK_RUN, run_id) as ours:
        run = begin(TaskRun, run_id) if ours else None
        if run is None:
            return
        while run.position < len(run.plan):
            planned = run.plan[run.position]
            # Asked again after a worker died, it holds as before: the counts move on only with the position.
            if _holds(Condition(planned["condition"]), run):
                came_to = KINDS[kind_of(planned)].carry_out(run, planned)
                if came_to is not None:
                    run.processed += came_to.processed
                    run.warnings += came_to.warnings
                    run.errors += came_to.errors
            run.position += 1
            run.fruitless = 0
            db.session.commit()
        _end(run)


def fail_lost(run: TaskRun) -> None:
    """Give the run up: it was begun again and again, and its worker died each time."""
    run.problem = kept(
        sentence("The task was begun %(times)s times and its worker died or failed each time.", times=run.fruitless)
    )
    run.errors += 1
    for child in (ActionRun, Delivery):  # what it left in the middle
        db.session.execute(
            update(child)
            .where(child.task_run_id == run.id, child.state.in_(IN_FLIGHT))
            .values(state=RunState.FAILED, problem=run.problem, ended_at=func.now())
        )
    _end(run)


def runs_of(task: Task) -> Sequence[TaskRun]:
    """The task's latest runs, the newest first."""
    found: Sequence[TaskRun] = db.session.scalars(
        select(TaskRun)
        .where(TaskRun.task_id == task.id)
        .order_by(TaskRun.queued_at.desc(), TaskRun.id.desc())
        .limit(MOST_RUNS)
    ).all()
    return found


def _holds(condition: Condition, run: TaskRun) -> bool:
    return {
        Condition.ALWAYS: lambda: True,
        Condition.RAN: lambda: run.position - 1 in doings_of(run),
        Condition.PROCESSED: lambda: run.processed > 0,
        Condition.WARNINGS: lambda: run.warnings > 0,
        Condition.ERRORS: lambda: run.errors > 0,
    }[condition]()


def _planned(action: TaskAction) -> dict[str, Any]:
    """An action as a run's plan holds it."""
    return {
        "kind": action.kind.value,
        "name": called(action),
        "schema": action.schema_id,
        "settings": action.settings,
        "condition": action.condition.value,
    }


def _sealed(task: Task, action: Planned) -> bytes | None:
    if action.secret is None:
        return action.kept_secret
    return seal(action.secret, secret_place(task.tenant_id, task.id))


def _end(run: TaskRun) -> None:
    """End the run, and in the same transaction lock its task or say when that starts next."""
    task = db.session.get_one(Task, run.task_id, populate_existing=True, with_for_update={"of": Task})
    run.state = RunState.FAILED if run.errors else RunState.DONE
    run.ended_at = datetime.now(UTC)
    if run.errors:
        task.locked_at, task.next_at = run.ended_at, None
        task.lock_reason = run.problem or kept(_first_error(run))
    elif task.kind == TriggerKind.CONTINUOUS:
        plan_next(task)
    db.session.commit()
    log.info("task_ended", task=task.id, state=run.state.value, processed=run.processed, errors=run.errors)


def _first_error(run: TaskRun) -> str:
    """What locks the task of a run with errors, with the first of them."""
    first = db.session.scalar(
        select(ActionMessage.text)
        .join(ActionRun, ActionRun.id == ActionMessage.action_run_id)
        .where(ActionRun.task_run_id == run.id, ActionMessage.severity == Severity.ERROR)
        .order_by(ActionMessage.id)
        .limit(1)
    )
    if first is None:
        return sentence("Its last run ended with errors. Look at them, put right what they say, and unlock the task.")
    source = source_of(first)
    return sentence(
        "Its last run ended with errors: “%(error)s” Put right what they say, and unlock the task.",
        error=sentence_of(source) if source else first,
    )
