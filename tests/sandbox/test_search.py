"""searchOrders and getOrder obey Amazon's rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.patience import wait_until
from tests.sandbox.client import DE, EVERYTHING

SINCE = "2020-01-01T00:00:00Z"
PL = "A1C3SOZRARQ6R3"


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [order["orderId"] for order in answer.json()["orders"]]


def refused(answer) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    (error,) = answer.json()["errors"]
    return error


@pytest.mark.parametrize(
    "window",
    [
        {"createdAfter": SINCE, "lastUpdatedAfter": SINCE},
        {"CreatedAfter": SINCE, "createdAfter": None},
        {"maxResultsPerPage": 10, "createdAfter": None},
    ],
)
def test_exactly_one_window_must_be_given(amazon, window):
    answer = amazon.api("GET", "/orders/2026-01-01/orders", params=window)
    assert refused(answer)["message"] == "One and only one of createdAfter or lastUpdatedAfter must be provided"


@pytest.mark.parametrize(
    "parameters",
    [
        {"MarketplaceIds": DE},
        {"orderIds": "302-0000000-0000000"},
        {"maxResultsPerPage": 0},
        {"maxResultsPerPage": 101},
        {"maxResultsPerPage": "many"},
        {"includedData": "BUYER,ADDRESS"},
        {"fulfillmentStatuses": "Unshipped"},
        {"fulfilledBy": "MFN"},
        {"marketplaceIds": "DE"},
        {"marketplaceIds": ",".join([DE] * 51)},
        {"createdBefore": "2026-01-01T00:00:00Z"},
        {"lastUpdatedAfter": "2024-12-25T10:30:00"},
        {"lastUpdatedAfter": "yesterday"},
        {"lastUpdatedAfter": "2999-01-01T00:00:00Z"},
        {"lastUpdatedBefore": "2019-12-31T00:00:00Z"},
        {"paginationToken": "2YgYW55IGNhcm5hbCBwbGVhc3VyZS4"},
    ],
)
def test_a_wrong_parameter_is_refused(amazon, parameters):
    answer = amazon.search(**{"lastUpdatedAfter": SINCE, **parameters})
    assert refused(answer)["code"] == "InvalidInput"


def test_before_must_be_two_minutes_old(amazon):
    amazon.set(min_age=120)
    now = datetime.now(UTC)
    early = amazon.search(lastUpdatedAfter=SINCE, lastUpdatedBefore=iso(now - timedelta(seconds=60)))
    assert refused(early) == {"code": "InvalidInput", "message": "Invalid Input"}
    assert amazon.search(lastUpdatedAfter=SINCE, lastUpdatedBefore=iso(now - timedelta(seconds=121))).ok


def test_what_is_younger_than_two_minutes_does_not_show_and_the_bound_says_so(amazon):
    order_id = amazon.place_one()
    amazon.set(min_age=120)
    before = datetime.now(UTC)
    answer = amazon.search()
    assert ids(answer) == []
    bound = datetime.fromisoformat(answer.json()["lastUpdatedBefore"]) + timedelta(seconds=120)
    second = timedelta(seconds=1)  # what is told has no fractions of it
    assert before - second <= bound <= datetime.now(UTC) + second
    assert amazon.get_order(order_id).ok


def test_a_bound_of_now_misses_nothing(amazon):
    seen: list[str] = []
    placed: list[str] = []
    after = SINCE
    for _ in range(20):
        placed += amazon.place(count=3)
        answer = amazon.search(lastUpdatedAfter=after)
        seen += ids(answer)
        after = answer.json()["lastUpdatedBefore"]
    assert set(seen) == set(placed)


def test_both_bounds_are_inclusive(amazon):
    order_id = amazon.place_one(updated_at="2026-03-01T10:00:00Z", placed_at="2026-02-01T10:00:00Z")
    for family, moment in (("lastUpdated", "2026-03-01T10:00:00Z"), ("created", "2026-02-01T10:00:00Z")):
        assert ids(amazon.search(**{f"{family}After": moment, f"{family}Before": moment})) == [order_id]
        later = moment.replace("10:00:00Z", "10:00:00.001Z")
        assert ids(amazon.search(**{f"{family}After": later})) == []


def test_the_answer_names_the_bound_of_its_family(amazon):
    assert "createdBefore" in amazon.search(createdAfter=SINCE).json()
    given = amazon.search(lastUpdatedAfter=SINCE, lastUpdatedBefore="2026-01-01T00:00:00Z").json()
    assert given["lastUpdatedBefore"] == "2026-01-01T00:00:00Z"


def test_pages_hold_each_order_once_and_the_last_has_no_token(amazon):
    placed = amazon.place("mix", count=25)
    found, token, pages = [], None, 0
    while True:
        answer = amazon.search(maxResultsPerPage=10, **({"paginationToken": token} if token else {}))
        found += ids(answer)
        pages += 1
        if "pagination" not in answer.json():
            break
        token = answer.json()["pagination"]["nextToken"]
    assert pages == 3
    assert sorted(found) == sorted(placed)


def test_an_order_that_changes_between_pages_makes_no_other_vanish(amazon):
    placed = amazon.place(count=4)
    first = amazon.search(maxResultsPerPage=2)
    amazon.change(placed[0], cancellation_request="No longer needed")
    second = amazon.search(maxResultsPerPage=2, paginationToken=first.json()["pagination"]["nextToken"])
    assert ids(second) == placed[2:]


def test_a_token_needs_all_other_parameters_unchanged(amazon):
    amazon.place(count=3)
    window = {"lastUpdatedAfter": SINCE, "marketplaceIds": DE, "maxResultsPerPage": 1}
    token = amazon.search(**window).json()["pagination"]["nextToken"]
    assert refused(amazon.search(**{**window, "marketplaceIds": PL, "paginationToken": token}))
    assert refused(amazon.search(lastUpdatedAfter=SINCE, paginationToken=token))
    assert refused(amazon.api("GET", "/orders/2026-01-01/orders", params={"paginationToken": token}))
    assert refused(amazon.search(seller=amazon.add_seller(), **window, paginationToken=token))
    varied = {**window, "maxResultsPerPage": 100, "includedData": "BUYER", "paginationToken": token}
    assert len(ids(amazon.search(**varied))) == 2


def test_a_token_lives_a_day(amazon):
    amazon.place(count=2)
    token = amazon.search(maxResultsPerPage=1).json()["pagination"]["nextToken"]
    assert amazon.settings()["page_token_seconds"] == 24 * 3600
    amazon.set(page_token_seconds=-1)
    assert refused(amazon.search(maxResultsPerPage=1, paginationToken=token))


def test_filters_narrow_the_result(amazon):
    plain, polish, fba, cancelled = (amazon.place_one(kind) for kind in ("plain", "pln", "fba", "cancelled"))
    assert ids(amazon.search(marketplaceIds=PL)) == [polish]
    assert ids(amazon.search(marketplaceIds=f"{PL},{DE}")) == [plain, polish, fba, cancelled]
    assert ids(amazon.search(fulfilledBy="AMAZON")) == [fba]
    assert ids(amazon.search(fulfillmentStatuses="CANCELLED,SHIPPED")) == [cancelled]


def test_datasets_show_only_when_asked_for(amazon):
    amazon.place_one("business")
    bare = amazon.search(includedData=None).json()["orders"][0]
    assert set(bare) == {"orderId", "createdTime", "lastUpdatedTime", "programs", "salesChannel", "orderItems"}
    assert set(bare["orderItems"][0]) == {"orderItemId", "quantityOrdered", "product"}
    for dataset, field in (
        ("BUYER", "buyer"),
        ("RECIPIENT", "recipient"),
        ("PROCEEDS", "proceeds"),
        ("FULFILLMENT", "fulfillment"),
        ("TAX", "tax"),
    ):
        shown = amazon.search(includedData=dataset).json()["orders"][0]
        assert set(shown) - set(bare) == {field}


def test_datasets_may_come_as_repeated_parameters(amazon):
    amazon.place_one()
    (order,) = amazon.search(includedData=["BUYER", "FULFILLMENT"]).json()["orders"]
    assert "buyer" in order and "fulfillment" in order


def test_a_withheld_dataset_is_silently_absent(amazon):
    amazon.place_one()
    amazon.set(withheld=["RECIPIENT"])
    (order,) = amazon.search().json()["orders"]
    assert "recipient" not in order and "buyer" in order


def test_a_pending_order_tells_neither_buyer_nor_price_until_it_is_released(amazon):
    order_id = amazon.place_one("pending")
    pending = amazon.get_order(order_id).json()["order"]
    assert pending["fulfillment"]["fulfillmentStatus"] == "PENDING"
    assert not {"buyer", "recipient", "proceeds"} & set(pending)
    amazon.release(order_id)
    released = amazon.get_order(order_id).json()["order"]
    assert released["fulfillment"]["fulfillmentStatus"] == "UNSHIPPED"
    assert {"buyer", "recipient", "proceeds"} <= set(released)


def test_a_seller_sees_only_orders_of_their_own(amazon):
    mine, other = amazon.add_seller(), amazon.add_seller()
    order_id = amazon.place_one(seller=mine)
    assert ids(amazon.search(seller=mine)) == [order_id]
    assert ids(amazon.search(seller=other)) == []
    assert amazon.get_order(order_id, seller=other).status_code == 404


def test_an_unknown_order_is_not_found_and_an_odd_id_is_invalid(amazon):
    assert amazon.get_order("302-1111111-1111111").status_code == 404
    assert amazon.get_order("TEST_CASE_400").status_code == 400


def test_a_late_order_is_listed_later_under_its_early_stamp(amazon):
    order_id = amazon.place_one(late=2)
    bound = amazon.search().json()["lastUpdatedBefore"]
    assert ids(amazon.search()) == []
    assert amazon.get_order(order_id).ok
    wait_until(lambda: ids(amazon.search()) == [order_id])
    assert amazon.order(order_id)["lastUpdatedTime"] <= bound


def test_every_change_brings_a_newer_stamp(amazon):
    order_id = amazon.place_one()
    stamps = [amazon.order(order_id)["lastUpdatedTime"]]
    for change in (
        lambda: amazon.change(order_id, quantity=3),
        lambda: amazon.change(order_id, address={"city": "Köln"}),
        lambda: amazon.change(order_id, cancellation_request="Changed my mind"),
        lambda: amazon.cancel(order_id),
    ):
        change()
        stamps.append(amazon.order(order_id)["lastUpdatedTime"])
    parsed = [datetime.fromisoformat(stamp) for stamp in stamps]
    assert parsed == sorted(set(parsed))


def test_an_order_of_somebodys_own_words_is_served_byte_for_byte(amazon):
    odd = {"orderId": "999-1", "orderItems": "none", "fulfillment": None, "extra": [1.50]}
    order_id = amazon.place_raw(odd)
    assert order_id == "999-1"
    assert amazon.search(includedData=None).json()["orders"] == [odd]
    amazon.place_raw('{"orderId": "999-2", "broken"', order_id="999-2")
    assert amazon.search().content.count(b'{"orderId": "999-2", "broken"') == 1


def test_the_same_id_again_replaces_an_order_of_somebodys_own_words(amazon):
    amazon.place_raw({"orderId": "999-1", "version": 1})
    amazon.place_raw({"orderId": "999-1", "version": 2})
    assert amazon.search().json()["orders"] == [{"orderId": "999-1", "version": 2}]


def test_the_old_listing_of_v0_is_gone(amazon):
    answer = amazon.api("GET", "/orders/v0/orders", params={"CreatedAfter": SINCE})
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "NotFound"


def test_a_page_among_thousands_has_a_hundred(amazon):
    amazon.place("mix", count=2000, spread_days=3)
    assert len(ids(amazon.search(includedData=EVERYTHING))) == 100
