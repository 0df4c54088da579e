"""The search over everything, in the head of every page."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from sqlalchemy import select

from portal.addresses import listing as addresses
from portal.documents import listing as documents
from portal.documents.forms import parse_order_id
from portal.documents.models import Document
from portal.extensions import db
from portal.held import listing as held
from portal.lists import LONGEST_SEARCH, Window
from portal.platforms.models import Platform
from portal.shipments.models import Shipment
from portal.tenants.session import current_tenant

bp = Blueprint("search", __name__, url_prefix="/search")

# Hits of a kind on one page; the lists show all of them.
MOST_OF_A_KIND = 10


@bp.before_request
@login_required
def _signed_in() -> None:
    """Nothing here is for those who are not signed in."""


@bp.get("")
def index() -> ResponseReturnValue:
    term = " ".join(parse_order_id(request.args.get("q", "")[:LONGEST_SEARCH]).split())
    if not term:
        return render_template("search/index.html", term="", hits={}, cut=False, platforms={})
    platforms = dict(db.session.execute(select(Platform.id, Platform.name)).all())
    found = documents.find(term, list(platforms))
    if len(found.exactly) == 1:
        return redirect(url_for("documents.show", id=min(found.exactly)))
    hits, cut = _hits(term, list(platforms), found)
    return render_template("search/index.html", term=term, hits=hits, cut=cut, platforms=platforms)


def _hits(term: str, platform_ids: list[int], found: documents.Found) -> tuple[dict[str, list[Any]], bool]:
    """What is found of each kind, and whether more match than are shown."""
    few = MOST_OF_A_KIND - 1  # a window reads one row more
    zone = ZoneInfo(current_tenant().time_zone)
    wanted = documents.Wanted(search=term)
    customers, cut = addresses.find(term, MOST_OF_A_KIND + 1)
    return {
        "documents": list(documents.rows(wanted, Window(documents.BY_DATE, rows=few), zone, platform_ids, found)),
        "addresses": list(addresses.rows(customers, Window(addresses.BY_NAME, rows=few))),
        "held": list(held.rows(held.Wanted(term), Window(held.NEWEST, rows=few))),
        "shipments": _parcels(term) if found.tracked else [],
    }, found.cut or cut or max(len(found.ids), len(customers)) > MOST_OF_A_KIND


def _parcels(term: str) -> list[Any]:
    tracked = documents.tracked(term).limit(MOST_OF_A_KIND).subquery()
    parcels = (
        select(Shipment.id, Shipment.document_id, Shipment.tracking_number, Shipment.state, Document.number)
        .join(tracked, tracked.c.id == Shipment.id)
        .join(Document, Document.id == Shipment.document_id)
    )
    return list(db.session.execute(parcels))
