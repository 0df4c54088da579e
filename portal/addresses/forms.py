"""The forms of address statuses, number ranges, matching and merging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import (
    BooleanField,
    Field,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    ValidationError,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from portal.addresses.matching import MatchRule
from portal.addresses.models import Address, AddressStatus, Purpose
from portal.addresses.models import NumberRange as Range
from portal.addresses.numbers import FIRST_OF_YEAR, MOST_DIGITS, Numbering, largest, places_of_year
from portal.addresses.service import LONGEST_NAME, LONGEST_PREFIX
from portal.lists import LONGEST_SEARCH, Filter
from portal.masterdata.models import PaymentTerms
from portal.masterdata.service import offered
from portal.typed import Form, WholeField, choices, one_line

# What each rule is called, and what it means.
RULES = {
    MatchRule.REFERENCE: (
        _l("by the marketplace only"),
        _l(
            "Orders are one customer’s if the platform gives their buyer the same reference. Whoever buys under "
            "another reference, or on another platform, is a new customer."
        ),
    ),
    MatchRule.EMAIL: (
        _l("by the marketplace, else by e-mail address"),
        _l(
            "A buyer whose reference is new is the customer who has the same e-mail address, on whichever platform. "
            "Without an e-mail address he is a new customer."
        ),
    ),
    MatchRule.PLACE: (
        _l("by the marketplace, else by name, postcode and street"),
        _l(
            "A buyer whose reference is new is the customer who has the same name, postcode and street, on whichever "
            "platform. If one of them is missing he is a new customer."
        ),
    ),
}

# What the numbers of a range are for.
PURPOSES = {
    Purpose.ORDER: _l("Sales orders"),
    Purpose.INVOICE: _l("Invoices"),
    Purpose.ADDRESS: _l("Addresses"),
}

LONGEST_REASON = 200


class RangeForm(Form):
    """What a range gives out. `shown_next` is the next number that the form was opened with."""

    prefix = StringField(_l("Prefix"), [Length(max=LONGEST_PREFIX)], filters=[one_line])
    digits = WholeField(_l("Digits"), [InputRequired(), NumberRange(1, MOST_DIGITS)])
    next_number = WholeField(_l("Next number"), [InputRequired(), NumberRange(0, largest(MOST_DIGITS))])
    last_number = WholeField(
        _l("Last number"),
        [Optional(), NumberRange(0, largest(MOST_DIGITS))],
        description=_l("Empty: as far as the digits reach. Behind it orders are held."),
    )
    reason = StringField(_l("Reason"), [Length(max=LONGEST_REASON)], filters=[one_line])
    shown_next = HiddenField()

    @property
    def begins_anew(self) -> bool:
        """True if each year is to begin with the first number."""
        return False

    def numbering(self, present: Range | None = None) -> Numbering:
        """What was typed, once it is valid.

        A next number that was left as it was shown is what it is in the `present` range by now: orders may
        have come in while the form was open, or the numbers are to be those of a year.
        """
        year = present.present_year if present is not None and self.begins_anew else None
        digits, next_number = int(self.digits.data or 1), int(self.next_number.data or 0)
        if present is not None and self.shown_next.data == str(next_number):
            next_number = present.next_of(year)
        last = self.last_number.data
        last_number = largest(digits) if last is None else int(last)
        return Numbering(self.prefix.data or "", digits, next_number, last_number, year)

    def show(self, numbering: Numbering) -> None:
        self.prefix.data, self.digits.data = numbering.prefix, numbering.digits
        self.next_number.data, self.shown_next.data = numbering.next_number, str(numbering.next_number)
        self.last_number.data = numbering.last_number if numbering.last_number != largest(numbering.digits) else None

    def validate_prefix(self, field: Field) -> None:
        places = places_of_year(field.data or "")
        if self.begins_anew and places != 1:
            raise ValidationError(_("Say once where the year stands: {YYYY} or {YY}."))
        if places and not self.begins_anew:
            raise ValidationError(_("{YYYY} and {YY} are for numbers that begin anew each year."))

    def validate_next_number(self, field: Field) -> None:
        self._check_digits(field)
        if self.begins_anew and field.data is not None and field.data < FIRST_OF_YEAR:
            raise ValidationError(_("A year begins with 1."))

    def validate_last_number(self, field: Field) -> None:
        self._check_digits(field)
        if field.data is not None and self.next_number.data is not None and field.data < self.next_number.data:
            raise ValidationError(_("The last number lies before the next one."))

    def _check_digits(self, field: Field) -> None:
        digits = self.digits.data
        if field.data is not None and digits and 1 <= digits <= MOST_DIGITS and field.data > largest(digits):
            raise ValidationError(_("%(number)s has more digits than %(digits)s.", number=field.data, digits=digits))


class DocumentRangeForm(RangeForm):
    """The range of a kind of documents."""

    yearly = BooleanField(
        _l("Begin anew each year"),
        description=_l("Each year then begins with 1, and the prefix holds the year as {YYYY} or {YY}."),
    )

    @property
    def begins_anew(self) -> bool:
        return bool(self.yearly.data)

    def show(self, numbering: Numbering) -> None:
        super().show(numbering)
        self.yearly.data = numbering.year is not None


def form_of(number_range: Range) -> type[RangeForm]:
    """The form of a range: what numbers documents may begin anew each year."""
    return RangeForm if number_range.purpose == Purpose.ADDRESS else DocumentRangeForm


def ledger_filters(years: Sequence[int | None]) -> tuple[Filter, ...]:
    """The filters of a range's ledger; `years` are those there are, the default first, None for no year."""
    offered = {in_url(year): say_year(year) for year in years}
    return (
        Filter("q", _l("Search"), str),
        Filter.among("year", _l("Year"), offered, present=in_url(years[0])),
        Filter.of_day("since", _l("From")),
        Filter.of_day("until", _l("To")),
    )


def in_url(year: int | None) -> str:
    return "none" if year is None else str(year)


def say_year(year: int | None) -> str:
    return _("Without a year") if year is None else str(year)


class StatusForm(RangeForm):
    """An address status with its range."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=LONGEST_NAME)], filters=[one_line])
    category = StringField(
        _l("Category"),
        [Length(max=LONGEST_NAME)],
        filters=[one_line],
        description=_l("For your own order, such as “Retail” or “Trade”. May stay empty."),
    )
    payment_terms = SelectField(
        _l("Payment terms"),
        coerce=int,
        description=_l("Of the orders of these customers. They come before the platform’s own."),
    )

    def __init__(self, present: AddressStatus | None = None, **options: Any) -> None:
        super().__init__(**options)
        can_be = offered(PaymentTerms, present.payment_terms_id if present else None)
        self.payment_terms.choices = choices(
            [(0, _("as the platform says")), *((each.id, each.name) for each in can_be)]
        )


class MatchingForm(Form):
    """The rule that returning customers are known by."""

    rule = RadioField(
        _l("A returning customer is known"),
        choices=choices((rule.value, label) for rule, (label, _) in RULES.items()),
    )

    def explained(self) -> list[tuple[Field, Any]]:
        """Each choice with what it means."""
        return [(option, RULES[MatchRule(option.data)][1]) for option in self.rule]


class MergeForm(Form):
    """Which address is merged with the one at hand, and which of both stays."""

    number = StringField(
        _l("Number of the other address"), [DataRequired(), Length(max=LONGEST_SEARCH)], filters=[one_line]
    )
    stays = RadioField(_l("This one stays"), [InputRequired(_l("Choose the address that stays."))], coerce=int)

    def offer(self, *addresses: Address) -> None:
        """Let one of these stay; the oldest, unless another one was chosen."""
        self.stays.choices = choices((address.id, address.number) for address in addresses)
        if not self.is_submitted():
            self.stays.data = min(address.id for address in addresses)
