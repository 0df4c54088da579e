"""Orders built here look like Amazon's and add up as Amazon's do."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from portal.sandbox import changes
from portal.sandbox.marketplaces import MARKETPLACES, find
from portal.sandbox.money import amount_of, reckon
from portal.sandbox.orders import KINDS, MIX, Piece, Wish, build

PLACED = 1_790_000_000_000


def sums_hold(order) -> None:
    items = order["orderItems"]
    for item in items:
        rows = {row["type"]: row for row in item["proceeds"]["breakdowns"]}
        assert sum(amount_of(row["subtotal"]) for row in rows.values()) == amount_of(item["proceeds"]["proceedsTotal"])
        unit_price = amount_of(item["product"]["price"]["unitPrice"])
        assert amount_of(rows["ITEM"]["subtotal"]) == unit_price * item["quantityOrdered"]
        for kind in ("TAX", "DISCOUNT"):
            if kind in rows:
                details = rows[kind]["detailedBreakdowns"]
                assert sum(amount_of(detail["value"]) for detail in details) == amount_of(rows[kind]["subtotal"])
        if "DISCOUNT" in rows:
            assert amount_of(rows["DISCOUNT"]["subtotal"]) < 0
    breakdowns = order["proceeds"].get("breakdowns", [])
    tip = sum(amount_of(row["subtotal"]) for row in breakdowns if row["type"] == "DELIVERY_TIP")
    total = amount_of(order["proceeds"]["grandTotal"])
    assert total == sum(amount_of(item["proceeds"]["proceedsTotal"]) for item in items) + tip
    if breakdowns:
        assert sum(amount_of(row["subtotal"]) for row in breakdowns) == total


def test_the_sums_hold_for_every_kind_and_marketplace():
    chance = Random(7)
    for marketplace in MARKETPLACES:
        for kind in KINDS:
            order = build(Wish(kind, PLACED, marketplace), chance)
            sums_hold(order)
            assert {order["proceeds"]["grandTotal"]["currencyCode"]} == {marketplace.currency}


def test_the_sums_hold_through_a_thousand_mixed_orders_and_after_changes():
    chance = Random(11)
    for _ in range(1000):
        order = build(Wish(MIX, PLACED), chance)
        sums_hold(order)
        order["orderItems"][0]["quantityOrdered"] = chance.randint(0, 9)
        reckon(order)
        sums_hold(order)


def test_yen_have_no_decimals():
    order = build(Wish("taxed", PLACED, find("JP")), Random(3))
    amounts = [row["subtotal"]["amount"] for item in order["orderItems"] for row in item["proceeds"]["breakdowns"]]
    assert all(amount.isdigit() for amount in [*amounts, order["proceeds"]["grandTotal"]["amount"]])


def test_the_same_seed_places_the_same_orders():
    assert build(Wish(MIX, PLACED), Random(5)) == build(Wish(MIX, PLACED), Random(5))
    assert build(Wish(MIX, PLACED), Random(5)) != build(Wish(MIX, PLACED), Random(6))


def test_a_mix_has_some_of_everything_and_mostly_plain_orders():
    chance = Random(2)
    orders = [build(Wish(MIX, PLACED), chance) for _ in range(2000)]
    lines = [len(order["orderItems"]) for order in orders]
    assert 1.6 < sum(lines) / len(lines) < 1.75
    assert {order["proceeds"]["grandTotal"]["currencyCode"] for order in orders} >= {"EUR", "GBP", "PLN", "SEK"}
    assert {order["fulfillment"]["fulfillmentStatus"] for order in orders} == {"UNSHIPPED", "PENDING", "CANCELLED"}
    assert {order["fulfillment"]["fulfilledBy"] for order in orders} == {"MERCHANT", "AMAZON"}
    countries = {order["recipient"]["deliveryAddress"]["countryCode"] for order in orders}
    assert countries >= {"DE", "AT", "FR", "PL", "GB"}
    assert len({order["orderId"] for order in orders}) == 2000


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("several", lambda order: len(order["orderItems"]) > 1),
        ("business", lambda order: order["programs"][0] == "AMAZON_BUSINESS"),
        ("business", lambda order: order["buyer"]["buyerCompanyName"] and order["buyer"]["buyerPurchaseOrderNumber"]),
        ("gift", lambda order: "giftOption" in order["orderItems"][0]["fulfillment"]["packing"]),
        ("pln", lambda order: order["proceeds"]["grandTotal"]["currencyCode"] == "PLN"),
        ("gbp", lambda order: order["salesChannel"]["marketplaceId"] == "A1F83G8C2ARO7P"),
        ("pending", lambda order: order["fulfillment"]["fulfillmentStatus"] == "PENDING"),
        ("cancelled", lambda order: "cancellationExecution" in order["orderItems"][0]["cancellation"]),
        ("fba", lambda order: "phone" not in order["recipient"]["deliveryAddress"]),
        ("fba", lambda order: "buyerEmail" not in order["buyer"]),
        ("replacement", lambda order: amount_of(order["proceeds"]["grandTotal"]) == 0),
        ("replacement", lambda order: order["associatedOrders"][0]["associationType"] == "REPLACEMENT_ORIGINAL_ID"),
        ("iba", lambda order: "INVOICE_BY_AMAZON" in order["programs"]),
        ("taxed", lambda order: any(row["type"] == "TAX" for row in order["orderItems"][0]["proceeds"]["breakdowns"])),
        ("ship_plus", lambda order: "FBM_SHIP_PLUS" in order["programs"]),
        ("non_amazon", lambda order: order["salesChannel"]["channelName"] == "NON_AMAZON"),
    ],
)
def test_each_kind_is_what_its_name_says(kind, holds):
    assert holds(build(Wish(kind, PLACED), Random(4)))


def test_a_discount_is_split_between_the_article_and_its_shipping():
    piece = Piece("A", "A", Decimal("20.00"), 2, shipping=Decimal("4.99"))
    piece.discount, piece.shipping_discount = Decimal("4.00"), Decimal("4.99")
    order = build(Wish("plain", PLACED, items=[piece]), Random(1))
    rows = {row["type"]: row for row in order["orderItems"][0]["proceeds"]["breakdowns"]}
    assert rows["DISCOUNT"]["subtotal"]["amount"] == "-8.99"
    assert {one["subtype"]: one["value"]["amount"] for one in rows["DISCOUNT"]["detailedBreakdowns"]} == {
        "ITEM": "-4.00",
        "SHIPPING": "-4.99",
    }
    assert order["proceeds"]["grandTotal"]["amount"] == "36.00"


def test_a_replacement_can_name_the_order_it_replaces():
    order = build(Wish("replacement", PLACED, replaces="302-1234567-1234567"), Random(1))
    assert order["associatedOrders"][0]["orderId"] == "302-1234567-1234567"


def test_an_order_can_be_longer_than_the_catalogue():
    assert len(build(Wish("plain", PLACED, lines=10_000), Random(1))["orderItems"]) == 10_000


def test_a_cancellation_request_leaves_the_status():
    order = build(Wish("plain", PLACED), Random(1))
    changes.request_cancellation(order)
    assert order["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    assert order["orderItems"][0]["cancellation"]["cancellationRequest"]["requester"] == "BUYER"


def test_a_quantity_below_what_was_shipped_is_impossible():
    order = build(Wish("plain", PLACED, items=[Piece("A", "A", Decimal(1), 3)]), Random(1))
    order["orderItems"][0]["fulfillment"] = {"quantityFulfilled": 2, "quantityUnfulfilled": 1}
    with pytest.raises(changes.Impossible):
        changes.change_quantity(order, 1)
