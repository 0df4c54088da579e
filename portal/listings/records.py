"""Lists of what a tenant has some dozens of: the rows of one table, searched by what their names contain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import or_, select

from portal.extensions import db
from portal.listings.columns import Column
from portal.listings.listing import Listing
from portal.lists import Column as Field
from portal.lists import Filter, Query, Sort, View, Window, count_up_to

FILTERS = (Filter("q", _l("Search"), str),)


def records(
    title: str,
    endpoint: str,
    model: Any,
    columns: Sequence[Column],
    sorts: Sequence[Sort],
    searched: Sequence[Field],
    opens: Callable[[int], str] | None = None,
    options: Sequence[Any] = (),
) -> Listing:
    """The list of a model's rows. `opens` tells where an id leads, `options` what is loaded along with a row."""
    view = View.of_request(endpoint, lambda values: sorts, FILTERS)
    search = view.get("q")

    def these(query: Query) -> Query:
        return query.where(or_(*(field.icontains(search, autoescape=True) for field in searched))) if search else query

    def rows(window: Window) -> Sequence[Any]:
        found: Sequence[Any] = db.session.scalars(window.on(these(select(model).options(*options)))).all()
        return found

    return Listing(
        title,
        view,
        columns,
        rows,
        lambda row: tuple(getattr(row, str(field.key)) for field in view.sort.key),
        lambda: count_up_to(these(select(model.id))),
        (lambda row: opens(row.id)) if opens else None,
    )
