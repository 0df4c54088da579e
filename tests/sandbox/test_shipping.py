"""confirmShipment obeys Amazon's rules, and the buyer sees what was confirmed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.client import DE, SandboxError


def message(answer) -> str:
    assert answer.status_code == 400, (answer.status_code, answer.text)
    return answer.json()["errors"][0]["message"]


def test_a_confirmed_order_is_shipped_and_shows_its_package(amazon):
    order_id = amazon.place_one("several")
    answer = amazon.confirm(order_id, trackingNumber="JJD0001")
    assert (answer.status_code, answer.content) == (204, b"")
    order = amazon.get_order(order_id, includedData="FULFILLMENT,PACKAGES").json()["order"]
    assert order["fulfillment"]["fulfillmentStatus"] == "SHIPPED"
    assert all(item["fulfillment"]["quantityUnfulfilled"] == 0 for item in order["orderItems"])
    (package,) = order["packages"]
    assert package["packageReferenceId"] == "1"
    assert (package["carrier"], package["shippingService"], package["trackingNumber"]) == ("DHL", "Paket", "JJD0001")
    assert package["shipTime"] == "2026-09-30T10:00:00Z"
    assert "packages" not in amazon.get_order(order_id, includedData="FULFILLMENT").json()["order"]


def test_parts_make_an_order_partially_shipped_and_then_shipped(amazon):
    order_id = amazon.place_one(items=[{"price": "5.00", "quantity": 3}])
    item = amazon.order(order_id)["orderItems"][0]["orderItemId"]
    assert amazon.confirm(order_id, quantities={item: 1}).ok
    assert amazon.status(order_id) == "PARTIALLY_SHIPPED"
    assert amazon.confirm(order_id, quantities={item: 2}, packageReferenceId="2").ok
    assert amazon.status(order_id) == "SHIPPED"
    assert [package["packageReferenceId"] for package in amazon.packages(order_id)] == ["1", "2"]


def test_the_same_reference_again_edits_the_package(amazon):
    order_id = amazon.place_one()
    amazon.confirm(order_id, trackingNumber="WRONG")
    assert amazon.confirm(order_id, trackingNumber="RIGHT", carrierCode="DPD").status_code == 204
    (package,) = amazon.packages(order_id)
    assert (package["trackingNumber"], package["carrier"]) == ("RIGHT", "DPD")
    (confirmation,) = amazon.confirmations(order_id)
    assert (confirmation["edits"], confirmation["tracking_number"]) == (1, "RIGHT")


def test_an_edit_may_change_quantities_back(amazon):
    order_id = amazon.place_one(items=[{"price": "5.00", "quantity": 3}])
    item = amazon.order(order_id)["orderItems"][0]["orderItemId"]
    amazon.confirm(order_id)
    amazon.confirm(order_id, quantities={item: 1})
    assert amazon.status(order_id) == "PARTIALLY_SHIPPED"


def test_an_identical_repeat_counts_as_an_edit_and_changes_nothing(amazon):
    order_id = amazon.place_one()
    amazon.confirm(order_id)
    before = amazon.order(order_id)
    assert amazon.confirm(order_id).status_code == 204
    assert amazon.order(order_id) == before
    assert amazon.confirmations(order_id)[0]["edits"] == 1


def test_another_package_of_a_shipped_order_finds_nothing(amazon):
    for ship in (amazon.confirm, amazon.ship):
        order_id = amazon.place_one()
        ship(order_id)
        refused = message(amazon.confirm(order_id, packageReferenceId="2"))
        assert "Failed to create package due to not finding a matching package or order already fulfilled" in refused
        assert "errorMetric=PackageToUpdateNotFound" in refused


def test_more_than_is_open_is_refused_and_nothing_is_kept(amazon):
    order_id = amazon.place_one(items=[{"price": "5.00", "quantity": 2}])
    item = amazon.order(order_id)["orderItems"][0]["orderItemId"]
    assert "exceeds" in message(amazon.confirm(order_id, quantities={item: 3}))
    amazon.confirm(order_id, quantities={item: 1})
    assert "exceeds" in message(amazon.confirm(order_id, quantities={item: 2}, packageReferenceId="2"))
    assert len(amazon.packages(order_id)) == 1


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("cancelled", "NonexistentOrderItem"),
        ("fba", "fulfilled by Amazon"),
        ("ship_plus", "FBM Ship+"),
        ("pending", "PENDING"),
    ],
)
def test_some_orders_cannot_be_confirmed(amazon, kind, said):
    order_id = amazon.place_one(kind)
    assert said in message(amazon.confirm(order_id))
    assert amazon.confirmations() == []


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ({"packageReferenceId": 1}, "fields with invalid type [packageDetail.packageReferenceId]"),
        ({"packageReferenceId": "PKG-1"}, "must be a positive numeric value"),
        ({"packageReferenceId": "0"}, "must be a positive numeric value"),
        ({"packageReferenceId": None}, "packageDetail.packageReferenceId"),
        ({"trackingNumber": None}, "packageDetail.trackingNumber"),
        ({"carrierCode": None}, "packageDetail.carrierCode"),
        ({"carrierCode": "Other"}, "CarrierName is required"),
        ({"shipDate": "02/21/2022"}, "Invalid Input"),
        ({"marketplaceId": "A1C3SOZRARQ6R3"}, "MarketplaceId"),
        ({"quantities": {"79039765272157": 1}}, "OrderItemId is invalid"),
        ({"orderItems": {"orderItemId": "1"}}, "OrderItemId is invalid"),
        ({"orderItems": []}, "OrderItemId is invalid"),
        ({"orderItems": [{"orderItemId": "1", "quantity": "1"}]}, "quantity"),
    ],
)
def test_a_wrong_package_is_refused_in_amazons_words(amazon, detail, said):
    order_id = amazon.place_one()
    assert said in message(amazon.confirm(order_id, **detail))
    assert amazon.packages(order_id) == []


def test_other_carriers_go_by_their_name(amazon):
    order_id = amazon.place_one()
    assert amazon.confirm(order_id, carrierCode="Other", carrierName="Lieferando Post").ok
    assert amazon.packages(order_id)[0]["carrier"] == "Lieferando Post"


def test_a_body_must_be_json_and_of_sensible_size(amazon):
    path = f"/orders/v0/orders/{amazon.place_one()}/shipmentConfirmation"
    assert amazon.api("POST", path, data="<xml/>", headers={"Content-Type": "text/xml"}).status_code == 415
    assert amazon.api("POST", path, data="{", headers={"Content-Type": "application/json"}).status_code == 400
    assert amazon.api("POST", path, json={"marketplaceId": DE, "x": "y" * 1_100_000}).status_code == 413


def test_an_unknown_order_and_a_neighbours_order_are_not_found(amazon):
    order_id = amazon.place_one()
    assert amazon.confirm(order_id, seller=amazon.add_seller()).status_code == 404


def test_two_at_once_make_one_package(amazon):
    order_id = amazon.place_one()
    amazon.access_token()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: amazon.confirm(order_id), range(8)))
    assert {answer.status_code for answer in answers} == {204}
    assert len(amazon.packages(order_id)) == 1
    assert amazon.confirmations(order_id)[0]["edits"] == 7


def test_a_shipped_order_cannot_be_cancelled(amazon):
    order_id = amazon.place_one()
    amazon.confirm(order_id)
    with pytest.raises(SandboxError, match="The order is SHIPPED"):
        amazon.cancel(order_id)


def test_what_amazon_ships_itself_shows_no_package(amazon):
    order_id = amazon.place_one("fba")
    amazon.ship(order_id)
    assert (amazon.status(order_id), amazon.packages(order_id)) == ("SHIPPED", [])


def test_an_order_of_somebodys_own_words_can_be_confirmed_if_it_is_whole(amazon):
    order = amazon.order(amazon.place_one())
    whole = amazon.place_raw({**order, "orderId": "302-7777777-7777777"})
    assert amazon.confirm(whole).status_code == 204
    amazon.place_raw({"orderId": "302-8888888-8888888"})
    path = "/orders/v0/orders/302-8888888-8888888/shipmentConfirmation"
    detail = {
        "packageReferenceId": "1",
        "carrierCode": "DHL",
        "trackingNumber": "1",
        "shipDate": "2026-09-30T10:00:00Z",
        "orderItems": [{"orderItemId": "1", "quantity": 1}],
    }
    assert amazon.api("POST", path, json={"marketplaceId": DE, "packageDetail": detail}).status_code == 400
