"""The bodies that the API takes and gives. They are checked by these types, and described by them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from portal.cloud.models import ConnectionState, InboxState, OutboxState
from portal.order import Collection, Order
from portal.sentences import Source

CONTROL = r"\u0000-\u001f\u007f-\u009f"
# Something visible, and no control character (PostgreSQL refuses NUL, people cannot see the others).
VISIBLE = rf"^[^{CONTROL}]*[^\s{CONTROL}][^{CONTROL}]*\Z"
ORDER_ID = r"^[A-Za-z0-9][A-Za-z0-9._:~-]*\Z"
KEY = r"^[A-Za-z0-9][A-Za-z0-9._:~-]*\Z"
REFERENCE = r"^[A-Za-z0-9-]+\Z"
# Host names and IPv4 addresses; what stands behind them is printable ASCII.
URL = r"^https?://[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?(:[1-9][0-9]{0,4})?([/?][!-~]*)?\Z"

MOST_ORDERS = 500  # in a page, and in an acknowledgement
MOST_ITEMS = 1_000

Kind = Literal["amazon"]  # those of connectors.KINDS
Name = Annotated[str, Meta(min_length=1, max_length=60, pattern=VISIBLE)]
Text = Annotated[str, Meta(min_length=1, max_length=100, pattern=VISIBLE)]
Url = Annotated[str, Meta(max_length=2000, pattern=URL)]
OrderId = Annotated[str, Meta(min_length=1, max_length=60, pattern=ORDER_ID)]
Key = Annotated[str, Meta(min_length=1, max_length=100, pattern=KEY)]
Marketplace = Annotated[str, Meta(min_length=1, max_length=30, pattern=r"^[A-Za-z0-9_-]+\Z")]
Marketplaces = Annotated[list[Marketplace], Meta(min_length=1, max_length=50)]
# Beyond them a time may have no equal in UTC that Python can hold, and could be stored but not read.
YEARS = range(1900, 3000)
Moment = Annotated[datetime, Meta(tz=True, description=f"With its zone; of the years {YEARS[0]} to {YEARS[-1]}.")]


class Account(Struct):
    """The account that the token belongs to."""

    name: str
    client_id: str


class NewPlatform(Struct, forbid_unknown_fields=True):
    """A platform to be made. `marketplaces` are the marketplace's own ids."""

    kind: Kind
    name: Name
    marketplaces: Marketplaces
    active: bool = True


class PlatformChange(Struct, forbid_unknown_fields=True):
    """What is to change; what is left out stays."""

    name: Name | UnsetType = UNSET
    marketplaces: Marketplaces | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class Connection(Struct):
    """Whether the marketplace lets the cloud speak for the seller.

    `problem` is a sentence, in the language of Accept-Language. `problem_source` is what it is made of, for
    whoever keeps it and shows it to readers of several languages.
    """

    state: ConnectionState
    problem: str | None
    problem_source: Source | None
    seller_id: str | None
    authorized_at: datetime | None


class Platform(Struct):
    """A platform. `waiting` counts undelivered orders, to 1000 at most."""

    reference: str
    kind: str
    name: str
    marketplaces: list[str]
    active: bool
    connection: Connection
    collected_at: datetime | None
    collect_problem: str | None
    collect_problem_source: Source | None
    next_collect_at: datetime | None
    waiting: int


class OfferedSettings(Struct):
    """What the marketplace knows of the seller: marketplace ids, and its own words."""

    marketplaces: list[str]
    payment_kinds: list[str]
    shipping_levels: list[str]


class ConsentWish(Struct, forbid_unknown_fields=True):
    """Where the browser is to come back to. The query parameter `connection` is added."""

    return_url: Url


class ConsentStart(Struct):
    """The address that the browser has to open. It works once."""

    url: str
    expires_at: datetime


class Delivery(Struct):
    """An order as it came, and the id of the call that brought it."""

    order: Order
    collection: int


class OrdersPage(Struct):
    """A page of undelivered orders. `next` is what to send as `after`, null behind the last page."""

    orders: list[Delivery]
    collections: list[Collection]
    next: int | None


class Acknowledged(Struct, forbid_unknown_fields=True):
    """One version of one order that is safe with the account."""

    id: OrderId
    version: Moment

    def __post_init__(self) -> None:
        _check_year("version", self.version)


class Acknowledgement(Struct, forbid_unknown_fields=True):
    orders: Annotated[list[Acknowledged], Meta(max_length=MOST_ORDERS)]


class AcknowledgementTaken(Struct):
    """For how many orders this was news. A repeated acknowledgement is none."""

    acknowledged: int


class OrderLookUp(Struct, forbid_unknown_fields=True):
    """Which orders are asked for."""

    ids: Annotated[list[OrderId], Meta(max_length=MOST_ORDERS)]


class StoredOrder(Struct):
    """An order of the inbox, in whatever state, and why, where `note` says so."""

    id: str
    state: InboxState
    note: str
    version: datetime
    delivered_version: datetime | None
    order: Raw


class Item(Struct, forbid_unknown_fields=True):
    """How many pieces of an order's line lie in the package."""

    reference: Text
    quantity: Annotated[int, Meta(ge=1, le=1_000_000)]


class NewStatusMessage(Struct, forbid_unknown_fields=True):
    """A package that left. The package reference is a number that stays the same in corrections."""

    order_id: OrderId
    package_reference: Annotated[str, Meta(max_length=9, pattern=r"^[1-9][0-9]*\Z")]
    carrier_code: Text
    tracking_number: Text
    shipped_at: Moment
    items: Annotated[list[Item], Meta(min_length=1, max_length=MOST_ITEMS)]
    carrier_name: Annotated[str, Meta(max_length=100, pattern=rf"^[^{CONTROL}]*\Z")] = ""
    shipping_method: Annotated[str, Meta(max_length=100, pattern=rf"^[^{CONTROL}]*\Z")] = ""

    def __post_init__(self) -> None:
        _check_year("shipped_at", self.shipped_at)


class StatusMessage(Struct):
    """How far a status message has come. `problem` is the reason of a failure, in words, made of `problem_source`."""

    key: str
    order_id: str
    state: OutboxState
    problem: str | None
    problem_source: Source | None
    attempts: int
    sent_at: datetime | None
    confirmed_at: datetime | None


class NewWebhook(Struct, forbid_unknown_fields=True):
    """Where events go, and what they are signed with (HMAC-SHA256, header Kontor-Signature)."""

    url: Url
    secret: Annotated[str, Meta(min_length=16, max_length=200, pattern=r"^[!-~]+\Z")]


class Webhook(Struct):
    """Where events go. The secret is never told."""

    url: str


class AccessToken(Struct):
    """A bearer token (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


class TokenRefusal(Struct, omit_defaults=True):
    """Why there is no token (RFC 6749, section 5.2)."""

    error: str
    error_description: str = ""
    error_uri: str = ""


def is_order_id(text: str) -> bool:
    return len(text) <= 60 and re.match(ORDER_ID, text) is not None


def is_key(text: str) -> bool:
    return len(text) <= 100 and re.match(KEY, text) is not None


def is_reference(text: str) -> bool:
    return len(text) <= 60 and re.match(REFERENCE, text) is not None


def _check_year(field: str, moment: datetime) -> None:
    """Raises ValueError, which msgspec tells as the body's own."""
    if moment.year not in YEARS:
        raise ValueError(f"The field `{field}` must lie in a year from {YEARS[0]} to {YEARS[-1]}")
