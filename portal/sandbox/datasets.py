"""Which parts of an order an answer shows. Without FULFILLMENT there is no status, without PROCEEDS no total."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import msgspec

from portal.sandbox.orderbook import Entry

Json = dict[str, Any]

# Where each dataset lies: in the order, and in its items.
IN_ORDER = {
    "buyer": "BUYER",
    "recipient": "RECIPIENT",
    "proceeds": "PROCEEDS",
    "fulfillment": "FULFILLMENT",
    "packages": "PACKAGES",
    "tax": "TAX",
    "payment": "PAYMENT",
    "fulfillmentOrders": "FULFILLMENT_ORDERS",
}
IN_ITEM = {
    "proceeds": "PROCEEDS",
    "expense": "EXPENSE",
    "promotion": "PROMOTION",
    "cancellation": "CANCELLATION",
    "fulfillment": "FULFILLMENT",
    "tax": "TAX",
}
DATASETS = frozenset(IN_ORDER.values()) | frozenset(IN_ITEM.values())
# Until the payment stands, Amazon tells neither who nor how much.
_NOT_WHILE_PENDING = frozenset({"BUYER", "RECIPIENT", "PROCEEDS", "TAX", "PAYMENT"})


def show(entry: Entry, included: Set[str], without_items: bool = False) -> bytes:
    """The order's JSON with these datasets. An order that was placed as it is comes as it is."""
    if entry.as_it_is:
        return entry.body
    if entry.status in ("PENDING", "PENDING_AVAILABILITY"):
        included = included - _NOT_WHILE_PENDING
    order = entry.order
    shown = _kept(order, IN_ORDER, included)
    shown["orderItems"] = [] if without_items else [_kept(item, IN_ITEM, included) for item in order["orderItems"]]
    return msgspec.json.encode(shown)


def _kept(part: Json, gates: dict[str, str], included: Set[str]) -> Json:
    return {name: value for name, value in part.items() if name not in gates or gates[name] in included}
