"""Amazon: orders by the Orders API 2026-01-01, shipments by v0, consent by Login with Amazon."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import msgspec
from flask import current_app

from portal.cloud.connectors import (
    Authorization,
    CodeRefused,
    ConnectionRevoked,
    FetchedOrder,
    OfferedSettings,
    OrdersPage,
    PageTokenRefused,
    Shipment,
    Unanswered,
)
from portal.cloud.connectors.amazon import shipping, tokens, translate, wire
from portal.cloud.connectors.amazon.client import Client, NotThere, Rejected
from portal.cloud.connectors.amazon.marketplaces import Addresses, addresses_of
from portal.cloud.connectors.amazon.plans import Plans
from portal.cloud.models import CloudPlatform
from portal.order import Order
from portal.secrets import unseal
from portal.sentences import sentence

# Without FULFILLMENT there is no status at all, without PROCEEDS no total.
# Amazon has no call that lists them. Source: Orders API 2026-01-01, PaymentExecution and OrderFulfillment.
PAYMENT_KINDS = ("CashOnDelivery", "ConvenienceStore", "CreditCard", "Invoice", "Pix")
SHIPPING_LEVELS = (
    *("EXPEDITED", "FREE_ECONOMY", "NEXT_DAY", "PRIORITY", "SAME_DAY", "SCHEDULED", "SECOND_DAY", "STANDARD"),
)
INCLUDED = "BUYER,RECIPIENT,PROCEEDS,PROMOTION,CANCELLATION,FULFILLMENT,TAX,PAYMENT,PACKAGES"
PAGE_ORDERS = 100
# It comes by the browser, and is stored.
SELLER_ID = re.compile(r"[A-Za-z0-9]{1,60}")
# Polling takes two thirds of the plan; the rest is for backlogs.
POLL_SHARE = 1.5
SHORTEST_PAUSE = 5.0
LONGEST_PAUSE = 300.0


@dataclass(frozen=True, slots=True)
class Amazon:
    """One seller at Amazon. Holds values only, no row."""

    addresses: Addresses
    plans: Plans
    client: Client | None

    @classmethod
    def of(cls, platform: CloudPlatform) -> Amazon:
        """The platform's seller. Without a refresh token it can only ask for consent."""
        addresses = addresses_of(platform.marketplaces, current_app.config["AMAZON_URL"])
        owner = f"platform-{platform.id}"
        # The browser that comes back names the seller, so it is of this account that he is believed to be one.
        seller = f"{platform.account_id}-{platform.seller_id}" if platform.seller_id else owner
        plans = Plans(seller, addresses.region)
        if platform.refresh_token is None:
            return cls(addresses, plans, None)
        refresh_token = unseal(platform.refresh_token, platform.token_place)
        client_id, client_secret = _application()
        kept = tokens.Tokens(addresses.token, client_id, client_secret, owner, refresh_token)
        return cls(addresses, plans, Client(addresses.api, kept, plans))

    def consent_url(self, state: str, redirect_uri: str) -> str:
        """Source: website authorization workflow. A draft application needs version=beta (error MD1000)."""
        query = {
            "application_id": current_app.config["AMAZON_APPLICATION_ID"],
            "state": state,
            "redirect_uri": redirect_uri,
        }
        if current_app.config["AMAZON_DRAFT"]:
            query["version"] = "beta"
        return f"{self.addresses.consent}/apps/authorize/consent?{urlencode(query)}"

    def authorize(self, callback: Mapping[str, str], redirect_uri: str) -> Authorization:
        """Exchange the code at once: it lives five minutes. Raises CodeRefused, ApplicationRefused, Unavailable."""
        code, seller_id = callback.get("spapi_oauth_code", ""), callback.get("selling_partner_id", "")
        if not code or not SELLER_ID.fullmatch(seller_id):
            raise CodeRefused(sentence("Amazon sent the browser back without a code."))
        refresh_token = tokens.exchange(self.addresses.token, *_application(), code, redirect_uri)
        return Authorization(seller_id, refresh_token)

    def search_orders(self, window_from: datetime, window_to: datetime, page_token: str | None) -> OrdersPage:
        """A page of 100 whole orders at most, of all marketplaces in the region.

        Costs one call of the plan: 0.0056 a second, burst 20.
        Source: Orders API 2026-01-01, searchOrders.
        """
        # Not narrowed to the platform's marketplaces: the inbox does that, and can then say so.
        params = {
            "lastUpdatedAfter": _moment(window_from),
            "lastUpdatedBefore": _moment(window_to),
            "includedData": INCLUDED,
            "maxResultsPerPage": str(PAGE_ORDERS),
        }
        if page_token:
            params["paginationToken"] = page_token
        try:
            answer = self._connected().get("searchOrders", "/orders/2026-01-01/orders", params)
        except Rejected as rejected:
            if page_token and rejected.status == 400:
                raise PageTokenRefused(str(rejected)) from rejected
            raise
        page = wire.read_page(answer.body)
        applied = page.last_updated_before
        if applied is not None and applied.tzinfo is None:
            applied = applied.replace(tzinfo=UTC)
        return OrdersPage([translate.read(raw) for raw in page.orders], page.next_token, applied, answer.request_id)

    def get_order(self, order_id: str) -> FetchedOrder | None:
        """Costs one call of the plan: 0.5 a second, burst 30. Source: Orders API 2026-01-01, getOrder."""
        path = f"/orders/2026-01-01/orders/{quote(order_id, safe='')}"
        try:
            answer = self._connected().get("getOrder", path, {"includedData": INCLUDED})
        except NotThere:
            return None
        return FetchedOrder(translate.read(wire.read_order(answer.body)), answer.request_id)

    def confirm_shipment(self, shipment: Shipment) -> None:
        """The same package reference again edits the package. Source: Orders API v0, confirmShipment."""
        path = f"/orders/v0/orders/{quote(shipment.order_id, safe='')}/shipmentConfirmation"
        try:
            self._connected().post("confirmShipment", path, shipping.request_body(shipment))
        except Rejected as rejected:
            raise shipping.explained(rejected) from rejected

    def package_is_known(self, order_id: str, package_reference: str, tracking_number: str) -> bool:
        """Reads the order's packages: an accepted confirmation is no proof that one is visible."""
        path = f"/orders/2026-01-01/orders/{quote(order_id, safe='')}"
        try:
            answer = self._connected().get("getOrder", path, {"includedData": "PACKAGES,FULFILLMENT"})
        except NotThere:
            return False
        try:
            order = msgspec.json.decode(wire.read_order(answer.body), type=_Packages, strict=False)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Unanswered(sentence("Amazon's answer cannot be read as an order.")) from error
        return shipping.shows(order.packages or [], package_reference, tracking_number)

    def why_not_confirmed(self, order: Order) -> str:
        return shipping.why_not(order)

    def offered_settings(self) -> OfferedSettings:
        """Costs one call of the plan: 0.016 a second, burst 15. Source: Sellers API, getMarketplaceParticipations."""
        answer = self._connected().get("getMarketplaceParticipations", "/sellers/v1/marketplaceParticipations", {})
        return OfferedSettings(wire.read_participations(answer.body), list(PAYMENT_KINDS), list(SHIPPING_LEVELS))

    def poll_pause(self) -> float:
        return min(max(POLL_SHARE / self.plans.rate("searchOrders"), SHORTEST_PAUSE), LONGEST_PAUSE)

    def spare_calls(self) -> int:
        return self.plans.left("searchOrders")

    def _connected(self) -> Client:
        if self.client is None:
            raise ConnectionRevoked(sentence("The platform is not connected to Amazon."))
        return self.client


class _Packages(wire.Wire):
    packages: list[wire.Package] | None = None


def _application() -> tuple[str, str]:
    return current_app.config["AMAZON_CLIENT_ID"], current_app.config["AMAZON_CLIENT_SECRET"]


def _moment(time: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond, which is what Amazon keeps."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"
