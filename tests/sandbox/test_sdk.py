"""Amazon's own SDK talks to the sandbox as it does to Amazon."""

from __future__ import annotations

import logging

import pytest

from tests.sandbox.client import CLIENT_ID, CLIENT_SECRET, Sandbox


@pytest.fixture
def sdk(amazon: Sandbox):
    # Imported here: it reads the whole of Amazon's API, and sets up logging when it is imported.
    import spapi

    logging.getLogger().setLevel(logging.WARNING)
    config = spapi.SPAPIConfig(CLIENT_ID, CLIENT_SECRET, amazon.authorize(), region="EU")
    client = spapi.SPAPIClient(config, oauth_endpoint=f"{amazon.url}/auth/o2/token", endpoint=amazon.url)
    return client.api_client


def test_it_reads_orders_page_by_page(amazon, sdk):
    from spapi.api.orders_v2026_01_01.search_orders_api import SearchOrdersApi

    placed = amazon.place("mix", count=5)
    window = {
        "last_updated_after": "2020-01-01T00:00:00Z",
        "included_data": ["BUYER", "RECIPIENT", "PROCEEDS", "FULFILLMENT"],
        "max_results_per_page": 3,
    }
    first = SearchOrdersApi(sdk).search_orders(**window)
    second = SearchOrdersApi(sdk).search_orders(**window, pagination_token=first.pagination.next_token)
    assert [order.order_id for order in [*first.orders, *second.orders]] == placed
    assert second.pagination is None
    assert first.last_updated_before is not None


def test_it_reads_one_order_whole(amazon, sdk):
    from spapi.api.orders_v2026_01_01.get_order_api import GetOrderApi

    order_id = amazon.place_one("business", items=[{"price": "12.50", "quantity": 2, "sku": "TEE-1"}])
    order = GetOrderApi(sdk).get_order(order_id, included_data=["BUYER", "PROCEEDS", "FULFILLMENT"]).order
    assert order.proceeds.grand_total.amount == "25.00"
    assert order.buyer.buyer_purchase_order_number.startswith("PO-")
    assert order.order_items[0].product.seller_sku == "TEE-1"
    assert order.fulfillment.fulfillment_status == "UNSHIPPED"


def test_it_confirms_a_shipment(amazon, sdk):
    from spapi.api.orders_v0.orders_v0_api import OrdersV0Api
    from spapi.models.orders_v0 import ConfirmShipmentOrderItem, ConfirmShipmentRequest, PackageDetail

    order_id = amazon.place_one()
    order = amazon.order(order_id)
    item = ConfirmShipmentOrderItem(order_item_id=order["orderItems"][0]["orderItemId"], quantity=1)
    package = PackageDetail(
        package_reference_id="1",
        carrier_code="DHL",
        tracking_number="00340434161094000001",
        ship_date="2026-09-30T10:00:00Z",
        order_items=[item],
    )
    request = ConfirmShipmentRequest(package_detail=package, marketplace_id=order["salesChannel"]["marketplaceId"])
    OrdersV0Api(sdk).confirm_shipment(order_id, request)
    assert amazon.status(order_id) == "SHIPPED"


def test_it_lists_the_sellers_marketplaces(amazon, sdk):
    from spapi.api.sellers_v1.sellers_api import SellersApi

    answer = SellersApi(sdk).get_marketplace_participations()
    assert "A1PA6795UKMFR9" in [one.marketplace.id for one in answer.payload]


def test_it_raises_what_amazon_refuses(amazon, sdk):
    import spapi
    from spapi.api.orders_v2026_01_01.get_order_api import GetOrderApi

    with pytest.raises(spapi.ApiException) as refused:
        GetOrderApi(sdk).get_order("302-1111111-1111111")
    assert refused.value.status == 404
