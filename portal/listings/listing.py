"""A list as a page shows it: the rows its URL asks for, in the columns its reader has chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from operator import attrgetter
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from htmx_flask import request
from markupsafe import Markup

from portal.http import not_found
from portal.listings import export
from portal.listings.actions import Action, ids_of, ticks
from portal.listings.cells import rows
from portal.listings.columns import Column, choice
from portal.listings.saved import Kept, kept_of
from portal.lists import PAGE_ROWS, View, Window, page_of, parse_id

Shown = TypeVar("Shown", bound=Callable[..., ResponseReturnValue])

# The endpoint that is sent what to do with rows of a list is the list's own with this behind it.
ACT = "_act"

# Ticked rows are looked for on their page and so many behind it.
MOST_PAGES_BEYOND = 20


def list_at(bp: Blueprint, rule: str) -> Callable[[Shown], Shown]:
    """Show a list there, and take below it what is to be done with its rows: the same view answers both."""

    def register(view: Shown) -> Shown:
        bp.add_url_rule(rule, view.__name__, view)
        bp.add_url_rule(rule.rstrip("/") + "/selection", view.__name__ + ACT, view, methods=["POST"])
        return view

    return register


@dataclass(frozen=True)
class Listing:
    """A list for this request.

    `rows_in` reads a window, `key_of` names a row's key, `count` says how many rows there are, or None beyond
    what lists count. `opens` tells where a row leads, if anywhere. `id_of` is what a row is ticked by, as
    `parse_id` reads it again.
    """

    title: str
    view: View
    columns: Sequence[Column]
    rows_in: Callable[[Window], Sequence[Any]]
    key_of: Callable[[Any], tuple[Any, ...]]
    count: Callable[[], int | None]
    opens: Callable[[Any], str] | None = None
    actions: Sequence[Action] = ()
    id_of: Callable[[Any], Any] = attrgetter("id")
    parse_id: Callable[[str], Any] = parse_id

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
        """The page or the part of it that HTMX swaps; with ?export= the file of all the rows that match.

        Sent what is to be done with rows, it does that.
        """
        if request.method == "POST":
            return self._act()
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
        return rows(self.shown, found, self.opens, ticks(self.id_of))

    def actions_on(self, rows: Sequence[Any]) -> list[Action]:
        """The actions that are meant for any of these rows."""
        return [action for action in self.actions if any(map(action.fits, rows))]

    @property
    def act_url(self) -> str:
        """Where ticked rows are sent: with the filters, which stand for all that match, and the page they are on."""
        return replace(self.view, endpoint=self.view.endpoint + ACT).url(**self.view.place)

    def _act(self) -> ResponseReturnValue:
        """Do what was asked with the ticked rows; with all that match only once their number was seen."""
        name, back = request.form.get("action", ""), self.view.url(**self.view.place)
        action = next((each for each in self.actions if each.name == name), None)
        if action is None and name not in export.KINDS:
            raise not_found()
        all_that_match, seen = "all" in request.form, "seen" in request.form
        ids = ids_of(request.form.getlist("id"), action.most if action else PAGE_ROWS, self.parse_id)
        if all_that_match and action and action.leads and not (self.view.values or self.view.route):
            return redirect(action.leads(None))  # a list of its own page is not all there is
        if action and not seen and (all_that_match or (action.asks and ids)):
            matching = self.count() if all_that_match else len(ids)
            return render_template(
                "listings/all.html", listing=self, view=self.view, action=action, matching=matching, ids=ids, back=back
            )
        if all_that_match and action:
            rows = self.rows_in(Window(self.view.sort, rows=action.most))[: action.most]
            ids = [self.id_of(row) for row in rows]
        if not ids:
            flash(_("Nothing is selected."), "info")
            return redirect(back)
        if action is None:
            return export.answer(name, self.title, self.shown, iter([lambda: self._ticked(ids)]))
        if action.leads:
            return redirect(action.leads(ids))
        flash(action.on(ids) if action.on else "", "info")
        return redirect(back)

    def _ticked(self, ids: Sequence[Any]) -> Sequence[Any]:
        """Those of the page that were ticked, in its order. Some pages may have come before them meanwhile."""
        ticked: list[Any] = []
        for read in islice(self._pages(self.view.window), MOST_PAGES_BEYOND):
            ticked += [row for row in read() if self.id_of(row) in ids]
            if len(ticked) == len(ids):
                break
        return ticked[::-1] if self.view.backwards else ticked

    def every_page(self) -> Iterator[Callable[[], Sequence[Any]]]:
        """All the rows that match, in the list's order: each step reads some when it is called."""
        return self._pages(Window(self.view.sort, rows=export.ROWS_AT_ONCE))

    def _pages(self, first: Window) -> Iterator[Callable[[], Sequence[Any]]]:
        """The rows from this window on; each step reads one when it is called."""
        window: Window | None = first

        def read() -> Sequence[Any]:
            nonlocal window
            assert window is not None
            found = self.rows_in(window)
            page = found[: window.rows]
            more = len(found) > window.rows
            window = replace(window, key=self.key_of(page[-1])) if more else None
            return page

        while window is not None:
            yield read
