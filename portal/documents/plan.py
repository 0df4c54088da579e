"""What an order becomes: decided in memory, before anything is written. Pure: no database, clock or network."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from babel.core import get_global
from babel.numbers import get_currency_precision
from msgspec.structs import astuple

from portal.documents.models import LineKind, State
from portal.order import Component, Line, Order, Party, Status
from portal.sentences import Money, Sentence, sentence, sentence_of

# What PostgreSQL's integer holds; a quantity beyond it is a mistake, not an order.
MOST_PIECES = 2_147_483_647
# Longer than any name or street that a carrier prints; a text beyond it is cut, not refused.
LONGEST_TEXT = 500

# A thousand billion: larger is a mistake, and would not fit the columns people read.
LARGEST_AMOUNT = Decimal(10**12)

KIND_OF_COMPONENT = {
    "article": LineKind.ARTICLE,
    "shipping": LineKind.FREIGHT,
    "shipping_discount": LineKind.FREIGHT,
    "gift_wrap": LineKind.GIFT_WRAP,
    "discount": LineKind.DISCOUNT,
    "tip": LineKind.OTHER,
    "tax": LineKind.OTHER,
    "other": LineKind.OTHER,
}
STATE_OF_STATUS = {
    Status.UNSHIPPED: State.OPEN,
    Status.PARTLY_SHIPPED: State.PARTLY_SHIPPED,
    Status.SHIPPED: State.SHIPPED,
    Status.CANCELLED: State.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the platform and its tenant decide about a document."""

    time_zone: ZoneInfo
    freight_article: str = "FREIGHT"
    gift_wrap_article: str = "GIFTWRAP"
    discount_article: str = "DISCOUNT"
    other_article: str = "OTHER"


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line to be written. `amount` is the line's share of the total, gross."""

    kind: LineKind
    reference: str
    article_number: str
    title: str
    quantity: int
    unit_price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that may be written: complete, and equal to its order to the cent."""

    order: Order
    state: State
    document_date: date
    total: Decimal
    lines: tuple[DraftLine, ...]
    customer: Party
    delivery: Party
    buyer_reference: str


@dataclass(frozen=True, slots=True)
class Held:
    """An order that waits for a person, and why, in a sentence. `component` is what differs, if amounts do."""

    order_id: str
    version: datetime
    cause: str
    reason: str
    component: str | None = None


@dataclass(frozen=True, slots=True)
class NotWanted:
    """An order that becomes nothing, and leaves nothing: pending, or cancelled before it was a document."""

    order: Order


def plan(order: Order, settings: Settings) -> Draft | Held | NotWanted:
    """Decide what an order becomes."""
    if order.status == Status.UNREADABLE:
        said = sentence_of(order.problem_source) if order.problem_source else order.problem
        return _held(order, "unreadable", said or sentence("The marketplace's answer could not be read."))
    if order.status in (Status.PENDING, Status.CANCELLED):
        return NotWanted(order)
    if not is_currency(order.currency):
        return _held(
            order, "currency", sentence("The currency “%(currency)s” is not known.", currency=clean(order.currency, 20))
        )
    if not order.lines:
        return _held(order, "no_lines", sentence("The order has no articles."))
    for line in order.lines:
        if not 0 < line.quantity <= MOST_PIECES:
            reason = sentence("“%(sku)s” is ordered %(times)s times.", sku=clean(line.sku, 60), times=line.quantity)
            return _held(order, "quantity", reason)
    difference = _tie_out(order)
    if difference is not None:
        return difference
    if order.fulfilled_by == "merchant" and order.status == Status.UNSHIPPED and not order.delivery.country:
        return _held(order, "no_address", sentence("The order has no delivery address, so it cannot be shipped."))
    lines = tuple(_lines(order, settings))
    delivery = _cleaned(order.delivery)
    return Draft(
        order=order,
        state=STATE_OF_STATUS[order.status],
        document_date=order.placed_at.astimezone(settings.time_zone).date(),
        total=sum((line.amount for line in lines), Decimal()),
        lines=lines,
        customer=_customer(order.buyer, delivery),
        delivery=delivery,
        buyer_reference=clean(order.buyer_reference, LONGEST_TEXT) or f"order:{order.id}",
    )


def is_currency(code: str) -> bool:
    """True for an ISO 4217 code."""
    return code in _currencies()


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text without control characters, in composed form, at most `longest` characters.

    NUL would be refused by PostgreSQL; a line break or a direction mark in a name would
    break labels and let one name look like another. Joiners stay: scripts need them.
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text[:longest].strip()
    if text.isprintable() and unicodedata.is_normalized("NFC", text):  # most names and titles: nothing to take out
        return " ".join(text.split())[:longest]
    kept = (
        " " if character in "\t\r\n" else character
        for character in unicodedata.normalize("NFC", text)
        if character in "\t\r\n\u200c\u200d" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    return " ".join("".join(kept).split())[:longest]


def _held(order: Order, cause: str, reason: str | Sentence, component: str | None = None) -> Held:
    return Held(order.id, order.version, cause, reason, component)


def _tie_out(order: Order) -> Held | None:
    """Hold an order whose parts do not sum to what the marketplace says, line by line and as a whole."""
    precision = _precision(order.currency)
    everything = Decimal()
    for line in order.lines:
        line_sum = Decimal()
        for component in line.components:
            if not _is_amount(component.amount, precision):
                return _odd_amount(order, component)
            line_sum += component.amount
        if line.total is not None and line_sum != line.total:
            return _held(
                order,
                "line_total",
                sentence(
                    "The parts of “%(line)s” sum to %(sum)s, the marketplace says %(total)s.",
                    line=clean(line.sku or line.title, 60),
                    sum=Money(line_sum, order.currency),
                    total=Money(line.total, order.currency),
                ),
                _suspect(line.components, line.total - line_sum),
            )
        everything += line_sum
    for component in order.components:
        if not _is_amount(component.amount, precision):
            return _odd_amount(order, component)
        everything += component.amount
    if order.total is None:
        if order.replaces and not everything:
            return None
        return _held(
            order, "no_total", sentence("The marketplace gave no total, so the lines cannot be checked against it.")
        )
    if everything != order.total:
        parts = [component for line in order.lines for component in line.components] + list(order.components)
        return _held(
            order,
            "total",
            sentence(
                "The lines sum to %(sum)s, the marketplace says %(total)s: a difference of %(difference)s.",
                sum=Money(everything, order.currency),
                total=Money(order.total, order.currency),
                difference=Money(order.total - everything, order.currency),
            ),
            _suspect(parts, order.total - everything),
        )
    return None


def _odd_amount(order: Order, component: Component) -> Held:
    reason = sentence("%(amount)s is not an amount in %(currency)s.", amount=component.amount, currency=order.currency)
    return _held(order, "amount", reason, component=component.kind)


def _suspect(components: list[Component], difference: Decimal) -> str:
    """The component that most likely differs: the one as large as the difference, or missing altogether."""
    for component in components:
        if component.amount and abs(component.amount) in (abs(difference), abs(difference) / 2):
            return component.kind
    present = {component.kind for component in components}
    return next((kind for kind in ("shipping", "tax") if kind not in present), "article")


def _lines(order: Order, settings: Settings) -> list[DraftLine]:
    """Articles with their discounts and wrappings as they come, then one line for all freight, then the rest."""
    lines: list[DraftLine] = []
    freight = Decimal()
    for line in order.lines:
        article = Decimal()
        extras = []
        for component in line.components:
            kind = KIND_OF_COMPONENT[component.kind]
            if kind == LineKind.ARTICLE:
                article += component.amount
            elif kind == LineKind.FREIGHT:
                freight += component.amount
            elif component.amount:
                extras.append(_extra(kind, component.amount, line.reference, settings))
        lines.append(
            DraftLine(
                LineKind.ARTICLE,
                clean(line.reference, 100),
                clean(line.sku, 100),
                clean(line.title),
                line.quantity,
                _unit_price(line, article),
                article,
            )
        )
        lines.extend(extras)
    rest = []
    for component in order.components:
        kind = KIND_OF_COMPONENT[component.kind]
        if kind == LineKind.FREIGHT:
            freight += component.amount
        elif component.amount:
            booked = LineKind.OTHER if kind == LineKind.ARTICLE else kind  # there is no article at order level
            rest.append(_extra(booked, component.amount, "", settings))
    if freight:
        lines.append(_extra(LineKind.FREIGHT, freight, "", settings))
    return lines + rest


def _extra(kind: LineKind, amount: Decimal, reference: str, settings: Settings) -> DraftLine:
    """A line that is no article. It has no title: pages name its kind in the reader's language."""
    article_number = {
        LineKind.FREIGHT: settings.freight_article,
        LineKind.GIFT_WRAP: settings.gift_wrap_article,
        LineKind.DISCOUNT: settings.discount_article,
        LineKind.OTHER: settings.other_article,
    }[kind]
    return DraftLine(kind, clean(reference, 100), article_number, "", 1, amount, amount)


def _unit_price(line: Line, amount: Decimal) -> Decimal:
    """The price of one piece, to a tenth of a cent where it does not divide evenly."""
    if line.quantity == 1:
        return amount
    if line.unit_price is not None and line.unit_price * line.quantity == amount:
        return line.unit_price
    return round(amount / line.quantity, 3)


def _customer(buyer: Party, delivery: Party) -> Party:
    """Who the customer is: the buyer by name, at the (cleaned) delivery address, since marketplaces tell no other."""
    return Party(
        name=clean(buyer.name or delivery.name) or clean(buyer.company or delivery.company),
        company=clean(buyer.company or delivery.company),
        street=delivery.street,
        street2=delivery.street2,
        street3=delivery.street3,
        postal_code=clean(delivery.postal_code, 40),
        city=delivery.city,
        region=delivery.region,
        country=clean(delivery.country, 10),
        phone=clean(delivery.phone, 60),
        email=clean(buyer.email, 254),
        vat_id=clean(buyer.vat_id, 40),
    )


def _cleaned(party: Party) -> Party:
    return Party(*[text and clean(text) for text in astuple(party)])


def _is_amount(amount: Decimal, precision: int) -> bool:
    return amount.is_finite() and abs(amount) < LARGEST_AMOUNT and amount == round(amount, precision)


@cache
def _currencies() -> frozenset[str]:
    return frozenset(get_global("all_currencies"))


@cache
def _precision(currency: str) -> int:
    return get_currency_precision(currency)
