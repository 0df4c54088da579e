"""A list as a page shows it: the rows its URL asks for, in the columns its reader has chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from htmx_flask import request
from markupsafe import Markup

from portal.http import not_found
from portal.listings import export
from portal.listings.actions import Action, ids_of, ticks_of
from portal.listings.cells import rows
from portal.listings.columns import Column, choice
from portal.listings.saved import Kept, kept_of
from portal.lists import View, Window, page_of


@dataclass(frozen=True)
class Listing:
    """A list for this request.

    `rows_in` reads a window, `key_of` names a row's key, `count` says how many rows there are, or None beyond
    what lists count. `opens` tells where a row leads, if anywhere.
    """

    title: str
    view: View
    columns: Sequence[Column]
    rows_in: Callable[[Window], Sequence[Any]]
    key_of: Callable[[Any], tuple[Any, ...]]
    count: Callable[[], int | None]
    opens: Callable[[Any], str] | None = None
    actions: Sequence[Action] = ()
    acts_at: str = ""  # the endpoint that is sent the rows that were ticked

    @cached_property
    def kept(self) -> Kept:
        return kept_of(self.view.endpoint, self.path)

    @cached_property
    def shown(self) -> tuple[Column, ...]:
        """The columns that the URL names, else those that the reader has chosen."""
        return choice(self.columns, self.view.columns or self.kept.columns)

    @cached_property
    def path(self) -> str:
        return url_for(self.view.endpoint, **self.view.route)

    @cached_property
    def query(self) -> str:
        """What the URL says of filters, order and columns, as a saved view keeps it."""
        return urlsplit(self.view.url()).query

    @property
    def save_url(self) -> str | None:
        """Where the list as it is shown is kept under a name; None where nothing of it is chosen."""
        if not (self.query or self.kept.columns is not None):
            return None
        columns = ".".join(column.name for column in self.shown)
        return url_for("listings.new_view", address=self.view.url(columns=columns))

    def answer(self, template: str, fragment: str, **more: Any) -> ResponseReturnValue:
        """The page or the part of it that HTMX swaps; with ?export= the file of all the rows that match."""
        kind = request.args.get("export")
        if kind in export.KINDS:
            return export.answer(kind, self.title, self.shown, self.every_page())
        part = request.htmx and not request.htmx.history_restore_request
        return self.page(fragment if part else template, **more)

    def page(self, template: str, **more: Any) -> str:
        """The list in a template: also in that of a page that answers a form."""
        page = page_of(self.view, self.rows_in, self.key_of, self.count())
        return render_template(template, listing=self, view=self.view, page=page, exports=export.KINDS, **more)

    def cells(self, found: Sequence[Any]) -> Markup:
        """The rows of a page as HTML."""
        return rows(self.shown, found, self.opens, ticks_of(self.actions[0]) if self.actions else None)

    def actions_on(self, rows: Sequence[Any]) -> list[Action]:
        """The actions that are meant for any of these rows."""
        return [action for action in self.actions if any(map(action.fits, rows))]

    @property
    def act_url(self) -> str:
        """Where ticked rows are sent, with the filters that stand for all that match."""
        return replace(self.view, endpoint=self.acts_at).url()

    def act(self) -> ResponseReturnValue:
        """Do what was asked with the ticked rows; with all that match only once their number was seen.

        All rows of this list must be such as its actions are meant for.
        """
        action = next((each for each in self.actions if each.name == request.form.get("action")), None)
        if action is None:
            raise not_found()
        if "all" not in request.form:
            ids = ids_of(request.form.getlist("id"), action.most)
        elif action.leads and not self.view.values:
            return redirect(action.leads(None))
        elif "seen" in request.form:
            ids = [row.id for row in self.rows_in(Window(self.view.sort, rows=action.most))[: action.most]]
        else:
            return render_template(
                "listings/all.html", listing=self, view=self.view, action=action, matching=self.count()
            )
        if action.leads and ids:
            return redirect(action.leads(ids))
        flash(action.on(ids) if action.on and ids else _("Nothing is selected."), "info")
        return redirect(self.view.url())

    def every_page(self) -> Iterator[Callable[[], Sequence[Any]]]:
        """All the rows that match, in the list's order: each step reads some when it is called."""
        window: Window | None = Window(self.view.sort, rows=export.ROWS_AT_ONCE)

        def read() -> Sequence[Any]:
            nonlocal window
            assert window is not None
            found = self.rows_in(window)
            page = found[: window.rows]
            more = len(found) > window.rows
            window = Window(window.sort, self.key_of(page[-1]), rows=window.rows) if more else None
            return page

        while window is not None:
            yield read
