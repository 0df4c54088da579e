"""What is chosen beside a list, and kept."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, current_app, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from portal.extensions import db
from portal.http import not_found
from portal.listings import columns, saved
from portal.listings.forms import ViewForm
from portal.listings.models import ListView
from portal.lists import SMALL_ID
from portal.tenants.access import require_user
from portal.typed import local_path

bp = Blueprint("listings", __name__, url_prefix="/lists")
bp.before_request(require_user)

# Longer than all filters of a list together.
LONGEST_ADDRESS = 4_000


@bp.post("/columns")
def choose_columns() -> ResponseReturnValue:
    """Keep which columns of a list its reader wants to see, or forget it."""
    endpoint = request.form.get("list", "")
    if endpoint not in current_app.view_functions:
        raise not_found()
    if "reset" in request.form:
        columns.reset(endpoint)
    else:
        columns.choose(endpoint, request.form.getlist("column"))
    return redirect(local_path(request.form.get("back")) or "/")


@bp.get("/views/new")
def new_view() -> ResponseReturnValue:
    return _page(ViewForm(), "?".join(_address()))


@bp.post("/views")
def create_view() -> ResponseReturnValue:
    """Keep an address of a list under a name; with `over` in the place of the one of that name."""
    path, query = _address()
    form, address, taken = ViewForm(), f"{path}?{query}", False
    if form.validate_on_submit():
        try:
            saved.save(path, query, form.name.data, form.shared.data, "over" in request.form)
        except (saved.NameTaken, saved.TooMany) as refused:
            form.say(refused)
            taken = isinstance(refused, saved.NameTaken)
        else:
            flash(_("The view “%(name)s” is kept.", name=form.name.data), "success")
            return redirect(address)
    return _page(form, address, taken=taken), 422


@bp.get(f"/views/{SMALL_ID}")
def edit_view(id: int) -> ResponseReturnValue:
    view = saved.in_sight(id)
    return _page(ViewForm(obj=view), view.address, view)


@bp.post(f"/views/{SMALL_ID}")
def update_view(id: int) -> ResponseReturnValue:
    view = saved.in_sight(id)
    form = ViewForm()
    if not form.accepts(lambda: saved.change(view, form.name.data, form.shared.data)):
        return _page(form, view.address, view), 422
    flash(_("The view “%(name)s” is saved.", name=view.name), "success")
    return redirect(view.address)


@bp.post(f"/views/{SMALL_ID}/removal")
def remove_view(id: int) -> ResponseReturnValue:
    view = saved.in_sight(id)
    db.session.delete(view)
    flash(_("The view “%(name)s” is removed.", name=view.name))
    return redirect(view.path)


def _page(form: ViewForm, address: str, view: ListView | None = None, taken: bool = False) -> str:
    """The form; where the name is `taken` it offers to take that view's place."""
    return render_template("listings/view.html", form=form, address=address, view=view, taken=taken)


def _address() -> tuple[str, str]:
    """Path and query of the list that is to be kept: of a page of ours, or not found."""
    typed = local_path(request.values.get("address"))
    if typed is None or len(typed) > LONGEST_ADDRESS:
        raise not_found()
    address = urlsplit(typed)
    try:
        current_app.url_map.bind("").match(address.path, method="GET")
    except (HTTPException, RequestRedirect) as error:
        raise not_found() from error
    return address.path, address.query
