"""The client of Amazon's API against a server that answers as badly as servers do."""

from __future__ import annotations

import contextlib
import json
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs

from portal import answers
from portal.cloud.connectors import (
    ApplicationRefused,
    CodeRefused,
    ConnectionRevoked,
    OutOfBudget,
    PackageItem,
    PackageRefused,
    Shipment,
    Unanswered,
)
from portal.cloud.connectors.amazon import Amazon
from portal.cloud.connectors.amazon.client import AccessRefused
from portal.cloud.connectors.amazon.plans import Plans
from portal.errors import Refused, Unavailable
from portal.extensions import redis
from tests.cloud.amazon_orders import an_order
from tests.cloud.conftest import forks, in_another_process
from tests.cloud.scripted import RESET, Reply, ago, html, refusal
from tests.conftest import SHARED
from tests.patience import SECONDS

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ORDER = "028-1234567-1234567"


def search(seller, token=None):
    return seller.connector.search_orders(NOW - timedelta(hours=1), NOW, token)


def a_shipment(**changes) -> Shipment:
    values = {
        "order_id": ORDER,
        "marketplace": "A1PA6795UKMFR9",
        "package_reference": "1",
        "carrier_code": "DHL",
        "shipping_method": "Paket",
        "tracking_number": "0034 0434 1",
        "shipped_at": NOW,
        "items": [PackageItem("79039765270001", 1)],
    }
    return Shipment(**{**values, **changes})


def test_a_page_is_asked_for_as_amazons_model_says(seller, scripted):
    scripted.orders = [an_order(lastUpdatedTime="2026-11-01T11:30:00Z")]
    page = search(seller)
    call = scripted.of("searchOrders")[0]
    assert call.query == {
        "lastUpdatedAfter": "2026-11-01T11:00:00.000Z",
        "lastUpdatedBefore": "2026-11-01T12:00:00.000Z",
        "includedData": "BUYER,RECIPIENT,PROCEEDS,PROMOTION,CANCELLATION,FULFILLMENT,TAX,PAYMENT,PACKAGES",
        "maxResultsPerPage": "100",
    }
    assert call.headers["x-amz-access-token"] == "Atza|1"
    assert call.headers["User-Agent"].startswith("Kontor/") and "Language=Python/3." in call.headers["User-Agent"]
    assert ([order.id for order in page.orders], page.next_token, page.window_to) == ([ORDER], None, NOW)
    assert page.request_id.startswith("request-")


def test_the_next_page_repeats_every_parameter(seller, scripted):
    search(seller)
    search(seller, "page-0")
    first, second = (dict(call.query) for call in scripted.of("searchOrders"))
    assert second.pop("paginationToken") == "page-0"
    assert first == second


def test_one_token_serves_many_calls_and_is_sealed_in_redis(seller, scripted):
    for _ in range(3):
        search(seller)
    assert scripted.count("token") == 1
    key = next(iter(redis().scan_iter(f"kontor:amazon:token:platform-{seller.platform_id}:*")))
    assert b"Atza" not in redis().get(key)
    assert 3200 < redis().ttl(key) <= 3300


def test_one_worker_refreshes_while_the_others_wait(seller, scripted, app):
    def slowly(call):
        threading.Event().wait(0.3)
        return scripted.token(call)

    scripted.put_in_line("token", slowly)
    tokens = seller.connector.client.tokens
    got: list[str] = []

    def ask() -> None:
        with app.app_context():
            got.append(tokens.access_token())

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert (got, scripted.count("token")) == (["Atza|1"] * 5, 1)


def test_a_withdrawn_token_is_replaced_once(seller, scripted):
    scripted.put_in_line("searchOrders", refusal(403, "Unauthorized", "Access to requested resource is denied."))
    search(seller)
    assert [call.headers["x-amz-access-token"] for call in scripted.of("searchOrders")] == ["Atza|1", "Atza|2"]


def test_a_right_that_is_missing_is_said_after_one_new_token(seller, scripted):
    denied = refusal(403, "Unauthorized", "Access to requested resource is denied.")
    scripted.put_in_line("searchOrders", denied, denied)
    with pytest.raises(AccessRefused, match="a role may be missing"):
        search(seller)
    assert scripted.count("searchOrders") == 2


def test_a_seller_who_withdrew_consent_is_told_apart_from_a_wrong_secret_of_ours(seller, scripted):
    scripted.put_in_line("token", Reply(400, {"error": "invalid_grant", "error_description": "revoked"}))
    with pytest.raises(ConnectionRevoked):
        search(seller)
    scripted.put_in_line("token", Reply(401, {"error": "invalid_client"}))
    with pytest.raises(ApplicationRefused, match="client secret"):
        search(seller)


@pytest.mark.parametrize(
    "answer",
    [
        html(200),
        html(503),
        Reply(200, b'{"access_token": "At'),
        Reply(200, b"[]"),
        Reply(200, {}),
        RESET,
        Reply(429, {}),
    ],
)
def test_a_token_endpoint_out_of_order_is_asked_again_later(seller, scripted, answer):
    scripted.put_in_line("token", answer)
    with pytest.raises(Unavailable) as problem:
        search(seller)
    assert problem.value.retry_after
    assert scripted.count("searchOrders") == 0


@pytest.mark.parametrize(
    "answer",
    [
        html(200),
        html(503),
        html(500),
        Reply(200, b'{"orders": [', content_length=400),
        Reply(200, b'{"orders": ['),
        Reply(302, b"", {"Location": "http://127.0.0.1:1/"}),
        RESET,
    ],
    ids=["html", "html 503", "html 500", "truncated", "no json", "redirect", "reset"],
)
def test_an_answer_that_is_none_leaves_it_open_what_happened(seller, scripted, answer):
    scripted.put_in_line("searchOrders", answer)
    with pytest.raises(Unanswered):
        search(seller)


def test_reads_that_are_cheap_are_tried_again_at_once(seller, scripted):
    scripted.orders = [an_order()]
    scripted.put_in_line("getOrder", html(503), RESET)
    assert seller.connector.get_order(ORDER).order.id == ORDER
    assert scripted.count("getOrder") == 3


def test_searches_are_too_rare_to_be_repeated_at_once(seller, scripted):
    scripted.put_in_line("searchOrders", html(503))
    with pytest.raises(Unavailable):
        search(seller)
    assert scripted.count("searchOrders") == 1


def test_writes_are_never_repeated_blindly(seller, scripted):
    scripted.put_in_line("confirmShipment", RESET)
    with pytest.raises(Unanswered):
        seller.connector.confirm_shipment(a_shipment())
    assert scripted.count("confirmShipment") == 1


def test_an_empty_plan_makes_no_call_and_says_when(seller, scripted):
    seller.fill_plan("searchOrders", 0)
    with pytest.raises(OutOfBudget) as empty:
        search(seller)
    assert 150 < empty.value.retry_after < 180
    assert scripted.count("searchOrders") == 0


def test_a_429_empties_the_plan_for_every_worker(seller, scripted):
    scripted.put_in_line("searchOrders", refusal(429, "QuotaExceeded", "You exceeded your quota."))
    with pytest.raises(Unavailable) as pause:
        search(seller)
    assert not isinstance(pause.value, Unanswered)
    assert pause.value.retry_after > 170
    with pytest.raises(OutOfBudget):
        search(seller)


def test_a_limit_that_amazon_names_is_taken_up_and_down(seller, scripted):
    for said in ("2.0", "0.001"):
        scripted.put_in_line("searchOrders", Reply(200, {"orders": []}, {"x-amzn-RateLimit-Limit": said}))
        search(seller)
        assert seller.connector.plans.rate("searchOrders") == float(said)
    scripted.put_in_line("searchOrders", Reply(200, {"orders": []}, {"x-amzn-RateLimit-Limit": "plenty"}))
    search(seller)
    assert seller.connector.plans.rate("searchOrders") == 0.001
    assert seller.connector.poll_pause() == 300.0


def test_sellers_and_regions_have_plans_of_their_own(app):
    with app.app_context():
        mine, other = Plans("A1", "eu"), Plans("A1", "na")
        mine.drain("searchOrders")
        assert (mine.left("searchOrders"), other.left("searchOrders")) == (0, 20)


def test_what_one_account_says_of_a_seller_costs_another_nothing(make_seller):
    one, other = (make_seller(seller_id="A1").connector.plans for _ in range(2))
    other.drain("searchOrders")
    assert (one.left("searchOrders"), other.left("searchOrders")) == (20, 0)


def test_workers_in_several_processes_share_one_plan(app, seller):
    begin, taken = forks.Barrier(2, timeout=SECONDS), forks.SimpleQueue()

    def take_all():
        plans, calls = Plans(seller.seller_id, "eu"), 0
        begin.wait()
        with contextlib.suppress(OutOfBudget):
            while True:
                plans.take("searchOrders")
                calls += 1
        taken.put(calls)

    workers = [in_another_process(app, take_all) for _ in range(2)]
    for worker in workers:
        worker.join(SECONDS)
        assert worker.exitcode == 0
    assert taken.get() + taken.get() == 20


@pytest.mark.parametrize("limit", ["MOST_BYTES", "BODY_SECONDS"])
def test_an_answer_without_end_is_no_answer(seller, scripted, monkeypatch, limit):
    seller.connector.get_order("x")  # so that there is a token
    monkeypatch.setattr(answers, limit, -1)
    with pytest.raises(Unanswered):
        seller.connector.get_order("x")


def test_an_order_of_somebody_else_is_nothing(seller, scripted):
    assert seller.connector.get_order("028-0000000-0000000") is None


def test_a_refusal_is_said_in_amazons_words(seller, scripted):
    scripted.put_in_line("getOrder", refusal(400, "InvalidInput", "Invalid Input"))
    with pytest.raises(Refused, match="Invalid Input"):
        seller.connector.get_order("x")


def test_no_token_and_no_person_is_logged(seller, scripted):
    scripted.orders = [an_order()]
    with capture_logs() as logs:
        seller.connector.get_order(ORDER)
        scripted.put_in_line("getOrder", html(503))
        seller.connector.get_order(ORDER)
    called = [line for line in logs if line["event"] == "amazon_called"]
    assert [(line["operation"], line["status"]) for line in called] == [("getOrder", s) for s in (200, 503, 200)]
    assert called[0]["request_id"].startswith("request-") and called[0]["ms"] >= 0
    said = json.dumps(logs)
    assert not any(secret in said for secret in ("Atza", "Atzr", "Müller", "Lange", ORDER))


def test_consent_is_asked_for_with_state_and_return_address(seller, scripted, app):
    url = urlsplit(seller.connector.consent_url("st&te", "https://kontor.example/cloud/callback/amazon"))
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{scripted.url}/apps/authorize/consent"
    assert parse_qs(url.query) == {
        "application_id": [app.config["AMAZON_APPLICATION_ID"]],
        "state": ["st&te"],
        "redirect_uri": ["https://kontor.example/cloud/callback/amazon"],
    }


def test_without_the_sandbox_consent_and_calls_go_to_the_hosts_of_the_region(seller, app, monkeypatch):
    monkeypatch.setitem(app.config, "AMAZON_URL", "")
    monkeypatch.setitem(app.config, "AMAZON_DRAFT", True)
    amazon = Amazon.of(seller.platform)
    consent = amazon.consent_url("s", "https://kontor.example/cb")
    assert consent.startswith("https://sellercentral-europe.amazon.com/apps/authorize/consent?")
    assert "version=beta" in consent
    assert amazon.client.api == "https://sellingpartnerapi-eu.amazon.com"
    assert amazon.addresses.token == "https://api.amazon.com/auth/o2/token"


def test_a_code_is_exchanged_for_a_refresh_token(seller, scripted, app):
    callback = {"spapi_oauth_code": "code", "selling_partner_id": "A1", "state": "s"}
    authorization = seller.connector.authorize(callback, "https://kontor.example/cb")
    assert (authorization.seller_id, authorization.refresh_token) == ("A1", "Atzr|new")
    assert scripted.of("token")[0].form == {
        "grant_type": "authorization_code",
        "code": "code",
        "redirect_uri": "https://kontor.example/cb",
        "client_id": app.config["AMAZON_CLIENT_ID"],
        "client_secret": app.config["AMAZON_CLIENT_SECRET"],
    }


def test_a_code_that_expired_or_is_missing_is_refused(seller, scripted):
    scripted.put_in_line("token", Reply(400, {"error": "invalid_grant", "error_description": "code"}))
    with pytest.raises(CodeRefused):
        seller.connector.authorize({"spapi_oauth_code": "old", "selling_partner_id": "A1"}, "https://kontor.example/cb")
    with pytest.raises(CodeRefused):
        seller.connector.authorize({"selling_partner_id": "A1"}, "https://kontor.example/cb")


def test_a_shipment_is_confirmed_in_amazons_shape(seller, scripted):
    seller.connector.confirm_shipment(a_shipment(carrier_name="DHL Paket"))
    call = scripted.of("confirmShipment")[0]
    assert call.path == f"/orders/v0/orders/{ORDER}/shipmentConfirmation"
    assert call.json == {
        "marketplaceId": "A1PA6795UKMFR9",
        "packageDetail": {
            "packageReferenceId": "1",
            "carrierCode": "DHL",
            "shippingMethod": "Paket",
            "trackingNumber": "003404341",
            "shipDate": "2026-11-01T12:00:00Z",
            "orderItems": [{"orderItemId": "79039765270001", "quantity": 1}],
        },
    }


def test_another_carrier_is_named(seller, scripted):
    seller.connector.confirm_shipment(a_shipment(carrier_code="Other", carrier_name="Eilbote"))
    assert scripted.of("confirmShipment")[0].json["packageDetail"]["carrierName"] == "Eilbote"


def test_a_package_is_known_by_its_tracking_number_however_spaced(seller, scripted):
    scripted.orders = [an_order(lastUpdatedTime=ago(5))]
    scripted.packages[ORDER] = [{"packageReferenceId": "7", "trackingNumber": "00340 4341"}]
    connector = seller.connector
    assert connector.package_is_known(ORDER, "1", "003404341")
    assert not connector.package_is_known(ORDER, "1", "003404342")
    assert not connector.package_is_known("028-0000000-0000000", "1", "003404341")


def test_a_code_that_the_message_begins_with_is_said_once(seller, scripted):
    message = "NonexistentOrderItem: Failed to find order item list by order ID"
    scripted.put_in_line("confirmShipment", refusal(400, "NonexistentOrderItem", message))
    with pytest.raises(Refused) as refused:
        seller.connector.confirm_shipment(a_shipment())
    assert str(refused.value).count("NonexistentOrderItem") == 1


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        ("errorMetric=PackageToUpdateNotFound", PackageRefused, "shipped already"),
        ("NonexistentOrderItem: Failed to find order item list by order ID", Refused, "cancelled"),
        ("OrderItemId is invalid, please obtain the value through the getOrderItems API", Refused, "does not know one"),
        ("Invoice by Amazon orders can only be shipped from locations where", Refused, "VAT number"),
        ("PackageReferenceId: is invalid, must be a positive numeric value.", Refused, "number of the package"),
        ("The carrierCode is not accepted", Refused, "mapping of the carrier"),
        ("Something new", Refused, "Something new"),
    ],
)
def test_what_amazon_refuses_is_said_in_words(seller, scripted, message, kind, words):
    scripted.put_in_line("confirmShipment", refusal(400, "InvalidInput", message))
    with pytest.raises(kind, match=words):
        seller.connector.confirm_shipment(a_shipment())


MODELS = SHARED / "spapi" / "models"


@pytest.mark.skipif(not MODELS.exists(), reason="Amazon's models are not here")
def test_every_request_conforms_to_amazons_models(seller, scripted):
    from jsonschema import Draft4Validator, FormatChecker

    scripted.orders = [an_order(lastUpdatedTime=ago(5))]
    connector = seller.connector
    search(seller)
    search(seller, "page-0")
    connector.get_order(ORDER)
    connector.package_is_known(ORDER, "1", "1")
    connector.confirm_shipment(a_shipment(carrier_code="Other", carrier_name="Eilbote"))
    orders = json.loads((MODELS / "orders_2026-01-01.json").read_text())
    v0 = json.loads((MODELS / "ordersV0.json").read_text())
    checked = 0
    for call in scripted.calls:
        path = call.path.replace(ORDER, "{orderId}")
        for model in (orders, v0):
            operation = model["paths"].get(path, {}).get(call.method.lower())
            if operation is None:
                continue
            checked += 1
            parameters = operation.get("parameters", []) + model["paths"][path].get("parameters", [])
            known = {parameter["name"]: parameter for parameter in parameters if parameter.get("in") == "query"}
            assert set(call.query) <= set(known)
            for name, value in call.query.items():
                schema = {
                    key: known[name][key]
                    for key in ("type", "items", "enum", "format", "maxItems")
                    if key in known[name]
                }
                given = (
                    value.split(",")
                    if schema["type"] == "array"
                    else int(value)
                    if schema["type"] == "integer"
                    else value
                )
                Draft4Validator(schema, format_checker=FormatChecker()).validate(given)
            for parameter in parameters:
                if parameter.get("in") == "body":
                    schema = {**parameter["schema"], "definitions": model["definitions"]}
                    Draft4Validator(schema, format_checker=FormatChecker()).validate(call.json)
    assert checked == 5


def test_a_confirmation_that_met_a_429_is_sent_again(seller, scripted):
    scripted.put_in_line("confirmShipment", refusal(429, "QuotaExceeded", "You exceeded your quota."))
    seller.connector.confirm_shipment(a_shipment())
    assert scripted.count("confirmShipment") == 2
