"""The page where a person plays, the steady placer, and what outlives a restart."""

from __future__ import annotations

import re

import pytest
import requests

from portal.sandbox.orders import KINDS
from tests.patience import SECONDS, wait_until
from tests.sandbox.client import Sandbox, SandboxError


def page(amazon: Sandbox) -> str:
    answer = requests.get(amazon.url, timeout=SECONDS)
    assert answer.status_code == 200
    return answer.text


def press(amazon: Sandbox, path: str, **form: str) -> str:
    answer = requests.post(f"{amazon.url}/desk/{path}", data=form, timeout=SECONDS)
    assert answer.status_code == 200
    return answer.text


def test_every_kind_can_be_placed_at_the_page(amazon):
    for kind in KINDS:
        assert "placed." in press(amazon, "orders", kind=kind, count="1", marketplace="", seller="")
    shown = page(amazon)
    assert shown.count('class="order"') == len(KINDS)
    assert "of 17, newest first" in shown


def test_an_order_shows_its_state_and_its_tracking_number(amazon):
    order_id = amazon.place_one()
    amazon.confirm(order_id, trackingNumber="JJD000390007882")
    shown = page(amazon)
    assert order_id in shown and "SHIPPED" in shown and "JJD000390007882" in shown


def test_orders_can_be_released_asked_back_cancelled_and_shipped(amazon):
    pending, plain, other = amazon.place_one("pending"), amazon.place_one(), amazon.place_one()
    press(amazon, f"orders/{pending}/release")
    assert "Buyer asks to cancel" in press(amazon, f"orders/{plain}/cancellation-request")
    press(amazon, f"orders/{plain}/cancellation")
    press(amazon, f"orders/{other}/shipment")
    assert [amazon.status(order_id) for order_id in (pending, plain, other)] == ["UNSHIPPED", "CANCELLED", "SHIPPED"]
    assert "The order is CANCELLED." in press(amazon, f"orders/{plain}/release")


def test_a_fault_is_switched_on_and_off(amazon):
    press(amazon, "faults", fault="500", operation="getOrder", times="", probability="100", seconds="5")
    (fault,) = amazon.faults()
    assert (fault["fault"], fault["operation"], fault["times"]) == ("500", "getOrder", None)
    press(amazon, f"faults/{fault['id']}/removal")
    assert amazon.faults() == []


def test_wrong_forms_are_answered_with_a_sentence(amazon):
    assert "Between 1 and" in press(amazon, "orders", kind="plain", count="0")
    assert "no orders of the kind" in press(amazon, "orders", kind="nothing", count="1")
    assert "There is no fault" in press(amazon, "faults", fault="smoke", operation="*")
    assert "The rate is a number" in press(amazon, "rate", orders_per_minute="many")


def test_a_name_with_markup_is_shown_as_text(amazon):
    order = amazon.order(amazon.place_one())
    order["buyer"]["buyerName"] = "<script>alert(1)</script>"
    amazon.place_raw({**order, "orderId": "302-6666666-6666666"})
    assert "<script>" not in page(amazon)


def test_an_order_that_cannot_be_read_does_not_break_the_page(amazon):
    amazon.place_raw("{{{", order_id="odd")
    amazon.place_raw([1, 2], order_id="odder")
    assert "cannot be read" in page(amazon)


def test_pages_hold_no_script_no_inline_style_and_no_foreign_address(amazon):
    amazon.place("mix", count=20)
    shown = page(amazon)
    assert "<script" not in shown and "style=" not in shown and "<style" not in shown
    assert not re.search(r'(?:src|href)="(?:https?:)?//', shown)
    head = requests.get(amazon.url, timeout=SECONDS).headers
    assert head["Content-Security-Policy"].startswith("default-src 'self'")
    assert requests.get(f"{amazon.url}/static/sandbox.css", timeout=SECONDS).ok


def test_another_site_cannot_place_orders(amazon):
    form = {"kind": "plain", "count": "1"}
    foreign = {"Origin": "https://elsewhere.example"}
    assert requests.post(f"{amazon.url}/desk/orders", data=form, headers=foreign, timeout=SECONDS).status_code == 403
    assert requests.post(f"{amazon.url}/_sandbox/orders", data='{"count": 1}', timeout=SECONDS).status_code == 400
    assert requests.post(f"{amazon.url}/desk/orders", data=form, headers={"Origin": amazon.url}, timeout=SECONDS).ok


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "nothing"},
        {"count": 0},
        {"marketplace": "XX"},
        {"seller": "nobody"},
        {"placed_at": "yesterday"},
        {"colour": "red"},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_by_the_control_api(amazon, wish):
    with pytest.raises(SandboxError):
        amazon.place(**wish)


def test_a_setting_that_does_not_exist_is_refused(amazon):
    with pytest.raises(SandboxError, match="unknown field"):
        amazon.set(colour="red")
    with pytest.raises(SandboxError, match="no operation"):
        amazon.set(plans={"getNothing": [1, 1]})


def test_the_calls_are_logged_without_tokens(amazon):
    order_id = amazon.place_one()
    amazon.search(lastUpdatedAfter="2026-01-01T00:00:00Z")
    amazon.get_order(order_id)
    amazon.confirm(order_id)
    assert {name: amazon.call_counts()[name] for name in ("searchOrders", "getOrder", "confirmShipment")} == {
        "searchOrders": 1,
        "getOrder": 1,
        "confirmShipment": 1,
    }
    (search,) = amazon.calls("searchOrders")
    assert search["query"]["lastUpdatedAfter"] == "2026-01-01T00:00:00Z"
    assert "Atza" not in str(amazon.calls())
    amazon.forget_calls()
    assert amazon.calls() == []


def test_orders_come_by_themselves_at_the_rate_that_is_set(amazon):
    amazon.set(orders_per_minute=600)
    wait_until(lambda: len(amazon.search().json()["orders"]) >= 5)
    amazon.set(orders_per_minute=0)


def test_orders_packages_and_authorizations_outlive_a_killed_process(tmp_path):
    with Sandbox.run(store=tmp_path) as amazon:
        refresh = amazon.authorize()
        shipped, waiting = amazon.place(count=2)
        amazon.confirm(shipped)
        token = amazon.search(maxResultsPerPage=1).json()["pagination"]["nextToken"]
        amazon.kill()
        amazon.start()
        assert [amazon.status(order_id) for order_id in (shipped, waiting)] == ["SHIPPED", "UNSHIPPED"]
        assert len(amazon.confirmations()) == 1
        assert amazon.token(grant_type="refresh_token", refresh_token=refresh).ok
        assert amazon.search(maxResultsPerPage=1, paginationToken=token).ok
        assert amazon.place_one() not in (shipped, waiting)
