"""The page of one document, which the routes of documents and of shipments both answer with."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import render_template

from portal.documents import detail
from portal.documents.models import Document
from portal.shipments import service as shipping
from portal.shipments.carriers import all_carriers
from portal.shipments.forms import RetryForm, ShipmentForm
from portal.shipments.models import Carrier, MessageState, Shipment
from portal.shipments.parcel import Shippable, why_closed
from portal.tenants.session import current_tenant


def document_page(
    document: Document, form: ShipmentForm | None = None, retry: tuple[int, RetryForm] | None = None
) -> str:
    """The whole page. `form` and `retry` (a shipment's id and its form) are what was typed and refused."""
    newer, older = detail.neighbours(document)
    original = None
    if document.replaces:
        original = next(iter(detail.documents_of_order(document.replaces, [document.platform_id])), None)
    able, carriers = shipping.shippable(document), all_carriers()
    closed = why_closed(able)
    return render_template(
        "documents/show.html",
        document=document,
        original=original,
        held=detail.held_version(document),
        newer=newer,
        older=older,
        closed=closed,
        able=able,
        carriers=carriers,
        chosen=detail.chosen_for(document),
        form=form or (shipment_form(able, carriers) if closed is None else None),
        **parcels_of(document, carriers, retry),
    )


def path_fragment(document: Document, shown: Collection[int]) -> str:
    """What changes by itself while a report is on its way: state, path and parcels.

    `shown` are the parcels that the page shows as failed, each with its form.
    """
    parcels = parcels_of(document, all_carriers(), None)
    failed = {shipment.id: shipment for shipment in parcels["failed"]}
    came = [shipment for id, shipment in failed.items() if id not in shown]
    gone = [id for id in shown if id not in failed]
    return render_template("documents/_path.html", document=document, came=came, gone=gone, **parcels)


def shipment_form(able: Shippable, carriers: list[Carrier], **defaults: Any) -> ShipmentForm:
    """The form of a parcel, filled in with today and the carrier that was used last."""
    today = datetime.now(UTC).astimezone(ZoneInfo(current_tenant().time_zone)).date()
    return ShipmentForm(carriers, able.articles, shipped_on=today, carrier=shipping.last_carrier_id(), **defaults)


def parcels_of(document: Document, carriers: list[Carrier], retry: tuple[int, RetryForm] | None) -> dict[str, Any]:
    shipments, origins = detail.shipments_of(document), detail.origins_of(document)
    typed = dict([retry]) if retry else {}
    failed = [shipment for shipment in shipments if shipment.state == MessageState.FAILED]
    return {
        "origins": origins,
        "shipments": shipments,
        "path": detail.path_of(document, origins, shipments),
        "territory": detail.taxed_territory(document),
        "in_flight": any(shipment.state in shipping.IN_FLIGHT for shipment in shipments),
        "failed": failed,
        "retries": {shipment.id: typed.get(shipment.id) or _retry_form(shipment, carriers) for shipment in failed},
    }


def _retry_form(shipment: Shipment, carriers: list[Carrier]) -> RetryForm:
    return RetryForm(
        shipment,
        carriers,
        formdata=None,
        carrier=shipment.carrier_id,
        tracking_number=shipment.tracking_number,
    )
