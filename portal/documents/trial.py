"""A dry run: what orders would become by other settings, beside what they become by those of now.

The change is made in a savepoint, the orders are planned by intake's own function, and the savepoint is
rolled back: nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from flask_babel import format_currency, format_decimal
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from portal.addresses.models import AddressStatus, NumberRange, Purpose
from portal.addresses.numbers import Numbering
from portal.credentials.cloud import Cloud
from portal.documents.arrivals import Arrival, arrived
from portal.documents.intake import plan_page
from portal.documents.models import Document, HeldOrder
from portal.documents.plan import Draft, Held, NotWanted
from portal.documents.settings import settings_of
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.held.listing import CAUSES
from portal.masterdata.models import PaymentMethod, PaymentTerms, ShippingMethod
from portal.order import Delivery, Page
from portal.platforms.models import Platform
from portal.presentation import DOCUMENT_TYPES
from portal.sentences import kept, say, sentence

# So many of a platform's orders are tried: those that wait in the cloud first, then the newest documents.
MOST_ORDERS = 100
SHOWN = 50

# What is compared, in the order in which it is shown, and how it is counted.
ASPECTS = {
    "type": (_l("Document type"), _l("%(number)s with other document type")),
    "tax": (_l("Tax"), _l("%(number)s with other tax")),
    "terms": (_l("Payment terms"), _l("%(number)s with other payment terms")),
    "payment": (_l("Payment method"), _l("%(number)s with another payment method")),
    "shipping": (_l("Shipping method"), _l("%(number)s with another shipping method")),
    "articles": (_l("Articles"), _l("%(number)s with other articles")),
    "customer": (_l("Customer"), _l("%(number)s with another customer number or status")),
    "number": (_l("Number"), _l("%(number)s with another number")),
}
OUTCOME = _l("Becomes")

Described = dict[str, str]


@dataclass(frozen=True)
class Difference:
    """One aspect of an order, before and after."""

    label: Any
    before: str
    after: str


@dataclass(frozen=True)
class Tried:
    """An order that would become something else."""

    order_id: str
    differences: Sequence[Difference]


@dataclass(frozen=True)
class Trial:
    """What came of it. `counts` are the sentences to read, `changed` the first orders that differ."""

    orders: int
    same: int
    counts: Sequence[str]
    changed: Sequence[Tried]
    problem: str = ""


def try_out(platforms: Sequence[Platform], change: Callable[[], object]) -> Trial:
    """What the platforms' orders would become if `change` were made. Raises what `change` raises."""
    problems: list[str] = []
    arrivals = {platform: _orders_of(platform, problems) for platform in platforms}
    before = {platform: _become(platform, orders) for platform, orders in arrivals.items()}
    point = db.session.begin_nested()
    try:
        change()
        db.session.flush()
        after = {platform: _become(platform, orders) for platform, orders in arrivals.items()}
    finally:
        point.rollback()
        db.session.expire_all()
    return _compared(before, after, problems)


def try_out_all(change: Callable[[], object]) -> Trial:
    """As `try_out`, for a setting that all platforms of the tenant share."""
    return try_out(db.session.scalars(select(Platform).order_by(Platform.number)).all(), change)


def _orders_of(platform: Platform, problems: list[str]) -> list[Arrival]:
    """Orders that wait in the cloud, are held here, or became the newest documents. Reading them changes nothing."""
    held = db.session.scalars(
        select(HeldOrder).where(HeldOrder.platform_id == platform.id).order_by(HeldOrder.id.desc()).limit(MOST_ORDERS)
    )
    found = {order.order_id: bytes(order.payload) for order in held}
    orders = [arrival for payload in found.values() if (arrival := _decoded(payload))]
    if platform.reference is None:
        return orders
    cloud = Cloud.of(platform.credential)
    newest = select(Document.order_id).where(Document.platform_id == platform.id)
    ids = db.session.scalars(newest.order_by(Document.id.desc()).limit(MOST_ORDERS)).all()
    try:
        waiting = _arrivals(cloud.orders(platform.reference, None, MOST_ORDERS)[0])
        known = {arrival.order.id for arrival in (*orders, *waiting)}
        wanted = [id for id in ids if id not in known][: max(0, MOST_ORDERS - len(orders) - len(waiting))]
        return orders + waiting + (_arrivals(cloud.look_up(platform.reference, wanted)) if wanted else [])
    except (Refused, Unavailable) as problem:
        problems.append(f"{platform.name}: {problem}")
        return orders


def _arrivals(page: bytes) -> list[Arrival]:
    try:
        return [arrived(delivery) for delivery in msgspec.json.decode(page, type=Page).orders]
    except msgspec.DecodeError as error:
        raise Refused(sentence("The cloud's answer makes no sense: %(error)s.", error=str(error))) from error


def _decoded(payload: bytes) -> Arrival | None:
    try:
        return arrived(Delivery(msgspec.Raw(payload), 0))
    except msgspec.DecodeError:
        return None


def _become(platform: Platform, arrivals: list[Arrival]) -> dict[str, Described]:
    """What each order becomes by the settings of now, in words, numbered as if all came today."""
    if not arrivals:
        return {}
    settings = settings_of(platform)
    planned = plan_page(arrivals, settings)
    names = {
        model: dict(db.session.execute(select(model.id, model.name)).all())
        for model in (PaymentTerms, PaymentMethod, ShippingMethod)
    }
    status = db.session.get_one(AddressStatus, platform.address_status_id)
    of_documents = select(NumberRange).where(NumberRange.purpose == Purpose(settings.document_type.value))
    documents = _Counting(db.session.scalars(of_documents).one().numbering)
    customers = _Counting(status.number_range.numbering)
    described = {}
    for order_id, outcome in planned.outcomes.items():
        # Drawn for what is held too, or one order more or less would change the numbers of all behind it.
        number, customer = documents.draw(), customers.draw()
        if isinstance(outcome, Draft):
            outcome = outcome.unaddressed or outcome
        if isinstance(outcome, Draft):
            described[order_id] = {
                "outcome": _("a document"),
                "counted": _("%(number)s would become a document", number="%(number)s"),
                "type": str(DOCUMENT_TYPES[outcome.type]),
                "tax": _tax_of(outcome),
                "terms": names[PaymentTerms].get(outcome.payment_terms_id, "–"),
                "payment": names[PaymentMethod].get(outcome.payment_method_id, "–"),
                "shipping": names[ShippingMethod].get(outcome.shipping_method_id, "–"),
                "articles": ", ".join(line.article_number or "–" for line in outcome.lines),
                "customer": f"{status.name} {customer}" if outcome.address_id is None else _("another address"),
                "number": number,
            }
        else:
            described[order_id] = _outcome_of(outcome)
    return described


class _Counting:
    """Numbers as a range would give them out."""

    def __init__(self, numbering: Numbering) -> None:
        self.numbering = numbering

    def draw(self) -> str:
        numbering = self.numbering
        if not numbering.left:
            return _("none left")
        self.numbering = replace(numbering, next_number=numbering.next_number + 1)
        return numbering.written(numbering.next_number)


def _tax_of(draft: Draft) -> str:
    if draft.tax is None:
        return "–"
    # A code often ends with its rate, “AT 20”: a colon keeps the two apart.
    rates = dict.fromkeys(
        f"{f'{line.tax_code}: ' if line.tax_code else ''}{format_decimal(line.tax_rate)} %"
        for line in draft.lines
        if line.tax_rate is not None
    )
    return f"{format_currency(draft.tax, draft.order.currency)} ({', '.join(rates) or '–'})"


def _outcome_of(outcome: Held | NotWanted) -> Described:
    if isinstance(outcome, NotWanted):
        return {"outcome": _("nothing"), "counted": _("%(number)s would become nothing", number="%(number)s")}
    cause = CAUSES.get(outcome.cause, outcome.cause)
    return {
        "outcome": _("held: %(reason)s", reason=say(kept(outcome.reason))),
        "counted": _("%(number)s would be held: %(cause)s", number="%(number)s", cause=cause),
    }


def _compared(
    before: dict[Platform, dict[str, Described]], after: dict[Platform, dict[str, Described]], problems: list[str]
) -> Trial:
    changed: list[Tried] = []
    counted: Counter[str] = Counter()
    orders = same = 0
    for platform, described in before.items():
        for order_id, was in described.items():
            orders += 1
            will = after[platform][order_id]
            if was["outcome"] != will["outcome"]:  # the rest follows from that
                counted[will["counted"]] += 1
                changed.append(Tried(order_id, [Difference(OUTCOME, was["outcome"], will["outcome"])]))
                continue
            differs = [aspect for aspect in ASPECTS if was.get(aspect) != will.get(aspect)]
            same += not differs
            counted.update(str(ASPECTS[aspect][1]) for aspect in differs)
            if differs:
                differences = [Difference(ASPECTS[aspect][0], was[aspect], will[aspect]) for aspect in differs]
                changed.append(Tried(order_id, differences))
    counts = [_("%(number)s the same", number=same)]
    counts += [words % {"number": number} for words, number in counted.items()]
    return Trial(orders, same, counts, changed[:SHOWN], " ".join(problems))
