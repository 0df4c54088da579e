"""What happens to an order apart from the seller's confirmations. Each takes an order and changes it.

Raises Impossible, with a sentence, where the order does not allow it.
"""

from __future__ import annotations

from random import Random
from typing import Any

from portal.sandbox import times
from portal.sandbox.money import reckon
from portal.sandbox.shipping import open_quantity, settle_status

Json = dict[str, Any]


class Impossible(Exception):
    """The order is past that."""


def release(order: Json) -> None:
    """The payment stands: a pending order may be shipped."""
    _must_be(order, "PENDING", "PENDING_AVAILABILITY")
    order["fulfillment"]["fulfillmentStatus"] = "UNSHIPPED"


def cancel(order: Json, cancelled_by: str = "BUYER", reason: str = "Ordered by mistake") -> None:
    """The order is off. Nothing of it may have been shipped."""
    _must_be(order, "PENDING", "PENDING_AVAILABILITY", "UNSHIPPED")
    order["fulfillment"]["fulfillmentStatus"] = "CANCELLED"
    for item in order["orderItems"]:
        item["fulfillment"]["quantityUnfulfilled"] = 0
        item.setdefault("cancellation", {})["cancellationExecution"] = {
            "cancelledBy": cancelled_by,
            "cancelReason": reason,
        }


def request_cancellation(order: Json, reason: str = "No longer needed") -> None:
    """The buyer asks for a cancellation: a flag on the items, while the status stays."""
    _must_be(order, "UNSHIPPED", "PARTIALLY_SHIPPED")
    for item in order["orderItems"]:
        if open_quantity(item):
            item.setdefault("cancellation", {})["cancellationRequest"] = {"requester": "BUYER", "cancelReason": reason}


def ship_elsewhere(order: Json, chance: Random, tracking_number: str | None = None, carrier: str = "DHL") -> None:
    """Everything still open leaves by another way than the API: Seller Central, or Amazon itself."""
    _must_be(order, "UNSHIPPED", "PARTIALLY_SHIPPED")
    leaving = {item["orderItemId"]: open_quantity(item) for item in order["orderItems"] if open_quantity(item)}
    for item in order["orderItems"]:
        item["fulfillment"]["quantityFulfilled"] += open_quantity(item)
        item["fulfillment"]["quantityUnfulfilled"] = 0
    settle_status(order)
    if order["fulfillment"]["fulfilledBy"] == "AMAZON":
        return
    moment = times.text(times.now())
    order.setdefault("packages", []).append(
        {
            # Not a number, so that no confirmation can hit it by accident.
            "packageReferenceId": f"SC-{len(order.get('packages', [])) + 1}",
            "createdTime": moment,
            "packageStatus": {"status": "SHIPPED"},
            "carrier": carrier,
            "shipTime": moment,
            "trackingNumber": tracking_number or f"0034043{chance.randrange(10**13):013}",
            "packageItems": [{"orderItemId": item, "quantity": quantity} for item, quantity in leaving.items()],
        }
    )


def change_quantity(order: Json, quantity: int, order_item_id: str | None = None) -> None:
    """The buyer orders more or less of an item (the first, if none is named); 0 takes the item out."""
    _must_be(order, "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED")
    items = [item for item in order["orderItems"] if order_item_id in (None, item["orderItemId"])]
    if not items:
        raise Impossible(f"The order has no item {order_item_id}.")
    item = items[0]
    fulfilled = item["fulfillment"]["quantityFulfilled"]
    if quantity < fulfilled or quantity < 0:
        raise Impossible(f"{fulfilled} of the item have been shipped already.")
    item["quantityOrdered"] = quantity
    item["fulfillment"]["quantityUnfulfilled"] = quantity - fulfilled
    if quantity == 0:
        item.setdefault("cancellation", {})["cancellationExecution"] = {
            "cancelledBy": "BUYER",
            "cancelReason": "No longer needed",
        }
    if order["fulfillment"]["fulfillmentStatus"] != "PENDING":
        settle_status(order)
    reckon(order)


def change_address(order: Json, fields: dict[str, str]) -> None:
    """The buyer corrects the delivery address."""
    _must_be(order, "PENDING", "UNSHIPPED")
    order.setdefault("recipient", {}).setdefault("deliveryAddress", {}).update(fields)


def _must_be(order: Json, *statuses: str) -> None:
    status = order["fulfillment"]["fulfillmentStatus"]
    if status not in statuses:
        raise Impossible(f"The order is {status}.")
