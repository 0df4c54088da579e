"""Orders and documents for tests: whole things with defaults; a test names only what matters to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from portal.documents.arrivals import Arrival, Source, Tally
from portal.documents.intake import Planned, commit_page, plan_page, source_of
from portal.order import Component, Line, Order, Party, Status
from portal.platforms.models import Platform

EPOCH = datetime(2026, 11, 1, 12, tzinfo=UTC)


def a_line(number: int = 1, price: str = "19.99", quantity: int = 1, **changes: Any) -> Line:
    amount = Decimal(price) * quantity
    values: dict[str, Any] = {
        "reference": f"item-{number}",
        "sku": f"SKU-{number}",
        "title": f"Article {number}",
        "quantity": quantity,
        "components": [Component("article", amount)],
        "unit_price": Decimal(price),
        "total": amount,
    }
    return Line(**{**values, **changes})


def an_order(order_id: str = "028-1234567-1234567", version: int = 1, **changes: Any) -> Order:
    """An order that ties out. `version` counts minutes."""
    lines = changes.pop("lines", [a_line()])
    components = changes.pop("components", [])
    total = sum((c.amount for line in lines for c in line.components), Decimal()) + sum(
        (c.amount for c in components), Decimal()
    )
    values: dict[str, Any] = {
        "id": order_id,
        "version": EPOCH + timedelta(minutes=version),
        "status": Status.UNSHIPPED,
        "placed_at": EPOCH,
        "channel": "Amazon.de",
        "marketplace": "A1PA6795UKMFR9",
        "currency": "EUR",
        "total": total,
        "lines": lines,
        "components": components,
        "buyer": Party(name="Käthe Müller", email=f"{order_id}@marketplace.example"),
        "delivery": Party(
            name="Käthe Müller", street="Lange Straße 7", postal_code="60311", city="Frankfurt am Main", country="DE"
        ),
        "buyer_reference": f"{order_id}@marketplace.example",
        "ship_by": EPOCH + timedelta(days=2),
    }
    return Order(**{**values, **changes})


def arrival(order: Order, collection: int = 1) -> Arrival:
    """The order as it comes out of the inbox."""
    return Arrival(order, msgspec.json.encode(order), collection)


def write(platform: Platform, *orders: Order) -> Tally:
    """Let these orders of a platform become what they become, and commit it."""
    source = source_of(platform)
    return commit_page(source, planned(source, *orders), [])


def planned(source: Source, *orders: Order, collection: int = 1, refused: str | None = None) -> Planned:
    """A page of these orders, planned with the source's settings."""
    return plan_page([arrival(order, collection) for order in orders], source.settings, refused)
