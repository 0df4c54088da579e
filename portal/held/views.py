"""The pages of held orders."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import login_required
from sqlalchemy import select

from portal.documents.models import HeldOrder
from portal.extensions import db
from portal.held import listing, service
from portal.held.columns import columns
from portal.listings.actions import Action
from portal.listings.listing import Listing
from portal.lists import ID, View
from portal.platforms.models import Platform
from portal.presentation import address_of
from portal.sentences import say

bp = Blueprint("held", __name__, url_prefix="/held")

# More of a payload than this is not put on a page; nobody reads further.
LONGEST_PAYLOAD = 200_000


@bp.before_request
@login_required
def _signed_in() -> None:
    """Nothing here is for those who are not signed in."""


@bp.get("/")
def index() -> ResponseReturnValue:
    return _listing().answer("held/index.html", "held/_table.html", most_at_once=service.MOST_AT_ONCE)


@bp.post("/selection")
def act() -> ResponseReturnValue:
    """Try the ticked orders again, or all that match."""
    return _listing().act()


def _listing() -> Listing:
    view = View.of_request("held.index", lambda values: (listing.NEWEST,), listing.FILTERS)
    order_id = view.get("q")
    platforms = dict(db.session.execute(select(Platform.id, Platform.name)).all())
    opens = address_of("held.show")
    return Listing(
        _("Held orders"),
        view,
        columns(platforms),
        lambda window: listing.rows(order_id, window),
        listing.key_of,
        lambda: listing.count(order_id),
        lambda row: opens(row.id),
        (RETRY,),
        "held.act",
    )


@bp.get(f"/{ID}")
def show(id: int) -> ResponseReturnValue:
    held = db.get_or_404(HeldOrder, id)
    return render_template(
        "held/show.html",
        held=held,
        payload=readable(bytes(held.payload)),
        causes=listing.CAUSES,
        components=listing.COMPONENTS,
        now=datetime.now(UTC),
    )


@bp.post(f"/{ID}/retry")
def retry(id: int) -> ResponseReturnValue:
    held = db.get_or_404(HeldOrder, id)
    order_id = held.order_id
    outcome = service.retry(held)
    if outcome.document is not None:
        flash(_("Order %(order)s is a document now.", order=order_id), "success")
        return redirect(url_for("documents.show", id=outcome.document))
    if outcome.reason is not None:
        flash(_("Order %(order)s is held still: %(reason)s", order=order_id, reason=say(outcome.reason)), "warning")
        return redirect(url_for("held.show", id=id))
    flash(_("Order %(order)s is no longer wanted: it is pending or cancelled.", order=order_id), "info")
    return redirect(url_for("held.index"))


@bp.post("/retry")
def retry_all() -> ResponseReturnValue:
    outcome = service.retry_all()
    flash(_told(outcome), "success" if not outcome.held else "warning")
    return redirect(url_for("held.index"))


def _told(outcome: service.Outcome) -> str:
    became = ngettext("%(num)s order is a document now", "%(num)s orders are documents now", len(outcome.documents))
    still = ngettext("%(num)s is held still", "%(num)s are held still", outcome.held)
    return f"{became}; {still}."


RETRY = Action(
    "retry",
    _l("Try again"),
    "rotate",
    service.MOST_AT_ONCE,
    lambda ids: _told(service.retry_these(ids)),
    _l("Each becomes a document where its reason has passed; else it stays held."),
)


def readable(payload: bytes) -> str:
    """The payload indented, or as it came where it is not JSON; cut where it is very long."""
    text = payload[:LONGEST_PAYLOAD].decode(errors="replace")
    if len(payload) > LONGEST_PAYLOAD:
        return text + "\n…"
    try:
        indented = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    return indented.encode(errors="replace").decode()  # half a character, as JSON may hold one, is none
