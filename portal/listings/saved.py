"""What is kept beside a list: the columns its reader has chosen, and addresses of it under a name.

A saved view is an address, so opening one is following a link, and what it shows can be bookmarked and sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import Integer, Select, and_, bindparam, func, literal, or_, select
from sqlalchemy.exc import IntegrityError

from portal.errors import Refused
from portal.extensions import db
from portal.http import not_found
from portal.listings.models import ListColumns, ListView
from portal.scope import current_tenant_id
from portal.tenants.models import Role, User

# More than a row of links can show sensibly.
MOST_SHOWN = 60
MOST_OWN = 40


class NameTaken(Refused):
    """The user has a view of this list under this name already."""

    field = "name"


class TooMany(Refused):
    """The user has kept as many views of this list as fit above it."""

    field = "name"


@dataclass(frozen=True)
class Link:
    """A saved view as it stands above its list. `by` is whose it is, "" where it is one's own or nobody's."""

    id: int
    name: str
    query: str
    shared: bool
    by: str
    may_change: bool


@dataclass(frozen=True)
class Kept:
    """What is kept of a list: the names of the chosen columns (None: nothing was chosen), and its views."""

    columns: Sequence[str] | None
    views: Sequence[Link]


def kept_of(endpoint: str, path: str) -> Kept:
    """All that is kept of the list on this page for the user, his own views first, by one statement."""
    rows = db.session.execute(_all_kept(), {"reader": current_user.id, "list": endpoint, "list_path": path}).all()
    return Kept(rows[0].shown, [_link(row) for row in rows if row.id is not None])


@cache
def _all_kept() -> Select[*tuple[Any, ...]]:
    """Every list asks for these: the statement is put together once."""
    reader = bindparam("reader", type_=Integer)
    own_columns = and_(ListColumns.user_id == reader, ListColumns.endpoint == bindparam("list"))
    in_sight = and_(ListView.path == bindparam("list_path"), or_(ListView.shared, ListView.user_id == reader))
    return (
        select(
            ListColumns.shown,
            ListView.id,
            ListView.name,
            ListView.query,
            ListView.shared,
            ListView.user_id,
            User.name.label("by"),
        )
        .select_from(select(literal(1)).subquery())
        .outerjoin(ListColumns, own_columns)
        .outerjoin(ListView, in_sight)
        .outerjoin(User, User.id == ListView.user_id)
        .order_by(ListView.user_id != reader, func.lower(ListView.name), ListView.id)
        .limit(MOST_SHOWN)
    )


def in_sight(id: int) -> ListView:
    """The view, if the user may change it: his own, or as an administrator one that is shared. Else not found."""
    view: ListView = db.get_or_404(ListView, id)
    if not _may_change(view):
        raise not_found()
    return view


def save(path: str, query: str, name: str, shared: bool, over: bool = False) -> ListView:
    """Keep the address of a list under a name; `over` takes the place of the user's own of that name.

    Raises NameTaken and TooMany; nothing is written then.
    """
    own = ListView.user_id == current_user.id, ListView.path == path
    present = db.session.scalar(select(ListView).where(*own, func.lower(ListView.name) == func.lower(name)))
    if present is not None and not over:
        raise _taken(name)
    if present is None and db.session.scalar(select(func.count()).select_from(ListView).where(*own)) >= MOST_OWN:
        raise TooMany(_("You have kept %(most)s views of this list. Remove one first.", most=MOST_OWN))
    view = present or ListView(tenant_id=current_tenant_id(), user_id=current_user.id, path=path)
    view.query = query
    change(view, name, shared)
    return view


def change(view: ListView, name: str, shared: bool) -> None:
    """Name the view anew, share it or take it back. Raises NameTaken; nothing is written then.

    What was nobody's and is taken back becomes one's own.
    """
    try:
        with db.session.begin_nested():
            if view.user_id is None and not shared:
                view.user_id = current_user.id
            view.name, view.shared = name, shared
            db.session.add(view)
    except IntegrityError as error:
        raise _taken(name) from error


def _taken(name: str) -> NameTaken:
    return NameTaken(_("There is a view called “%(name)s” of this list already.", name=name))


def _link(row: Any) -> Link:
    own = row.user_id == current_user.id
    return Link(row.id, row.name, row.query, row.shared, "" if own else row.by or "", _may_change(row))


def _may_change(view: Any) -> bool:
    return bool(view.user_id == current_user.id or (view.shared and current_user.may(Role.ADMIN)))
