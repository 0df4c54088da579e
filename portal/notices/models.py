"""Whom a tenant has told, of what they were told, and the mails."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db


class NoticeSettings(db.Model):
    """Whom a tenant has told, and of which kinds of alarms.

    `next_look_at` is when the scheduler has somebody look next; None while nobody is told.
    """

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), primary_key=True, autoincrement=False)
    recipients: Mapped[list[str]] = mapped_column(ARRAY(String))
    kinds: Mapped[list[str]] = mapped_column(ARRAY(String))
    next_look_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_notice_settings_next_look_at", "next_look_at", postgresql_where=text("next_look_at IS NOT NULL")),
    )


class ToldAlarm(db.Model):
    """An alarm that was mailed, and when last. Forgotten once it is over."""

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(primary_key=True)
    told_at: Mapped[datetime]


class Digest(db.Model):
    """A mail of alarms: to whom, of what, and whether the server has taken it.

    `alarms` are [{"words", "link", "since", "is_new"}], the words as sentences are kept. `next_try_at` is when it
    is sent, None once it was or was given up.
    """

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    recipients: Mapped[list[str]] = mapped_column(ARRAY(String))
    alarms: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    written_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_try_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    problem: Mapped[str | None]

    __table_args__ = (
        Index("ix_digest_newest", "tenant_id", "id"),
        Index("ix_digest_next_try_at", "tenant_id", "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
    )
