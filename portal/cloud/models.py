"""What the cloud keeps. Every row belongs to an account."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db


class Account(db.Model):
    """A client of the cloud. Its secret is kept as a hash."""

    __tablename__ = "cloud_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    client_id: Mapped[str] = mapped_column(unique=True)
    client_secret_hash: Mapped[str]
    webhook_url: Mapped[str | None]
    webhook_secret: Mapped[bytes | None]  # sealed
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def webhook_place(self) -> str:
        """What the sealed webhook secret is bound to."""
        return f"cloud_account/{self.id}/webhook_secret"


class AccessToken(db.Model):
    """A bearer token that was handed out. Only its hash is kept."""

    __tablename__ = "cloud_token"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("cloud_account.id"))
    scope: Mapped[str]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ConnectionState(StrEnum):
    """Whether the marketplace lets us speak for the seller."""

    NOT_AUTHENTICATED = "not_authenticated"
    AUTHENTICATED = "authenticated"
    REVOKED = "revoked"


class CloudPlatform(db.Model):
    """A marketplace account, its connection, and how far its orders have been collected."""

    __tablename__ = "cloud_platform"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("cloud_account.id"))
    reference: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    name: Mapped[str]
    name_key: Mapped[str]
    marketplaces: Mapped[list[str]] = mapped_column(JSONB)  # the marketplace's own ids
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    connection: Mapped[ConnectionState] = mapped_column(server_default=ConnectionState.NOT_AUTHENTICATED.value)
    connection_problem: Mapped[str | None]
    seller_id: Mapped[str | None]
    refresh_token: Mapped[bytes | None]  # sealed
    authorized_at: Mapped[datetime | None]
    # Collection: everything changed up to `watermark` is in the inbox. A window under way keeps
    # its bounds and next page here, so that a crash or an empty budget resumes instead of restarting.
    watermark: Mapped[datetime | None]
    window_from: Mapped[datetime | None]
    window_to: Mapped[datetime | None]
    next_token: Mapped[str | None]
    next_page: Mapped[int] = mapped_column(server_default=text("1"))
    # Somebody wants everything from here on to be looked at again; the next window reaches back to it.
    look_back_to: Mapped[datetime | None]
    next_collect_at: Mapped[datetime | None]
    collected_at: Mapped[datetime | None]
    collect_problem: Mapped[str | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("uq_cloud_platform_account_id_name_key", "account_id", "name_key", unique=True),
        Index("ix_cloud_platform_next_collect_at", "next_collect_at"),
    )

    @property
    def token_place(self) -> str:
        """What the sealed refresh token is bound to."""
        return f"cloud_platform/{self.account_id}/{self.id}/refresh_token"


class Consent(db.Model):
    """A consent that was asked for: the state that must come back, from the same browser."""

    __tablename__ = "cloud_consent"

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("cloud_account.id"))
    platform_id: Mapped[int] = mapped_column(ForeignKey("cloud_platform.id", ondelete="CASCADE"))
    return_url: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class CollectedPage(db.Model):
    """A call to the marketplace that brought orders."""

    __tablename__ = "cloud_collection"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    account_id: Mapped[int]
    platform_id: Mapped[int] = mapped_column(ForeignKey("cloud_platform.id", ondelete="CASCADE"))
    operation: Mapped[str]
    request_id: Mapped[str]
    page: Mapped[int]
    orders: Mapped[int]
    window_from: Mapped[datetime | None]
    window_to: Mapped[datetime | None]
    collected_at: Mapped[datetime] = mapped_column(server_default=func.now())


class InboxState(StrEnum):
    """What becomes of an order's newest version."""

    WAITING = "waiting"  # to be delivered
    DELIVERED = "delivered"  # acknowledged by the account
    PENDING = "pending"  # the marketplace has not released it yet
    CANCELLED = "cancelled"  # cancelled before it was ever delivered
    FILTERED = "filtered"  # not wanted, `note` says by which setting


class InboxOrder(db.Model):
    """The newest version of an order. Rows only ever move to a newer one; what is done goes after a month."""

    __tablename__ = "cloud_order"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    account_id: Mapped[int]
    platform_id: Mapped[int] = mapped_column(ForeignKey("cloud_platform.id", ondelete="CASCADE"))
    order_id: Mapped[str]
    version: Mapped[datetime]
    state: Mapped[InboxState]
    note: Mapped[str]
    payload: Mapped[bytes]  # JSON of portal.order.Order
    collection_id: Mapped[int] = mapped_column(BigInteger)
    delivered_version: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_cloud_order", "platform_id", "order_id", unique=True),
        Index("ix_cloud_order_waiting", "platform_id", "id", postgresql_where=text("state = 'waiting'")),
        Index(
            "ix_cloud_order_version",
            "version",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
        ),
    )


class OutboxState(StrEnum):
    """How far a status message has come."""

    QUEUED = "queued"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"


IN_FLIGHT = (OutboxState.QUEUED, OutboxState.SENT)


class StatusMessage(db.Model):
    """A message to a marketplace, such as "this parcel is on its way". The key makes it one."""

    __tablename__ = "cloud_status_message"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    account_id: Mapped[int]
    platform_id: Mapped[int] = mapped_column(ForeignKey("cloud_platform.id", ondelete="CASCADE"))
    key: Mapped[str]
    order_id: Mapped[str]
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[OutboxState] = mapped_column(server_default=OutboxState.QUEUED.value)
    problem: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    # Set before each call to the marketplace: a message found with it may have arrived already.
    tried_at: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("uq_cloud_status_message_key", "account_id", "key", unique=True),
        Index("ix_cloud_status_message_due", "next_try_at", postgresql_where=text("state IN ('queued', 'sent')")),
    )


class CloudEvent(db.Model):
    """A webhook call to be made: what happened, until the account's address has answered."""

    __tablename__ = "cloud_event"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("cloud_account.id"))
    kind: Mapped[str]
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_try_at: Mapped[datetime | None] = mapped_column(index=True)
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
