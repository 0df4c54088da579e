"""Amazon's orders for tests, in Amazon's words: whole things with defaults."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


def money(amount: str, currency: str = "EUR") -> dict[str, str]:
    return {"amount": amount, "currencyCode": currency}


def row(kind: str, amount: str, **details: str) -> dict[str, Any]:
    """A breakdown; the details say what a TAX or DISCOUNT is on."""
    made: dict[str, Any] = {"type": kind, "subtotal": money(amount)}
    if details:
        made["detailedBreakdowns"] = [{"subtype": subtype, "value": money(value)} for subtype, value in details.items()]
    return made


def an_item(
    number: int = 1,
    rows: list[dict[str, Any]] | None = None,
    total: str | None = None,
    currency: str = "EUR",
    **changes: Any,
) -> dict[str, Any]:
    rows = [{"type": "ITEM", "subtotal": money("19.99", currency)}] if rows is None else rows
    if total is None:
        total = str(sum((Decimal(row["subtotal"]["amount"]) for row in rows), Decimal()))
    return {
        "orderItemId": f"7903976527{number:04d}",
        "quantityOrdered": 1,
        "product": {"sellerSku": f"SKU-{number}", "title": f"Article {number}"},
        "proceeds": {"proceedsTotal": money(total, currency), "breakdowns": rows},
        **changes,
    }


def an_order(
    items: list[dict[str, Any]] | None = None,
    grand: str | None = None,
    currency: str = "EUR",
    order_rows: list[dict[str, Any]] | None = None,
    status: str = "UNSHIPPED",
    **changes: Any,
) -> dict[str, Any]:
    """An order for Germany that ties out. A change to None leaves the member out."""
    items = [an_item()] if items is None else items
    if grand is None:
        grand = str(sum((Decimal(item["proceeds"]["proceedsTotal"]["amount"]) for item in items), Decimal()))
    proceeds: dict[str, Any] = {"grandTotal": money(grand, currency)}
    if order_rows is not None:
        proceeds["breakdowns"] = order_rows
    order = {
        "orderId": "028-1234567-1234567",
        "createdTime": "2026-11-01T12:00:00Z",
        "lastUpdatedTime": "2026-11-01T12:30:00Z",
        "salesChannel": {
            "channelName": "AMAZON",
            "marketplaceId": "A1PA6795UKMFR9",
            "marketplaceName": "Amazon.de",
        },
        "programs": [],
        "buyer": {"buyerName": "Käthe Müller", "buyerEmail": "k7x@marketplace.amazon.de"},
        "recipient": {
            "deliveryAddress": {
                "name": "Käthe Müller",
                "addressLine1": "Lange Straße 7",
                "postalCode": "60311",
                "city": "Frankfurt am Main",
                "countryCode": "DE",
            }
        },
        "proceeds": proceeds,
        "fulfillment": {"fulfillmentStatus": status, "fulfilledBy": "MERCHANT"},
        "orderItems": items,
        **changes,
    }
    return {name: value for name, value in order.items() if value is not None}
