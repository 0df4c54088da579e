"""Every answer is what Amazon's own models say."""

from __future__ import annotations

import copy
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from portal.sandbox.orders import KINDS
from tests.sandbox.client import EVERYTHING

SHARED = Path(__file__).resolve().parents[3] / "shared" / "spapi"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="Amazon's models are not beside this checkout")

ORDERS, SHIPPING, SELLERS = "orders_2026-01-01.json", "ordersV0.json", "sellers.json"
_formats = jsonschema.FormatChecker(())


@_formats.checks("date-time")
def _is_moment(value: object) -> bool:
    try:
        return datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False


def validate(answer: Any, file: str, definition: str) -> None:
    """Check against a definition, with nothing allowed that the model does not name."""
    definitions = copy.deepcopy(json.loads((SHARED / "models" / file).read_text())["definitions"])
    for schema in definitions.values():
        if schema.get("type") == "object":
            schema["additionalProperties"] = False
    schema = {"$ref": f"#/definitions/{definition}", "definitions": definitions}
    jsonschema.Draft4Validator(schema, format_checker=_formats).validate(answer)


def open_model(path: str) -> Any:
    return json.loads((SHARED / "examples" / path).read_text())


def test_pages_of_every_kind_are_as_the_model_says(amazon):
    for kind in KINDS:
        amazon.place(kind, count=3)
    amazon.place("mix", count=30)
    page = amazon.search(maxResultsPerPage=80).json()
    assert "pagination" in page
    validate(page, ORDERS, "SearchOrdersResponse")
    validate(amazon.search(createdAfter="2020-01-01T00:00:00Z").json(), ORDERS, "SearchOrdersResponse")
    validate(amazon.search(includedData="PACKAGES").json(), ORDERS, "SearchOrdersResponse")


def test_an_order_is_as_the_model_says_through_its_life(amazon):
    order_id = amazon.place_one("several")
    item = amazon.order(order_id)["orderItems"][0]["orderItemId"]
    steps = (
        lambda: amazon.change(order_id, quantity=4),
        lambda: amazon.change(order_id, address={"city": "Köln", "companyName": "Weiß & Söhne"}),
        lambda: amazon.change(order_id, cancellation_request="No longer needed"),
        lambda: amazon.confirm(order_id, quantities={item: 1}),
        lambda: amazon.ship(order_id),
    )
    for step in steps:
        step()
        answer = amazon.get_order(order_id, includedData=EVERYTHING + ",FULFILLMENT_ORDERS")
        validate(answer.json(), ORDERS, "GetOrderResponse")
    cancelled = amazon.place_one()
    amazon.cancel(cancelled)
    validate(amazon.get_order(cancelled).json(), ORDERS, "GetOrderResponse")


def test_marketplaces_are_as_the_model_says(amazon):
    answer = amazon.api("GET", "/sellers/v1/marketplaceParticipations").json()
    validate(answer, SELLERS, "GetMarketplaceParticipationsResponse")
    assert {one["marketplace"]["countryCode"] for one in answer["payload"]} >= {"DE", "FR", "GB", "PL"}
    far = amazon.api("GET", "/sellers/v1/marketplaceParticipations", seller=amazon.add_seller(region="FE")).json()
    assert {one["marketplace"]["countryCode"] for one in far["payload"]} == {"JP", "AU", "SG"}


def test_every_refusal_is_as_the_model_says(amazon):
    order_id = amazon.place_one()
    amazon.access_token()
    refusals = [
        amazon.search(createdAfter="TEST_CASE_400"),
        amazon.get_order("302-1111111-1111111"),
        amazon.api("GET", "/orders/2026-01-01/orders", headers={"x-amz-access-token": "no"}),
    ]
    for fault in ("429", "500"):
        amazon.fault(fault, "searchOrders", times=1)
        refusals.append(amazon.search())
    assert [refusal.status_code for refusal in refusals] == [400, 404, 403, 429, 500]
    for refusal in refusals:
        validate(refusal.json(), ORDERS, "ErrorList")
    refused = amazon.confirm(order_id, packageReferenceId="x")
    validate(refused.json(), SHIPPING, "ConfirmShipmentErrorResponse")


def test_the_header_of_the_rate_comes_where_the_model_has_it(amazon):
    responses = json.loads((SHARED / "models" / ORDERS).read_text())["paths"]["/orders/2026-01-01/orders"]["get"][
        "responses"
    ]
    amazon.access_token()
    for status, fault in ((200, None), (429, "429"), (500, "500"), (503, "503")):
        if fault:
            amazon.fault(fault, "searchOrders", times=1)
        answer = amazon.search()
        assert answer.status_code == status
        for header in ("x-amzn-RateLimit-Limit", "x-amzn-RequestId"):
            assert (header in answer.headers) == (header in responses[str(status)]["headers"])


def test_amazons_example_confirmation_is_accepted_for_such_an_order(amazon):
    example = open_model("orders_v0_confirmShipment_204_0.json")["request"]["parameters"]
    body = example["body"]["value"]
    order = amazon.order(amazon.place_one(marketplace="US"))
    order["orderId"] = example["orderId"]["value"]
    order["orderItems"][0]["orderItemId"] = body["packageDetail"]["orderItems"][0]["orderItemId"]
    path = f"/orders/v0/orders/{amazon.place_raw(order)}/shipmentConfirmation"
    assert amazon.api("POST", path, json=body).status_code == 204
    refused = open_model("orders_v0_confirmShipment_400_0.json")
    answer = amazon.api("POST", path, json=refused["request"]["parameters"]["body"]["value"])
    assert answer.status_code == refused["status"]
    assert answer.json() == refused["response"]


def test_amazons_example_orders_can_be_served(amazon):
    for name in ("searchOrders_200_0", "searchOrders_200_1", "searchOrders_200_docexample"):
        for order in open_model(f"orders_2026_{name}.json")["response"]["orders"]:
            amazon.place_raw(order)
    page = amazon.search().json()
    validate(page, ORDERS, "SearchOrdersResponse")
    assert len(page["orders"]) >= 3
