"""What the control API is asked for, as JSON."""

from __future__ import annotations

from decimal import Decimal

from msgspec import UNSET, Raw, Struct, UnsetType


class PieceWanted(Struct, kw_only=True, forbid_unknown_fields=True):
    """An article of an order to be placed. Amounts are of the whole line, but for the price of one."""

    price: Decimal
    quantity: int = 1
    sku: str = "SKU-1"
    title: str = "An article"
    shipping: Decimal = Decimal()
    gift_wrap: Decimal = Decimal()
    discount: Decimal = Decimal()
    shipping_discount: Decimal = Decimal()
    tax_rate: Decimal | None = None


class OrdersWanted(Struct, kw_only=True, forbid_unknown_fields=True):
    """Orders to be placed: built here (`kind`), or somebody's own words (`raw`: JSON, or a string of any text)."""

    kind: str = "plain"
    count: int = 1
    seller: str | None = None
    marketplace: str | None = None
    placed_at: str | None = None
    updated_at: str | None = None
    spread_days: float = 0
    late: float = 0
    lines: int | None = None
    items: list[PieceWanted] = []
    address: dict[str, str] | None = None
    replaces: str | None = None
    raw: Raw | UnsetType = UNSET
    order_id: str | None = None


class Change(Struct, kw_only=True, forbid_unknown_fields=True):
    """What the buyer changes."""

    quantity: int | None = None
    order_item_id: str | None = None
    address: dict[str, str] | None = None
    cancellation_request: str | None = None


class Cancellation(Struct, kw_only=True, forbid_unknown_fields=True):
    cancelled_by: str = "BUYER"
    reason: str = "Ordered by mistake"


class ShippedElsewhere(Struct, kw_only=True, forbid_unknown_fields=True):
    tracking_number: str | None = None
    carrier: str = "DHL"


class SellerWanted(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str = "Neue Verkäuferin"
    region: str = "EU"


class OneSeller(Struct, kw_only=True, forbid_unknown_fields=True):
    """A seller by id; the first, if none is named."""

    seller: str | None = None


class Reset(Struct, kw_only=True, forbid_unknown_fields=True):
    everything: bool = False
