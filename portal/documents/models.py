"""Documents, their lines and receipts, and the orders that are held."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Numeric, SmallInteger, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.addresses.models import Address, ledger_indexes
from portal.extensions import db
from portal.platforms.models import DocumentType, Platform

# What waits to be shipped by us, and until when: constants, since a partial index serves no parameter.
TO_SHIP = "state IN ('open', 'partly_shipped') AND fulfilled_by = 'merchant'"
FILTERED = ("tenant_id", "state", "platform_id", "fulfilled_by", "type")
SHIP_BY_OR_LAST = "COALESCE(ship_by, '9999-12-31 00:00:00+00'::timestamptz)"


class State(StrEnum):
    """How far a document has come."""

    OPEN = "open"
    PARTLY_SHIPPED = "partly_shipped"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


class LineKind(StrEnum):
    """What a line books."""

    ARTICLE = "article"
    FREIGHT = "freight"
    GIFT_WRAP = "gift_wrap"
    DISCOUNT = "discount"
    OTHER = "other"


class Document(db.Model):
    """A sales document. (tenant, platform, order id) is unique: the database decides, not a look-up.

    Whatever its type: an order that became a sales order does not become an invoice too.
    """

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    platform_id: Mapped[int] = mapped_column(ForeignKey("platform.id"))
    address_id: Mapped[int] = mapped_column(ForeignKey("address.id"))
    type: Mapped[DocumentType]
    number: Mapped[str]
    # What the number was drawn from (portal/addresses/ledger.py). No foreign key: intake holds the range locked.
    number_range_id: Mapped[int | None]
    number_year: Mapped[int | None] = mapped_column(SmallInteger)
    number_value: Mapped[int | None] = mapped_column(BigInteger)
    order_id: Mapped[str]
    sales_channel: Mapped[str]
    state: Mapped[State]
    fulfilled_by: Mapped[str]  # "merchant", or "marketplace": never reported back
    ordered_at: Mapped[datetime]
    document_date: Mapped[date]
    ship_by: Mapped[datetime | None]
    currency: Mapped[str]
    total: Mapped[Decimal] = mapped_column(Numeric)
    tax: Mapped[Decimal | None] = mapped_column(Numeric)  # contained in the total; None where none was computed
    tax_case: Mapped[str] = mapped_column(server_default="")
    # No foreign keys: checking three for each document took a tenth of intake's speed. Records in use stay.
    payment_terms_id: Mapped[int | None]
    payment_method_id: Mapped[int | None]
    shipping_method_id: Mapped[int | None]
    payment_kind: Mapped[str] = mapped_column(server_default="")  # the marketplace's word
    shipping_level: Mapped[str] = mapped_column(server_default="")  # the marketplace's word
    delivery: Mapped[dict[str, Any]] = mapped_column(JSONB)
    purchase_order: Mapped[str]
    programs: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    replaces: Mapped[str]
    cancel_requested: Mapped[bool]
    withdrawn: Mapped[bool] = mapped_column(server_default=text("false"))  # cancelled there, though shipping had begun
    version: Mapped[datetime]  # the order's last update that is in this document
    notice: Mapped[str | None]  # what a person should know: changed after shipping, for instance
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    platform: Mapped[Platform] = relationship()
    address: Mapped[Address] = relationship()
    lines: Mapped[list[DocumentLine]] = relationship(order_by="DocumentLine.position", viewonly=True)

    __table_args__ = (
        Index("uq_document_order", "tenant_id", "platform_id", "order_id", unique=True),
        Index("uq_document_tenant_id_number", "tenant_id", "number", unique=True),
        Index("ix_document_newest", "tenant_id", "ordered_at", "id"),
        # The lists' filters (portal/documents/listing.py): a filter not set means each of its few values in turn.
        Index("ix_document_filters", *FILTERED, "ordered_at", "id"),
        Index("ix_document_filters_number", *FILTERED, "number"),
        Index("ix_document_address", "tenant_id", "address_id", "ordered_at", "id"),
        Index(
            "ix_document_to_ship",
            "tenant_id",
            "platform_id",
            text(SHIP_BY_OR_LAST),
            "id",
            postgresql_where=text(TO_SHIP),
            postgresql_include=["ship_by"],  # without the column itself, counting by the expression reads the table
        ),
        *ledger_indexes("document"),
    )


# Of a line `l`: how many of its pieces are in parcels of ours. SQL, for statements that write them.
IN_PARCELS = (
    "coalesce((SELECT sum(i.quantity) FROM shipment p JOIN shipment_item i ON i.shipment_id = p.id "
    "WHERE p.document_id = l.document_id AND i.position = l.position), 0)"
)


class DocumentLine(db.Model):
    """One line of a document. The amounts of a document's lines sum to its total."""

    document_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("document.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]
    kind: Mapped[LineKind]
    reference: Mapped[str]  # the marketplace's order item id
    article_number: Mapped[str]
    title: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(Numeric)
    amount: Mapped[Decimal] = mapped_column(Numeric)
    # As they were on the day: a rate or code that changes later changes no document.
    tax_code: Mapped[str] = mapped_column(server_default="")
    tax_rate: Mapped[Decimal | None] = mapped_column(Numeric)
    tax: Mapped[Decimal | None] = mapped_column(Numeric)
    shipped: Mapped[int] = mapped_column(server_default=text("0"))  # as the marketplace says, by whomever
    elsewhere: Mapped[int] = mapped_column(server_default=text("0"))  # of these what was in no parcel of ours


class IntakePage(db.Model):
    """A page of orders that was written in one transaction, by whom, and what came of it."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    platform_id: Mapped[int] = mapped_column(ForeignKey("platform.id"))
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    attempt: Mapped[int]
    worker: Mapped[str]
    request_id: Mapped[str]  # of the call to the cloud
    collections: Mapped[dict[str, Any]] = mapped_column(JSONB)  # the marketplace calls, by their id
    orders: Mapped[int]
    written_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_intake_page_run_id", "run_id", postgresql_where=text("run_id IS NOT NULL")),)


class Receipt(db.Model):
    """Why a document is as it is: one row for its creation and for each version that changed it."""

    document_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("document.id"), primary_key=True)
    version: Mapped[datetime] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]
    event: Mapped[str]  # created, changed, cancelled, noted
    payload_hash: Mapped[bytes]
    page_id: Mapped[int] = mapped_column(BigInteger)
    collection: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        # Receipts are written in the order of their pages: an index of block ranges finds a page's and costs
        # intake next to nothing.
        Index(
            "ix_receipt_page_id",
            "page_id",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
        ),
    )


class HeldOrder(db.Model):
    """An order that waits for a person: why, in a sentence, and what came, kept whole."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[int]
    platform_id: Mapped[int] = mapped_column(ForeignKey("platform.id"))
    order_id: Mapped[str]
    version: Mapped[datetime]
    cause: Mapped[str]
    reason: Mapped[str]
    component: Mapped[str | None]  # what differs, where amounts do not add up
    about: Mapped[str] = mapped_column(server_default="")  # what has to be mended, where others may wait for the same
    payload: Mapped[bytes]
    collection: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    held_at: Mapped[datetime] = mapped_column(server_default=func.now())
    retries: Mapped[int] = mapped_column(server_default=text("0"))

    platform: Mapped[Platform] = relationship()

    __table_args__ = (
        Index("uq_held_order", "tenant_id", "platform_id", "order_id", unique=True),
        Index("ix_held_order_newest", "tenant_id", "held_at", "id"),
        Index("ix_held_order_order_id", "tenant_id", "order_id"),
        Index("ix_held_order_group", "tenant_id", "cause", "about", "held_at", "id"),
    )
