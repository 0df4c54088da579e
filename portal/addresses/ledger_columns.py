"""The columns of the number ledger."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from portal.addresses.models import Purpose
from portal.addresses.numbers import Numbering
from portal.listings.columns import Column, link
from portal.presentation import address_of, ago, tone


def columns(purpose: Purpose, numbering: Numbering) -> tuple[Column, ...]:
    """Of numbers that were left out there is a row for each piece, which says why where others name their order."""
    of_addresses = purpose == Purpose.ADDRESS
    address, left_out = address_of("addresses.show"), tone("off", _("Left out"))

    def number(row: Any) -> str:
        return numbering.written(row.first) if row.number is None else str(row.number)

    def last(row: Any) -> str:
        return numbering.written(row.last) if row.number is None and row.first != row.last else ""

    def numbers(row: Any) -> str:
        several = last(row)
        return _("%(first)s to %(last)s", first=number(row), last=several) if several else number(row)

    def why(row: Any) -> Markup:
        return Markup(f"<span>{left_out} {escape(row.reason)}</span>")  # noqa: S704 - escaped

    def order(row: Any) -> str | Markup:
        return why(row) if row.number is None else row.order_id

    def customer(row: Any) -> str | Markup:
        if row.number is None:
            return why(row) if of_addresses else "–"
        name = row.customer or "–"
        if of_addresses:
            return name
        return link(address(row.address_id), name)

    drawn = Column("drawn", _l("Drawn"), lambda row: row.drawn_at, lambda row: ago(row.drawn_at))
    to = Column("to", _l("To"), last)
    orders = Column("order", _l("Order"), lambda row: row.order_id, order, classes="tabular")
    reason = Column("reason", _l("Reason"), lambda row: row.reason)
    return (
        Column("number", _l("Number"), number, numbers, sort="number", classes="tabular", heads=True, beside=to),
        drawn,
        *(() if of_addresses else (orders,)),
        Column("customer", _l("Customer"), lambda row: row.customer, customer, beside=reason),
    )
