"""What people type about parcels and carriers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from flask import request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, DateField, Field, SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length

from portal.shipments.carriers import Spelling
from portal.shipments.models import Carrier, Shipment
from portal.shipments.parcel import Article, ShipmentRefused, moment_of
from portal.shipments.tracking import unprintable
from portal.typed import Form, choices

# Lines a form offers at once. An order with more open lines goes out in several parcels anyway.
LINES_SHOWN = 200

# A box, and beside it which order item it was shown for: intake may put another one there meanwhile.
QUANTITY = "quantity-"
REFERENCE = "reference-"


def _text(typed: str | None) -> str:
    return typed or ""


def _stripped(typed: str | None) -> str:
    return (typed or "").strip()


class ShipmentForm(Form):
    """A parcel. The quantities are not fields of WTForms: there is one a line, named quantity-<position>,
    and the order item it was shown for as reference-<position>.

    A form that brings no quantity at all means everything that is offered.
    """

    carrier = SelectField(_l("Carrier"), coerce=int)
    tracking_number = StringField(_l("Tracking number"), filters=[_text])
    shipped_on = DateField(_l("Ship date"), [InputRequired(_l("Enter the day the parcel left."))])
    despite_cancellation = BooleanField(_l("Ship all the same"))

    def __init__(self, carriers: Sequence[Carrier], articles: Sequence[Article], **defaults: Any) -> None:
        super().__init__(**defaults)
        self.carrier.choices = choices((carrier.id, carrier.name) for carrier in carriers)
        sent = request.form if self.is_submitted() else {}
        self.typed = _by_position(sent, QUANTITY)
        self.seen = _by_position(sent, REFERENCE)
        self.quantity_errors: list[str] = []
        self.wrong_quantities: dict[int, str] = {}
        self.offer(articles)

    def offer(self, articles: Sequence[Article]) -> None:
        """Show what is open of these lines."""
        still_open = [article for article in articles if article.open]
        self.articles = still_open[:LINES_SHOWN]
        self.further_lines = len(still_open) - len(self.articles)

    def quantity(self, article: Article) -> str:
        """What the line's box shows: what was typed, else what is open."""
        if not self.typed:
            return str(article.open)
        return self.typed.get(article.position, "") if self.seen.get(article.position) == article.reference else ""

    def quantities(self) -> dict[int, int] | None:
        """Positions to pieces. None where something is not a whole number, which `wrong_quantities` tells."""
        if not self.typed:
            return {article.position: article.open for article in self.articles}
        pieces = {}
        for position, typed in self.typed.items():
            try:
                pieces[position] = _whole(typed)
            except ValueError as error:
                self.wrong_quantities[position] = _("“%(typed)s” is not a whole number of pieces.", typed=str(error))
        return None if self.wrong_quantities else pieces

    def references(self) -> dict[int, str]:
        """Positions to the order items they were shown with."""
        return self.seen if self.typed else {article.position: article.reference for article in self.articles}

    @property
    def errors_above(self) -> list[str]:
        """What is wrong with the quantities, as far as it belongs to no line that is shown."""
        shown = {article.position for article in self.articles}
        return [*self.quantity_errors, *(why for line, why in self.wrong_quantities.items() if line not in shown)]

    def shipped_at(self, zone: ZoneInfo, ordered_at: datetime) -> datetime:
        """The moment that the ship date stands for."""
        day: date = self.shipped_on.data  # there is one once the form is valid
        return moment_of(datetime.combine(day, time(), zone), zone, datetime.now(UTC), ordered_at)

    def refuse(self, refused: ShipmentRefused) -> None:
        """Put the sentence where it belongs."""
        if refused.position is not None:
            self.wrong_quantities[refused.position] = str(refused)
        elif refused.field == "quantities":
            self.quantity_errors.append(str(refused))
        else:
            add_error(self, refused.field, str(refused))


class RetryForm(Form):
    """A failed report, corrected or as it was."""

    carrier = SelectField(_l("Carrier"), coerce=int)
    tracking_number = StringField(_l("Tracking number"), filters=[_text])

    def __init__(self, shipment: Shipment, carriers: Sequence[Carrier], **defaults: Any) -> None:
        super().__init__(**defaults)
        self.carrier.choices = choices((carrier.id, carrier.name) for carrier in carriers)
        for field in self:  # the page may show several, and the form of a further parcel beside them
            field.id = f"{field.name}-of-{shipment.id}"


class CarrierForm(Form):
    """A carrier as the tenant calls it, and as the marketplace spells it."""

    name = StringField(_l("Name"), [DataRequired(_l("Enter a name.")), Length(max=60)], filters=[_stripped])
    marketplace_code = StringField(
        _l("Code at the marketplace"),
        [DataRequired(_l("Enter the code, or “Other”.")), Length(max=60)],
        filters=[_stripped],
        description=_l("Letter by letter as Amazon lists it, for instance DHL or Deutsche Post; else Other."),
    )
    marketplace_name = StringField(
        _l("Name for “Other”"),
        [Length(max=60)],
        filters=[_stripped],
        description=_l("Told to the marketplace only where the code is Other."),
    )
    shipping_method = StringField(
        _l("Shipping method"),
        [Length(max=60)],
        filters=[_stripped],
        description=_l("For instance Paket or DPD Classic. Amazon asks for it in Germany."),
    )

    def spelling(self) -> Spelling:
        return Spelling(
            self.name.data or "",
            self.marketplace_code.data or "",
            self.marketplace_name.data or "",
            self.shipping_method.data or "",
        )

    def validate_name(self, field: Field) -> None:
        _check_printable(field)

    def validate_marketplace_code(self, field: Field) -> None:
        _check_printable(field)

    def validate_marketplace_name(self, field: Field) -> None:
        _check_printable(field)

    def validate_shipping_method(self, field: Field) -> None:
        _check_printable(field)


def add_error(form: Form, field: str, sentence: str) -> None:
    """Show a sentence at a field of the form, or above all of them where `field` is ""."""
    if field:
        form[field].errors = [*form[field].errors, sentence]
    else:
        form.form_errors.append(sentence)


def _check_printable(field: Field) -> None:
    if unprintable(field.data.replace(" ", "")):
        raise ValidationError(_("There is a character in it that cannot be printed."))


def _by_position(sent: Mapping[str, str], prefix: str) -> dict[int, str]:
    found = {}
    for name, value in sent.items():
        position = name.removeprefix(prefix)
        if name.startswith(prefix) and position.isascii() and position.isdigit() and len(position) < 10:
            found[int(position)] = value
    return found


def _whole(typed: str) -> int:
    """The number that was typed; nothing typed is none. Raises ValueError with what was typed."""
    text = typed.strip()
    if not text:
        return 0
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 12):
        raise ValueError(text[:40])
    return int(text)
