"""Runs of the fetch; schemas of area actions, their runs and what these made; tasks, and their runs."""

from __future__ import annotations

from datetime import datetime, time
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Computed, ForeignKey, Index, SmallInteger, Time, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.automation.triggers import TriggerKind
from portal.extensions import db
from portal.platforms.models import Platform


class RunState(StrEnum):
    """Where a run stands. How it ended is kept here; RQ only carries it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"  # by a person: only area actions can be


IN_FLIGHT = (RunState.QUEUED, RunState.RUNNING)


class Severity(StrEnum):
    """How bad it is. A warning is passing or expected; an error asks for a person."""

    WARNING = "warning"
    ERROR = "error"


class Ending(StrEnum):
    """What came of a task's run. A warning leaves the task active, an error locks it."""

    MOVING = "moving"  # it is queued or running still
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Made(StrEnum):
    """What an action may leave behind, to be looked at."""

    FETCH = "fetch"  # a Run, whose documents its pages name
    DOCUMENT = "document"
    PARCEL = "parcel"  # that was reported


class Run(db.Model):
    """One fetch of a platform's orders. At most one a platform is queued or running."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    platform_id: Mapped[int] = mapped_column(ForeignKey("platform.id"))
    kind: Mapped[str] = mapped_column(server_default="fetch")
    cause: Mapped[str]  # schedule, person, event
    state: Mapped[RunState] = mapped_column(server_default=RunState.QUEUED.value)
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    fruitless: Mapped[int] = mapped_column(server_default=text("0"))  # beginnings since it last got on
    worker: Mapped[str | None]
    expected: Mapped[int] = mapped_column(server_default=text("0"))
    orders: Mapped[int] = mapped_column(server_default=text("0"))
    created: Mapped[int] = mapped_column(server_default=text("0"))
    changed: Mapped[int] = mapped_column(server_default=text("0"))
    held: Mapped[int] = mapped_column(server_default=text("0"))
    repeated: Mapped[int] = mapped_column(server_default=text("0"))
    # Asked for once more while in flight: the run looks again before it ends.
    again: Mapped[bool] = mapped_column(server_default=text("false"))
    problem: Mapped[str | None]
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    platform: Mapped[Platform] = relationship()

    __table_args__ = (
        Index(
            "uq_run_in_flight",
            "tenant_id",
            "platform_id",
            "kind",
            unique=True,
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        Index("ix_run_newest", "tenant_id", "id"),
        Index("ix_run_platform_id", "platform_id", "id"),
        # Fetches that brought nothing are not kept for ever; most are such.
        Index("ix_run_empty", "tenant_id", "queued_at", postgresql_where=text("orders = 0")),
    )


class Schema(db.Model):
    """Area actions kept under a name: which records, and what is done with each of them.

    `scope` and `steps` are as portal/automation/areas.py writes them.
    """

    __tablename__ = "action_schema"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    name: Mapped[str]
    area: Mapped[str]
    scope: Mapped[dict[str, Any]] = mapped_column(JSONB)
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("uq_action_schema_tenant_id_name", "tenant_id", text("lower(name)"), unique=True),)


class ActionRun(db.Model):
    """Area actions that were started. `step` and `last_id` say how far it is: what a worker that died had done."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    schema_id: Mapped[int | None] = mapped_column(ForeignKey("action_schema.id", ondelete="SET NULL"))
    area: Mapped[str]
    scope: Mapped[dict[str, Any]] = mapped_column(JSONB)
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    state: Mapped[RunState] = mapped_column(server_default=RunState.QUEUED.value)
    stopping: Mapped[bool] = mapped_column(server_default=text("false"))
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    fruitless: Mapped[int] = mapped_column(server_default=text("0"))  # beginnings since it last got on
    worker: Mapped[str | None]
    step: Mapped[int] = mapped_column(server_default=text("0"))
    last_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    expected: Mapped[int] = mapped_column(server_default=text("0"))  # records, once for each step
    done: Mapped[int] = mapped_column(server_default=text("0"))
    processed: Mapped[int] = mapped_column(server_default=text("0"))
    warnings: Mapped[int] = mapped_column(server_default=text("0"))
    errors: Mapped[int] = mapped_column(server_default=text("0"))
    problem: Mapped[str | None]
    started_by_id: Mapped[int | None] = mapped_column(ForeignKey("app_user.id", ondelete="SET NULL"))
    # Where it is an action of a task: of which run, and at which place. That run's worker does it.
    task_run_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("task_run.id", ondelete="CASCADE"))
    position: Mapped[int | None] = mapped_column(SmallInteger)
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    schema: Mapped[Schema | None] = relationship()

    __table_args__ = (
        Index("ix_action_run_newest", "tenant_id", "id"),
        Index("uq_action_run_of_task", "task_run_id", "position", unique=True),
        Index("ix_action_run_unfinished", "queued_at", postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_action_run_alone", "tenant_id", "queued_at", postgresql_where=text("task_run_id IS NULL")),
    )


class ActionMessage(db.Model):
    """What an action had to say of a record."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    action_run_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("action_run.id", ondelete="CASCADE"))
    severity: Mapped[Severity]
    preset: Mapped[str]
    record_id: Mapped[int] = mapped_column(BigInteger)
    record: Mapped[str]  # its number or name, as it was
    text: Mapped[str]
    written_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_action_message_run", "action_run_id", "id"),)


class ActionResult(db.Model):
    """What a run of actions made or set off, each thing once. The thing itself may be gone by now."""

    action_run_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("action_run.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[Made] = mapped_column(primary_key=True)
    record_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int]


class Condition(StrEnum):
    """When an action of a task runs, by what the actions before it in the same run came to."""

    ALWAYS = "always"
    RAN = "ran"  # the one just before it ran
    PROCESSED = "processed"  # something was done
    WARNINGS = "warnings"
    ERRORS = "errors"


class Service(db.Model):
    """A named group of workers, with a queue of its own, that do the tasks which belong to it.

    `workers` is how many are kept running where Kontor starts them itself; `active` whether they are to run at
    all. `seen_at` is when the scheduler last saw one of them, `watched_since` from when on somebody has looked.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    name: Mapped[str]
    workers: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    seen_at: Mapped[datetime | None]
    watched_since: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("uq_service_tenant_id_name", "tenant_id", text("lower(name)"), unique=True),)


class Task(db.Model):
    """What runs by itself: schemas, one after the other, whenever its trigger says so.

    `next_at` is when the scheduler starts it; None while it is off or locked, waits for a person, or is running
    continuously. A run that ends with errors locks it, and it rests until somebody unlocks it.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    service_id: Mapped[int] = mapped_column(ForeignKey("service.id"), index=True)
    name: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    kind: Mapped[TriggerKind]
    times: Mapped[list[time]] = mapped_column(ARRAY(Time()))
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    month_day: Mapped[str]
    pause_minutes: Mapped[int]
    window_begin: Mapped[time | None]
    window_end: Mapped[time | None]
    next_at: Mapped[datetime | None]
    locked_at: Mapped[datetime | None]
    lock_reason: Mapped[str | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

    service: Mapped[Service] = relationship()
    actions: Mapped[list[TaskAction]] = relationship(order_by="TaskAction.position", viewonly=True)

    __table_args__ = (
        Index("uq_task_tenant_id_name", "tenant_id", text("lower(name)"), unique=True),
        Index("ix_task_next_at", "next_at", postgresql_where=text("next_at IS NOT NULL")),
        Index("ix_task_locked", "tenant_id", postgresql_where=text("locked_at IS NOT NULL")),
    )


class ActionKind(StrEnum):
    """What an action of a task does. What belongs to each: portal/automation/kinds.py."""

    SCHEMA = "schema"
    EMAIL = "email"
    WEBHOOK = "webhook"


class TaskAction(db.Model):
    """One of a task's actions, and when it runs. A schema that a task runs is not removed.

    `settings` are those of its kind: {"recipients": [...]} of an e-mail, {"url": ...} of a webhook.
    """

    task_id: Mapped[int] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int]
    kind: Mapped[ActionKind] = mapped_column(server_default=ActionKind.SCHEMA.value)
    name: Mapped[str] = mapped_column(server_default="")
    schema_id: Mapped[int | None] = mapped_column(ForeignKey("action_schema.id"), index=True)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    secret: Mapped[bytes | None]  # sealed; a webhook's calls are signed with it
    condition: Mapped[Condition] = mapped_column(server_default=Condition.ALWAYS.value)

    schema: Mapped[Schema | None] = relationship()

    @property
    def secret_place(self) -> str:
        """What the sealed secret is bound to: the task, within which an action may move."""
        return secret_place(self.tenant_id, self.task_id)


def secret_place(tenant_id: int, task_id: int) -> str:
    """What the sealed secrets of a task's webhooks are bound to."""
    return f"task/{tenant_id}/{task_id}/webhook_secret"


# A column of its own, since under the row policy an index serves nothing else (portal/documents/listing.py).
ENDING = (
    "CASE WHEN state IN ('queued', 'running') THEN 'moving' WHEN state = 'failed' THEN 'error' "
    "WHEN warnings > 0 THEN 'warning' ELSE 'ok' END"
)


class TaskRun(db.Model):
    """A run of a task. At most one of each is queued or running.

    `plan` holds the actions as they were when it was started: {"kind", "name", "schema", "settings", "condition"};
    those from before there were kinds only "schema" and "condition". `position` is the action in hand.
    """

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"))
    cause: Mapped[str]  # schedule, person
    state: Mapped[RunState] = mapped_column(server_default=RunState.QUEUED.value)
    plan: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    position: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    fruitless: Mapped[int] = mapped_column(server_default=text("0"))  # beginnings since it last got on
    worker: Mapped[str | None]
    processed: Mapped[int] = mapped_column(server_default=text("0"))
    warnings: Mapped[int] = mapped_column(server_default=text("0"))
    errors: Mapped[int] = mapped_column(server_default=text("0"))
    problem: Mapped[str | None]
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ending: Mapped[Ending] = mapped_column(Computed(ENDING, persisted=True))

    task: Mapped[Task] = relationship()

    __table_args__ = (
        Index("uq_task_run_in_flight", "task_id", unique=True, postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_task_run_newest", "tenant_id", "queued_at", "id"),
        Index("ix_task_run_of_task", "task_id", "queued_at", "id"),
        Index("ix_task_run_ending", "tenant_id", "ending", "queued_at", "id"),
    )


class Delivery(db.Model):
    """What a run of a task told somebody, as one of its actions: an e-mail or a call of a webhook.

    Written down before the first attempt; whoever goes on with a dead worker's run sends it again under the
    same `key`, by which the receiver knows it.
    """

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    task_run_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("task_run.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[RunState] = mapped_column(server_default=RunState.RUNNING.value)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    problem: Mapped[str | None]  # why it failed, or whom it did not reach
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]

    __table_args__ = (Index("uq_delivery_of_task", "task_run_id", "position", unique=True),)

    @property
    def key(self) -> str:
        """The same for every attempt, and no other's."""
        return f"task-run-{self.task_run_id}-{self.position + 1}"

    @property
    def processed(self) -> int:
        return int(self.state == RunState.DONE)

    @property
    def warnings(self) -> int:
        return int(self.problem is not None)
