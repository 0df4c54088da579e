"""The list of held orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from portal.documents.models import HeldOrder
from portal.extensions import db
from portal.lists import Filter, Query, Sort, Window, count_up_to

NEWEST = Sort("held", (HeldOrder.held_at, HeldOrder.id), descending=True)

CAUSES = {
    "total": _l("Amounts differ"),
    "line_total": _l("Amounts of a line differ"),
    "amount": _l("Amount makes no sense"),
    "no_total": _l("No total"),
    "currency": _l("Currency unknown"),
    "no_lines": _l("No articles"),
    "quantity": _l("Quantity makes no sense"),
    "no_address": _l("No delivery address"),
    "numbers": _l("No number left"),
    "unknown_sku": _l("SKU without an article"),
    "tax": _l("Tax differs"),
    "no_tax_rate": _l("No tax rate"),
    "resold": _l("Address of the marketplace missing"),
    "unreadable": _l("Could not be read"),
    "refused": _l("Refused by the database"),
}
COMPONENTS = {
    "article": _l("Article price"),
    "shipping": _l("Shipping"),
    "gift_wrap": _l("Gift wrap"),
    "discount": _l("Discount"),
    "shipping_discount": _l("Discount on shipping"),
    "tip": _l("Tip"),
    "tax": _l("Tax"),
    "other": _l("Other"),
}

# The payload may be megabytes; a list reads none of it.
COLUMNS = (
    HeldOrder.id,
    HeldOrder.order_id,
    HeldOrder.platform_id,
    HeldOrder.cause,
    HeldOrder.reason,
    HeldOrder.component,
    HeldOrder.held_at,
    HeldOrder.retries,
)
FILTERS = (
    Filter("q", _l("Order number of the marketplace"), str),
    Filter.among("cause", _l("Cause"), CAUSES),
    Filter("about", _l("About"), str, lasts=False),  # of one cause
)


@dataclass(frozen=True)
class Wanted:
    """Which held orders: with this number, of this cause, about this thing; None: any."""

    order_id: str | None = None
    cause: str | None = None
    about: str | None = None


EVERYTHING = Wanted()


def rows(wanted: Wanted, window: Window) -> Sequence[Any]:
    return db.session.execute(window.on(these(select(*COLUMNS), wanted))).all()


def count(wanted: Wanted) -> int | None:
    return count_up_to(these(select(HeldOrder.id), wanted))


def key_of(row: Any) -> tuple[Any, ...]:
    return (row.held_at, row.id)


def these(query: Query, wanted: Wanted) -> Query:
    """The query, of the wanted orders only."""
    conditions = (
        (HeldOrder.order_id, wanted.order_id),
        (HeldOrder.cause, wanted.cause),
        (HeldOrder.about, wanted.about),
    )
    return query.where(*(column == value for column, value in conditions if value is not None))
