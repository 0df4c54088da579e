"""The pages of held orders."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user, login_required
from htmx_flask import request

from portal.automation import actions
from portal.automation.areas import Scope, Step
from portal.documents.detail import documents_of_order
from portal.documents.listing import platform_names
from portal.documents.models import HeldOrder
from portal.extensions import db
from portal.held import groups, listing, service
from portal.held.columns import columns
from portal.listings.actions import Action, on_records
from portal.listings.listing import Listing, list_at
from portal.lists import ID, LONGEST_SEARCH, View
from portal.platforms.actions import PLATFORMS
from portal.presentation import address_of
from portal.sentences import say
from portal.tenants.access import require
from portal.tenants.models import Role

bp = Blueprint("held", __name__, url_prefix="/held")

# More of a payload than this is not put on a page; nobody reads further.
LONGEST_PAYLOAD = 200_000


@bp.before_request
@login_required
def _signed_in() -> None:
    """Nothing here is for those who are not signed in."""


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    listing_ = _listing()
    # The groups are of all that is held: they stand above the whole list only.
    is_part = listing_.view.chips or request.htmx or request.method == "POST"
    found, more = ([], False) if is_part else groups.groups()
    return listing_.answer(
        "held/index.html",
        "held/_table.html",
        groups=found,
        more_groups=more,
        most_counted=groups.MOST_COUNTED,
        causes=listing.CAUSES,
    )


def _listing() -> Listing:
    view = View.of_request("held.index", lambda values: (listing.NEWEST,), listing.FILTERS)
    wanted = listing.Wanted(view.get("q"), view.get("cause"), view.get("about"))
    opens = address_of("held.show")
    return Listing(
        _("Held orders"),
        view,
        columns(platform_names()),
        lambda window: listing.rows(wanted, window),
        listing.key_of,
        lambda: listing.count(wanted),
        lambda row: opens(row.id),
        (RETRY, REMOVE) if current_user.may(Role.ADMIN) else (RETRY,),
    )


@bp.get(f"/{ID}")
def show(id: int) -> ResponseReturnValue:
    held = db.get_or_404(HeldOrder, id)
    return render_template(
        "held/show.html",
        held=held,
        documents=documents_of_order(held.order_id, [held.platform_id]),
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


@bp.post(f"/{ID}/removal")
def remove(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    held = db.get_or_404(HeldOrder, id)
    order_id = held.order_id
    try:
        service.remove(held, request.form.get("version", ""))
    except service.NewerVersion as newer:
        flash(str(newer), "warning")
        return redirect(url_for("held.show", id=id))
    flash(_("Order %(order)s is held no more, and became no document.", order=order_id), "success")
    return redirect(url_for("held.index"))


@bp.post("/retry")
def retry_all() -> ResponseReturnValue:
    """Try all that is held again, or a group: of this `cause`, and `about` this. Very many are left to a worker."""
    cause, about = (_typed(name) for name in ("cause", "about"))
    outcome = service.retry_all(listing.Wanted(cause=cause, about=about))
    if outcome is None:
        only = {"cause": cause, "about": about} if cause is not None else {}
        run = actions.start(PLATFORMS, Scope(), [Step("retry_held", only)], current_user.id)
        flash(_("These are many: they are tried one after the other. Here is how far that is."), "info")
        return redirect(url_for("actions.show", id=run.id))
    flash(_told(outcome), "success" if not outcome.held else "warning")
    return redirect(url_for("held.index"))


def _typed(name: str) -> str | None:
    typed = request.form.get(name)
    return None if typed is None else typed.replace("\x00", "")[:LONGEST_SEARCH]


def _told(outcome: service.Outcome) -> str:
    became = ngettext("%(num)s order is a document now", "%(num)s orders are documents now", len(outcome.documents))
    still = ngettext("%(num)s is held still", "%(num)s are held still", outcome.held)
    return f"{became}; {still}."


RETRY = Action(
    "retry",
    _l("Try again"),
    "rotate",
    service.MOST_AT_ONCE,
    _l("Each becomes a document where its reason has passed; else it stays held."),
    lambda ids: _told(service.retry_these(ids)),
)


REMOVE = on_records(
    "remove",
    _l("Remove"),
    "trash",
    _l("For orders that were settled otherwise: they become no documents. A newer version is looked at anew."),
    HeldOrder,
    service.remove,
    lambda num: ngettext("%(num)s is removed.", "%(num)s are removed.", num),
    asks=True,
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
