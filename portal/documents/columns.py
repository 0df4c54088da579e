"""The columns of the list of documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.documents.forms import FULFILMENT
from portal.documents.listing import STATES_TO_SHIP
from portal.listings.columns import Column
from portal.platforms.models import DocumentType
from portal.presentation import DOCUMENT_TYPES, ago, icon, money, state, tone, word_of

# Put together, not formatted: a list does it in each of its rows.
SPAN, END = Markup("<span>"), Markup("</span>")
LATE = Markup('<span class="state state-attention">')

CURRENCY = Column("currency", _l("Currency"), lambda row: row.currency)


def columns(platforms: Mapping[int, str], types: Sequence[DocumentType]) -> tuple[Column, ...]:
    """`platforms` are the tenant's names, by id, `types` those in use: the only one is not said in each row."""
    now = datetime.now(UTC)
    not_ours, marketplace_ships = (
        Markup('<span class="text-secondary">{}</span>').format(word) for word in ("–", _("marketplace ships"))
    )

    def of_platform(row: Any) -> str:
        return platforms.get(row.platform_id, "–")

    def ship_by(row: Any) -> Any:
        if not _ours(row):
            return marketplace_ships if row.fulfilled_by == "marketplace" else not_ours
        if row.ship_by is None or row.ship_by >= now:
            return ago(row.ship_by)
        return LATE + icon("alert-triangle") + SPAN + ago(row.ship_by) + END + END

    return (
        Column("number", _l("Document"), lambda row: row.number, sort="number", classes="tabular", heads=True),
        Column("type", _l("Document type"), lambda row: str(DOCUMENT_TYPES[row.type]), hidden=len(types) < 2),
        Column("order", _l("Order"), lambda row: row.order_id, classes="tabular"),
        Column("ordered", _l("Ordered"), lambda row: row.ordered_at, lambda row: ago(row.ordered_at), sort="date"),
        Column("customer", _l("Customer"), lambda row: row.customer or "–"),
        Column("platform", _l("Platform"), of_platform, hidden=len(platforms) < 2),
        Column("channel", _l("Sales channel"), lambda row: row.sales_channel or "–", hidden=True),
        Column("fulfilled_by", _l("Shipped"), lambda row: str(FULFILMENT[row.fulfilled_by]), hidden=True),
        Column(
            "total",
            _l("Total"),
            lambda row: row.total,
            lambda row: money(row.total, row.currency),
            classes="num",
            beside=CURRENCY,
        ),
        Column("ship_by", _l("Ship by"), lambda row: row.ship_by if _ours(row) else None, ship_by, sort="ship_by"),
        Column("state", _l("State"), lambda row: word_of(row.state), _state),
    )


def _ours(row: Any) -> bool:
    """True where it is still for us to ship."""
    return row.state in STATES_TO_SHIP and row.fulfilled_by == "merchant"


def _state(row: Any) -> Markup:
    if row.cancel_requested and _ours(row):
        return SPAN + state(row.state) + " " + tone("attention", _("wants to cancel")) + END
    if row.notice:
        return SPAN + state(row.state) + " " + tone("attention", _("see notice")) + END
    return state(row.state)
