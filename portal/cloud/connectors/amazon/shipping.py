"""Shipment confirmations: what is sent to Amazon, and what its refusals mean. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from portal.cloud.connectors import PackageRefused, Shipment
from portal.cloud.connectors.amazon.client import Rejected
from portal.cloud.connectors.amazon.wire import Package
from portal.errors import Refused
from portal.order import Order
from portal.sentences import sentence

# Programs whose parcels Amazon tracks itself; it answers 400 to a confirmation.
CONFIRMED_BY_AMAZON = {"FBM_SHIP_PLUS": "FBM Ship+", "AMAZON_EASY_SHIP": "Easy Ship"}

# What Amazon's 400s contain, and what that means to the person who ships.
# Source: facts sheet section 4, gathered from Amazon's issue tracker.
MEANINGS = (
    ("NonexistentOrderItem", sentence("Amazon finds no articles to this order: it has probably been cancelled.")),
    ("OrderItemId is invalid", sentence("Amazon does not know one of the articles of this shipment.")),
    (
        "Invoice by Amazon orders can only be shipped",
        sentence(
            "Amazon invoices this order itself and accepts only a ship-from address with a VAT number in the same tax "
            "region. Check the default ship-from address in Seller Central."
        ),
    ),
    ("PackageReferenceId: is invalid", sentence("Amazon does not accept the number of the package.")),
    ("maximum number of allowed updates", sentence("Amazon lets this package be changed no further.")),
    ("InvalidPackageVersion", sentence("Amazon lets this package be changed no further.")),
    ("carrier", sentence("Amazon does not accept the carrier for this order. Check the mapping of the carrier.")),
    ("Carrier", sentence("Amazon does not accept the carrier for this order. Check the mapping of the carrier.")),
)


def request_body(shipment: Shipment) -> dict[str, Any]:
    """The body of confirmShipment (Orders API v0)."""
    shipped_at = shipment.shipped_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    detail: dict[str, Any] = {
        "packageReferenceId": shipment.package_reference,
        "carrierCode": shipment.carrier_code,
        "trackingNumber": bare(shipment.tracking_number),
        "shipDate": shipped_at,
        "orderItems": [{"orderItemId": item.reference, "quantity": item.quantity} for item in shipment.items],
    }
    # Amazon reads the carrier's name only where the code is Other; there it is required.
    if shipment.carrier_name and shipment.carrier_code == "Other":
        detail["carrierName"] = shipment.carrier_name
    if shipment.shipping_method:
        detail["shippingMethod"] = shipment.shipping_method
    return {"marketplaceId": shipment.marketplace, "packageDetail": detail}


def explained(rejected: Rejected) -> Refused:
    """Amazon's refusal of a confirmation, in words; Amazon's own stand behind them."""
    said = " ".join(rejected.reasons)
    if "PackageToUpdateNotFound" in said:
        return PackageRefused(
            sentence("Amazon finds nothing left to ship in this order: it was shipped already, elsewhere.")
        )
    for part, meaning in MEANINGS:
        if part in said:
            return Refused(sentence("%(meaning)s (%(said)s)", meaning=meaning, said=said[:300]))
    return rejected


def shows(packages: list[Package], package_reference: str, tracking_number: str) -> bool:
    """True if one of Amazon's packages has the tracking number, however it is spaced.

    By number alone: a package that was confirmed elsewhere, under another reference, is confirmed.
    """
    wanted = bare(tracking_number).upper()
    return any(bare(package.tracking_number or "").upper() == wanted for package in packages)


def why_not(order: Order) -> str:
    """Why Amazon takes no confirmation for this order, as a sentence; "" where it does."""
    if order.fulfilled_by == "marketplace":
        return sentence("Amazon ships this order itself, so there is nothing to confirm.")
    for program, name in CONFIRMED_BY_AMAZON.items():
        if program in order.programs:
            return sentence("Amazon tracks %(program)s orders itself, so there is nothing to confirm.", program=name)
    return ""


def bare(tracking_number: str) -> str:
    """The number as carriers and Amazon write it: without spaces of any kind."""
    return "".join(tracking_number.split())
