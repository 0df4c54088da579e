"""What a marketplace may say, through the whole path: each bad order costs one order, and a person reads why."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from portal.extensions import db
from portal.held import service as held_orders
from portal.sentences import say
from tests.exactly_once.shop import Shop

Json = dict[str, Any]


def _raise_total(order: Json) -> None:
    money = order["proceeds"]["grandTotal"]
    money["amount"] = str(Decimal(str(money["amount"])) + Decimal("4.99"))


def _raise_line_total(order: Json) -> None:
    money = order["orderItems"][0]["proceeds"]["proceedsTotal"]
    money["amount"] = str(Decimal(str(money["amount"])) + Decimal("0.01"))


def _change_currency(order: Json) -> None:
    for money in _moneys(order):
        money["currencyCode"] = "XQQ"


def _mix_currencies(order: Json) -> None:
    order["proceeds"]["grandTotal"]["currencyCode"] = "PLN"


def _take_address_away(order: Json) -> None:
    del order["recipient"]


def _take_total_away(order: Json) -> None:
    del order["proceeds"]["grandTotal"]


def _order_nothing(order: Json) -> None:
    order["orderItems"][0]["quantityOrdered"] = -3


def _order_more_than_there_is(order: Json) -> None:
    order["orderItems"][0]["quantityOrdered"] = 10**12


def _set_amount(amount: Any) -> Callable[[Json], None]:
    def change(order: Json) -> None:
        order["orderItems"][0]["proceeds"]["proceedsTotal"]["amount"] = amount

    return change


def _set_status(order: Json) -> None:
    order["fulfillment"]["fulfillmentStatus"] = "TELEPORTED"


def _take_fulfillment_away(order: Json) -> None:
    del order["fulfillment"]


def _repeat_item(order: Json) -> None:
    order["orderItems"].append(copy.deepcopy(order["orderItems"][0]))


def _update_in_the_far_future(order: Json) -> None:
    order["lastUpdatedTime"] = "9999-12-31T23:59:59Z"


def _nest(order: Json) -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    order["buyer"] = {"buyerName": deep}


@dataclass(frozen=True)
class Bad:
    """How an order is spoiled, and what comes of it: why it is held, what the reason says, which part is named."""

    spoil: Callable[[Json], None]
    cause: str
    says: str = ""
    component: str | None = None


BAD = {
    "total": Bad(_raise_total, "total", "difference of €4.99", "shipping"),
    "line total": Bad(_raise_line_total, "line_total", "sum to", "shipping"),
    "unknown currency": Bad(_change_currency, "currency", "XQQ"),
    "two currencies": Bad(_mix_currencies, "unreadable", "several currencies"),
    "no address": Bad(_take_address_away, "no_address", "no delivery address"),
    "no total": Bad(_take_total_away, "no_total", "no total"),
    "negative quantity": Bad(_order_nothing, "unreadable", "-3"),
    "huge quantity": Bad(_order_more_than_there_is, "unreadable", "1000000000000"),
    "amount in words": Bad(_set_amount("a lot"), "unreadable"),
    "amount with a comma": Bad(_set_amount("12,50"), "unreadable"),
    "amount without end": Bad(_set_amount("Infinity"), "unreadable"),
    "amount with an exponent": Bad(_set_amount("1e400"), "unreadable"),
    "amount of null": Bad(_set_amount(None), "unreadable"),
    "unknown status": Bad(_set_status, "unreadable", "TELEPORTED"),
    "no status": Bad(_take_fulfillment_away, "unreadable", "no status"),
    "an item twice": Bad(_repeat_item, "unreadable", "2 times"),
    "from the far future": Bad(_update_in_the_far_future, "unreadable", "out of this world"),
    "nested": Bad(_nest, "unreadable"),
}

# Served byte for byte in the place of an order.
NO_ORDERS = {
    "half an order": '{"orderId": "306-0000000-0000001", "orderItems": [{"quantityOrdered": }]}',
    "not a number": '{"orderId": "306-0000000-0000002", "createdTime": NaN}',
    "half a character": '{"orderId": "306-0000000-0000003", "createdTime": "\\ud800"}',
    "nothing": "{}",
    "an id that leads elsewhere": '{"orderId": "../../306-0000000-0000004"}',
    "an id without end": '{"orderId": "' + "3" * 100_000 + '"}',
    "null": '{"orderId": null}',
}

NAMES = [
    "Łukasz Żółć-Nguyễn",
    "Иван Петров",
    "Ελένη Παπαδοπούλου",
    "محمد بن سلمان",
    "דוד בן־גוריון",
    "山田 太郎",
    "김철수",
    "क्षमा देवी",
    "👩‍👩‍👧 Familie",
    'O\'Neil "the" {brace}, \\back; DROP TABLE document;--',
]
# NUL, a change of direction, a line break, an escape, a byte order mark.
NOISES = ["\0", "\u202e", "\r\n", "\x1b", "\ufeff"]


def test_one_poisoned_order_in_a_page_of_a_hundred(shop: Shop) -> None:
    order_ids = shop.place(count=99)
    poisoned = _spoiled(shop, _raise_total)
    shop.settle()
    shop.check_inbox(100)
    shop.check_documents(order_ids)
    shop.check_runs()
    with shop.inside():
        (held,) = shop.held().values()
        assert held.order_id == poisoned["orderId"]
        assert (held.cause, held.component, held.retries) == ("total", "shipping", 0)

        retried = held_orders.retry(held)
        db.session.commit()
        assert retried.document is None
        assert retried.reason and "4.99" in retried.reason
        assert shop.held()[poisoned["orderId"]].retries == 1

    # The marketplace corrects itself: the next version becomes a document with the next number.
    _correct(shop, poisoned)
    shop.settle()
    shop.check_documents([*order_ids, poisoned["orderId"]])
    with shop.inside():
        assert not shop.held()


def test_a_held_order_that_can_be_written_by_now_becomes_one_document(shop: Shop) -> None:
    """What held it is gone: tried again by two people, it is one document."""
    (order_id,) = shop.place()
    with shop.owner.begin() as connection:  # the database refuses just this order, for now
        connection.exec_driver_sql(
            f"ALTER TABLE document ADD CONSTRAINT refuses CHECK (order_id <> '{order_id}') NOT VALID"
        )
    try:
        others = shop.place(count=20)
        shop.settle()
        shop.check_documents(others)
        with shop.inside():
            assert shop.held()[order_id].cause == "refused"
    finally:
        with shop.owner.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE document DROP CONSTRAINT refuses")
    with shop.inside():
        assert len(held_orders.retry_all().documents) == 1
        db.session.commit()
        assert held_orders.retry_all().tried == 0
        db.session.commit()
        assert not shop.held()
    shop.settle()
    shop.check_documents([order_id, *others])


def test_every_bad_order_is_held_by_itself_with_its_reason(shop: Shop) -> None:
    good = shop.place(count=3)
    spoiled = {_spoiled(shop, bad.spoil)["orderId"]: name for name, bad in BAD.items()}
    good += shop.place(count=3)
    shop.settle()
    shop.check_documents(good)
    shop.check_runs()
    with shop.inside():
        held = shop.held()
        found = {spoiled.get(order.order_id, order.order_id): (order.cause, order.component) for order in held.values()}
        assert found == {name: (bad.cause, bad.component) for name, bad in BAD.items()}
        for order in held.values():
            bad = BAD[spoiled[order.order_id]]
            assert bad.says in say(order.reason), (spoiled[order.order_id], order.reason)
            assert say(order.reason).endswith(".")
            assert order.payload and order.collection


def test_what_is_no_order_at_all_is_held_too(shop: Shop) -> None:
    good = shop.place(count=3)
    for number, raw in enumerate(NO_ORDERS.values()):
        shop.amazon.place_raw(raw, seller=shop.seller, order_id=f"raw-{shop.seller}-{number}")
    shop.settle()
    shop.check_documents(good)
    shop.check_runs()
    with shop.inside():
        held = shop.held()
        assert len(held) == len(NO_ORDERS)
        assert {order.cause for order in held.values()} == {"unreadable"}
        assert not [order_id for order_id in held if len(order_id) > 40 or "/" in order_id]
    shop.settle()  # the next window overlaps this one and brings them all again
    with shop.inside():
        assert shop.held().keys() == held.keys()


@pytest.mark.parametrize("fault", ["malformed", "twice"])
def test_an_answer_that_cannot_be_read_is_asked_for_again(shop: Shop, fault: str) -> None:
    """Brackets that do not match leave no way to tell the orders apart. Nothing is skipped for it."""
    shop.settle()
    order_ids = shop.place(count=130)
    broken = shop.amazon.fault(fault, "searchOrders", times=1, after=1)
    try:
        shop.work()
        shop.settle()
    finally:
        shop.amazon.faults_off(broken)
    shop.settle()
    shop.check_inbox(130)
    shop.check_documents(order_ids)


def test_names_of_every_script_and_what_hides_in_them(shop: Shop) -> None:
    hidden = [(name, noise) for name in NAMES for noise in NOISES]
    order_ids = [
        shop.place(address={"name": f"{name[:3]}{noise}{name[3:]}", "addressLine1": f"{noise}Straße 1{noise}"})[0]
        for name, noise in hidden
    ]
    shop.settle()
    shop.check_documents(order_ids)
    with shop.inside():
        documents = shop.documents()
        for order_id, (name, noise) in zip(order_ids, hidden, strict=True):
            delivery = documents[order_id].delivery
            assert delivery["street"] == "Straße 1"
            assert noise not in delivery["name"]
            assert delivery["name"].replace(" ", "") == name.replace(" ", "")


def test_an_order_of_ten_thousand_lines_and_strings_without_end(shop: Shop) -> None:
    many = shop.place("several", lines=10_000)[0]
    long = shop.place(
        address={"name": "N" * 200_000, "city": "ß" * 100_000},
        items=[{"price": "1.00", "title": "T" * 300_000, "sku": "S" * 50_000}],
    )[0]
    order_ids = [many, long, *shop.place(count=10)]
    shop.settle()
    shop.check_documents(order_ids)
    with shop.inside():
        documents = shop.documents()
        articles = [line for line in documents[many].lines if line.kind == "article"]
        assert len(articles) == 10_000
        assert len({line.reference for line in articles}) == 10_000
        document = documents[long]
        assert document.delivery["name"] == "N" * 500
        assert document.lines[0].title == "T" * 500
        assert document.total == Decimal("1.00")


def _spoiled(shop: Shop, spoil: Callable[[Json], None]) -> Json:
    """Place a good order, take it back, and place it spoiled."""
    (order_id,) = shop.amazon.place("several", seller=shop.seller)
    order = shop.amazon.order(order_id)
    spoil(order)
    shop.amazon.place_raw(order, seller=shop.seller)
    return order


def _correct(shop: Shop, order: Json) -> None:
    """A newer version of the order, with the total that its lines sum to."""
    good = copy.deepcopy(order)
    money = good["proceeds"]["grandTotal"]
    money["amount"] = str(Decimal(str(money["amount"])) - Decimal("4.99"))
    newer = datetime.fromisoformat(good["lastUpdatedTime"]) + timedelta(days=365)
    good["lastUpdatedTime"] = newer.strftime("%Y-%m-%dT%H:%M:%SZ")
    shop.amazon.place_raw(good, seller=shop.seller)


def _moneys(part: Any) -> list[Json]:
    if isinstance(part, list):
        return [money for entry in part for money in _moneys(entry)]
    if not isinstance(part, dict):
        return []
    own = [part] if "currencyCode" in part else []
    return own + [money for entry in part.values() for money in _moneys(entry)]
