"""Amazon's orders become the cloud's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.cloud.connectors import OTHER_CHANNEL, Unanswered
from portal.cloud.connectors.amazon import wire
from portal.cloud.connectors.amazon.translate import NEVER, read
from portal.order import Order, Status
from tests.cloud.amazon_orders import an_item, an_order, money, row
from tests.conftest import SHARED

EXAMPLES = SHARED / "spapi" / "examples"


def translated(**changes: Any) -> Order:
    return read(json.dumps(an_order(**changes)).encode())


def parts(order: Order, line: int = 0) -> dict[str, str]:
    return {component.kind: str(component.amount) for component in order.lines[line].components}


def outcome(order: Order) -> dict[str, Any]:
    """What an example is expected to become, short enough to be read."""
    return {
        "id": order.id,
        "status": order.status.value,
        "fulfilled_by": order.fulfilled_by,
        "channel": order.channel,
        "total": f"{order.total} {order.currency}",
        "lines": [(line.sku, line.quantity, str(line.total), line.shipped, parts(order, n)) for n, line in
                  enumerate(order.lines)],
        "components": [(component.kind, str(component.amount)) for component in order.components],
        "replaces": order.replaces,
        "cancel_requested": order.cancel_requested,
        "country": order.delivery.country,
        "problem": order.problem,
    }  # fmt: skip


EXPECTED: dict[str, list[dict[str, Any]]] = {
    # A gift for a consumer in Brazil, shipped by the merchant; no tax row, so ITEM is gross.
    "orders_2026_getOrder_200_0.json": [
        {
            "id": "171-9876543-2109876",
            "status": "unshipped",
            "fulfilled_by": "merchant",
            "channel": "Amazon.com.br",
            "total": "299.90 BRL",
            "lines": [("ECHO-DOT-4-BR-PRETO", 1, "299.90", 0, {"article": "299.90"})],
            "components": [],
            "replaces": "",
            "cancel_requested": False,
            "country": "BR",
            "problem": "",
        }
    ],
    # Two articles in yen, shipped by Amazon.
    "orders_2026_searchOrders_200_0.json": [
        {
            "id": "250-1234567-8901234",
            "status": "shipped",
            "fulfilled_by": "marketplace",
            "channel": "Amazon.co.jp",
            "total": "19940 JPY",
            "lines": [
                ("ECHO-DOT-4-JP-CHARCOAL", 1, "5980", 1, {"article": "5980"}),
                ("FIRE-TV-4K-MAX-JP", 2, "13960", 2, {"article": "13960"}),
            ],
            "components": [],
            "replaces": "",
            "cancel_requested": False,
            "country": "JP",
            "problem": "",
        }
    ],
    # A consumer in the United Kingdom; the package is on its way.
    "orders_2026_searchOrders_200_1.json": [
        {
            "id": "202-7654321-1098765",
            "status": "shipped",
            "fulfilled_by": "merchant",
            "channel": "Amazon.co.uk",
            "total": "34.99 GBP",
            "lines": [("ECHO-DOT-4-UK-CHARCOAL-SINGLE", 1, "34.99", 1, {"article": "34.99"})],
            "components": [],
            "replaces": "",
            "cancel_requested": False,
            "country": "GB",
            "problem": "",
        }
    ],
    # Business, a replacement, tax added to the article, a tip on the order; its cancellation is over and done.
    "orders_2026_searchOrders_200_docexample.json": [
        {
            "id": "123-4567890-1234567",
            "status": "shipped",
            "fulfilled_by": "merchant",
            "channel": "Amazon.com",
            "total": "154.99 USD",
            "lines": [
                ("ECHO-DOT-4-CHARCOAL", 2, "100.00", 2, {"article": "100.00"}),
                ("FIRE-TV-4K-2021", 1, "49.99", 1, {"article": "49.99"}),
            ],
            "components": [("tip", "5.00")],
            "replaces": "123-4567890-1234566",
            "cancel_requested": False,
            "country": "US",
            "problem": "",
        }
    ],
}


@pytest.mark.skipif(not EXAMPLES.exists(), reason="Amazon's examples are not here")
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_amazons_own_examples_are_taken_unchanged(name):
    response = json.loads((EXAMPLES / name).read_text())["response"]
    orders = response.get("orders") or [response["order"]]
    read_orders = [read(json.dumps(order).encode()) for order in orders]
    assert [outcome(order) for order in read_orders] == EXPECTED[name]
    assert all(sums(order) == order.total for order in read_orders)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="Amazon's examples are not here")
def test_there_is_no_example_whose_outcome_is_not_spelled_out():
    assert {path.name for path in EXAMPLES.glob("orders_2026_*_200_*")} == set(EXPECTED)


def sums(order: Order) -> Decimal:
    lines = sum((part.amount for line in order.lines for part in line.components), Decimal())
    return lines + sum((part.amount for part in order.components), Decimal())


def test_tax_beside_an_article_is_part_of_its_gross_price():
    rows = [row("ITEM", "100.00"), row("TAX", "19.00", ITEM="19.00")]
    assert parts(translated(items=[an_item(rows=rows)])) == {"article": "119.00"}


def test_each_tax_goes_to_what_it_is_on():
    rows = [
        row("ITEM", "100.00"),
        row("SHIPPING", "10.00"),
        row("GIFT_WRAP", "5.00"),
        row("TAX", "21.85", ITEM="19.00", SHIPPING="1.90", GIFT_WRAP="0.95"),
    ]
    assert parts(translated(items=[an_item(rows=rows)])) == {
        "article": "119.00",
        "shipping": "11.90",
        "gift_wrap": "5.95",
    }


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_discount_lowers_the_price_whatever_its_sign(sign):
    rows = [row("ITEM", "50.00"), row("SHIPPING", "5.00"), row("DISCOUNT", sign + "8.00", ITEM="3.00", SHIPPING="5.00")]
    order = translated(items=[an_item(rows=rows, total="47.00")])
    assert parts(order) == {"article": "50.00", "discount": "-3.00", "shipping": "5.00", "shipping_discount": "-5.00"}


def test_tax_on_discounts_is_shared_by_the_discounts():
    rows = [
        row("ITEM", "100.00"),
        row("SHIPPING", "10.00"),
        row("DISCOUNT", "20.00", ITEM="10.00", SHIPPING="10.00"),
        row("TAX", "18.00", ITEM="20.00", SHIPPING="2.00", DISCOUNT="4.00"),
    ]
    order = translated(items=[an_item(rows=rows, total="108.00")])
    assert parts(order) == {
        "article": "120.00",
        "discount": "-12.00",
        "shipping": "12.00",
        "shipping_discount": "-12.00",
    }
    assert sums(order) == order.total


def test_amounts_that_do_not_add_up_stay_visible():
    order = translated(items=[an_item(rows=[row("ITEM", "10.00")], total="12.00")])
    assert (parts(order), order.lines[0].total) == ({"article": "10.00"}, Decimal("12.00"))


def test_freight_that_belongs_to_no_item_is_a_component_of_the_order():
    order = translated(grand="24.99", order_rows=[row("ITEM", "19.99"), row("SHIPPING", "5.00")])
    assert [(part.kind, str(part.amount)) for part in order.components] == [("shipping", "5.00")]


cents = st.integers(0, 10**7).map(lambda cents: Decimal(cents) / 100)


@st.composite
def priced_items(draw: st.DrawFn) -> dict[str, Any]:
    """An item's rows with any amounts, signs as Amazon may have them, summing to the item's total."""
    sign = draw(st.sampled_from([1, -1]))
    amounts = {
        kind: draw(cents) for kind in draw(st.sets(st.sampled_from(["ITEM", "SHIPPING", "GIFT_WRAP", "COD_FEE"])))
    }
    rows = [row(kind, str(value)) for kind, value in amounts.items()]
    total = sum(amounts.values(), Decimal())
    discounts = {kind: draw(cents) for kind in draw(st.sets(st.sampled_from(["ITEM", "SHIPPING"])))}
    lowered = sum(discounts.values(), Decimal())
    if discounts:
        details = {kind: str(sign * value) for kind, value in discounts.items()}
        rows.append(row("DISCOUNT", str(sign * lowered), **details))
        total -= lowered
    if draw(st.booleans()):
        taxes = {kind: draw(cents) for kind in amounts}
        on_discount = draw(cents) if discounts else Decimal()
        tax = sum(taxes.values(), Decimal()) - on_discount
        details = {kind: str(value) for kind, value in taxes.items()}
        if on_discount:
            details["DISCOUNT"] = str(sign * on_discount)
        rows.append(row("TAX", str(tax), **(details if draw(st.booleans()) else {})))
        total += tax
    return {"rows": draw(st.permutations(rows)), "total": str(total)}


@given(st.lists(priced_items(), min_size=1, max_size=4), cents)
def test_whatever_amazon_charges_the_components_sum_to_it(items, tip):
    total = sum((Decimal(item["total"]) for item in items), Decimal()) + tip
    order = translated(
        items=[an_item(number, **item) for number, item in enumerate(items)],
        grand=str(total),
        order_rows=[row("DELIVERY_TIP", str(tip))],
    )
    for line in order.lines:
        assert sum((part.amount for part in line.components), Decimal()) == line.total
    assert sums(order) == order.total == total
    assert all(part.amount <= 0 for line in order.lines for part in line.components if "discount" in part.kind)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("PENDING_AVAILABILITY", "pending"),
        ("PENDING", "pending"),
        ("UNSHIPPED", "unshipped"),
        ("PARTIALLY_SHIPPED", "partly_shipped"),
        ("SHIPPED", "shipped"),
        ("CANCELLED", "cancelled"),
        ("INVOICE_UNCONFIRMED", "unreadable"),
    ],
)
def test_every_status_of_amazons_has_one_of_ours(said, status):
    assert translated(status=said).status == status


def test_an_order_without_a_status_waits_for_a_person():
    order = translated(fulfillment=None)
    assert (order.status, order.problem) == (Status.UNREADABLE, "Amazon gave no status.")


def test_a_sale_elsewhere_is_told_apart():
    channel = {"channelName": "NON_AMAZON", "marketplaceId": "A38D8NSA03LJTC"}
    assert translated(salesChannel=channel).channel == OTHER_CHANNEL


def test_a_marketplace_without_id_is_found_by_its_name():
    order = translated(salesChannel={"channelName": "AMAZON", "marketplaceName": "Amazon.pl"})
    assert order.marketplace == "A1C3SOZRARQ6R3"


def test_cancelled_pieces_leave_the_lines_and_a_remark():
    gone = an_item(2, quantityOrdered=0, rows=[], total="0.00")
    order = translated(items=[an_item(1), gone], grand="19.99")
    assert ([line.sku for line in order.lines], order.problem) == (["SKU-1"], "Cancelled at Amazon: SKU-2.")


def test_an_open_request_to_cancel_is_passed_on():
    asked = an_item(cancellation={"cancellationRequest": {"requester": "BUYER"}})
    done = an_item(
        cancellation={"cancellationRequest": {}, "cancellationExecution": {"cancelledBy": "MERCHANT"}},
    )
    assert translated(items=[asked]).cancel_requested
    assert not translated(items=[done]).cancel_requested


def test_the_same_buyer_is_known_again_by_address_or_by_place():
    by_email = translated(buyer={"buyerEmail": "Ab@marketplace.amazon.de"})
    assert by_email.buyer_reference == "ab@marketplace.amazon.de"
    here = {"name": "Käthe  Müller", "addressLine1": "Lange Straße 7", "postalCode": "60311", "countryCode": "DE"}
    spelled = {**here, "name": "käthe müller", "addressLine1": "LANGE STRASSE 7"}
    one = translated(buyer=None, recipient={"deliveryAddress": here})
    two = translated(buyer=None, recipient={"deliveryAddress": spelled})
    assert one.buyer_reference == two.buyer_reference != ""
    assert translated(buyer=None, recipient=None).buyer_reference == ""


def test_a_business_brings_its_company_and_numbers():
    order = translated(
        buyer={"buyerCompanyName": "Acme GmbH", "buyerPurchaseOrderNumber": "PO-7"},
        tax={
            "taxRegistrations": [
                {"entityType": "SELLER", "taxRegistrationNumber": "DE999"},
                {"entityType": "BUYER", "taxRegistrationType": "VAT", "taxRegistrationNumber": "DE123456789"},
            ]
        },
        programs=["AMAZON_BUSINESS", "INVOICE_BY_AMAZON"],
    )
    assert (order.buyer.company, order.purchase_order, order.buyer.vat_id) == ("Acme GmbH", "PO-7", "DE123456789")
    assert "INVOICE_BY_AMAZON" in order.programs


def test_each_part_says_how_much_of_it_is_tax_where_amazon_does():
    rows = [
        row("ITEM", "100.00"),
        row("SHIPPING", "10.00"),
        row("DISCOUNT", "-20.00", ITEM="-20.00"),
        row("TAX", "17.10", ITEM="19.00", SHIPPING="1.90", DISCOUNT="-3.80"),
    ]
    parts = {part.kind: part.tax for part in translated(items=[an_item(rows=rows, total="107.10")]).lines[0].components}
    assert parts == {"article": Decimal("19.00"), "shipping": Decimal("1.90"), "discount": Decimal("-3.80")}
    assert [part.tax for part in translated(items=[an_item()]).lines[0].components] == [None]


def test_what_the_marketplace_calls_payment_and_shipping_is_passed_on():
    order = translated(
        payment={
            "paymentExecutions": [{"paymentMethod": "Invoice"}, {"paymentMethod": "Pix"}, {"paymentMethod": "Pix"}]
        },
        fulfillment={"fulfillmentStatus": "UNSHIPPED", "fulfillmentServiceLevel": "NEXT_DAY"},
    )
    assert (order.payment_kind, order.shipping_level) == ("Invoice + Pix", "NEXT_DAY")
    assert (translated(payment=None).payment_kind, translated(payment={}).payment_kind) == ("", "")


def test_what_amazon_buys_itself_and_what_it_collects_is_told():
    assert translated(programs=["INVOICE_BY_AMAZON"]).is_resold and not translated(programs=["PRIME"]).is_resold
    collected = an_item(tax={"taxCollections": [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon"}]})
    assert [line.tax_collected for line in translated(items=[collected]).lines] == [True]
    assert [line.tax_collected for line in translated(items=[an_item()]).lines] == [False]


HOSTILE = {
    "a wrong type": {"orderItems": {"orderItemId": "1"}},
    "an amount beyond all": {"grand": "1e999999"},
    "an amount that is none": {"grand": "NaN"},
    "an amount in words": {"grand": "ten"},
    "a quantity beyond all": {"items": [an_item(quantityOrdered=10**30)]},
    "a quantity below nothing": {"items": [an_item(quantityOrdered=-1)]},
    "an item listed twice": {"items": [an_item(1), an_item(1)]},
    "two currencies": {"items": [an_item(currency="EUR")], "currency": "GBP"},
    "a time out of this world": {"lastUpdatedTime": "9999-12-31T23:59:59-12:00"},
    "no items at all": {"orderItems": None},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_order_that_makes_no_sense_waits_for_a_person_and_keeps_its_text(what):
    order = translated(**HOSTILE[what])
    assert (order.status, order.id) == (Status.UNREADABLE, "028-1234567-1234567")
    assert order.problem.endswith(".") and "028-1234567-1234567" in order.raw
    msgspec.json.encode(order)


def test_one_malformed_order_costs_one_order():
    good = json.dumps(an_order(orderId="028-0000001-0000001"))
    deep = '{"orderId":"028-0000002-0000002","x":' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}"
    surrogate = '{"orderId":"028-0000003-0000003","buyer":{"buyerName":"\\ud800"}}'
    not_a_number = '{"orderId":"028-0000004-0000004","lastUpdatedTime":"2026-11-01T00:00:00Z","x":NaN}'
    body = f'{{"orders":[{good},{deep},{surrogate},{not_a_number},17],"pagination":{{"nextToken":"t"}}}}'
    page = wire.read_page(body.encode())
    orders = [read(raw) for raw in page.orders]
    assert page.next_token == "t"
    assert [(order.id, order.status.value) for order in orders] == [
        ("028-0000001-0000001", "unshipped"),
        ("028-0000002-0000002", "unreadable"),
        ("028-0000003-0000003", "unreadable"),
        ("028-0000004-0000004", "unreadable"),
    ]
    assert (orders[2].version, orders[3].version) == (NEVER, datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"orders":', b'{"orders":[{"orderId":"1"}', b"[" * 50_000, b'"' * 50_001]
)
def test_an_answer_that_is_no_page_is_asked_for_again(body):
    with pytest.raises(Unanswered):
        wire.read_page(body)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(noise):
    order = read(noise)
    assert order.status == Status.UNREADABLE
    assert order.id == read(noise).id
    msgspec.json.encode(order)


@given(st.text(max_size=40))
def test_names_in_any_script_pass_and_nul_does_not(name):
    order = translated(buyer={"buyerName": name})
    assert order.buyer.name == name.replace("\0", "").strip()


def test_ten_thousand_lines_are_read():
    items = [an_item(number) for number in range(10_000)]
    order = translated(items=items)
    assert len(order.lines) == 10_000 and order.total == Decimal("199900.00")


def test_an_unknown_currency_is_kept_as_it_is():
    assert translated(items=[an_item(currency="XQQ")], currency="XQQ").currency == "XQQ"


def test_amounts_are_written_as_people_write_them():
    assert str(translated(items=[an_item(rows=[row("ITEM", "1E+2")], total="100")], grand="1e2").total) == "100"
    assert money("5.00")["amount"] == "5.00"
