"""What a newer version of an order does to the document that is already there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from portal.documents.models import LineKind, State
from portal.documents.plan import Draft, DraftLine, NotWanted, Words
from portal.order import Order, Status
from portal.platforms.models import DocumentType
from portal.sentences import sentence

PROGRESS = (State.OPEN, State.PARTLY_SHIPPED, State.SHIPPED)


@dataclass(frozen=True, slots=True)
class Existing:
    """A document as the database holds it, locked."""

    id: int
    type: DocumentType
    number: str
    version: datetime
    state: State
    has_shipments: bool
    is_unconfirmed: bool  # of a parcel the marketplace has not said yet that it is there
    notice: str | None
    cancel_requested: bool
    lines: tuple[DraftLine, ...]
    delivery: dict[str, Any]
    words: Words

    @property
    def is_untouched(self) -> bool:
        """True as long as nothing of it has left the house."""
        return self.state == State.OPEN and not self.has_shipments


@dataclass(frozen=True, slots=True)
class Revision:
    """A change to be written, by a version of the order.

    `event` is None where at most the date to ship by and what was shipped move on with it; `draft` replaces lines
    and address. `shipped` is what the marketplace says now of lines that stay: pieces by position. `words` are those
    the document has from here on, None where they stay; `shipping_method_id` is what goes with another shipping level.
    `withdrawn` is true where the order was cancelled and the document goes on, since something has left the house.
    """

    existing: Existing
    event: str | None
    order: Order
    state: State
    notice: str | None
    cancel_requested: bool
    draft: Draft | None = None
    shipped: Mapping[int, int] = field(default_factory=dict)
    words: Words | None = None
    shipping_method_id: int | None = None
    withdrawn: bool = False

    @property
    def version(self) -> datetime:
        return self.order.version


def revise(existing: Existing, outcome: Draft | NotWanted, delivery: dict[str, Any]) -> Revision | None:
    """Decide what a version does to its document. None: it is not newer than what the document holds.

    Nothing that has left the house is rewritten: once a parcel is out, or the document is
    cancelled, a change becomes a notice for a person. So it does from the beginning where
    the document is an invoice. Programs go on all the same: they say who reports a parcel.
    An address that the marketplace no longer tells has not changed.
    """
    order = outcome.order
    if order.version <= existing.version:
        return None
    if isinstance(outcome, NotWanted):
        return _withdrawn(existing, outcome)
    revision = _went_on(existing, outcome, delivery)
    if revision.draft is None:
        revision = replace(revision, shipped=_shipped(existing, outcome))
    words = _words(existing, outcome.words)
    if existing.state != State.CANCELLED and words != existing.words:
        event = revision.event or "noted"
        revision = replace(revision, event=event, words=words, shipping_method_id=outcome.shipping_method_id)
    return revision


def _went_on(existing: Existing, outcome: Draft, delivery: dict[str, Any]) -> Revision:
    order = outcome.order
    asks = order.cancel_requested
    state = _further(existing.state, outcome.state)
    lines_differ = [line.told for line in existing.lines] != [line.told for line in outcome.lines]
    withheld = _withheld(existing.delivery, delivery, outcome.state)
    # Amazon suppresses the phone number after the latest delivery date (Orders API 2026-01-01).
    phone = {part: text for part, text in existing.delivery.items() if part == "phone"}
    moved = not withheld and phone | delivery != existing.delivery
    address = ", ".join(delivery.values())
    astray = withheld and any(existing.delivery.get(part) != text for part, text in delivery.items())
    if (lines_differ or moved or astray) and existing.is_untouched:
        if existing.type == DocumentType.INVOICE and moved:
            notice = sentence(
                "The order was changed at the marketplace after its invoice had been written. The invoice was left as "
                "it is: correct it in your bookkeeping, and ship to the new address: %(address)s",
                address=address,
            )
        elif existing.type == DocumentType.INVOICE:
            notice = sentence(
                "The order was changed at the marketplace after its invoice had been written. The invoice was left as "
                "it is: correct it in your bookkeeping, and mind the change when you ship."
            )
        elif withheld:
            notice = sentence(
                "The order was changed at the marketplace, which no longer tells where it goes. This document was left "
                "as it is."
            )
        else:
            return Revision(existing, "changed", order, state, existing.notice, asks, outcome)
        return Revision(existing, "noted", order, state, notice, asks)
    # A parcel that the marketplace does not have may be taken back, and shipped anew.
    goes_on = existing.state == State.PARTLY_SHIPPED or (existing.state == State.SHIPPED and existing.is_unconfirmed)
    goes_elsewhere = moved and goes_on and order.fulfilled_by == "merchant"
    if lines_differ and goes_elsewhere:
        notice = sentence(
            "The order and its delivery address were changed at the marketplace after shipping had begun. This "
            "document was left as it is. The new address: %(address)s",
            address=address,
        )
        return Revision(existing, "noted", order, state, notice, asks)
    if lines_differ and existing.state != State.CANCELLED:
        notice = sentence(
            "The order was changed at the marketplace after shipping had begun. This document was left as it is."
        )
        return Revision(existing, "noted", order, state, notice, asks)
    if goes_elsewhere:
        notice = sentence(
            "The delivery address was changed at the marketplace after shipping had begun. This document was left as "
            "it is. The new address: %(address)s",
            address=address,
        )
        return Revision(existing, "noted", order, state, notice, asks)
    went_on = state != existing.state or asks != existing.cancel_requested
    return Revision(existing, "noted" if went_on else None, order, state, existing.notice, asks)


def _withdrawn(existing: Existing, outcome: NotWanted) -> Revision:
    order = outcome.order
    if order.status != Status.CANCELLED or existing.state == State.CANCELLED:
        return Revision(existing, None, order, existing.state, existing.notice, existing.cancel_requested)
    if existing.is_untouched:
        notice = existing.notice
        if existing.type == DocumentType.INVOICE:
            notice = sentence(
                "The order was cancelled at the marketplace after its invoice had been written. Nothing is to be "
                "shipped; the invoice has to be cancelled in your bookkeeping."
            )
        return Revision(existing, "cancelled", order, State.CANCELLED, notice, False)
    notice = sentence(
        "The order was cancelled at the marketplace after shipping had begun. This document was left as it is."
    )
    return Revision(existing, "noted", order, existing.state, notice, existing.cancel_requested, withdrawn=True)


def _words(existing: Existing, said: Words) -> Words:
    """The document's words from here on. What is no longer told stays, but programs: of those all are told."""
    kept = existing.words
    if not existing.is_untouched:
        return kept._replace(programs=said.programs)
    is_invoice = existing.type == DocumentType.INVOICE
    return said._replace(
        purchase_order=kept.purchase_order if is_invoice else said.purchase_order or kept.purchase_order,
        shipping_level=said.shipping_level or kept.shipping_level,
    )


def _withheld(known: Mapping[str, str], told: Mapping[str, str], state: State) -> bool:
    """True where an address lacks what a parcel cannot do without, and there was one that had it.

    Of what was shipped Amazon may withhold name and street, and any part of an address is optional (Orders API
    2026-01-01): so one that only tells less is then no other.
    """
    recipient = ("name", "company")
    if any(part in known for part in recipient) and not any(part in told for part in recipient):
        return True
    tells_less = told.items() <= known.items()
    if tells_less and state == State.SHIPPED:
        return told != known
    needed = ("street", "country", "city", "postal_code") if tells_less else ("street", "country")
    return any(part in known and part not in told for part in needed)


def _shipped(existing: Existing, outcome: Draft) -> dict[int, int]:
    said = {line.reference: line.shipped for line in outcome.lines if line.kind == LineKind.ARTICLE}
    return {
        position: said[line.reference]
        for position, line in enumerate(existing.lines, start=1)
        if line.kind == LineKind.ARTICLE and said.get(line.reference, line.shipped) != line.shipped
    }


def _further(ours: State, theirs: State) -> State:
    """Shipping only goes forward: the marketplace hears of our parcels later than we do."""
    if ours == State.CANCELLED:
        return ours
    return max(ours, theirs, key=PROGRESS.index)
