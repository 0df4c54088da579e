"""What the page of a document shows beside the document itself: its path, and why it exists only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import joinedload, selectinload

from portal.documents.listing import of_order
from portal.documents.models import Document, HeldOrder, IntakePage, Receipt, State
from portal.documents.tax import TaxCase
from portal.extensions import db
from portal.masterdata.models import PaymentMethod, PaymentTerms, ShippingMethod
from portal.masterdata.territories import COUNTS_AS, Territory, territory_of
from portal.shipments.models import MessageState, Shipment


@dataclass(frozen=True)
class Step:
    """A station on the path. `at` is None where it has not been reached, or nobody recorded when."""

    name: str
    reached: bool
    at: datetime | None = None


@dataclass(frozen=True)
class Origin:
    """A receipt with the page it was written on and the marketplace call (a JSON object) that brought the order."""

    receipt: Receipt
    page: IntakePage | None
    call: dict[str, Any] | None

    @property
    def collected_at(self) -> datetime | None:
        return _moment(self.call, "collected_at")

    @property
    def window(self) -> tuple[datetime | None, datetime | None]:
        return _moment(self.call, "window_from"), _moment(self.call, "window_to")


def document(id: int) -> Document | None:
    """The document with all that its page shows, None where there is none in sight."""
    found: Document | None = db.session.get(
        Document,
        id,
        options=[joinedload(Document.address), joinedload(Document.platform), selectinload(Document.lines)],
    )
    return found


@dataclass(frozen=True)
class Chosen:
    """The names of what was chosen for a document; a dash where nothing was."""

    terms: str
    payment: str
    shipping: str


def chosen_for(document: Document) -> Chosen:
    """Payment terms, payment method and shipping method of a document, as they are called today."""
    found = db.session.execute(
        select(
            select(PaymentTerms.name).where(PaymentTerms.id == document.payment_terms_id).scalar_subquery(),
            select(PaymentMethod.name).where(PaymentMethod.id == document.payment_method_id).scalar_subquery(),
            select(ShippingMethod.name).where(ShippingMethod.id == document.shipping_method_id).scalar_subquery(),
        )
    ).one()
    return Chosen(*(name or "–" for name in found))


def taxed_territory(document: Document) -> Territory | None:
    """The territory that decided the document's tax. None where none did, as before they were told apart. Pure."""
    if document.tax_case in (TaxCase.NOT_COMPUTED, TaxCase.COLLECTED):
        return None
    found = territory_of(document.delivery.get("country", ""), document.delivery.get("postal_code", ""))
    lies_outside = found is not None and found not in COUNTS_AS
    return found if lies_outside == (document.tax_case == TaxCase.EXPORT) else None


def shipments_of(document: Document) -> Sequence[Shipment]:
    """The document's parcels, the first first."""
    query = (
        select(Shipment)
        .where(Shipment.document_id == document.id)
        .options(joinedload(Shipment.carrier), selectinload(Shipment.items))
        .order_by(Shipment.package_reference)
    )
    parcels: Sequence[Shipment] = db.session.scalars(query).all()
    return parcels


def origins_of(document: Document) -> list[Origin]:
    """Why the document is as it is: its creation, then each version that changed it."""
    found = db.session.execute(
        select(Receipt, IntakePage)
        .outerjoin(IntakePage, IntakePage.id == Receipt.page_id)
        .where(Receipt.document_id == document.id)
        .order_by(Receipt.version)
    )
    return [
        Origin(receipt, page, page.collections.get(str(receipt.collection)) if page is not None else None)
        for receipt, page in found
    ]


def path_of(document: Document, origins: Sequence[Origin], shipments: Sequence[Shipment]) -> list[Step]:
    """Placed, collected, document, shipped, confirmed: what of it has been reached, and when. Pure."""
    first = origins[0].collected_at if origins else None
    left = [parcel.shipped_at for parcel in shipments]
    shipped = document.state == State.SHIPPED
    confirmed = shipped and all(p.state == MessageState.CONFIRMED for p in shipments)
    seen = [parcel.confirmed_at for parcel in shipments if parcel.confirmed_at is not None]
    steps = [
        Step("placed", True, document.ordered_at),
        Step("collected", True, first),
        Step("document", True, document.created_at),
    ]
    if document.state == State.CANCELLED:
        ended = next((o.receipt.version for o in reversed(origins) if o.receipt.event == "cancelled"), None)
        return [*steps, Step("cancelled", True, ended)]
    # Without a parcel of ours it is the marketplace that says so: it was shipped by another way.
    steps.append(Step("shipped", shipped, max(left, default=document.version) if shipped else None))
    if document.fulfilled_by == "merchant":
        steps.append(Step("confirmed", confirmed, max(seen, default=document.version) if confirmed else None))
    return steps


def documents_of_order(order_id: str, platform_ids: Sequence[int]) -> Sequence[Document]:
    """The documents of a marketplace order: one, but for the same id on two platforms."""
    found: Sequence[Document] = db.session.scalars(select(Document).where(of_order(order_id, platform_ids))).all()
    return found


def held_version(document: Document) -> HeldOrder | None:
    """The newer version of the document's order that a person has to look at first, if there is one."""
    of_it = HeldOrder.platform_id == document.platform_id, HeldOrder.order_id == document.order_id
    found: HeldOrder | None = db.session.scalars(select(HeldOrder).where(*of_it)).one_or_none()
    return found


def neighbours(document: Document) -> tuple[int | None, int | None]:
    """The ids of the next newer and the next older document."""
    here = tuple_(document.ordered_at, document.id)
    there = tuple_(Document.ordered_at, Document.id)
    newer = select(Document.id).where(there > here).order_by(Document.ordered_at, Document.id).limit(1)
    older = select(Document.id).where(there < here).order_by(Document.ordered_at.desc(), Document.id.desc()).limit(1)
    return db.session.scalar(newer), db.session.scalar(older)


def _moment(call: dict[str, Any] | None, name: str) -> datetime | None:
    """A time of the recorded call; a cloud may leave it out."""
    value = (call or {}).get(name)
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
