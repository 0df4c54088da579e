"""What an order becomes: decided in memory, before anything is written. Pure: no database, clock or network."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from babel.core import get_global
from babel.numbers import get_currency_precision
from msgspec.structs import astuple

from portal.documents.models import LineKind, State
from portal.documents.tax import CLASS_NAMES, TaxCase, Taxes, contained
from portal.masterdata.models import TaxClass
from portal.order import Component, Line, Order, Party, Status
from portal.platforms.models import ArticleRule, DocumentType, RemoteKind, UnknownSku
from portal.sentences import Money, Sentence, sentence, sentence_of

# What PostgreSQL's integer holds; a quantity beyond it is a mistake, not an order.
MOST_PIECES = 2_147_483_647
# Longer than any name or street that a carrier prints; a text beyond it is cut, not refused.
LONGEST_TEXT = 500
LONGEST_SKU = 100
# Longer than what any marketplace calls a payment kind or a shipping level.
LONGEST_WORD = 100

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


# What rounding may make of a tax that is computed twice, for each amount that went into it.
TAX_TOLERANCE = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Articles:
    """How a SKU becomes an article. What is assigned to it comes before the rule."""

    rule: ArticleRule = ArticleRule.SAME
    prefix: str = ""
    unknown: UnknownSku = UnknownSku.FREE_TEXT
    classes: Mapping[str, TaxClass] = field(default_factory=dict)  # of the tenant's articles, by number
    assigned: Mapping[str, str] = field(default_factory=dict)  # SKU to article number

    def number_of(self, sku: str) -> str | None:
        """The number of the (cleaned) SKU's article, None where it has none."""
        number = self.assigned.get(sku)
        if number is None and self.rule == ArticleRule.STRIP_PREFIX:
            number = sku.removeprefix(self.prefix)
        elif number is None and self.rule == ArticleRule.SAME:
            number = sku
        return number if number in self.classes else None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the platform and its tenant decide about a document. Empty article numbers make lines without one."""

    time_zone: ZoneInfo
    document_type: DocumentType = DocumentType.ORDER
    freight_article: str = "FREIGHT"
    gift_wrap_article: str = "GIFTWRAP"
    discount_article: str = "DISCOUNT"
    other_article: str = "OTHER"
    payment_terms_id: int | None = None
    guest_payment_terms_id: int | None = None
    payment_method_id: int | None = None
    shipping_method_id: int | None = None
    payment_methods: Mapping[str, int] = field(default_factory=dict)  # by the marketplace's word
    shipping_methods: Mapping[str, int] = field(default_factory=dict)
    known_values: frozenset[tuple[RemoteKind, str]] = frozenset()  # the marketplace's words that have been seen
    articles: Articles = field(default_factory=Articles)
    taxes: Taxes = field(default_factory=Taxes)
    collective_address_id: int | None = None  # stands for every buyer
    marketplace_address_id: int | None = None  # of orders that the marketplace resells
    marketplace_vat_id: str = ""


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line to be written. `amount` is the line's share of the total, gross; `tax` is what of it is tax.

    `shipped` is how many pieces the marketplace says are on their way, by whomever.
    """

    kind: LineKind
    reference: str
    article_number: str
    title: str
    quantity: int
    unit_price: Decimal
    amount: Decimal
    tax_code: str = ""
    tax_rate: Decimal | None = None
    tax: Decimal | None = None
    shipped: int = 0

    @property
    def told(self) -> tuple[object, ...]:
        """What the marketplace says of it, which no setting of ours changes."""
        return (self.kind, self.reference, self.title, self.quantity, self.unit_price, self.amount)


class Words(NamedTuple):
    """What the marketplace calls an order and asks for with it, as the document keeps it. `programs` with spaces."""

    purchase_order: str
    programs: str
    shipping_level: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that may be written: complete, and equal to its order to the cent.

    `address_id` where another address stands for the buyer's.
    """

    order: Order
    type: DocumentType
    state: State
    document_date: date
    total: Decimal
    lines: tuple[DraftLine, ...]
    customer: Party
    delivery: Party
    buyer_reference: str
    words: Words
    payment_terms_id: int | None = None
    payment_method_id: int | None = None
    shipping_method_id: int | None = None
    tax_case: TaxCase = TaxCase.NOT_COMPUTED
    tax: Decimal | None = None
    address_id: int | None = None

    @property
    def unaddressed(self) -> Held | None:
        """Why it becomes no new document, where no parcel could be addressed. One that is there goes on all the same.

        Amazon leaves out name and street, and tells the rest, where the application has not the role
        "Direct-to-Consumer Shipping (Restricted)" (Orders API 2026-01-01).
        """
        to, buyer = self.delivery, self.customer
        name, street = to.name or to.company or buyer.name or buyer.company, to.street or to.street2 or to.street3
        if not _ships(self.order) or (name and street):
            return None
        reason = sentence(
            "The marketplace tells no name or no street to deliver to, so the order cannot be shipped. If it is so "
            "with all orders, Kontor's application lacks the right to see addresses: ask who runs the cloud."
        )
        return _held(self.order, "no_address", reason)

    @property
    def remote_values(self) -> tuple[tuple[RemoteKind, str], ...]:
        """The marketplace's words that a platform maps."""
        return (
            (RemoteKind.PAYMENT, clean(self.order.payment_kind, LONGEST_WORD)),
            (RemoteKind.SHIPPING, self.words.shipping_level),
        )


@dataclass(frozen=True, slots=True)
class Held:
    """An order that waits for a person, and why, in a sentence.

    `component` is what differs, if amounts do; `about` what has to be mended, where many orders may wait for the
    same: a SKU, a number range, a country, a currency.
    """

    order_id: str
    version: datetime
    cause: str
    reason: str
    component: str | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class NotWanted:
    """An order that becomes nothing, and leaves nothing: pending, or cancelled before it was a document."""

    order: Order


class _OnHold(Exception):
    """Ends the planning of an order that has to wait for a person."""

    def __init__(self, cause: str, reason: Sentence, component: str | None = None, about: str = "") -> None:
        super().__init__(cause, reason, component, about)


def plan(order: Order, settings: Settings) -> Draft | Held | NotWanted:
    """Decide what an order becomes."""
    if order.status == Status.UNREADABLE:
        said = sentence_of(order.problem_source) if order.problem_source else order.problem
        return _held(order, "unreadable", said or sentence("The marketplace's answer could not be read."))
    if order.status in (Status.PENDING, Status.CANCELLED):
        return NotWanted(order)
    try:
        return _planned(order, settings)
    except _OnHold as hold:
        return _held(order, *hold.args)


def _planned(order: Order, settings: Settings) -> Draft:
    """The order as a document. Raises _OnHold."""
    if not is_currency(order.currency):
        currency = clean(order.currency, 20)
        reason = sentence("The currency “%(currency)s” is not known.", currency=currency)
        raise _OnHold("currency", reason, about=currency)
    if not order.lines:
        raise _OnHold("no_lines", sentence("The order has no articles."))
    for line in order.lines:
        if not 0 < line.quantity <= MOST_PIECES:
            reason = sentence("“%(sku)s” is ordered %(times)s times.", sku=clean(line.sku, 60), times=line.quantity)
            raise _OnHold("quantity", reason)
    _tie_out(order)
    if _ships(order) and not order.delivery.country:
        raise _OnHold("no_address", sentence("The order has no delivery address, so it cannot be shipped."))
    if order.is_resold and settings.marketplace_address_id is None:
        raise _OnHold(
            "resold",
            sentence(
                "The marketplace buys this order and sells it on, so the document is for the marketplace. "
                "Choose its address among the platform's defaults."
            ),
        )
    delivery = _cleaned(order.delivery)
    customer = _customer(order.buyer, delivery)
    document_date = order.placed_at.astimezone(settings.time_zone).date()
    case = settings.taxes.case_of(order, settings.marketplace_vat_id if order.is_resold else customer.vat_id)
    lines = tuple(_lines(order, settings, case, document_date))
    return Draft(
        order=order,
        type=settings.document_type,
        state=STATE_OF_STATUS[order.status],
        document_date=document_date,
        total=sum((line.amount for line in lines), Decimal()),
        lines=lines,
        customer=customer,
        delivery=delivery,
        buyer_reference=clean(order.buyer_reference, LONGEST_TEXT) or f"order:{order.id}",
        words=_words(order),
        payment_terms_id=settings.guest_payment_terms_id if order.is_guest else settings.payment_terms_id,
        payment_method_id=settings.payment_methods.get(order.payment_kind, settings.payment_method_id),
        shipping_method_id=settings.shipping_methods.get(order.shipping_level, settings.shipping_method_id),
        tax_case=case,
        tax=sum((line.tax for line in lines if line.tax is not None), Decimal()) if case else None,
        address_id=settings.marketplace_address_id if order.is_resold else settings.collective_address_id,
    )


def _ships(order: Order) -> bool:
    return order.fulfilled_by == "merchant" and order.status == Status.UNSHIPPED


def is_currency(code: str) -> bool:
    """True for an ISO 4217 code."""
    return code in _currencies()


def _words(order: Order) -> Words:
    programs = clean(" ".join(order.programs))
    return Words(clean(order.purchase_order), programs, clean(order.shipping_level, LONGEST_WORD))


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


def _held(order: Order, cause: str, reason: str | Sentence, component: str | None = None, about: str = "") -> Held:
    return Held(order.id, order.version, cause, reason, component, about)


def _tie_out(order: Order) -> None:
    """Hold an order whose parts do not sum to what the marketplace says, line by line and as a whole."""
    precision = _precision(order.currency)
    everything = Decimal()
    for line in order.lines:
        line_sum = Decimal()
        for component in line.components:
            _check_amount(component, order, precision)
            line_sum += component.amount
        if line.total is not None and line_sum != line.total:
            raise _OnHold(
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
        _check_amount(component, order, precision)
        everything += component.amount
    if order.total is None:
        if order.replaces and not everything:
            return
        raise _OnHold("no_total", sentence("The marketplace gave no total, so the lines cannot be checked against it."))
    if everything != order.total:
        parts = [component for line in order.lines for component in line.components] + list(order.components)
        raise _OnHold(
            "total",
            sentence(
                "The lines sum to %(sum)s, the marketplace says %(total)s: a difference of %(difference)s.",
                sum=Money(everything, order.currency),
                total=Money(order.total, order.currency),
                difference=Money(order.total - everything, order.currency),
            ),
            _suspect(parts, order.total - everything),
        )


def _check_amount(component: Component, order: Order, precision: int) -> None:
    if not _is_amount(component.amount, precision):
        reason = sentence(
            "%(amount)s is not an amount in %(currency)s.", amount=component.amount, currency=order.currency
        )
        raise _OnHold("amount", reason, component.kind)


def _suspect(components: list[Component], difference: Decimal) -> str:
    """The component that most likely differs: the one as large as the difference, or missing altogether."""
    for component in components:
        if component.amount and abs(component.amount) in (abs(difference), abs(difference) / 2):
            return component.kind
    present = {component.kind for component in components}
    return next((kind for kind in ("shipping", "tax") if kind not in present), "article")


def _lines(order: Order, settings: Settings, case: TaxCase, day: date) -> list[DraftLine]:
    """Articles with their discounts and wrappings as they come, then one line for all freight, then the rest."""
    skus = [clean(line.sku, LONGEST_SKU) for line in order.lines]
    numbers = [_article_number(sku, settings.articles) for sku in skus]
    taxation = _Taxation(order, settings, case, day)
    lines: list[DraftLine] = []
    freight: list[Component] = []
    for line, sku, number in zip(order.lines, skus, numbers, strict=True):
        articles, extras = [], []
        tax_class = settings.articles.classes.get(number or "", TaxClass.STANDARD)
        for component in line.components:
            kind = KIND_OF_COMPONENT[component.kind]
            if kind == LineKind.ARTICLE:
                articles.append(component)
            elif kind == LineKind.FREIGHT:
                freight.append(component)
            elif component.amount:
                extras.append((kind, component))
        amount = sum((component.amount for component in articles), Decimal())
        lines.append(
            DraftLine(
                LineKind.ARTICLE,
                clean(line.reference, 100),
                number or sku,
                clean(line.title),
                line.quantity,
                _unit_price(line, amount),
                amount,
                *taxation.of(amount, articles, tax_class, sku),
                shipped=min(max(line.shipped, 0), line.quantity),
            )
        )
        for kind, component in extras:
            lines.append(_extra(kind, [component], line.reference, settings, taxation, tax_class))
    rest = []
    for component in order.components:
        kind = KIND_OF_COMPONENT[component.kind]
        if kind == LineKind.FREIGHT:
            freight.append(component)
        elif component.amount:
            booked = LineKind.OTHER if kind == LineKind.ARTICLE else kind  # there is no article at order level
            rest.append(_extra(booked, [component], "", settings, taxation, taxation.main_class(numbers)))
    if sum((component.amount for component in freight), Decimal()):
        lines.append(_extra(LineKind.FREIGHT, freight, "", settings, taxation, taxation.main_class(numbers)))
    taxation.check([*lines, *rest])
    return lines + rest


def _article_number(sku: str, articles: Articles) -> str | None:
    """The number of the SKU's article; None where it becomes a free-text line. Raises _OnHold."""
    number = articles.number_of(sku)
    if number is None and articles.unknown == UnknownSku.HOLD:
        about = clean(sku, 60)
        raise _OnHold("unknown_sku", sentence("There is no article for the SKU “%(sku)s”.", sku=about), about=about)
    return number


def _extra(
    kind: LineKind,
    components: list[Component],
    reference: str,
    settings: Settings,
    taxation: _Taxation,
    tax_class: TaxClass,
) -> DraftLine:
    """A line that is no article. It has no title: pages name its kind in the reader's language."""
    article_number = {
        LineKind.FREIGHT: settings.freight_article,
        LineKind.GIFT_WRAP: settings.gift_wrap_article,
        LineKind.DISCOUNT: settings.discount_article,
        LineKind.OTHER: settings.other_article,
    }[kind]
    amount = sum((component.amount for component in components), Decimal())
    taxed = taxation.of(amount, components, tax_class, article_number)
    return DraftLine(kind, clean(reference, 100), article_number, "", 1, amount, amount, *taxed)


Taxed = tuple[str, Decimal | None, Decimal | None]
UNTAXED: Taxed = ("", None, None)


class _Taxation:
    """How the lines of one order are taxed: by our rates, and by what the marketplace says where it says it."""

    def __init__(self, order: Order, settings: Settings, case: TaxCase, day: date) -> None:
        self.order, self.settings, self.case, self.day = order, settings, case, day
        self.precision = _precision(order.currency)
        self.country = settings.taxes.country_of(case, order)
        every = [component for line in order.lines for component in line.components] + list(order.components)
        # Tax that stands for itself belongs to all lines: then only the sums can be compared.
        self.in_one = any(component.kind == "tax" for component in every)
        self.theirs = _theirs(every) if self.in_one else None

    def of(self, amount: Decimal, components: list[Component], tax_class: TaxClass, name: str) -> Taxed:
        """Code, rate and tax of a line. Raises _OnHold where there is no rate, or the marketplace says otherwise."""
        if self.case == TaxCase.NOT_COMPUTED:
            return UNTAXED
        theirs = None if self.in_one else _theirs(components)
        if self.case == TaxCase.COLLECTED:
            return self.settings.taxes.codes.get(self.case, ""), None, theirs or Decimal()
        code, percent = self._rate(tax_class)
        expected = contained(amount, percent, self.precision)
        if theirs is not None and abs(expected - theirs) > TAX_TOLERANCE * len(components):
            raise _OnHold(
                "tax",
                sentence(
                    "The tax of “%(line)s” is %(ours)s at your %(rate)s %%, the marketplace says %(theirs)s.",
                    line=clean(name, 60),
                    ours=Money(expected, self.order.currency),
                    rate=percent,
                    theirs=Money(theirs, self.order.currency),
                ),
                "tax",
            )
        return code, percent, expected if theirs is None else theirs

    def check(self, lines: list[DraftLine]) -> None:
        """Compare the sums where the marketplace gives its tax in one. Raises _OnHold."""
        if self.theirs is None or self.case in (TaxCase.NOT_COMPUTED, TaxCase.COLLECTED):
            return
        ours = sum((line.tax or Decimal() for line in lines), Decimal())
        if abs(ours - self.theirs) > TAX_TOLERANCE * len(lines):
            raise _OnHold(
                "tax",
                sentence(
                    "The tax of the order is %(ours)s by your rates, the marketplace says %(theirs)s.",
                    ours=Money(ours, self.order.currency),
                    theirs=Money(self.theirs, self.order.currency),
                ),
                "tax",
            )

    def main_class(self, numbers: list[str | None]) -> TaxClass:
        """Freight and the like are taxed as what they come with: the article line of the largest amount."""
        if self.case == TaxCase.NOT_COMPUTED:
            return TaxClass.STANDARD
        amounts = [sum((part.amount for part in line.components), Decimal()) for line in self.order.lines]
        main = numbers[amounts.index(max(amounts))]
        return self.settings.articles.classes.get(main or "", TaxClass.STANDARD)

    def _rate(self, tax_class: TaxClass) -> tuple[str, Decimal]:
        taxes = self.settings.taxes
        if self.case in (TaxCase.REVERSE_CHARGE, TaxCase.EXPORT):
            return taxes.codes.get(self.case, ""), Decimal()
        rate = taxes.rate(self.country, tax_class, self.day)
        if rate is None:
            raise _OnHold(
                "no_tax_rate",
                sentence(
                    "There is no tax rate for %(country)s, class “%(class)s”, on %(day)s.",
                    **{"country": self.country, "class": CLASS_NAMES[tax_class], "day": self.day.isoformat()},
                ),
                "tax",
                self.country,
            )
        return rate.code, rate.percent


def _theirs(components: Iterable[Component]) -> Decimal | None:
    """The tax that the marketplace says is in these, None where it does not say it of each."""
    told = [component.tax for component in components]
    return None if not told or None in told else sum((tax for tax in told if tax is not None), Decimal())


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
