"""The pages of shipping: status messages, the form of a parcel, carriers."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from htmx_flask import request

from portal.documents import detail
from portal.documents.models import Document
from portal.documents.page import document_page
from portal.extensions import db
from portal.http import not_found
from portal.listings.actions import Action, removal
from portal.listings.listing import Listing, list_at
from portal.listings.records import records
from portal.lists import ID, SMALL_ID, Filter, Sort, View, parse_id
from portal.presentation import address_of
from portal.shipments import carriers, listing, service, tracking
from portal.shipments.carrier_columns import COLUMNS as CARRIER_COLUMNS
from portal.shipments.carriers import CarrierInUse
from portal.shipments.columns import COLUMNS
from portal.shipments.forms import CarrierForm, RetryForm, ShipmentForm
from portal.shipments.models import Carrier, MessageState, Shipment
from portal.shipments.parcel import ShipmentRefused
from portal.tenants.access import require, require_user
from portal.tenants.models import Role
from portal.tenants.session import current_tenant

bp = Blueprint("shipments", __name__, url_prefix="/shipments")
bp.before_request(require_user)

STATES = {
    MessageState.FAILED: _l("Failed"),
    MessageState.QUEUED: _l("Queued"),
    MessageState.SENT: _l("Sent"),
    MessageState.CONFIRMED: _l("Confirmed"),
}
FILTERS = (
    Filter("q", _l("Tracking number"), str),
    Filter.among("state", _l("State"), STATES),
    Filter("actions", _l("Area actions"), parse_id),
)


def _report_again(ids: Sequence[int]) -> str:
    sent = service.retry_these(ids)
    return ngettext("%(num)s report is on its way again.", "%(num)s reports are on their way again.", sent)


REPORT_AGAIN = Action(
    "retry",
    _l("Report again"),
    "send",
    service.MOST_AT_ONCE,
    _l("Reports that failed are sent again as they are."),
    _report_again,
    fits=lambda row: row.state == MessageState.FAILED,
)


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    """The list; where all that match are to be reported again, of those that failed."""
    of = {MessageState.FAILED} if request.form.get("action") == REPORT_AGAIN.name else set(MessageState)
    view = View.of_request("shipments.index", lambda values: (listing.FAILED_FIRST,), FILTERS)
    states = [state for state in of if view.get("state") in (None, state)]
    found = listing.looked_up(view.get("q") or "", view.get("actions"))
    opens = address_of("documents.show")
    listing_ = Listing(
        _("Parcels"),
        view,
        COLUMNS,
        lambda window: listing.rows(states, found, window),
        lambda row: listing.key_of(row, view.sort),
        lambda: listing.count(states, found),
        lambda row: opens(row.document_id),
        (REPORT_AGAIN,),
    )
    return listing_.answer("shipments/index.html", "shipments/_table.html")


@bp.post(f"/documents/{ID}")
def create(id: int) -> ResponseReturnValue:
    """Book a parcel of a document."""
    document = _document(id)
    form = ShipmentForm(carriers.all_carriers(), service.shippable(document).articles)
    quantities = form.quantities()
    if form.validate_on_submit() and quantities is not None:
        carrier: Carrier = db.session.get_one(Carrier, form.carrier.data)
        zone = ZoneInfo(current_tenant().time_zone)
        try:
            shipment = service.ship(
                document,
                carrier,
                form.tracking_number.data or "",
                form.shipped_at(zone, document.ordered_at),
                quantities,
                form.references(),
                bool(form.despite_cancellation.data),
            )
        except ShipmentRefused as refused:
            form.refuse(refused)
            form.offer(service.shippable(document).articles)
        else:
            _warn_of_other_carrier(shipment.tracking_number, carrier)
            flash(_("The parcel is booked. Its report is on the way to the marketplace."), "success")
            return redirect(url_for("documents.show", id=id, _anchor="shipping"))
    return document_page(document, form=form), 422


@bp.post(f"/{ID}/retry")
def retry(id: int) -> ResponseReturnValue:
    """Send a failed report again, as it was or corrected."""
    shipment: Shipment = db.get_or_404(Shipment, id)
    form = RetryForm(shipment, carriers.all_carriers())
    if form.validate_on_submit():
        carrier: Carrier = db.session.get_one(Carrier, form.carrier.data)
        try:
            service.retry(shipment, carrier, form.tracking_number.data or "")
        except ShipmentRefused as refused:
            form.tracking_number.errors = [str(refused)]
        except service.NotFailed as refused:
            flash(str(refused), "info")
            return redirect(url_for("documents.show", id=shipment.document_id, _anchor="shipping"))
        else:
            _warn_of_other_carrier(shipment.tracking_number, carrier)
            flash(_("The report is on its way again."), "success")
            return redirect(url_for("documents.show", id=shipment.document_id, _anchor="shipping"))
    return document_page(_document(shipment.document_id), retry=(shipment.id, form)), 422


@bp.post(f"/{ID}/removal")
def take_back(id: int) -> ResponseReturnValue:
    """Forget a parcel that the marketplace did not take."""
    shipment: Shipment = db.get_or_404(Shipment, id)
    document_id, number = shipment.document_id, shipment.tracking_number
    try:
        service.take_back(shipment)
    except service.NotFailed as refused:
        flash(str(refused), "info")
    else:
        flash(_("Parcel %(number)s is taken back.", number=number), "success")
    return redirect(url_for("documents.show", id=document_id, _anchor="shipping"))


@list_at(bp, "/carriers")
def list_carriers() -> ResponseReturnValue:
    new = url_for("shipments.new_carrier") if current_user.may(Role.ADMIN) else None
    listing_ = records(
        _("Carriers"),
        "shipments.list_carriers",
        Carrier,
        CARRIER_COLUMNS,
        (Sort("name", (Carrier.name,)), Sort("code", (Carrier.marketplace_code, Carrier.id))),
        (Carrier.name, Carrier.marketplace_code),
        address_of("shipments.edit_carrier") if new else None,
        actions=(removal(Carrier, carriers.delete_carrier),) if new else (),
    )
    needed = _("A parcel needs a carrier that the marketplace knows.")
    return listing_.answer(
        "shipments/carriers.html",
        "listings/_plain.html",
        nothing=(_("No carrier yet"), needed, new, _("New carrier"), "truck"),
    )


@bp.route("/carriers/new", methods=["GET", "POST"])
def new_carrier() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = CarrierForm()
    if form.accepts(lambda: carriers.create_carrier(form.spelling())):
        flash(_("The carrier is kept."), "success")
        return redirect(url_for("shipments.list_carriers"))
    return render_template("shipments/carrier.html", form=form, carrier=None), 422 if form.errors else 200


@bp.route(f"/carriers/{SMALL_ID}", methods=["GET", "POST"])
def edit_carrier(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    carrier: Carrier = db.get_or_404(Carrier, id)
    form = CarrierForm(obj=carrier)
    if form.accepts(lambda: carriers.update_carrier(carrier, form.spelling())):
        flash(_("The carrier is saved."), "success")
        return redirect(url_for("shipments.list_carriers"))
    return render_template("shipments/carrier.html", form=form, carrier=carrier), 422 if form.errors else 200


@bp.post(f"/carriers/{SMALL_ID}/delete")
def delete_carrier(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    carrier: Carrier = db.get_or_404(Carrier, id)
    try:
        carriers.delete_carrier(carrier)
    except CarrierInUse as in_use:
        flash(str(in_use), "warning")
        return redirect(url_for("shipments.edit_carrier", id=id))
    flash(_("The carrier is removed."), "success")
    return redirect(url_for("shipments.list_carriers"))


def _document(id: int) -> Document:
    document = detail.document(id)
    if document is None:
        raise not_found()
    return document


def _warn_of_other_carrier(number: str, carrier: Carrier) -> None:
    others = tracking.other_carriers(number, carrier.marketplace_code)
    if others:
        flash(
            _(
                "%(number)s looks like a number of %(others)s, not of %(carrier)s. It was reported as you entered it.",
                number=number,
                others=" / ".join(others),
                carrier=carrier.name,
            ),
            "warning",
        )
