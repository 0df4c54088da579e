"""Each fault does what its name says, where and as often as it was told."""

from __future__ import annotations

import time

import pytest
import requests

from tests.patience import wait_until
from tests.sandbox.client import SandboxError


def confirmed(amazon, order_id) -> int:
    return len(amazon.confirmations(order_id))


@pytest.mark.parametrize(("fault", "status"), [("429", 429), ("500", 500), ("503", 503)])
def test_an_error_comes_instead_of_the_work(amazon, fault, status):
    order_id = amazon.place_one()
    amazon.fault(fault, "confirmShipment", times=1)
    answer = amazon.confirm(order_id)
    assert answer.status_code == status
    assert "x-amzn-RateLimit-Limit" not in answer.headers
    assert answer.headers["x-amzn-RequestId"]
    assert confirmed(amazon, order_id) == 0
    assert amazon.confirm(order_id).status_code == 204


def test_a_503_is_a_page_and_no_json(amazon):
    amazon.fault("503", "searchOrders")
    answer = amazon.search()
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Service Unavailable" in answer.text


@pytest.mark.parametrize(("fault", "done"), [("reset_before", 0), ("reset_after", 1)])
def test_a_connection_is_reset_before_or_after_the_work(amazon, fault, done):
    order_id = amazon.place_one()
    amazon.access_token()
    amazon.fault(fault, "confirmShipment", times=1)
    # Where the reset comes while the body is still being sent, urllib3 takes it for an end.
    with pytest.raises(requests.ConnectionError, match=r"reset by peer|closed connection without response"):
        amazon.confirm(order_id)
    assert confirmed(amazon, order_id) == done
    assert amazon.calls("confirmShipment")[-1]["status"] == 0
    assert amazon.get_order(order_id).ok


def test_a_500_can_come_although_the_work_was_done(amazon):
    order_id = amazon.place_one()
    amazon.fault("500_after", "confirmShipment", times=1)
    assert amazon.confirm(order_id).status_code == 500
    assert confirmed(amazon, order_id) == 1


def test_a_slow_answer_takes_its_time(amazon):
    amazon.fault("slow", "searchOrders", seconds=0.3, times=1)
    amazon.access_token()
    began = time.perf_counter()
    assert amazon.search().ok
    assert time.perf_counter() - began >= 0.3
    amazon.fault("slow", "searchOrders", seconds=1, times=1)
    with pytest.raises(requests.ReadTimeout):
        amazon.api("GET", "/orders/2026-01-01/orders", timeout=0.2)


def test_a_truncated_body_ends_before_its_length(amazon):
    amazon.place(count=3)
    amazon.access_token()
    amazon.fault("truncated", "searchOrders", times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        amazon.search()
    assert amazon.search().ok


def test_a_malformed_body_is_no_json(amazon):
    amazon.place(count=3)
    amazon.fault("malformed", "searchOrders", times=1)
    answer = amazon.search()
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_the_same_page_comes_again_under_a_new_token(amazon):
    placed = amazon.place(count=3)
    amazon.fault("same_page", "searchOrders", times=2)
    tokens: list[str | None] = [None]
    pages = []
    for _ in range(3):
        given = {"paginationToken": tokens[-1]} if tokens[-1] else {}
        page = amazon.search(**given).json()
        pages.append([order["orderId"] for order in page["orders"]])
        tokens.append(page.get("pagination", {}).get("nextToken"))
    assert pages == [placed, placed, placed]
    assert tokens[1] and tokens[2] and tokens[1] != tokens[2]
    assert tokens[3] is None


def test_an_order_is_listed_twice(amazon):
    first, second = amazon.place(count=2)
    amazon.fault("twice", times=1)
    assert [order["orderId"] for order in amazon.search().json()["orders"]] == [first, second, first]


def test_orders_come_without_their_items(amazon):
    order_id = amazon.place_one()
    amazon.fault("no_items", "searchOrders", times=1)
    assert amazon.search().json()["orders"][0]["orderItems"] == []
    assert amazon.get_order(order_id).json()["order"]["orderItems"]


def test_orders_placed_under_late_are_listed_later(amazon):
    amazon.fault("late", seconds=3, times=1)
    late, prompt = amazon.place_one(), amazon.place_one()
    assert [order["orderId"] for order in amazon.search().json()["orders"]] == [prompt]
    wait_until(lambda: {order["orderId"] for order in amazon.search().json()["orders"]} == {late, prompt})


def test_a_204_can_keep_no_package(amazon):
    order_id = amazon.place_one()
    amazon.fault("drop", times=1)
    assert amazon.confirm(order_id).status_code == 204
    assert (amazon.status(order_id), amazon.packages(order_id)) == ("UNSHIPPED", [])
    assert confirmed(amazon, order_id) == 0
    assert amazon.confirm(order_id).status_code == 204
    assert confirmed(amazon, order_id) == 1


@pytest.mark.parametrize("fault", ["429", "500", "503", "500_after"])
def test_the_token_endpoint_has_faults_too(amazon, fault):
    form = {"grant_type": "refresh_token", "refresh_token": amazon.authorize()}
    amazon.fault(fault, "token", times=1)
    assert amazon.token(**form).status_code == int(fault[:3])
    assert amazon.token(**form).status_code == 200


def test_a_fault_hits_its_operation_only(amazon):
    amazon.place_one()
    amazon.fault("500", "getOrder")
    assert amazon.search().ok


def test_a_fault_can_wait_for_later_calls(amazon):
    amazon.fault("500", "searchOrders", after=2, times=1)
    assert [amazon.search().status_code for _ in range(4)] == [200, 200, 500, 200]


def test_a_fault_can_come_by_chance(amazon):
    amazon.fault("500", "searchOrders", probability=0.5)
    statuses = {amazon.search().status_code for _ in range(40)}
    assert statuses == {200, 500}


def test_a_fault_can_be_meant_for_one_order(amazon):
    first, second = amazon.place(count=2)
    amazon.fault("500", "getOrder", order_id=second)
    assert [amazon.get_order(order_id).status_code for order_id in (first, second)] == [200, 500]


def test_faults_can_be_seen_and_switched_off(amazon):
    one, other = amazon.fault("500", "getOrder"), amazon.fault("slow", seconds=9)
    assert [fault["id"] for fault in amazon.faults()] == [one, other]
    amazon.faults_off(other)
    assert [fault["id"] for fault in amazon.faults()] == [one]
    amazon.faults_off()
    assert amazon.faults() == []


@pytest.mark.parametrize(
    ("fault", "operation"), [("smoke", "*"), ("500", "getNothing"), ("drop", "getOrder"), ("500", "place")]
)
def test_a_fault_that_could_never_happen_is_refused(amazon, fault, operation):
    with pytest.raises(SandboxError):
        amazon.fault(fault, operation)


def test_a_call_that_was_hit_says_so_in_the_log(amazon):
    order_id = amazon.place_one()
    amazon.fault("500", "getOrder", times=1)
    amazon.get_order(order_id)
    (call,) = amazon.calls("getOrder", order_id)
    assert (call["status"], call["fault"]) == (500, "500")
