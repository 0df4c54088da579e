"""The pages of documents: list, one document, and the question where an order is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required
from htmx_flask import request

from portal.automation import runs
from portal.documents import asking, detail, listing
from portal.documents.columns import columns
from portal.documents.forms import filters, parse_order_id
from portal.documents.page import document_page, path_fragment
from portal.http import not_found
from portal.listings.actions import area_actions
from portal.listings.listing import Listing, list_at
from portal.lists import ID, View, parse_id
from portal.platforms.models import DocumentType
from portal.presentation import address_of
from portal.tenants.session import current_tenant

bp = Blueprint("documents", __name__, url_prefix="/documents")


@bp.before_request
@login_required
def _signed_in() -> None:
    """Nothing here is for those who are not signed in."""


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    platforms, types = listing.platform_names(), listing.types_in_use()
    listing_, cut = _listing(platforms, types)
    return listing_.answer(
        "documents/index.html",
        "documents/_table.html",
        cut=cut,
        platforms=platforms,
        hint=_("Order, document, name, tracking number"),
    )


def _listing(platforms: dict[int, str], types: Sequence[DocumentType]) -> tuple[Listing, bool]:
    """The list, and whether a search found more than it can show."""
    view = View.of_request(
        "documents.index", lambda values: listing.sorts_of(listing.wanted_of(values)), filters(platforms, types)
    )
    wanted, zone = listing.wanted_of(view.values), ZoneInfo(current_tenant().time_zone)
    found = listing.looked_up(wanted, list(platforms))
    opens = address_of("documents.show")
    listing_ = Listing(
        _("Documents"),
        view,
        columns(platforms, types),
        lambda window: listing.rows(wanted, window, zone, list(platforms), found),
        lambda row: listing.key_of(row, view.sort),
        lambda: listing.count(wanted, zone, list(platforms), found),
        lambda row: opens(row.id),
        (area_actions("documents"),),
    )
    return listing_, found is not None and found.cut


@bp.get(f"/{ID}")
def show(id: int) -> ResponseReturnValue:
    document = detail.document(id)
    if document is None:
        raise not_found()
    return document_page(document)


@bp.get(f"/{ID}/path")
def path(id: int) -> ResponseReturnValue:
    """State, path and parcels, for the page to look again while a report is on its way."""
    document = detail.document(id)
    if document is None:
        raise not_found()
    shown = [parse_id(id) for id in request.args.get("failed", "").split(",")]
    return path_fragment(document, [id for id in shown if id is not None])


@bp.get("/ask")
def ask() -> ResponseReturnValue:
    order_id = parse_order_id(request.args.get("order_id", ""))
    return _answer(asking.ask(order_id) if order_id else None, asked=False)


@bp.post("/ask")
def fetch_now() -> ResponseReturnValue:
    """Let the cloud ask the marketplace, and fetch what it then has."""
    order_id = parse_order_id(request.form.get("order_id", ""))
    if not order_id:
        return _answer(None, asked=False)
    chosen = request.form.get("platform", "")
    asked = [platform for platform in asking.platforms() if chosen in ("", str(platform.id))]
    answer, waiting = asking.ask_marketplace(order_id, asked)
    started = [runs.start_fetch(platform, "person") for platform in waiting]
    return _answer(answer, asked=bool(asked), run=started[0] if started else None)


def _answer(answer: asking.Answer | None, **more: object) -> ResponseReturnValue:
    fragment = request.htmx and not request.htmx.history_restore_request
    return render_template(
        "documents/_answer.html" if fragment else "documents/ask.html",
        answer=answer,
        platforms=asking.platforms(),
        now=datetime.now(UTC),
        **more,
    )
