"""The documents of an address: it may be one of a customer, or stand in for all buyers of a platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, select, union

from portal.addresses.models import Address
from portal.documents.columns import columns
from portal.documents.listing import BY_DATE, BY_NUMBER, OWN_COLUMNS, key_of, of_order, platform_names, types_in_use
from portal.documents.models import Document
from portal.extensions import db
from portal.listings.actions import area_actions
from portal.listings.listing import Listing
from portal.lists import Filter, Sort, View, Window, count_up_to, is_among, prefix
from portal.presentation import address_of

# A search considers so many documents, and says so where there are more.
MOST_FOUND = 200

FILTERS = (Filter("q", _l("Search"), str),)


def listing_of(address: Address) -> tuple[Listing, bool]:
    """The list on the page of an address, and whether a search found more than it can show."""
    id, platforms, opens = address.id, platform_names(), address_of("documents.show")
    view = View.of_request("addresses.show", _sorts, FILTERS, id=id)
    search = view.get("q")
    found = find(id, search, list(platforms)) if search else None
    listing = Listing(
        _("Documents of %(number)s", number=address.number),
        view,
        [column for column in columns(platforms, types_in_use()) if column.name != "customer"],
        lambda window: rows(id, found, window),
        lambda row: key_of(row, view.sort),
        lambda: count(id, found),
        lambda row: opens(row.id),
        (area_actions("documents"),),
    )
    return listing, found is not None and len(found) >= MOST_FOUND


def rows(address_id: int, found: Sequence[int] | None, window: Window) -> Sequence[Any]:
    """The documents of one window: all that bear the address, or those of `found`."""
    query = select(*OWN_COLUMNS)
    if found is None:
        return db.session.execute(window.on(query.where(*_these(address_id)))).all()
    return db.session.execute(window.among(query, Document.id, *_these(address_id, found))).all()


def count(address_id: int, found: Sequence[int] | None = None) -> int | None:
    return count_up_to(select(Document.ordered_at).where(*_these(address_id, found)))


def find(address_id: int, term: str, platform_ids: Sequence[int]) -> list[int]:
    """The ids of the documents of an address with this order id, or whose number begins so: MOST_FOUND at most."""
    term = " ".join(term.split())
    of_address = select(Document.id).where(*_these(address_id))
    numbered = of_address.where(prefix(Document.number, term.upper()))
    ids = union(
        of_address.where(of_order(term, platform_ids)),
        select(numbered.order_by(Document.number.desc()).limit(MOST_FOUND).subquery().c.id),
    )
    return sorted(db.session.scalars(ids))


def _sorts(values: Mapping[str, Any]) -> tuple[Sort, ...]:
    """By number only what a search found: no index has the numbers of an address."""
    return (BY_DATE, BY_NUMBER) if values else (BY_DATE,)


def _these(address_id: int, found: Sequence[int] | None = None) -> list[ColumnElement[bool]]:
    own = Document.address_id == address_id
    return [own] if found is None else [own, is_among(Document.id, found)]
