"""Orders: handed out until acknowledged, byte for byte; and asked for one by one."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest

from portal import order
from portal.cloud.models import InboxOrder
from portal.extensions import db
from portal.order import Status
from tests.cloud.api.caller import DE, NOON, ORDER, an_order, is_problem, row_of
from tests.sandbox.client import CLIENT_SECRET

LATER = NOON + timedelta(minutes=5)
LARGEST = 2**63 - 1


@pytest.fixture
def platform(caller) -> str:
    return caller.platform()


def page_of(caller, reference: str, **query) -> order.Page:
    answer = caller.get(f"/v1/platforms/{reference}/orders", query_string=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return msgspec.json.decode(answer.data, type=order.Page)


def ids(page: order.Page) -> list[str]:
    return [msgspec.json.decode(delivery.order, type=order.Order).id for delivery in page.orders]


def acknowledge(caller, reference: str, *versions) -> int:
    body = {"orders": [{"id": id, "version": version.isoformat()} for id, version in versions]}
    answer = caller.post(f"/v1/platforms/{reference}/acknowledgements", body)
    assert answer.status_code == 200, answer.text
    return answer.json["acknowledged"]


def stored(caller, reference: str, id: str = ORDER) -> dict:
    answer = caller.get(f"/v1/platforms/{reference}/orders/{id}")
    assert answer.status_code == 200, answer.text
    return answer.json


def state(caller, reference: str) -> tuple[str, str | None]:
    told = stored(caller, reference)
    return told["state"], told["delivered_version"]


# Looking up


def test_several_orders_are_read_in_whatever_state_and_none_is_taken(caller, platform):
    caller.receive(platform, an_order("o-1"), an_order("o-2"), an_order("o-3"))
    acknowledge(caller, platform, ("o-1", NOON))
    before = stored(caller, platform, "o-1"), stored(caller, platform, "o-2")
    answer = caller.post(f"/v1/platforms/{platform}/order-look-ups", {"ids": ["o-2", "o-1", "never-seen", "o-1"]})
    page = msgspec.json.decode(answer.data, type=order.Page)
    assert sorted(ids(page)) == ["o-1", "o-2"] and page.next is None
    assert before == (stored(caller, platform, "o-1"), stored(caller, platform, "o-2"))


# Handing out


def test_an_order_travels_as_it_was_stored_with_the_call_that_brought_it(caller, platform):
    call = caller.receive(platform, an_order())
    page = page_of(caller, platform)
    with caller.rows():
        payload = db.session.scalars(db.select(InboxOrder.payload)).one()
    assert bytes(page.orders[0].order) == payload
    assert msgspec.json.decode(payload, type=order.Order) == an_order()
    assert [delivery.collection for delivery in page.orders] == [call]
    (collection,) = page.collections
    assert (collection.id, collection.operation, collection.request_id) == (call, "searchOrders", "amazon-1")
    assert (collection.page, collection.window_from) == (1, NOON)
    assert page.next is None


def test_without_orders_the_page_is_empty(caller, platform):
    assert page_of(caller, platform) == order.Page([], [], None)


def test_pages_follow_each_other_and_end(caller, platform):
    caller.receive(platform, *[an_order(f"o-{number}") for number in range(5)])
    seen, after, pages = [], 0, 0
    while after is not None:
        page = page_of(caller, platform, after=after, limit=2)
        assert len(page.orders) <= 2
        seen += ids(page)
        after, pages = page.next, pages + 1
    assert (seen, pages) == ([f"o-{number}" for number in range(5)], 3)


def test_a_full_last_page_is_followed_by_an_empty_one(caller, platform):
    caller.receive(platform, an_order("o-1"), an_order("o-2"))
    first = page_of(caller, platform, limit=2)
    assert first.next is not None
    assert page_of(caller, platform, limit=2, after=first.next) == order.Page([], [], None)


def test_a_page_that_was_lost_comes_again(caller, platform):
    caller.receive(platform, an_order())
    assert ids(page_of(caller, platform)) == ids(page_of(caller, platform)) == [ORDER]


def test_a_page_tells_only_the_calls_of_its_own_orders(caller, platform):
    first = caller.receive(platform, an_order("o-1"))
    second = caller.receive(platform, an_order("o-2"))
    page = page_of(caller, platform)
    assert [call.id for call in page.collections] == [first, second]
    assert [call.id for call in page_of(caller, platform, limit=1).collections] == [first]


def test_there_are_a_hundred_to_a_page_unless_more_are_wanted(caller, platform):
    caller.receive(platform, *[an_order(f"o-{number}") for number in range(501)])
    assert len(page_of(caller, platform).orders) == 100
    assert len(page_of(caller, platform, limit=500).orders) == 500


def test_only_the_platforms_own_orders(caller, platform):
    caller.receive(caller.platform("Another"), an_order())
    assert ids(page_of(caller, platform)) == []


def test_orders_that_do_not_wait_are_not_handed_out(caller, platform):
    caller.receive(
        platform,
        an_order("pending", status=Status.PENDING),
        an_order("cancelled", status=Status.CANCELLED),
        an_order("filtered", marketplace="A1F83G8C2ARO7P"),
    )
    assert ids(page_of(caller, platform)) == []


@pytest.mark.parametrize("limit", ["0", "501", "-1", "1.5", "ten", "", "１", "1e2", "9" * 5000])
def test_a_limit_must_be_one(caller, platform, limit):
    is_problem(caller.get(f"/v1/platforms/{platform}/orders", query_string={"limit": limit}), 422, "limit")


@pytest.mark.parametrize("after", ["-1", str(LARGEST + 1), "x", "", "%00", "0x1", "9" * 19])
def test_a_cursor_must_be_one(caller, platform, after):
    is_problem(caller.get(f"/v1/platforms/{platform}/orders", query_string={"after": after}), 422, "after")


def test_a_cursor_given_twice_is_none(caller, platform):
    is_problem(caller.get(f"/v1/platforms/{platform}/orders?after=1&after=2"), 422, "after")


def test_the_largest_cursor_is_behind_everything(caller, platform):
    caller.receive(platform, an_order())
    assert ids(page_of(caller, platform, after=LARGEST)) == []


def test_a_query_that_is_no_text_is_refused(caller, platform):
    answer = caller.get(f"/v1/platforms/{platform}/orders", query_string=b"after=\xff".decode("latin-1"))
    is_problem(answer, 422, "after")


# Acknowledging


def test_an_acknowledged_order_waits_no_more(caller, platform):
    caller.receive(platform, an_order("o-1"), an_order("o-2"))
    assert acknowledge(caller, platform, ("o-1", NOON)) == 1
    assert ids(page_of(caller, platform)) == ["o-2"]
    told = stored(caller, platform, "o-1")
    assert (told["state"], told["delivered_version"]) == ("delivered", told["version"])


def test_a_repeated_acknowledgement_is_no_news(caller, platform):
    caller.receive(platform, an_order())
    assert [acknowledge(caller, platform, (ORDER, NOON)) for _ in range(2)] == [1, 0]


def test_an_order_named_twice_counts_once_by_its_newest_version(caller, platform):
    caller.receive(platform, an_order())
    assert acknowledge(caller, platform, (ORDER, NOON), (ORDER, NOON - timedelta(days=1))) == 1
    assert state(caller, platform)[0] == "delivered"


def test_a_newer_version_goes_on_waiting_when_the_older_is_acknowledged(caller, platform):
    caller.receive(platform, an_order())
    caller.receive(platform, an_order(version=LATER))
    assert acknowledge(caller, platform, (ORDER, NOON)) == 1
    assert state(caller, platform) == ("waiting", "2026-11-01T12:00:00Z")
    assert ids(page_of(caller, platform)) == [ORDER]


def test_a_new_version_of_a_delivered_order_waits_again(caller, platform):
    caller.receive(platform, an_order())
    acknowledge(caller, platform, (ORDER, NOON))
    caller.receive(platform, an_order(version=LATER))
    assert state(caller, platform) == ("waiting", "2026-11-01T12:00:00Z")


def test_an_order_cancelled_between_delivery_and_acknowledgement_waits(caller, platform):
    caller.receive(platform, an_order())
    caller.receive(platform, an_order(version=LATER, status=Status.CANCELLED))
    assert state(caller, platform) == ("cancelled", None)
    assert acknowledge(caller, platform, (ORDER, NOON)) == 1
    assert state(caller, platform) == ("waiting", "2026-11-01T12:00:00Z")
    assert acknowledge(caller, platform, (ORDER, LATER)) == 1
    assert state(caller, platform) == ("delivered", "2026-11-01T12:05:00Z")


def test_an_older_acknowledgement_that_comes_late_changes_nothing(caller, platform):
    caller.receive(platform, an_order(version=LATER))
    acknowledge(caller, platform, (ORDER, LATER))
    assert acknowledge(caller, platform, (ORDER, NOON)) == 0
    assert state(caller, platform) == ("delivered", "2026-11-01T12:05:00Z")


def test_a_version_that_never_was_is_not_acknowledged(caller, platform):
    caller.receive(platform, an_order())
    assert acknowledge(caller, platform, (ORDER, LATER)) == 0
    assert state(caller, platform) == ("waiting", None)


def test_unknown_orders_are_passed_over(caller, platform):
    caller.receive(platform, an_order())
    assert acknowledge(caller, platform, ("o-0", NOON), (ORDER, NOON)) == 1


def test_the_version_may_be_told_in_any_zone(caller, platform):
    caller.receive(platform, an_order())
    body = {"orders": [{"id": ORDER, "version": "2026-11-01T13:00:00+01:00"}]}
    assert caller.post(f"/v1/platforms/{platform}/acknowledgements", body).json == {"acknowledged": 1}


def test_a_version_has_its_fractions(caller, platform):
    version = NOON.replace(microsecond=123456)
    caller.receive(platform, an_order(version=version))
    told = msgspec.json.decode(page_of(caller, platform).orders[0].order)["version"]
    body = {"orders": [{"id": ORDER, "version": told}]}
    assert caller.post(f"/v1/platforms/{platform}/acknowledgements", body).json == {"acknowledged": 1}


def test_nothing_may_be_acknowledged(caller, platform):
    assert acknowledge(caller, platform) == 0


def test_five_hundred_at_once_and_not_one_more(caller, platform):
    orders = [an_order(f"o-{number}") for number in range(500)]
    caller.receive(platform, *orders)
    assert acknowledge(caller, platform, *[(one.id, one.version) for one in orders]) == 500
    body = {"orders": [{"id": f"o-{number}", "version": NOON.isoformat()} for number in range(501)]}
    is_problem(caller.post(f"/v1/platforms/{platform}/acknowledgements", body), 422, "orders")


def test_a_stranger_cannot_acknowledge(caller, stranger, platform):
    caller.receive(platform, an_order())
    body = {"orders": [{"id": ORDER, "version": NOON.isoformat()}]}
    is_problem(stranger.post(f"/v1/platforms/{platform}/acknowledgements", body), 404)
    assert state(caller, platform) == ("waiting", None)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"id": ORDER}, "orders[0].version"),
        ({"id": "", "version": "2026-11-01T12:00:00Z"}, "orders[0].id"),
        ({"id": "a\0b", "version": "2026-11-01T12:00:00Z"}, "orders[0].id"),
        ({"id": "x" * 61, "version": "2026-11-01T12:00:00Z"}, "orders[0].id"),
        ({"id": 5, "version": "2026-11-01T12:00:00Z"}, "orders[0].id"),
        ({"id": ORDER, "version": "2026-11-01T12:00:00"}, "orders[0].version"),
        ({"id": ORDER, "version": "yesterday"}, "orders[0].version"),
        ({"id": ORDER, "version": 1793534400}, "orders[0].version"),
        ({"id": ORDER, "version": "0001-01-01T00:00:00+14:00"}, "orders[0].version"),
        ({"id": ORDER, "version": "9999-12-31T23:59:59-14:00"}, "orders[0].version"),
    ],
)
def test_an_entry_that_is_none_is_refused(caller, platform, entry, field):
    caller.receive(platform, an_order())
    answer = caller.post(f"/v1/platforms/{platform}/acknowledgements", {"orders": [entry]})
    is_problem(answer, 422, field)
    assert state(caller, platform) == ("waiting", None)


# One order


def test_an_order_is_shown_in_whatever_state(caller, platform):
    caller.receive(platform, an_order(marketplace="A1F83G8C2ARO7P"))
    told = stored(caller, platform)
    assert (told["id"], told["state"], told["version"]) == (ORDER, "filtered", "2026-11-01T12:00:00Z")
    assert "not among the platform's marketplaces" in told["note"]
    assert told["delivered_version"] is None
    assert told["order"] == json.loads(msgspec.json.encode(an_order(marketplace="A1F83G8C2ARO7P")))


@pytest.mark.parametrize("id", ["028-0000000-0000000", "x" * 61, "%00", "%FF", "a%20b", "ä"])
def test_an_order_never_seen(caller, platform, id):
    is_problem(caller.get(f"/v1/platforms/{platform}/orders/{id}"), 404)


# Asking the marketplace


@pytest.fixture
def seller(amazon) -> str:
    return amazon.add_seller()


@pytest.fixture
def connected(caller, amazon, seller) -> str:
    return caller.connected(refresh_token=amazon.authorize(seller), seller_id=seller)


def refetch(caller, reference: str, id: str):
    return caller.post(f"/v1/platforms/{reference}/orders/{id}/refetch")


def test_an_order_is_asked_for_now(caller, amazon, seller, connected):
    id = amazon.place_one(seller=seller)
    answer = refetch(caller, connected, id)
    assert answer.status_code == 200, answer.text
    assert (answer.json["id"], answer.json["state"]) == (id, "waiting")
    assert answer.json["order"]["marketplace"] == DE
    assert stored(caller, connected, id) == answer.json
    page = page_of(caller, connected)
    assert ids(page) == [id]
    assert (page.collections[0].operation, page.collections[0].window_from) == ("getOrder", None)


def test_asked_for_again_it_is_newer(caller, amazon, seller, connected):
    id = amazon.place_one(seller=seller)
    refetch(caller, connected, id)
    amazon.cancel(id)
    assert refetch(caller, connected, id).json["order"]["status"] == "cancelled"


def test_another_sellers_order_is_not_this_sellers(caller, amazon, connected):
    id = amazon.place_one(seller=amazon.add_seller())
    problem = is_problem(refetch(caller, connected, id), 404)
    assert problem["type"] == "urn:kontor:not-this-sellers"


@pytest.mark.parametrize("id", ["x" * 61, "%00", "%FF", "a%20b"])
def test_what_cannot_be_an_order_is_not_asked_for(caller, amazon, connected, id):
    problem = is_problem(refetch(caller, connected, id), 404)
    assert problem["type"] == "urn:kontor:not-this-sellers"
    assert amazon.calls("getOrder") == []


def test_asking_without_a_connection(caller, amazon, platform):
    problem = is_problem(refetch(caller, platform, ORDER), 409)
    assert problem["type"] == "urn:kontor:not-connected"


@pytest.mark.parametrize("fault", ["503", "reset_before", "malformed"])
def test_asking_when_the_marketplace_is_away(caller, amazon, seller, connected, fault):
    id = amazon.place_one(seller=seller)
    amazon.fault(fault, "getOrder")
    answer = refetch(caller, connected, id)
    is_problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0


def test_asking_when_the_seller_withdrew_is_noticed(caller, amazon, seller, connected):
    id = amazon.place_one(seller=seller)
    amazon.revoke(seller)
    problem = is_problem(refetch(caller, connected, id), 409)
    assert problem["type"] == "urn:kontor:not-connected"
    told = caller.get(f"/v1/platforms/{connected}/connection").json
    assert told["state"] == "revoked" and "Connect again" in told["problem"]
    with caller.rows():
        assert row_of(connected).next_collect_at is None


def test_asking_when_amazon_refuses_kontor_itself(caller, amazon, seller, connected):
    id = amazon.place_one(seller=seller)
    amazon.set(client_secrets=["another"])
    try:
        answer = refetch(caller, connected, id)
    finally:
        amazon.set(client_secrets=[CLIENT_SECRET])
    is_problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert caller.get(f"/v1/platforms/{connected}/connection").json["state"] == "authenticated"
