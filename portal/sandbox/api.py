"""The Selling Partner API: orders, shipment confirmations, marketplaces.

Sources: Orders API 2026-01-01, Orders API v0 (confirmShipment), Sellers API v1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import msgspec
from flask import Blueprint, Response, g, request

from portal.sandbox import shipping, times
from portal.sandbox.amazon import Amazon, playing
from portal.sandbox.breakage import Reset, Truncated, unavailable
from portal.sandbox.calls import Call
from portal.sandbox.datasets import show
from portal.sandbox.faults import Fault
from portal.sandbox.marketplaces import of_region
from portal.sandbox.orderbook import Entry
from portal.sandbox.refusals import (
    Refusal,
    internal_failure,
    invalid_input,
    not_found,
    quota_exceeded,
    unauthorized,
)
from portal.sandbox.searching import datasets

bp = Blueprint("api", __name__)

Json = dict[str, Any]
# A view of an operation: the marketplace and the seller in, status and body out.
View = Callable[..., tuple[int, bytes]]

_LONGEST_USER_AGENT = 500
_LARGEST_BODY = 1024 * 1024
_TELLS_ITS_RATE = (200, 204, 400, 404)


def operation(name: str) -> Callable[[View], Callable[..., Response]]:
    """An operation of the API: the token is checked, a token of the plan spent, the call logged, faults happen."""

    def decorate(view: View) -> Callable[..., Response]:
        @wraps(view)
        def call(order_id: str | None = None) -> Response:
            amazon, started = playing(), time.perf_counter()
            g.seller, g.faults = None, []
            try:
                response = _perform(amazon, name, view, order_id)
            except Refusal as refusal:
                response = refused(refusal)
            if response.status_code in _TELLS_ITS_RATE:
                response.headers["x-amzn-RateLimit-Limit"] = f"{amazon.settings.plans[name].rate:g}"
            amazon.calls.add(
                Call(
                    operation=name,
                    status=0 if isinstance(response, Reset) else response.status_code,
                    at=times.text(times.now()),
                    request_id=g.request_id,
                    milliseconds=round((time.perf_counter() - started) * 1000, 2),
                    seller=g.seller,
                    order_id=order_id,
                    query=request.args.to_dict(),
                    fault=", ".join(fault.fault for fault in g.faults) or None,
                )
            )
            return response

        return call

    return decorate


def refused(refusal: Refusal) -> Response:
    """The answer that says no."""
    return Response(msgspec.json.encode({"errors": [refusal.problem]}), refusal.status, mimetype="application/json")


@bp.get("/orders/2026-01-01/orders")
@operation("searchOrders")
def search_orders(amazon: Amazon, seller: str) -> tuple[int, bytes]:
    given = {name: ",".join(values) for name, values in request.args.lists()}
    with amazon.store.transaction():  # no order can be stamped between taking the bound and reading up to it
        now = times.now()
        search = amazon.searching.read(
            seller,
            given,
            now=now,
            min_age=amazon.settings.min_age,
            token_seconds=amazon.settings.page_token_seconds,
        )
        found = amazon.orders.search(search.query, search.per_page + 1)
    page, more = found[: search.per_page], len(found) > search.per_page
    next_token = amazon.searching.next_token(search, page[-1], now) if more else None
    if _hit("same_page") and page:
        next_token = amazon.searching.next_token(search, None, now)
    if _hit("twice") and page:
        page = [*page, page[0]]
    included = search.included - set(amazon.settings.withheld)
    shown = [show(entry, included, without_items=bool(_hit("no_items"))) for entry in page]
    parts = [b'{"orders":[' + b",".join(shown) + b"]"]
    if next_token:
        parts.append(b'"pagination":' + msgspec.json.encode({"nextToken": next_token}))
    parts.append(msgspec.json.encode({search.bound_name: times.text(search.query.high)})[1:-1])
    return 200, b",".join(parts) + b"}"


@bp.get("/orders/2026-01-01/orders/<order_id>")
@operation("getOrder")
def get_order(amazon: Amazon, seller: str, order_id: str) -> tuple[int, bytes]:
    given = {name: ",".join(values) for name, values in request.args.lists()}
    if not set(given) <= {"includedData"}:
        raise invalid_input(details="Unknown parameters")
    entry = _entry(amazon, seller, order_id)
    included = datasets(given) - set(amazon.settings.withheld)
    return 200, b'{"order":' + show(entry, included, without_items=bool(_hit("no_items"))) + b"}"


@bp.post("/orders/v0/orders/<order_id>/shipmentConfirmation")
@operation("confirmShipment")
def confirm_shipment(amazon: Amazon, seller: str, order_id: str) -> tuple[int, bytes]:
    marketplace_id, package = shipping.read(_json_body())
    with amazon.store.transaction():
        entry = _entry(amazon, seller, order_id)
        try:
            order = entry.order
            shipped = shipping.confirm(order, marketplace_id, package, times.now())
        except (ValueError, KeyError, TypeError, AttributeError):  # an order placed as it is, and broken
            raise invalid_input() from None
        if _hit("drop"):
            return 204, b""
        if shipped != order:
            amazon.orders.change(entry, shipped)
        amazon.confirmations.add(seller, order_id, package.reference, package.summary)
    return 204, b""


@bp.get("/sellers/v1/marketplaceParticipations")
@operation("getMarketplaceParticipations")
def marketplace_participations(amazon: Amazon, seller: str) -> tuple[int, bytes]:
    account = amazon.sellers.find(seller)
    payload = [
        {
            "marketplace": {
                "id": marketplace.id,
                "countryCode": marketplace.country,
                "name": marketplace.name,
                "defaultCurrencyCode": marketplace.currency,
                "defaultLanguageCode": marketplace.language,
                "domainName": f"www.{marketplace.domain}",
            },
            "participation": {"isParticipating": True, "hasSuspendedListings": False},
            "storeName": account.name,
        }
        for marketplace in of_region(account.region)
    ]
    return 200, msgspec.json.encode({"payload": payload})


def _perform(amazon: Amazon, name: str, view: View, order_id: str | None) -> Response:
    user_agent = request.headers.get("User-Agent", "")
    if not user_agent or len(user_agent) > _LONGEST_USER_AGENT:
        raise invalid_input(details=f"A User-Agent header of at most {_LONGEST_USER_AGENT} characters is needed.")
    g.seller = seller = _bearer(amazon)
    if not amazon.limits.spend(seller, name):
        raise quota_exceeded()
    g.faults = amazon.faults.take(name, order_id)
    early = _before_the_work()
    if early is not None:
        return early
    try:
        status, body = view(amazon, seller, **({"order_id": order_id} if order_id is not None else {}))
    except Refusal as refusal:
        return _after_the_work(refused(refusal))
    return _after_the_work(Response(body, status, mimetype="application/json"))


def _bearer(amazon: Amazon) -> str:
    token = request.headers.get("x-amz-access-token")
    if not token:
        raise unauthorized("Access token is missing in the request header.")
    try:
        seller = amazon.grants.seller_of_access_token(token, amazon.settings.access_token_seconds)
    except LookupError:
        raise unauthorized("The access token you provided is revoked, malformed or invalid.") from None
    if seller is None:
        raise unauthorized("The access token you provided has expired.")
    return seller


def _before_the_work() -> Response | None:
    if _hit("reset_before"):
        return Reset()
    if _hit("503"):
        return unavailable()
    if _hit("429"):
        raise quota_exceeded()
    if _hit("500"):
        raise internal_failure()
    return None


def _after_the_work(response: Response) -> Response:
    slow = _hit("slow")
    if slow:
        time.sleep(slow.seconds)
    if _hit("reset_after"):
        return Reset()
    if _hit("500_after"):
        raise internal_failure()
    if _hit("truncated"):
        return Truncated(response.get_data(), response.status_code, mimetype=response.mimetype)
    if _hit("malformed") and response.status_code == 200:
        response.set_data(response.get_data()[:-1] + b',"orders":[}')
    return response


def _hit(kind: str) -> Fault | None:
    """The fault of this kind that hits the present call."""
    faults: list[Fault] = g.faults
    return next((fault for fault in faults if fault.fault == kind), None)


def _entry(amazon: Amazon, seller: str, order_id: str) -> Entry:
    entry = amazon.orders.find(seller, order_id)
    if entry is None:
        if len(order_id) != 19 or not order_id.replace("-", "").isdigit():
            raise invalid_input()
        raise not_found()
    return entry


def _json_body() -> Any:
    if request.mimetype != "application/json":
        raise Refusal(415, "UnsupportedMediaType", "The request payload is in an unsupported format.")
    if (request.content_length or 0) > _LARGEST_BODY:
        raise Refusal(413, "RequestTooLarge", "The request size exceeded the maximum accepted size.")
    try:
        return msgspec.json.decode(request.get_data())
    except msgspec.DecodeError:
        raise invalid_input() from None
