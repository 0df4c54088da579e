"""An order as the cloud hands it out: the shape both sides of the API agree on, in nobody's dialect.

Amounts are gross, in the order's currency, and exact decimals. Discounts are negative. Whether a marketplace
gives its prices gross or net is its connector's to know.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import Raw, Struct, field

from portal.sentences import Source


class Status(StrEnum):
    """Where the marketplace says the order stands."""

    PENDING = "pending"
    UNSHIPPED = "unshipped"
    PARTLY_SHIPPED = "partly_shipped"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"
    UNREADABLE = "unreadable"  # the marketplace's answer made no sense; `problem` says why


ComponentKind = Literal["article", "shipping", "gift_wrap", "discount", "shipping_discount", "tip", "other", "tax"]


class Component(Struct, frozen=True, omit_defaults=True):
    """One part of what a line or the order costs, gross. `tax` is how much of it is tax, if the marketplace says."""

    kind: ComponentKind
    amount: Decimal
    tax: Decimal | None = None


class Line(Struct, frozen=True):
    """One article of an order. `total` is what the marketplace says the components sum to.

    `tax_collected` where the marketplace keeps the tax and remits it itself.
    """

    reference: str
    sku: str
    title: str
    quantity: int
    components: list[Component] = field(default_factory=list)
    unit_price: Decimal | None = None
    total: Decimal | None = None
    shipped: int = 0
    tax_collected: bool = False


class Party(Struct, frozen=True, omit_defaults=True):
    """Who buys, or where it goes. Marketplaces promise none of it."""

    name: str = ""
    company: str = ""
    street: str = ""
    street2: str = ""
    street3: str = ""
    postal_code: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""
    vat_id: str = ""


class Order(Struct, frozen=True, omit_defaults=True):
    """One version of one order."""

    id: str
    version: datetime
    status: Status
    placed_at: datetime
    channel: str = ""
    marketplace: str = ""
    fulfilled_by: Literal["merchant", "marketplace"] = "merchant"
    currency: str = ""
    total: Decimal | None = None
    lines: list[Line] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)
    buyer: Party = field(default_factory=Party)
    delivery: Party = field(default_factory=Party)
    buyer_reference: str = ""
    purchase_order: str = ""
    payment_kind: str = ""  # as the marketplace calls it
    shipping_level: str = ""  # as the marketplace calls it
    is_guest: bool = False  # where the marketplace tells guests apart
    is_resold: bool = False  # the marketplace buys, and sells it on to the buyer
    programs: list[str] = field(default_factory=list)
    replaces: str = ""
    ship_by: datetime | None = None
    cancel_requested: bool = False
    problem: str = ""
    problem_source: Source | None = None  # what `problem` is made of, for whoever says it in another language
    raw: str = ""


class Collection(Struct, frozen=True):
    """The marketplace call an order came by. Times are UTC; `page` counts from 1 within its window."""

    id: int
    operation: str
    request_id: str
    page: int
    collected_at: datetime
    window_from: datetime | None = None
    window_to: datetime | None = None


class Delivery(Struct, frozen=True):
    """An order as it lies in the inbox, byte for byte, and the id of the call that brought it."""

    order: Raw
    collection: int


class Page(Struct, frozen=True):
    """What `GET /platforms/{reference}/orders` answers. `next` is the cursor behind the last order, or None."""

    orders: list[Delivery]
    collections: list[Collection]
    next: int | None = None
