"""The forms of address statuses and number ranges."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import Field, HiddenField, IntegerField, StringField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from portal.addresses.numbers import MOST_DIGITS, Numbering, largest
from portal.addresses.service import LONGEST_NAME, LONGEST_PREFIX
from portal.typed import Form, one_line


class RangeForm(Form):
    """What a range gives out. `shown_next` is the next number that the form was opened with."""

    prefix = StringField(_l("Prefix"), [Length(max=LONGEST_PREFIX)], filters=[one_line])
    digits = IntegerField(_l("Digits"), [InputRequired(), NumberRange(1, MOST_DIGITS)])
    next_number = IntegerField(_l("Next number"), [InputRequired(), NumberRange(0, largest(MOST_DIGITS))])
    last_number = IntegerField(
        _l("Last number"),
        [Optional(), NumberRange(0, largest(MOST_DIGITS))],
        description=_l("Empty: as far as the digits reach. Behind it orders are held."),
    )
    shown_next = HiddenField()

    def numbering(self, present: Numbering | None = None) -> Numbering:
        """What was typed, once it is valid.

        A next number that was left as it was shown stays what it has become `present`ly: orders may have
        come in while the form was open.
        """
        digits, next_number = int(self.digits.data or 1), int(self.next_number.data or 0)
        if present is not None and self.shown_next.data == str(next_number):
            next_number = present.next_number
        last = self.last_number.data
        return Numbering(self.prefix.data or "", digits, next_number, largest(digits) if last is None else int(last))

    def show(self, numbering: Numbering) -> None:
        self.prefix.data, self.digits.data = numbering.prefix, numbering.digits
        self.next_number.data, self.shown_next.data = numbering.next_number, str(numbering.next_number)
        self.last_number.data = numbering.last_number if numbering.last_number != largest(numbering.digits) else None

    def validate_next_number(self, field: Field) -> None:
        self._check_digits(field)

    def validate_last_number(self, field: Field) -> None:
        self._check_digits(field)
        if field.data is not None and self.next_number.data is not None and field.data < self.next_number.data:
            raise ValidationError(_("The last number lies before the next one."))

    def _check_digits(self, field: Field) -> None:
        digits = self.digits.data
        if field.data is not None and digits and 1 <= digits <= MOST_DIGITS and field.data > largest(digits):
            raise ValidationError(_("%(number)s has more digits than %(digits)s.", number=field.data, digits=digits))


class StatusForm(RangeForm):
    """An address status with its range."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=LONGEST_NAME)], filters=[one_line])
    category = StringField(
        _l("Category"),
        [Length(max=LONGEST_NAME)],
        filters=[one_line],
        description=_l("For your own order, such as “Retail” or “Trade”. May stay empty."),
    )
