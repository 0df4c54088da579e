"""What is chosen beside a list, and kept."""

from __future__ import annotations

from flask import Blueprint, current_app, redirect, request
from flask.typing import ResponseReturnValue

from portal.http import not_found
from portal.listings import columns
from portal.tenants.access import require_user
from portal.typed import local_path

bp = Blueprint("listings", __name__, url_prefix="/lists")
bp.before_request(require_user)


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
