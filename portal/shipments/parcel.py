"""What may be shipped: a parcel held against its document. Pure: no database, clock or network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from portal.documents.models import State
from portal.errors import Refused
from portal.shipments import tracking

# A parcel may be announced the evening before it is fetched; later dates are typing errors.
FURTHEST_AHEAD = timedelta(days=1)

# What one status message of the cloud's API holds.
MOST_LINES = 1_000
MOST_PIECES = 1_000_000

# Programs whose label comes from Amazon and reports itself; Amazon answers 400 to a confirmation.
REPORTED_BY_LABEL = {"FBM_SHIP_PLUS": "FBM Ship+", "AMAZON_EASY_SHIP": "Easy Ship"}

SHIPPABLE = (State.OPEN, State.PARTLY_SHIPPED)


class ShipmentRefused(Refused):
    """A parcel that may not be booked. `position` is the line that is why, where it is one."""

    position: int | None = None


class ShippedByMarketplace(ShipmentRefused):
    """The marketplace ships the order from its own warehouse."""


class DocumentCancelled(ShipmentRefused):
    """The document is cancelled."""


class LabelReportsItself(ShipmentRefused):
    """The label was bought at the marketplace, which knows of the parcel by that."""


class NothingOpen(ShipmentRefused):
    """Everything is shipped already."""


class CancellationRequested(ShipmentRefused):
    """The buyer asked to cancel, and nobody has said "ship all the same"."""

    field = "despite_cancellation"


class NothingChosen(ShipmentRefused):
    """No line has a quantity."""

    field = "quantities"


class UnknownLine(ShipmentRefused):
    """The document has no such line, it is not an article, or not the one that was seen there."""

    field = "quantities"


class TooMany(ShipmentRefused):
    """More pieces than are still open, or less than none."""

    field = "quantities"

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class TooLarge(ShipmentRefused):
    """More lines or pieces than one report can name."""

    field = "quantities"


class TrackingNumberMissing(ShipmentRefused):
    """There is no tracking number."""

    field = "tracking_number"


class TrackingNumberTooLong(ShipmentRefused):
    """No carrier has numbers of this length."""

    field = "tracking_number"


class TrackingNumberUnprintable(ShipmentRefused):
    """There are line breaks or control characters in the number."""

    field = "tracking_number"


class TrackingNumberUsed(ShipmentRefused):
    """Another parcel of the document bears the number."""

    field = "tracking_number"


class ShippedInFuture(ShipmentRefused):
    """The ship date is more than a day ahead."""

    field = "shipped_on"


class ShippedBeforeOrder(ShipmentRefused):
    """The ship date lies before the order."""

    field = "shipped_on"


@dataclass(frozen=True, slots=True)
class Article:
    """A line of a document that can lie in a parcel."""

    position: int
    reference: str
    article_number: str
    title: str
    ordered: int
    shipped: int

    @property
    def open(self) -> int:
        """Pieces that are in no parcel yet, neither of ours nor of anybody's that the marketplace knows of."""
        return max(0, self.ordered - self.shipped)


@dataclass(frozen=True, slots=True)
class Shippable:
    """A document as shipping sees it. Times are UTC."""

    state: State
    fulfilled_by: str
    programs: tuple[str, ...]
    cancel_requested: bool
    ordered_at: datetime
    articles: tuple[Article, ...]
    tracking_numbers: frozenset[str]

    @property
    def state_of_pieces(self) -> State:
        """The state that its pieces speak for, whatever the document says."""
        if not any(article.shipped for article in self.articles):
            return State.OPEN
        return State.PARTLY_SHIPPED if any(article.open for article in self.articles) else State.SHIPPED

    @property
    def references(self) -> dict[int, str]:
        """The order item at each position that can lie in a parcel."""
        return {article.position: article.reference for article in self.articles}


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel that is to be booked. `quantities` maps the document's positions to pieces.

    `references` says which order item was seen at a position: where it is another by now, the parcel is refused.
    """

    tracking_number: str
    shipped_at: datetime
    quantities: Mapping[int, int]
    references: Mapping[int, str]
    despite_cancellation: bool = False


def why_closed(document: Shippable) -> ShipmentRefused | None:
    """Why nothing of this document can be shipped, whatever the parcel; None where something can."""
    if document.fulfilled_by == "marketplace":
        return ShippedByMarketplace(
            _("The marketplace ships this order from its own warehouse; there is nothing to do.")
        )
    for program, name in REPORTED_BY_LABEL.items():
        if program in document.programs:
            return LabelReportsItself(
                _("This is a %(program)s order: the label bought at Amazon reports itself.", program=name)
            )
    if document.state == State.CANCELLED:
        return DocumentCancelled(_("This document is cancelled. Do not ship it."))
    if document.state not in SHIPPABLE or not any(article.open for article in document.articles):
        return NothingOpen(_("Everything on this document is shipped."))
    return None


def book(document: Shippable, parcel: Parcel, now: datetime) -> State:
    """The document's state once the parcel is booked. Raises a ShipmentRefused, the gravest first."""
    closed = why_closed(document)
    if closed is not None:
        raise closed
    if document.cancel_requested and not parcel.despite_cancellation:
        raise CancellationRequested(
            _("The buyer has asked to cancel this order. Tick “Ship all the same” if it is to go out anyway.")
        )
    check_number(parcel.tracking_number, document.tracking_numbers)
    if parcel.shipped_at > now + FURTHEST_AHEAD:
        raise ShippedInFuture(_("The ship date is more than a day ahead. Report the parcel once it is on its way."))
    if parcel.shipped_at < document.ordered_at:
        raise ShippedBeforeOrder(_("The ship date lies before the order."))
    _check_quantities(document.articles, parcel)
    left = sum(article.open - parcel.quantities.get(article.position, 0) for article in document.articles)
    return State.PARTLY_SHIPPED if left else State.SHIPPED


def check_number(number: str, used: frozenset[str]) -> None:
    """Raise a ShipmentRefused if a parcel may not bear this number, which is normalised."""
    if not number:
        raise TrackingNumberMissing(_("Enter the tracking number. The marketplace does not take a parcel without one."))
    if len(number) > tracking.LONGEST:
        raise TrackingNumberTooLong(
            _(
                "This tracking number has %(length)s signs; %(longest)s are the most a carrier uses.",
                length=len(number),
                longest=tracking.LONGEST,
            )
        )
    if tracking.unprintable(number):
        raise TrackingNumberUnprintable(
            _("There is a line break or a control character in the tracking number. One number for one parcel.")
        )
    if number.casefold() in {other.casefold() for other in used}:
        raise TrackingNumberUsed(_("Another parcel of this document has this tracking number already."))


def moment_of(shipped_on: datetime, zone: ZoneInfo, now: datetime, ordered_at: datetime) -> datetime:
    """When a parcel left of which only the day is known (`shipped_on`: midnight of that day in `zone`).

    Today means now. A day that has passed means its noon, or the time of the order where that was
    later on the same day. A day to come means its beginning.
    """
    day = shipped_on.date()
    today = now.astimezone(zone).date()
    if day == today:
        return now
    if day > today:
        return shipped_on
    noon = datetime.combine(day, time(12), zone)
    return max(noon, ordered_at) if ordered_at.astimezone(zone).date() == day else noon


def _check_quantities(articles: tuple[Article, ...], parcel: Parcel) -> None:
    quantities = parcel.quantities
    known = {article.position: article for article in articles}
    for position in quantities:
        if position not in known or parcel.references.get(position) != known[position].reference:
            raise UnknownLine(
                _("The order was changed meanwhile: a chosen line is no longer where it was. Look at the lines again.")
            )
    for position, quantity in quantities.items():
        article = known[position]
        if quantity < 0:
            raise TooMany(_("Less than nothing cannot be shipped (%(title)s).", title=article.title), position)
        if quantity > article.open:
            raise TooMany(
                _(
                    "%(title)s: %(wanted)s are to be shipped, %(open)s are open.",
                    title=article.title,
                    wanted=quantity,
                    open=article.open,
                ),
                position,
            )
    if len(quantities) > MOST_LINES or any(quantity > MOST_PIECES for quantity in quantities.values()):
        raise TooLarge(
            _(
                "One parcel can name %(lines)s lines of up to %(pieces)s pieces. Report it as several parcels.",
                lines=MOST_LINES,
                pieces=MOST_PIECES,
            )
        )
    if not any(quantities.values()):
        raise NothingChosen(_("Choose at least one piece that is in the parcel."))
