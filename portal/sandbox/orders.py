"""Builds orders as Amazon would show them: Orders API 2026-01-01, every dataset included."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from portal.sandbox import times
from portal.sandbox.catalogue import ARTICLES, Article, price_in
from portal.sandbox.marketplaces import NON_AMAZON_ID, Marketplace, find
from portal.sandbox.money import breakdown, money, order_proceeds, proceeds, rounded
from portal.sandbox.people import Person, person

Json = dict[str, Any]

# What can be ordered, in the words of the page.
KINDS = {
    "plain": "Plain, one article",
    "several": "Several articles",
    "business": "Business: company and PO number",
    "discount": "With discounts",
    "gift": "Gift wrap and message",
    "shipping": "With shipping charge",
    "pln": "Poland, in PLN",
    "gbp": "United Kingdom, in GBP",
    "pending": "Pending",
    "cancelled": "Cancelled",
    "fba": "Fulfilled by Amazon",
    "replacement": "Replacement, price 0",
    "iba": "Invoice by Amazon",
    "taxed": "Net prices and tax rows",
    "tip": "With a delivery tip",
    "ship_plus": "FBM Ship+",
    "non_amazon": "From another channel",
}
MIX = "mix"
_SHARES = {
    "plain": 58,
    "several": 10,
    "business": 5,
    "discount": 5,
    "gift": 3,
    "shipping": 6,
    "pln": 3,
    "gbp": 3,
    "pending": 1.5,
    "cancelled": 1,
    "fba": 2.5,
    "replacement": 0.5,
    "iba": 0.5,
    "taxed": 0.5,
    "tip": 0.5,
}
_MIX_LINES = (1, 1, 1, 2, 2, 3)
_MIX_MARKETPLACES = {"DE": 78, "FR": 7, "IT": 5, "ES": 4, "NL": 3, "SE": 2, "BE": 1}
_HOME = {"pln": "PL", "gbp": "GB", "tip": "GB"}
# The share of orders that show breakdowns of the whole order as well.
_ITEMISED = 0.25
_VAT = Decimal("0.19")


@dataclass
class Piece:
    """One article of an order. Amounts are of the whole line and in the order's currency."""

    sku: str
    title: str
    unit_price: Decimal
    quantity: int = 1
    asin: str = "B000000000"
    shipping: Decimal = Decimal()
    gift_wrap: Decimal = Decimal()
    discount: Decimal = Decimal()  # positive; shown negative
    shipping_discount: Decimal = Decimal()
    tax_rate: Decimal | None = None


@dataclass
class Wish:
    """What is to be ordered. Whatever is left out is drawn by chance."""

    kind: str = "plain"
    placed_at: int = 0
    marketplace: Marketplace | None = None
    lines: int | None = None
    items: list[Piece] = field(default_factory=list)
    address: dict[str, str] | None = None
    replaces: str | None = None


def build(wish: Wish, chance: Random) -> Json:
    """An order that has just been placed. Raises ValueError for a kind that does not exist."""
    kind, lines = wish.kind, wish.lines
    if kind == MIX:
        kind = chance.choices(list(_SHARES), list(_SHARES.values()))[0]
        lines = lines or chance.choice(_MIX_LINES)
    if kind not in KINDS:
        raise ValueError(f"There are no orders of the kind {kind!r}; there are {', '.join(KINDS)} and {MIX}.")
    marketplace = wish.marketplace or _marketplace(kind, wish.kind == MIX, chance)
    buyer = person(marketplace.country, chance, business=kind in ("business", "iba"))
    pieces = wish.items or _pieces(kind, lines, marketplace, chance)
    order = _frame(kind, marketplace, wish, buyer, chance)
    order["orderItems"] = [_item(piece, marketplace.currency, kind, chance) for piece in pieces]
    tip = [{"type": "DELIVERY_TIP", "status": "FINALIZED", "subtotal": money(Decimal("2.50"), marketplace.currency)}]
    order["proceeds"] = order_proceeds(
        order["orderItems"], marketplace.currency, tip if kind == "tip" else [], chance.random() < _ITEMISED
    )
    if kind in ("business", "iba"):
        order["tax"] = _tax(buyer)
    if kind == "cancelled":
        for item in order["orderItems"]:
            item["cancellation"] = {
                "cancellationExecution": {"cancelledBy": "BUYER", "cancelReason": "Ordered by mistake"}
            }
            item["fulfillment"]["quantityUnfulfilled"] = 0
    return order


def order_id(marketplace: Marketplace, chance: Random) -> str:
    """A number in Amazon's 3-7-7 form."""
    prefix = chance.choice(marketplace.order_prefixes)
    return f"{prefix:03}-{chance.randrange(10**7):07}-{chance.randrange(10**7):07}"


def _marketplace(kind: str, mixed: bool, chance: Random) -> Marketplace:
    if kind in _HOME:
        return find(_HOME[kind])
    if mixed:
        return find(chance.choices(list(_MIX_MARKETPLACES), list(_MIX_MARKETPLACES.values()))[0])
    return find("DE")


def _pieces(kind: str, lines: int | None, marketplace: Marketplace, chance: Random) -> list[Piece]:
    count = lines or {"several": chance.randint(2, 5), "discount": 2}.get(kind, 1)
    # Longer than the catalogue: articles come again, as they do with bundles.
    articles = chance.sample(ARTICLES, count) if count <= len(ARTICLES) else chance.choices(ARTICLES, k=count)
    pieces = [_piece(article, marketplace, chance, modest=kind == "plain" and lines is None) for article in articles]
    cent = Decimal(1) if marketplace.currency == "JPY" else Decimal("0.01")
    first = pieces[0]
    if kind == "discount":
        first.discount = max(rounded(first.unit_price * first.quantity / 10, marketplace.currency), cent)
        # The last line's shipping is charged and waived in part: the trap in the DISCOUNT row.
        pieces[-1].shipping, pieces[-1].shipping_discount = cent * 499, cent * 250
    elif kind == "gift":
        first.gift_wrap = cent * 395
    elif kind == "shipping":
        for piece in pieces:
            piece.shipping = cent * chance.choice((299, 390, 499, 695))
    elif kind == "replacement":
        for piece in pieces:
            piece.unit_price = Decimal()
    elif kind == "taxed":
        for piece in pieces:
            piece.tax_rate = _VAT
        first.shipping = cent * 420
    return pieces


def _piece(article: Article, marketplace: Marketplace, chance: Random, modest: bool) -> Piece:
    quantity = 1 if modest else chance.choices((1, 2, 3, 5), (80, 13, 5, 2))[0]
    return Piece(article.sku, article.title, price_in(article, marketplace.currency), quantity, article.asin)


def _frame(kind: str, marketplace: Marketplace, wish: Wish, buyer: Person, chance: Random) -> Json:
    """The order without its items and sums."""
    order: Json = {
        "orderId": order_id(marketplace, chance),
        "createdTime": times.text(wish.placed_at),
        "lastUpdatedTime": times.text(wish.placed_at),
        "programs": _programs(kind, chance),
        "salesChannel": {
            "channelName": "AMAZON",
            "marketplaceId": marketplace.id,
            "marketplaceName": marketplace.name,
        },
        "buyer": _buyer(kind, marketplace, buyer, chance),
        "recipient": {"deliveryAddress": {**_delivery(kind, buyer), **(wish.address or {})}},
        "fulfillment": _fulfillment(kind, wish.placed_at),
    }
    if kind == "non_amazon":
        order["salesChannel"] = {"channelName": "NON_AMAZON", "marketplaceId": NON_AMAZON_ID}
    if kind == "replacement":
        original = wish.replaces or order_id(marketplace, chance)
        order["associatedOrders"] = [{"orderId": original, "associationType": "REPLACEMENT_ORIGINAL_ID"}]
    return order


def _programs(kind: str, chance: Random) -> list[str]:
    programs = {
        "business": ["AMAZON_BUSINESS"],
        "iba": ["AMAZON_BUSINESS", "INVOICE_BY_AMAZON"],
        "ship_plus": ["FBM_SHIP_PLUS"],
    }.get(kind, [])
    return [*programs, "PRIME"] if kind == "fba" or chance.random() < 0.1 else programs


def _buyer(kind: str, marketplace: Marketplace, buyer: Person, chance: Random) -> Json:
    fields = {"buyerName": buyer.name}
    if kind != "fba":  # Amazon's own parcels are Amazon's own business
        alias = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=15))
        fields["buyerEmail"] = f"{alias}@marketplace.{marketplace.domain}"
    if buyer.company:
        fields["buyerCompanyName"] = buyer.company
        fields["buyerPurchaseOrderNumber"] = f"PO-{chance.randint(2026, 2027)}-{chance.randint(100, 9999):05}"
    return fields


def _delivery(kind: str, buyer: Person) -> dict[str, str]:
    if kind == "fba":
        shown = ("city", "stateOrRegion", "postalCode", "countryCode")
        return {name: value for name, value in buyer.address.items() if name in shown}
    return buyer.address


def _fulfillment(kind: str, placed_at: int) -> Json:
    status = {"pending": "PENDING", "cancelled": "CANCELLED"}.get(kind, "UNSHIPPED")
    midnight = placed_at - placed_at % times.DAY
    return {
        "fulfillmentStatus": status,
        "fulfilledBy": "AMAZON" if kind == "fba" else "MERCHANT",
        "fulfillmentServiceLevel": "STANDARD",
        "shipByWindow": _window(midnight + times.DAY, 2),
        "deliverByWindow": _window(midnight + 3 * times.DAY, 3),
    }


def _window(start: int, days: int) -> Json:
    end = start + days * times.DAY - times.SECOND
    return {"earliestDateTime": times.text(start), "latestDateTime": times.text(end)}


def _item(piece: Piece, currency: str, kind: str, chance: Random) -> Json:
    product: Json = {
        "asin": piece.asin,
        "title": piece.title,
        "sellerSku": piece.sku,
        "condition": {"conditionType": "NEW", "conditionSubtype": "NEW"},
        "price": {"unitPrice": money(piece.unit_price, currency)},
    }
    if kind in ("business", "iba"):
        product["price"]["priceDesignation"] = "BUSINESS_PRICE"
    item: Json = {
        "orderItemId": str(chance.randrange(10**13, 10**14)),
        "quantityOrdered": piece.quantity,
        "product": product,
        "proceeds": proceeds(_rows(piece, currency), currency),
        "fulfillment": {"quantityFulfilled": 0, "quantityUnfulfilled": piece.quantity},
    }
    if piece.discount or piece.shipping_discount:
        item["promotion"] = {"breakdowns": [{"promotionId": f"PLM-{chance.randrange(16**8):08X}"}]}
    if kind == "gift":
        item["fulfillment"]["packing"] = {
            "giftOption": {"giftMessage": "Alles Gute zum Geburtstag, liebe Käthe!", "giftWrapLevel": "STANDARD"}
        }
    if piece.tax_rate is not None:
        item["tax"] = {"taxCalculationBreakdowns": [{"reportingScheme": "UOSS"}]}
    return item


def _rows(piece: Piece, currency: str) -> list[Json]:
    """The item's breakdown. DISCOUNT holds what is taken off the article and off its shipping."""
    goods = piece.unit_price * piece.quantity
    rows = [breakdown("ITEM", goods, currency)]
    if piece.shipping:
        rows.append(breakdown("SHIPPING", piece.shipping, currency))
    if piece.gift_wrap:
        rows.append(breakdown("GIFT_WRAP", piece.gift_wrap, currency))
    discounts = {"ITEM": -piece.discount, "SHIPPING": -piece.shipping_discount}
    if any(discounts.values()):
        details = {subtype: amount for subtype, amount in discounts.items() if amount}
        rows.append(breakdown("DISCOUNT", sum(details.values(), Decimal()), currency, details))
    if piece.tax_rate is not None:
        bases = {
            "ITEM": goods,
            "SHIPPING": piece.shipping,
            "GIFT_WRAP": piece.gift_wrap,
            "DISCOUNT": -piece.discount - piece.shipping_discount,
        }
        taxes = {subtype: rounded(base * piece.tax_rate, currency) for subtype, base in bases.items() if base}
        rows.append(breakdown("TAX", sum(taxes.values(), Decimal()), currency, taxes))
    return rows


def _tax(buyer: Person) -> Json:
    number = {"DE": "DE811907980", "AT": "ATU37675002", "FR": "FR40303265045", "PL": "PL8567346215"}.get(buyer.country)
    registration = {"entityType": "BUYER", "legalName": buyer.company, "taxRegistrationType": "VAT"}
    return {"taxRegistrations": [{**registration, "taxRegistrationNumber": number}]} if number else {}
