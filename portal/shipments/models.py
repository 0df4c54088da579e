"""Carriers, shipments and what they hold."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.documents.models import Document
from portal.extensions import db


class Carrier(db.Model):
    """A carrier as the tenant names it, and as the marketplace wants it spelled."""

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    name: Mapped[str]
    marketplace_code: Mapped[str]
    marketplace_name: Mapped[str]  # only where the code is "Other"
    shipping_method: Mapped[str]

    __table_args__ = (Index("uq_carrier_tenant_id_name", "tenant_id", "name", unique=True),)


class MessageState(StrEnum):
    """How far a status message has come: queued here, sent to the marketplace, seen there."""

    QUEUED = "queued"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"


class Shipment(db.Model):
    """A parcel, and the status message that reports it.

    `package_reference` counts from 1 within the document and never changes: repeating the
    report edits the same package at the marketplace instead of adding another.
    """

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    document_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("document.id"))
    package_reference: Mapped[int]
    carrier_id: Mapped[int] = mapped_column(ForeignKey("carrier.id"))
    tracking_number: Mapped[str]
    shipped_at: Mapped[datetime]
    key: Mapped[str]  # the message's idempotency key at the cloud
    state: Mapped[MessageState] = mapped_column(server_default=MessageState.QUEUED.value)
    problem: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_check_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    document: Mapped[Document] = relationship()
    carrier: Mapped[Carrier] = relationship()
    items: Mapped[list[ShipmentItem]] = relationship()

    __table_args__ = (
        Index("uq_shipment_package", "tenant_id", "document_id", "package_reference", unique=True),
        Index("uq_shipment_tracking", "tenant_id", "document_id", "tracking_number", unique=True),
        Index("ix_shipment_tracking_number", "tenant_id", "tracking_number"),
        Index("ix_shipment_state", "tenant_id", "state", "id"),
        Index("ix_shipment_newest", "tenant_id", "id"),
        Index(
            "ix_shipment_unconfirmed",
            "next_check_at",
            postgresql_where=text("state IN ('queued', 'sent')"),
        ),
    )


class ShipmentItem(db.Model):
    """How much of a document's line is in a parcel."""

    shipment_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("shipment.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[int] = mapped_column(BigInteger)
    tenant_id: Mapped[int]
    quantity: Mapped[int]

    __table_args__ = (
        ForeignKeyConstraint(["document_id", "position"], ["document_line.document_id", "document_line.position"]),
        CheckConstraint("quantity > 0", name="quantity"),
    )
