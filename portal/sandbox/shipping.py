"""Confirming a shipment. Pure: an order and a package in, the order with the package out.

Source: confirmShipment of the Orders API v0, its guide, and the refusals that sellers report.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from portal.sandbox import times
from portal.sandbox.refusals import Refusal, invalid_input

Json = dict[str, Any]

_WRONG_ITEM = "OrderItemId is invalid, please obtain the value through the getOrderItems API"


@dataclass(frozen=True)
class Package:
    """A parcel as the seller describes it. `items` maps order item ids to quantities."""

    reference: str
    carrier_code: str
    tracking_number: str
    shipped_at: int
    items: dict[str, int]
    carrier_name: str | None = None
    shipping_method: str | None = None
    transparency_codes: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def summary(self) -> Json:
        """For the record of confirmations."""
        return {
            "carrier_code": self.carrier_code,
            "carrier_name": self.carrier_name,
            "shipping_method": self.shipping_method,
            "tracking_number": self.tracking_number,
            "shipped_at": times.text(self.shipped_at),
            "items": self.items,
        }


def read(body: Any) -> tuple[str, Package]:
    """The marketplace id and the package of a request. Raises Refusal with Amazon's sentence."""
    if not isinstance(body, dict) or not isinstance(body.get("packageDetail"), dict):
        raise invalid_input("Missing or invalid request parameters: [packageDetail]")
    detail = body["packageDetail"]
    texts = {name: detail.get(name) for name in ("packageReferenceId", "carrierCode", "trackingNumber", "shipDate")}
    required = {"marketplaceId": body.get("marketplaceId"), **{f"packageDetail.{n}": v for n, v in texts.items()}}
    missing = [name for name, value in required.items() if value is None or value == ""]
    if "orderItems" not in detail:
        missing.append("packageDetail.orderItems")
    if missing:
        raise invalid_input(f"Missing or invalid request parameters: [{', '.join(missing)}]")
    optional = {f"packageDetail.{name}": detail.get(name) for name in ("carrierName", "shippingMethod")}
    mistyped = [name for name, value in (required | optional).items() if value is not None and type(value) is not str]
    if mistyped:
        raise invalid_input(f"fields with invalid type [{', '.join(mistyped)}]")
    reference = texts["packageReferenceId"]
    if not (reference.isascii() and reference.isdigit() and reference.strip("0")):
        raise invalid_input("PackageReferenceId: is invalid, must be a positive numeric value.")
    if detail["carrierCode"] == "Other" and not detail.get("carrierName"):
        raise invalid_input("CarrierName is required when CarrierCode is Other.")
    try:
        shipped_at = times.parse(detail["shipDate"])
    except ValueError:
        raise Refusal(400, "Invalid Input", "Invalid Input") from None
    items, codes = _read_items(detail["orderItems"])
    return body["marketplaceId"], Package(
        reference=reference,
        carrier_code=detail["carrierCode"],
        carrier_name=detail.get("carrierName") or None,
        shipping_method=detail.get("shippingMethod") or None,
        tracking_number=detail["trackingNumber"],
        shipped_at=shipped_at,
        items=items,
        transparency_codes=codes,
    )


def confirm(order: Json, marketplace_id: str, package: Package, now: int) -> Json:
    """The order with the package, or with the package of the same reference overwritten. Raises Refusal."""
    _may_be_shipped(order, marketplace_id)
    packages = {one["packageReferenceId"]: one for one in order.get("packages", [])}
    known = packages.get(package.reference)
    in_known = {item["orderItemId"]: item["quantity"] for item in known["packageItems"]} if known else {}
    items = {item["orderItemId"]: item for item in order["orderItems"]}
    if any(item_id not in items for item_id in package.items):
        raise invalid_input(_WRONG_ITEM)
    if known is None and order["fulfillment"]["fulfillmentStatus"] == "SHIPPED":
        raise invalid_input(
            "Failed to create package due to not finding a matching package or order already fulfilled "
            f"for order {order['orderId']}; errorMetric=PackageToUpdateNotFound"
        )
    for item_id, quantity in package.items.items():
        free = open_quantity(items[item_id]) + in_known.get(item_id, 0)
        if quantity > free:
            raise invalid_input(f"Quantity {quantity} of order item {item_id} exceeds the {free} still to be shipped.")

    shipped = copy.deepcopy(order)
    for item in shipped["orderItems"]:
        more = package.items.get(item["orderItemId"], 0) - in_known.get(item["orderItemId"], 0)
        fulfillment = item["fulfillment"]
        fulfillment["quantityFulfilled"] += more
        fulfillment["quantityUnfulfilled"] -= more
    packages[package.reference] = _as_shown(package, known["createdTime"] if known else times.text(now))
    shipped["packages"] = list(packages.values())
    settle_status(shipped)
    return shipped


def open_quantity(item: Json) -> int:
    return int(item["fulfillment"]["quantityUnfulfilled"])


def settle_status(order: Json) -> None:
    """The status that follows from the quantities."""
    fulfilled = sum(item["fulfillment"]["quantityFulfilled"] for item in order["orderItems"])
    unfulfilled = sum(open_quantity(item) for item in order["orderItems"])
    order["fulfillment"]["fulfillmentStatus"] = (
        "SHIPPED" if fulfilled and not unfulfilled else "PARTIALLY_SHIPPED" if fulfilled else "UNSHIPPED"
    )


def _read_items(listed: Any) -> tuple[dict[str, int], tuple[tuple[str, tuple[str, ...]], ...]]:
    if not isinstance(listed, list) or not listed:
        raise invalid_input(_WRONG_ITEM)
    quantities: dict[str, int] = {}
    codes = []
    for item in listed:
        if not isinstance(item, dict) or type(item.get("orderItemId")) is not str:
            raise invalid_input(_WRONG_ITEM)
        item_id, quantity = item["orderItemId"], item.get("quantity")
        if type(quantity) is not int or quantity < 1:
            raise invalid_input("fields with invalid type [packageDetail.orderItems.quantity]")
        quantities[item_id] = quantities.get(item_id, 0) + quantity
        if item.get("transparencyCodes"):
            codes.append((item_id, tuple(map(str, item["transparencyCodes"]))))
    return quantities, tuple(codes)


def _may_be_shipped(order: Json, marketplace_id: str) -> None:
    status = order["fulfillment"]["fulfillmentStatus"]
    if order["salesChannel"].get("marketplaceId") != marketplace_id:
        raise invalid_input("MarketplaceId is invalid for this order.")
    if order["fulfillment"].get("fulfilledBy") == "AMAZON":
        raise invalid_input("Orders fulfilled by Amazon cannot be confirmed by the seller.")
    if "FBM_SHIP_PLUS" in order.get("programs", []):
        raise invalid_input("FBM Ship+ orders are confirmed by their label.")
    if status == "CANCELLED":
        raise Refusal(400, "NonexistentOrderItem", "NonexistentOrderItem: Failed to find order item list by order ID")
    if status not in ("UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED"):
        raise invalid_input(f"An order that is {status} cannot be confirmed.")


def _as_shown(package: Package, created_time: str) -> Json:
    """As the PACKAGES dataset shows it."""
    codes = dict(package.transparency_codes)
    shown: Json = {
        "packageReferenceId": package.reference,
        "createdTime": created_time,
        "packageStatus": {"status": "SHIPPED"},
        "carrier": package.carrier_name if package.carrier_code == "Other" else package.carrier_code,
        "shipTime": times.text(package.shipped_at),
        "trackingNumber": package.tracking_number,
        "packageItems": [
            {"orderItemId": item_id, "quantity": quantity}
            | ({"transparencyCodes": list(codes[item_id])} if item_id in codes else {})
            for item_id, quantity in package.items.items()
        ],
    }
    if package.shipping_method:
        shown["shippingService"] = package.shipping_method
    return shown
