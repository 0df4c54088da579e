"""Amazon's shapes, in Amazon's words: what we use of them, as lenient as the model (Orders API 2026-01-01).

Only what the model marks as required is required here. Enums stay text, since Amazon adds to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import Raw, Struct

from portal.cloud.connectors import Unanswered
from portal.sentences import sentence

# A string, or a bracket. Possessive, so that an unclosed string costs one pass and no more.
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
# After a key, the value where that is a plain string.
PLAIN_TEXT = re.compile(rb'\s*:\s*"([^"\\]*+)"')
ORDERS = re.compile(rb"\s*:\s*\[")


class Wire(Struct, rename="camel"):
    """Base of the shapes: unknown fields are passed over."""


class Money(Wire):
    amount: Decimal
    currency_code: str


class SalesChannel(Wire):
    channel_name: str
    marketplace_id: str | None = None
    marketplace_name: str | None = None


class Buyer(Wire):
    buyer_name: str | None = None
    buyer_email: str | None = None
    buyer_company_name: str | None = None
    buyer_purchase_order_number: str | None = None


class Address(Wire):
    name: str | None = None
    company_name: str | None = None
    # Written out: camel() would make it addressLine_1.
    line1: str | None = msgspec.field(default=None, name="addressLine1")
    line2: str | None = msgspec.field(default=None, name="addressLine2")
    line3: str | None = msgspec.field(default=None, name="addressLine3")
    city: str | None = None
    district_or_county: str | None = None
    state_or_region: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    phone: str | None = None


class Recipient(Wire):
    delivery_address: Address | None = None


class Registration(Wire):
    entity_type: str | None = None
    tax_registration_type: str | None = None
    tax_registration_number: str | None = None


class OrderTax(Wire):
    tax_registrations: list[Registration] | None = None


class Window(Wire):
    latest_date_time: datetime | None = None


class Fulfillment(Wire):
    fulfillment_status: str
    fulfilled_by: str | None = None
    ship_by_window: Window | None = None
    fulfillment_service_level: str | None = None


class PaymentExecution(Wire):
    payment_method: str | None = None


class Payment(Wire):
    payment_executions: list[PaymentExecution] | None = None


class Detail(Wire):
    """A part of a TAX or DISCOUNT row, by what it is on."""

    subtype: str | None = None
    value: Money | None = None


class Breakdown(Wire):
    """A row of what the seller is paid: ITEM, SHIPPING, TAX ..."""

    type: str
    subtotal: Money
    detailed_breakdowns: list[Detail] | None = None


class OrderProceeds(Wire):
    grand_total: Money | None = None
    breakdowns: list[Breakdown] | None = None


class ItemProceeds(Wire):
    proceeds_total: Money | None = None
    breakdowns: list[Breakdown] | None = None


class Price(Wire):
    unit_price: Money | None = None


class Product(Wire):
    title: str | None = None
    seller_sku: str | None = None
    price: Price | None = None


class ItemFulfillment(Wire):
    quantity_fulfilled: int | None = None
    quantity_unfulfilled: int | None = None


class Cancellation(Wire):
    cancellation_request: dict[str, object] | None = None
    cancellation_execution: dict[str, object] | None = None


class TaxCollection(Wire):
    model: str | None = None


class ItemTax(Wire):
    tax_collections: list[TaxCollection] | None = None


class Item(Wire):
    order_item_id: str
    quantity_ordered: int
    product: Product
    proceeds: ItemProceeds | None = None
    cancellation: Cancellation | None = None
    fulfillment: ItemFulfillment | None = None
    tax: ItemTax | None = None


class AssociatedOrder(Wire):
    order_id: str | None = None
    association_type: str | None = None


class Package(Wire):
    package_reference_id: str
    tracking_number: str | None = None


class Order(Wire):
    order_id: str
    created_time: datetime
    last_updated_time: datetime
    sales_channel: SalesChannel
    order_items: list[Item]
    programs: list[str] | None = None
    associated_orders: list[AssociatedOrder] | None = None
    buyer: Buyer | None = None
    recipient: Recipient | None = None
    proceeds: OrderProceeds | None = None
    tax: OrderTax | None = None
    payment: Payment | None = None
    fulfillment: Fulfillment | None = None
    packages: list[Package] | None = None


class Pagination(Wire):
    next_token: str | None = None


class SearchOrdersResponse(Wire):
    orders: list[Raw]
    pagination: Pagination | None = None
    last_updated_before: datetime | None = None


class GetOrderResponse(Wire):
    order: Raw


class ParticipationMarketplace(Wire):
    id: str


class Participation(Wire):
    is_participating: bool = False


class MarketplaceParticipation(Wire):
    marketplace: ParticipationMarketplace
    participation: Participation


class GetParticipationsResponse(Wire):
    payload: list[MarketplaceParticipation]


class Error(Wire):
    code: str | None = None
    message: str | None = None
    details: str | None = None


class ErrorList(Wire):
    errors: list[Error]


@dataclass(frozen=True, slots=True)
class Page:
    """A page whose orders have not been looked into yet."""

    orders: list[bytes]
    next_token: str | None
    last_updated_before: datetime | None


def read_page(body: bytes) -> Page:
    """Take a searchOrders answer apart. One malformed order does not spoil the others.

    Raises Unanswered where the answer as a whole is none.
    """
    try:
        answer = msgspec.json.decode(body, type=SearchOrdersResponse)
        orders = [bytes(order) for order in answer.orders]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # Something in there is no JSON (NaN, half a surrogate pair) or nested beyond reason: cut the
        # orders out by their brackets, so that each is read by itself.
        orders, frame = _cut_out_orders(body)
        try:
            answer = msgspec.json.decode(frame, type=SearchOrdersResponse)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Unanswered(sentence("Amazon's answer cannot be read as a page of orders.")) from error
    return Page(orders, (answer.pagination or Pagination()).next_token or None, answer.last_updated_before)


def read_order(body: bytes) -> bytes:
    """The order within a getOrder answer, not looked into yet. Raises Unanswered."""
    try:
        return bytes(msgspec.json.decode(body, type=GetOrderResponse).order)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Unanswered(sentence("Amazon's answer cannot be read as an order.")) from error


def read_participations(body: bytes) -> list[str]:
    """The ids of the marketplaces where the seller sells. Raises Unanswered."""
    try:
        answer = msgspec.json.decode(body, type=GetParticipationsResponse)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Unanswered(sentence("Amazon's answer cannot be read as a list of marketplaces.")) from error
    return [each.marketplace.id for each in answer.payload if each.participation.is_participating]


def read_errors(body: bytes) -> list[Error]:
    """What Amazon says was wrong; nothing where the answer is not in its error format."""
    try:
        return msgspec.json.decode(body, type=ErrorList).errors
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return []


def plain_members(raw: bytes) -> dict[str, str]:
    """The plain strings directly within an object that may be malformed further in."""
    members: dict[str, str] = {}
    for token, depth in _tokens(raw):
        if depth == 1 and raw[token.start()] == ord('"'):
            value = PLAIN_TEXT.match(raw, token.end())
            if value:
                key = token.group()[1:-1].decode(errors="replace")
                members.setdefault(key, value.group(1).decode(errors="replace"))
    return members


def _cut_out_orders(body: bytes) -> tuple[list[bytes], bytes]:
    """The orders of a page, found by brackets alone, and the page without them."""
    orders: list[bytes] = []
    opened = start = None
    for token, depth in _tokens(body):
        symbol = token.group()
        if opened is None:
            array = ORDERS.match(body, token.end()) if symbol == b'"orders"' and depth == 1 else None
            opened = array.end() if array else None
        elif symbol == b"{" and depth == 2:
            start = token.start()
        elif symbol == b"}" and depth == 3 and start is not None:
            orders.append(body[start : token.end()])
        elif symbol == b"]" and depth == 2:
            return orders, body[:opened] + body[token.start() :]
    return [], body


def _tokens(text: bytes) -> Iterator[tuple[re.Match[bytes], int]]:
    """Each string and bracket, and how many brackets were open before it."""
    depth = 0
    for token in TOKEN.finditer(text):
        yield token, depth
        depth += {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}.get(text[token.start()], 0)
