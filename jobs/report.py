"""The job that reports parcels."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from portal.extensions import db
from portal.scope import tenant
from portal.shipments import service


def report_shipment(tenant_id: int, shipment_id: int) -> None:
    """Take the report of a parcel one step further; the scheduler asks again when the next is due."""
    with tenant(tenant_id), bound_contextvars(tenant=tenant_id, shipment=shipment_id):
        service.report(shipment_id)
        db.session.commit()
