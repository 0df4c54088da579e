"""Lists of what a tenant has some dozens of: the rows of one table, searched by what their names contain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import or_, select

from portal.extensions import db
from portal.listings.actions import Action
from portal.listings.columns import Column
from portal.listings.listing import Listing
from portal.lists import Column as Field
from portal.lists import Filter, Sort, View, Window, count_up_to


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
) -> Listing:
    """The list of a model's rows. `opens` tells where an id leads, `options` what is loaded along with a row.

    `filters` stand beside the search, or bring one of their own where nothing is `searched`.
    """
    search = (searching(*searched),) if searched else ()
    view = View.of_request(endpoint, lambda values: sorts, (*search, *filters))

    def rows(window: Window) -> Sequence[Any]:
        query = select(model).options(*options).where(*view.conditions)
        found: Sequence[Any] = db.session.scalars(window.on(query)).all()
        return found

    return Listing(
        title,
        view,
        columns,
        rows,
        view.sort.key_of,
        lambda: count_up_to(select(model.id).where(*view.conditions)),
        (lambda row: opens(row.id)) if opens else None,
        actions,
    )


def searching(*fields: Field) -> Filter:
    """The search for what stands anywhere in one of these."""
    return Filter(
        "q", _l("Search"), str, keeps=lambda typed: or_(*(each.icontains(typed, autoescape=True) for each in fields))
    )
