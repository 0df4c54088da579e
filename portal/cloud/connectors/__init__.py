"""Connectors: one folder a marketplace, all of one shape. Nothing past them knows a marketplace's dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msgspec import Struct, field

from portal.cloud.models import CloudPlatform
from portal.errors import Refused, Unavailable
from portal.order import Order
from portal.sentences import sentence

KINDS = ("amazon",)

# What a connector writes into Order.channel where the seller sold elsewhere and the marketplace only ships.
OTHER_CHANNEL = "other channel"


class ConnectionRevoked(Refused):
    """The marketplace no longer lets us speak for this seller, who has to connect anew."""


class ApplicationRefused(Refused):
    """The marketplace refuses Kontor itself, for every seller: its client id or secret is wrong or has expired."""


class CodeRefused(Refused):
    """The code of a consent was refused: expired, used before, or somebody else's."""


class PageTokenRefused(Refused):
    """The marketplace no longer accepts the token of the next page: the window has to begin anew."""


class PackageRefused(Refused):
    """The marketplace finds nothing left to confirm: reading the order back tells whether it has our package."""


class OutOfBudget(Unavailable):
    """The call was not made: the usage plan has to refill first."""


class Unanswered(Unavailable):
    """The call was made, but no answer says whether it was carried out."""


class NothingCame(Unanswered):
    """No answer came, or not to its end: it is the network's doing, or a server that is gone."""


class UnknownKind(Refused):
    """There is no connector of this kind."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a seller's consent gives us. The refresh token is to be sealed before it is stored."""

    seller_id: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class OrdersPage:
    """A page of whole orders, those that could not be read among them. `window_to` is the bound that was applied."""

    orders: list[Order]
    next_token: str | None
    window_to: datetime | None
    request_id: str


@dataclass(frozen=True, slots=True)
class FetchedOrder:
    """One order, asked for by its id."""

    order: Order
    request_id: str


@dataclass(frozen=True, slots=True)
class OfferedSettings:
    """What a marketplace knows of a seller that a platform could take over: ids, and its own words."""

    marketplaces: list[str]
    payment_kinds: list[str]
    shipping_levels: list[str]


class PackageItem(Struct, frozen=True, forbid_unknown_fields=True):
    """How many pieces of an order's line lie in a package."""

    reference: str
    quantity: int


class Shipment(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One package that left, as it stands in the outbox. The package reference is stable: sent again, it edits."""

    order_id: str
    package_reference: str
    carrier_code: str
    tracking_number: str
    shipped_at: datetime
    items: list[PackageItem]
    carrier_name: str = ""
    shipping_method: str = ""
    marketplace: str = field(default="")  # filled in by the outbox from the order


class Connector(Protocol):
    """A seller at a marketplace. Times are UTC.

    Every call may raise Unavailable (OutOfBudget: not made; Unanswered: perhaps carried out),
    ConnectionRevoked, ApplicationRefused, and Refused with the marketplace's sentence.
    """

    def consent_url(self, state: str, redirect_uri: str) -> str:
        """Where the seller's browser goes to give consent."""

    def authorize(self, callback: Mapping[str, str], redirect_uri: str) -> Authorization:
        """Exchange what the browser brought back. Raises CodeRefused."""

    def search_orders(self, window_from: datetime, window_to: datetime, page_token: str | None) -> OrdersPage:
        """A page of the orders that changed within the window, both ends included. One call of the plan.

        Raises PageTokenRefused.
        """

    def get_order(self, order_id: str) -> FetchedOrder | None:
        """The order, or None where this seller has none of that id."""

    def confirm_shipment(self, shipment: Shipment) -> None:
        """Tell the marketplace that the package left. Raises PackageRefused."""

    def package_is_known(self, order_id: str, package_reference: str, tracking_number: str) -> bool:
        """True if the marketplace shows the package with this tracking number."""

    def why_not_confirmed(self, order: Order) -> str:
        """Why shipments of this order are never confirmed, as a sentence; empty where they are."""

    def offered_settings(self) -> OfferedSettings:
        """Where the seller sells, and the payment kinds and shipping levels that orders may bring."""

    def poll_pause(self) -> float:
        """Seconds between two regular polls that leave the plan room for backlogs."""

    def spare_calls(self) -> int:
        """How many pages could be asked for at this moment."""


def connector_for(platform: CloudPlatform) -> Connector:
    """The connector of the platform's marketplace, speaking for its seller. It keeps no hold on the row."""
    if platform.kind == "amazon":
        from portal.cloud.connectors.amazon import Amazon

        return Amazon.of(platform)
    raise UnknownKind(sentence("There is no connector for “%(kind)s”.", kind=platform.kind))
