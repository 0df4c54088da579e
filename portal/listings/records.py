"""Lists of the rows of one table: searched by what their names contain, of those that a tenant has some dozens of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, or_, select

from portal.extensions import db
from portal.listings.actions import Action
from portal.listings.columns import Column
from portal.listings.listing import Listing
from portal.lists import Column as Field
from portal.lists import Filter, Sort, View, Window, count_up_to, parse_id


def records(
    title: str,
    endpoint: str,
    model: Any,
    columns: Sequence[Column],
    sorts: Sequence[Sort],
    searched: Sequence[Field],
    opens: Callable[[int], str] | None = None,
    options: Sequence[Any] = (),
    filters: Sequence[Filter] = (),
    actions: Sequence[Action] = (),
    among: Sequence[ColumnElement[bool]] = (),
    opened: Callable[[Any], int] = attrgetter("id"),
    **route: Any,
) -> Listing:
    """The list of a model's rows. `opens` tells where an id leads, `options` what is loaded along with a row.

    `filters` stand beside the search, or bring one of their own where nothing is `searched`. All the list's rows are
    `among` some, as its `route` says. `opened` is whose id leads on.
    """
    search = (searching(*searched),) if searched else ()
    view = View.of_request(endpoint, lambda values: sorts, (*search, *filters), **route)
    conditions = (*among, *view.conditions)

    def rows(window: Window) -> Sequence[Any]:
        query = select(model).options(*options).where(*conditions)
        found: Sequence[Any] = db.session.scalars(window.on(query)).all()
        return found

    return Listing(
        title,
        view,
        columns,
        rows,
        view.sort.key_of,
        lambda: count_up_to(select(model.id).where(*conditions)),
        (lambda row: opens(opened(row))) if opens else None,
        actions,
    )


def numbered(label: str, id: Field, *others: Callable[[str], ColumnElement[bool]]) -> Filter:
    """The search for the row with this id, and for what is meant otherwise by what is typed."""
    return Filter(
        "q", label, str, keeps=lambda typed: or_(id == (parse_id(typed) or 0), *(other(typed) for other in others))
    )


def searching(*fields: Field) -> Filter:
    """The search for what stands anywhere in one of these."""
    return Filter(
        "q", _l("Search"), str, keeps=lambda typed: or_(*(each.icontains(typed, autoescape=True) for each in fields))
    )
