"""The pages of the address book."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required
from htmx_flask import request

from portal.addresses import listing
from portal.addresses.models import Address
from portal.extensions import db
from portal.lists import ID, View, page_of

bp = Blueprint("addresses", __name__, url_prefix="/addresses")


@bp.before_request
@login_required
def _signed_in() -> None:
    """Nothing here is for those who are not signed in."""


@bp.get("/")
def index() -> ResponseReturnValue:
    view = View.of_request("addresses.index", lambda values: listing.SORTS, listing.FILTERS)
    search = view.get("q")
    found, cut = listing.find(search) if search else (None, False)
    page = page_of(
        view,
        lambda window: listing.rows(found, window),
        lambda row: listing.key_of(row, view.sort),
        listing.count(found),
    )
    fragment = request.htmx and not request.htmx.history_restore_request
    return render_template(
        "addresses/_table.html" if fragment else "addresses/index.html", view=view, page=page, cut=cut
    )


@bp.get(f"/{ID}")
def show(id: int) -> ResponseReturnValue:
    address = db.get_or_404(Address, id)
    view = View.of_request("addresses.show", lambda values: (listing.NEWEST_DOCUMENTS,), id=id)
    page = page_of(
        view,
        lambda window: listing.documents(address, window),
        listing.document_key,
        listing.count_documents(address),
    )
    fragment = request.htmx and not request.htmx.history_restore_request
    return render_template(
        "addresses/_documents.html" if fragment else "addresses/show.html",
        address=address,
        view=view,
        page=page,
        now=datetime.now(UTC),
    )
