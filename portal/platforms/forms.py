"""The forms of a platform."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, Field, IntegerField, SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from portal.errors import Refused
from portal.marketplaces import parse_countries
from portal.typed import Form, one_line

LARGEST_NUMBER = 999_999


class PlatformForm(Form):
    """`marketplaces` keeps what was typed; `marketplace_ids` is what it means."""

    number = IntegerField(_l("Number"), [InputRequired(), NumberRange(1, LARGEST_NUMBER)])
    name = StringField(_l("Name"), [DataRequired(), Length(max=60)], filters=[one_line])
    active = BooleanField(_l("Active"), default=True, description=_l("Off: orders are neither collected nor fetched."))
    credential = SelectField(_l("Credential"), coerce=int)
    marketplaces = StringField(
        _l("Marketplaces"),
        [DataRequired(), Length(max=200)],
        filters=[one_line],
        description=_l("Country codes of one region, such as DE;UK;PL."),
    )

    marketplace_ids: list[str]

    def validate_marketplaces(self, field: Field) -> None:
        try:
            self.marketplace_ids = parse_countries(field.data)
        except Refused as refused:
            raise ValidationError(str(refused)) from refused


class DefaultsForm(Form):
    """What a platform's orders are given where they say nothing themselves."""

    address_status = SelectField(
        _l("Status of new customers"),
        coerce=int,
        description=_l("A customer who is in the address book already keeps the status he has."),
    )


class DisconnectForm(Form):
    """Confirmed by typing the platform's name."""

    name = StringField(_l("Name of the platform"), [DataRequired()], filters=[one_line])
