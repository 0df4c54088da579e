"""What people type on the pages of documents."""

from __future__ import annotations

from datetime import date

from flask_babel import format_date
from flask_babel import lazy_gettext as _l

from portal.documents.listing import FULFILLED_BY, TO_SHIP_STATE
from portal.documents.models import State
from portal.lists import Filter, id_among, one_of, parse_id
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


def filters(platforms: dict[int, str]) -> tuple[Filter, ...]:
    """The filters of the list of documents; `platforms` are the tenant's, by id."""
    return (
        Filter("q", _l("Search"), str),
        Filter("state", _l("State"), one_of(STATES), lambda state: STATES[state]),
        Filter("platform", _l("Platform"), id_among(platforms), lambda id: platforms[id]),
        Filter("fulfilled_by", _l("Shipped"), one_of(FULFILLED_BY), lambda by: FULFILMENT[by]),
        Filter("type", _l("Document type"), one_of(DOCUMENT_TYPES), lambda type: DOCUMENT_TYPES[type]),
        Filter("since", _l("From"), parse_day, format_date),
        Filter("until", _l("To"), parse_day, format_date),
        Filter("fetch", _l("Fetch"), parse_id),
        Filter("actions", _l("Area actions"), parse_id),
    )


def parse_day(text: str) -> date | None:
    """A day as the browser's date field sends it, None for anything else or what no order can bear."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1990 <= day.year <= 2200 else None


def parse_order_id(text: str) -> str:
    """An order id as pasted: without spaces around or invisible characters within. Any text is accepted."""
    return "".join(character for character in text if character.isprintable()).strip()[:LONGEST_ORDER_ID].strip()
