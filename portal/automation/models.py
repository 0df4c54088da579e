"""Runs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.extensions import db
from portal.platforms.models import Platform


class RunState(StrEnum):
    """Where a run stands. How it ended is kept here; RQ only carries it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


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
