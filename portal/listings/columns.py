"""The columns of a list, declared once: the head, the cells, the file and the choice among them follow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flask_login import current_user
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup, escape
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from portal.extensions import db
from portal.listings.models import ListColumns
from portal.lists import named_columns
from portal.scope import current_tenant_id


@dataclass(frozen=True)
class Column:
    """A column of a list.

    `value` is what a file gets of a row: a text, a number, an amount, a moment or a day; None where it is nothing
    for a file: buttons. `cell` is what the page shows instead, where that is more. The column that `heads` the row
    leads to the row's page; like any that is `fixed` it is always shown. `beside` is what a file holds beside it:
    the currency of an amount.
    """

    name: str
    label: Any
    value: Callable[[Any], Any] | None
    cell: Callable[[Any], Any] | None = None
    sort: str | None = None
    classes: str = ""
    hidden: bool = False
    heads: bool = False
    fixed: bool = False
    beside: Column | None = None

    @property
    def always(self) -> bool:
        return self.heads or self.fixed

    @property
    def opening(self) -> Markup:
        """How each of its cells begins: written once a page."""
        if self.heads:
            return Markup('<th scope="row" class="{}">').format(self.classes)
        return Markup('<td data-label="{}" class="{}">').format(self.label, self.classes)

    @property
    def closing(self) -> Markup:
        return Markup("</th>") if self.heads else Markup("</td>")

    @property
    def shows(self) -> Callable[[Any], Any]:
        """What the page shows of a row."""
        shows = self.cell or self.value
        if shows is None:
            raise ValueError(f"The column {self.name} shows nothing.")
        return shows


def link(url: str, words: str) -> Markup:
    """A link within a cell; `url` is one of ours."""
    return Markup(f'<a href="{url}">{escape(words)}</a>')  # noqa: S704 - escaped


def leading(label: Any) -> Callable[[str, str], Markup]:
    """A button in each cell of a column that leads somewhere: from its address and what the row is called.

    The name is for those who do not see the row.
    """
    middle = f'">{escape(label)}<span class="visually-hidden"> '

    def button(url: str, name: str) -> Markup:
        return Markup(f'<a class="btn btn-sm" href="{escape(url)}{middle}{escape(name)}</span></a>')  # noqa: S704

    return button


def posting(label: Any, sends: str = "number") -> Callable[..., Markup]:
    """A button in each cell of a column that changes something: from its address and what it `sends`.

    What the row is called is for those who do not see it.
    """
    middle = f'" class="d-inline"><input type="hidden" name="csrf_token" value="{generate_csrf()}">'
    middle += '<button type="submit" class="btn btn-sm"'
    end = "</button></form>"

    def button(url: str, value: str = "", name: str = "") -> Markup:
        sent = f' name="{sends}" value="{escape(value)}"' if value else ""
        unseen = f'<span class="visually-hidden"> {escape(name)}</span>' if name else ""
        return Markup(  # noqa: S704 - escaped
            f'<form method="post" action="{escape(url)}{middle}{sent}>{escape(label)}{unseen}{end}'
        )

    return button


def choice(columns: Sequence[Column], names: Collection[str] | None) -> tuple[Column, ...]:
    """The columns of these names, and those that are always shown; None: what the list shows by itself."""
    if names is None:
        return tuple(column for column in columns if column.always or not column.hidden)
    return tuple(column for column in columns if column.always or column.name in names)


def choose(endpoint: str, names: Iterable[str]) -> None:
    """Keep which columns the user wants to see of a list."""
    shown = sorted(named_columns(names))
    row = {"user_id": current_user.id, "endpoint": endpoint, "tenant_id": current_tenant_id(), "shown": shown}
    keys = [ListColumns.user_id, ListColumns.endpoint]
    db.session.execute(insert(ListColumns).on_conflict_do_update(index_elements=keys, set_={"shown": shown}), [row])


def reset(endpoint: str) -> None:
    """Show the user again what the list shows by itself."""
    db.session.execute(
        delete(ListColumns).where(ListColumns.user_id == current_user.id, ListColumns.endpoint == endpoint)
    )
