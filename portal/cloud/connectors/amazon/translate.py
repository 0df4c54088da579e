"""Amazon's orders become the cloud's. Pure; nothing past here knows Amazon's words.

An order that makes no sense becomes one too: UNREADABLE, with the reason and Amazon's own text, so
that it waits for a person instead of stopping its page.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from typing import Literal

import msgspec
from msgspec.structs import replace

from portal.cloud.connectors import OTHER_CHANNEL
from portal.cloud.connectors.amazon import wire
from portal.cloud.connectors.amazon.marketplaces import find
from portal.cloud.connectors.amazon.money import amount, components, order_components
from portal.marketplaces import MARKETPLACES
from portal.order import Component, Line, Order, Party, Status
from portal.sentences import Sentence, sentence

STATUS = {
    "PENDING_AVAILABILITY": Status.PENDING,
    "PENDING": Status.PENDING,
    "UNSHIPPED": Status.UNSHIPPED,
    "PARTIALLY_SHIPPED": Status.PARTLY_SHIPPED,
    "SHIPPED": Status.SHIPPED,
    "CANCELLED": Status.CANCELLED,
}
# Amazon Business buys from the seller and sells on: the document's customer is Amazon (`IsIBA` of Orders v0).
RESOLD = "INVOICE_BY_AMAZON"
FACILITATOR = "MARKETPLACE_FACILITATOR"
ORIGINAL = ("REPLACEMENT_ORIGINAL_ID", "EXCHANGE_ORIGINAL_ID")

# Amazon's ids are of the form 3-7-7; anything harmless is taken, since only Amazon knows.
ORDER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
# The version of an order whose time cannot be read: older than any that can.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# A version from the far future would keep every later one out.
YEARS = range(2000, 2100)
MOST_PIECES = 2_147_483_647
# As much of an unreadable order's text as a person could look at.
LONGEST_RAW = 100_000


class NotUnderstood(ValueError):
    """Amazon's order contradicts itself or says something unheard of. Its argument is a sentence."""


def read(raw: bytes) -> Order:
    """The order in Amazon's text. Never fails: what cannot be read has the status UNREADABLE."""
    try:
        order = msgspec.json.decode(raw, type=wire.Order, strict=False)
        return translate(order, raw)
    except RecursionError:
        problem = sentence("Amazon's order is nested too deeply to be read.")
    except msgspec.DecodeError as error:
        problem = sentence(
            "Amazon's order has another form than Amazon's model: %(error)s.", error=_text(str(error))[:400]
        )
    except UnicodeError:
        problem = sentence("Amazon's order is not written in valid characters.")
    except (ValueError, ArithmeticError, DecimalException) as error:
        said = error.args[0] if error.args else None
        problem = said if isinstance(said, Sentence) else sentence("Amazon's order cannot be read.")
    return _unreadable(raw, problem)


def translate(order: wire.Order, raw: bytes = b"") -> Order:
    """Say in the cloud's words what Amazon says. `raw` is kept where a person will have to look.

    Raises ValueError with a sentence where amounts, quantities or times make no sense.
    """
    items = _distinct(order.order_items)
    lines = [_line(item) for item in items if not _is_cancelled(item)]
    total = _total(order)
    delivery = _delivery(order)
    channel, marketplace = _channel(order.sales_channel)
    fulfillment = order.fulfillment
    translated = Order(
        id=_order_id(order.order_id),
        version=_time(order.last_updated_time),
        status=STATUS.get(fulfillment.fulfillment_status, Status.UNREADABLE) if fulfillment else Status.UNREADABLE,
        placed_at=_time(order.created_time),
        channel=channel,
        marketplace=marketplace,
        fulfilled_by=_fulfilled_by(fulfillment),
        currency=_currency(order) or (_currency_at(marketplace) if _replaces(order) else ""),
        total=total,
        lines=lines,
        components=_beyond_items(order, total),
        buyer=_buyer(order),
        delivery=delivery,
        buyer_reference=_buyer_reference(order.buyer, delivery),
        purchase_order=_text(order.buyer.buyer_purchase_order_number) if order.buyer else "",
        payment_kind=_payment_kind(order.payment),
        shipping_level=_text(fulfillment.fulfillment_service_level) if fulfillment else "",
        is_resold=RESOLD in (order.programs or ()),
        programs=[_text(program) for program in order.programs or ()],
        replaces=_replaces(order),
        ship_by=_ship_by(fulfillment),
        cancel_requested=any(_asks_for_cancellation(item) for item in order.order_items),
        problem=_cancelled_pieces(items),
    )
    if translated.status != Status.UNREADABLE:
        return translated
    problem = sentence("Amazon gave no status.")
    if fulfillment:
        status = _text(fulfillment.fulfillment_status)[:100]
        problem = sentence("Amazon gave the status “%(status)s”, which is unknown.", status=status)
    return replace(translated, problem=str(problem), problem_source=problem.source, raw=_raw_text(raw))


def _unreadable(raw: bytes, problem: Sentence) -> Order:
    members = wire.plain_members(raw)
    order_id = members.get("orderId", "")
    if not ORDER_ID.fullmatch(order_id):
        # The same text gets the same name, however often it comes.
        order_id = f"unreadable-{hashlib.sha256(raw).hexdigest()[:16]}"
    version = _time_or_never(members.get("lastUpdatedTime", ""))
    return Order(
        id=order_id,
        version=version,
        status=Status.UNREADABLE,
        placed_at=_time_or_never(members.get("createdTime", "")),
        problem=str(problem),
        problem_source=problem.source,
        raw=_raw_text(raw),
    )


def _line(item: wire.Item) -> Line:
    proceeds = item.proceeds or wire.ItemProceeds()
    total = amount(proceeds.proceeds_total) if proceeds.proceeds_total else None
    price = item.product.price.unit_price if item.product.price else None
    unit_price = amount(price) if price else None
    parts = components(proceeds.breakdowns or (), total)
    if not proceeds.breakdowns and total and unit_price is not None and unit_price * item.quantity_ordered == total:
        parts = [Component("article", total)]
    return Line(
        reference=_text(item.order_item_id),
        sku=_text(item.product.seller_sku),
        title=_text(item.product.title),
        quantity=_quantity(item, unit_price),
        components=parts,
        unit_price=unit_price,
        total=total,
        shipped=(item.fulfillment.quantity_fulfilled or 0) if item.fulfillment else 0,
        tax_collected=any(
            collection.model == FACILITATOR for collection in (item.tax and item.tax.tax_collections) or ()
        ),
    )


def _distinct(items: list[wire.Item]) -> list[wire.Item]:
    """The items, each with an id of its own: a shipment could not name one of two that share it."""
    for id, times in Counter(item.order_item_id for item in items).items():
        if times > 1:
            raise NotUnderstood(
                sentence("Amazon lists the item %(item)s %(times)s times.", item=_text(id)[:100], times=times)
            )
    for item in items:
        counts = [item.quantity_ordered]
        if item.fulfillment:
            counts += [item.fulfillment.quantity_fulfilled or 0, item.fulfillment.quantity_unfulfilled or 0]
        for count in counts:
            if not 0 <= count <= MOST_PIECES:
                quantity = str(count)[:40]
                raise NotUnderstood(
                    sentence("Amazon's quantity %(quantity)s is not a number of pieces.", quantity=quantity)
                )
    return items


def _quantity(item: wire.Item, unit_price: Decimal | None) -> int:
    """The pieces the amounts are for: those ordered, or those left where the amounts have been lowered already."""
    left = _left(item)
    if left in (None, 0, item.quantity_ordered) or not unit_price:
        return item.quantity_ordered
    rows = (item.proceeds and item.proceeds.breakdowns) or ()
    articles = sum((amount(row.subtotal) for row in rows if row.type == "ITEM"), Decimal())
    return left if left is not None and articles == unit_price * left else item.quantity_ordered


def _left(item: wire.Item) -> int | None:
    """The pieces that were shipped or still will be; None where Amazon does not say."""
    done = item.fulfillment
    if done is None or done.quantity_fulfilled is None or done.quantity_unfulfilled is None:
        return None
    return min(done.quantity_fulfilled + done.quantity_unfulfilled, item.quantity_ordered)


def _is_cancelled(item: wire.Item) -> bool:
    """True for an item of which nothing is left and nothing is charged."""
    if item.quantity_ordered == 0:
        return True
    if _left(item) != 0 or not (item.cancellation and item.cancellation.cancellation_execution is not None):
        return False
    total = item.proceeds.proceeds_total if item.proceeds else None
    return total is None or not amount(total)


def _cancelled_pieces(items: list[wire.Item]) -> str:
    """A remark on what was cancelled, "" where nothing was."""
    gone = []
    for item in items:
        left = _left(item)
        executed = item.cancellation is not None and item.cancellation.cancellation_execution is not None
        name = _text(item.product.seller_sku) or _text(item.order_item_id)
        if item.quantity_ordered == 0:
            gone.append(name)
        elif executed and left is not None and left < item.quantity_ordered:
            gone.append(f"{item.quantity_ordered - left} × {name}")
    return f"Cancelled at Amazon: {', '.join(gone)}."[:500] if gone else ""


def _asks_for_cancellation(item: wire.Item) -> bool:
    cancellation = item.cancellation
    return bool(
        cancellation and cancellation.cancellation_request is not None and cancellation.cancellation_execution is None
    )


def _total(order: wire.Order) -> Decimal | None:
    return amount(order.proceeds.grand_total) if order.proceeds and order.proceeds.grand_total else None


def _beyond_items(order: wire.Order, total: Decimal | None) -> list[Component]:
    if not order.proceeds or not order.proceeds.breakdowns:
        return []
    items = [item.proceeds or wire.ItemProceeds() for item in order.order_items]
    totals = [amount(item.proceeds_total) for item in items if item.proceeds_total]
    known = total is not None and len(totals) == len(items)
    difference = total - sum(totals, Decimal()) if known and total is not None else None
    return order_components(order.proceeds.breakdowns, [item.breakdowns or () for item in items], difference)


def _currency(order: wire.Order) -> str:
    """The order's one currency, as Amazon writes it. Raises NotUnderstood where there are several."""
    currencies = {_text(money.currency_code) for money in _moneys(order)}
    if len(currencies) > 1:
        listed = ", ".join(sorted(currencies))[:100]
        raise NotUnderstood(sentence("Amazon gives amounts in several currencies: %(currencies)s.", currencies=listed))
    return next(iter(currencies), "")


def _currency_at(marketplace: str) -> str:
    """What is paid in there: of a replacement, which costs nothing, Amazon need not tell any amount."""
    return next((each.currency for each in MARKETPLACES if each.id == marketplace), "")


def _moneys(order: wire.Order) -> Iterable[wire.Money]:
    proceeds = [order.proceeds] if order.proceeds else []
    yield from (part.grand_total for part in proceeds if part.grand_total)
    rows = [row for part in proceeds for row in part.breakdowns or ()]
    for item in order.order_items:
        if item.proceeds:
            rows += item.proceeds.breakdowns or ()
            if item.proceeds.proceeds_total:
                yield item.proceeds.proceeds_total
        if item.product.price and item.product.price.unit_price:
            yield item.product.price.unit_price
    for row in rows:
        yield row.subtotal
        yield from (detail.value for detail in row.detailed_breakdowns or () if detail.value)


def _channel(channel: wire.SalesChannel) -> tuple[str, str]:
    """Where it was sold: the marketplace's name and id, or OTHER_CHANNEL where Amazon only ships."""
    name, id = _text(channel.marketplace_name), _text(channel.marketplace_id)
    if channel.channel_name != "AMAZON":
        return OTHER_CHANNEL, id
    return name or "Amazon", find(id, name)


def _fulfilled_by(fulfillment: wire.Fulfillment | None) -> Literal["merchant", "marketplace"]:
    return "marketplace" if fulfillment and fulfillment.fulfilled_by in ("AMAZON", "AFN") else "merchant"


def _buyer(order: wire.Order) -> Party:
    buyer = order.buyer or wire.Buyer()
    return Party(
        name=_text(buyer.buyer_name),
        company=_text(buyer.buyer_company_name),
        email=_text(buyer.buyer_email),
        vat_id=_vat_id(order.tax),
    )


def _payment_kind(payment: wire.Payment | None) -> str:
    """How the buyer pays: each of Amazon's words once, in its order."""
    executions = (payment.payment_executions if payment else None) or ()
    return " + ".join(dict.fromkeys(filter(None, (_text(paid.payment_method) for paid in executions))))


def _vat_id(tax: wire.OrderTax | None) -> str:
    """The buyer's VAT id, or failing that whatever the buyer is registered by."""
    registrations = [
        registration
        for registration in (tax.tax_registrations if tax else None) or ()
        if registration.entity_type == "BUYER" and registration.tax_registration_number
    ]
    registrations.sort(key=lambda registration: "VAT" not in (registration.tax_registration_type or "").upper())
    return _text(registrations[0].tax_registration_number) if registrations else ""


def _delivery(order: wire.Order) -> Party:
    address = (order.recipient.delivery_address if order.recipient else None) or wire.Address()
    return Party(
        name=_text(address.name),
        company=_text(address.company_name),
        street=_text(address.line1),
        street2=_text(address.line2),
        street3=_text(address.line3),
        postal_code=_text(address.postal_code),
        city=_text(address.city),
        region=_text(address.state_or_region) or _text(address.district_or_county),
        country=_text(address.country_code),
        phone=_text(address.phone),
    )


def _buyer_reference(buyer: wire.Buyer | None, delivery: Party) -> str:
    """What the same buyer has again: Amazon's anonymous address, or else a fingerprint of name and place."""
    email = _text(buyer.buyer_email).casefold() if buyer else ""
    if email:
        return email
    name = delivery.name or (_text(buyer.buyer_name) if buyer else "")
    if not (name and delivery.postal_code and delivery.street):
        return ""
    place = "\n".join(_folded(part) for part in (name, delivery.postal_code, delivery.street, delivery.country))
    return f"place:{hashlib.sha256(place.encode(errors='replace')).hexdigest()[:32]}"


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _replaces(order: wire.Order) -> str:
    for other in order.associated_orders or ():
        if other.association_type in ORIGINAL and other.order_id:
            return _text(other.order_id)
    return ""


def _ship_by(fulfillment: wire.Fulfillment | None) -> datetime | None:
    window = fulfillment.ship_by_window if fulfillment else None
    return _time(window.latest_date_time) if window and window.latest_date_time else None


def _order_id(id: str) -> str:
    if not ORDER_ID.fullmatch(id):
        raise NotUnderstood(sentence("Amazon's order id is none."))
    return id


def _time(moment: datetime) -> datetime:
    """In UTC, which is what Amazon means where it gives no zone."""
    if moment.year not in YEARS:
        raise NotUnderstood(sentence("Amazon's time %(time)s is out of this world.", time=moment.isoformat()))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _time_or_never(text: str) -> datetime:
    try:
        return _time(msgspec.convert(text, datetime))
    except (msgspec.ValidationError, NotUnderstood):
        return NEVER


def _text(text: str | None) -> str:
    """The text without the one character that PostgreSQL cannot keep."""
    return text.replace("\0", "").strip() if text else ""


def _raw_text(raw: bytes) -> str:
    return raw[:LONGEST_RAW].decode(errors="replace").replace("\0", "")
