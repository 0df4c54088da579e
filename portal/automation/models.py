"""Runs of the fetch; schemas of area actions, and their runs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.extensions import db
from portal.platforms.models import Platform


class RunState(StrEnum):
    """Where a run stands. How it ended is kept here; RQ only carries it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"  # by a person: only area actions can be


class Severity(StrEnum):
    """How bad it is. A warning is passing or expected; an error asks for a person."""

    WARNING = "warning"
    ERROR = "error"


class Run(db.Model):
    """One fetch of a platform's orders. At most one a platform is queued or running."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    platform_id: Mapped[int] = mapped_column(ForeignKey("platform.id"))
    kind: Mapped[str] = mapped_column(server_default="fetch")
    cause: Mapped[str]  # schedule, person, event
    state: Mapped[RunState] = mapped_column(server_default=RunState.QUEUED.value)
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
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
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    schema: Mapped[Schema | None] = relationship()

    __table_args__ = (
        Index("ix_action_run_newest", "tenant_id", "id"),
        Index("ix_action_run_unfinished", "queued_at", postgresql_where=text("state IN ('queued', 'running')")),
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
