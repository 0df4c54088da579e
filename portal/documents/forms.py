"""What people type on the pages of documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask_babel import lazy_gettext as _l

from portal.documents.listing import TO_SHIP_STATE
from portal.documents.models import DocumentType, State
from portal.lists import Filter, one_of, parse_id
from portal.presentation import DOCUMENT_TYPES

# Longer than the order ids of any marketplace; the rest of what was pasted is cut off.
LONGEST_ORDER_ID = 100

STATES = {
    TO_SHIP_STATE: _l("To ship"),
    State.OPEN.value: _l("Open"),
    State.PARTLY_SHIPPED.value: _l("Partly shipped"),
    State.SHIPPED.value: _l("Shipped"),
    State.CANCELLED.value: _l("Cancelled"),
}
FULFILMENT = {"merchant": _l("By us"), "marketplace": _l("By the marketplace")}


def filters(platforms: Mapping[int, str], types: Sequence[DocumentType]) -> tuple[Filter, ...]:
    """The filters of the list of documents; `platforms` are the tenant's, by id, `types` those there are."""
    offered = {type.value: DOCUMENT_TYPES[type] for type in types}
    return (
        Filter("q", _l("Search"), str),
        Filter.among("state", _l("State"), STATES),
        Filter.among("platform", _l("Platform"), platforms),
        Filter.among("fulfilled_by", _l("Shipped"), FULFILMENT),
        Filter("type", _l("Document type"), one_of(DOCUMENT_TYPES), lambda type: DOCUMENT_TYPES[type], offered),
        Filter.of_day("since", _l("From")),
        Filter.of_day("until", _l("To")),
        Filter("fetch", _l("Fetch"), parse_id),
        Filter("actions", _l("Area actions"), parse_id),
    )


def parse_order_id(text: str) -> str:
    """An order id as pasted: without spaces around or invisible characters within. Any text is accepted."""
    return "".join(character for character in text if character.isprintable()).strip()[:LONGEST_ORDER_ID].strip()
