"""The forms of master data."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, DateField, DecimalField, Field, SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional
from wtforms.widgets import TextInput

from portal.addresses.numbers import YEARS
from portal.masterdata import eu_rates
from portal.masterdata.countries import by_name, is_country
from portal.masterdata.models import TaxClass
from portal.masterdata.periods import Rate
from portal.masterdata.service import LONGEST_CODE, LONGEST_NAME
from portal.typed import Form, choices, one_line

TAX_CLASSES = {
    TaxClass.STANDARD: _l("Standard"),
    TaxClass.REDUCED: _l("Reduced"),
    TaxClass.SECOND_REDUCED: _l("Second reduced"),
    TaxClass.ZERO: _l("Zero"),
}
MOST_DECIMALS = 3
# Not all that Python reads as a number: 1e1, 1_0, NaN.
PERCENT = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)\s*")
SWITCHED_OFF = _l("Off: it stays where it is used, and is offered nowhere else.")


class ChoiceForm(Form):
    """A payment method, payment terms or a shipping method."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=LONGEST_NAME)], filters=[one_line])
    active = BooleanField(_l("Active"), default=True, description=SWITCHED_OFF)


class CodeForm(Form):
    """A tax code."""

    code = StringField(
        _l("Code"),
        [DataRequired(), Length(max=LONGEST_CODE)],
        filters=[one_line],
        description=_l("As your bookkeeping writes it."),
    )
    name = StringField(_l("Name"), [Length(max=LONGEST_NAME)], filters=[one_line])
    active = BooleanField(_l("Active"), default=True, description=SWITCHED_OFF)


class PercentField(DecimalField):
    """A number with a comma or a point, as people write it: a browser's own field for numbers takes one of them."""

    widget = TextInput()
    data: Any

    def process_formdata(self, valuelist: list[str]) -> None:
        if valuelist and not PERCENT.fullmatch(valuelist[0]):
            self.data = None
            raise ValueError(self.gettext("Not a valid decimal value."))
        super().process_formdata([value.replace(",", ".") for value in valuelist])


def of_our_time(form: Form, field: Field) -> None:
    """A day that a document may be of: of other years somebody mistyped."""
    if field.data and field.data.year not in YEARS:
        raise ValidationError(_("Choose a day of the years %(first)s to %(last)s.", first=YEARS[0], last=YEARS[-1]))


class RateForm(Form):
    """A tax rate. The country is one of the EU's, or any other by its two letters; of the codes 0 stands for none."""

    country = SelectField(_l("Country"))
    other_country = StringField(
        _l("Another country"), filters=[one_line], description=_l("Its two letters, such as CH. For the EU: empty.")
    )
    tax_class = SelectField(
        _l("Tax class"),
        description=_l("Which of the country’s rates it is. Each article says which one it falls under."),
    )
    valid_from = DateField(_l("Valid from"), [InputRequired(), of_our_time])
    valid_until = DateField(
        _l("Valid until"), [Optional(), of_our_time], description=_l("This day included. Empty: for ever.")
    )
    rate = PercentField(
        _l("Rate in percent"), [InputRequired(), NumberRange(0, 100)], places=None, render_kw={"inputmode": "decimal"}
    )
    tax_code = SelectField(_l("Tax code"), coerce=int)
    end_previous = BooleanField(_l("End the rate that holds on that day on the day before"), default=True)

    def show_choices(self) -> None:
        """What can be chosen, apart from tax codes."""
        self.country.choices = choices([*by_name(eu_rates.COUNTRIES), ("", _("Another country"))])
        self.tax_class.choices = choices((tax_class.value, label) for tax_class, label in TAX_CLASSES.items())

    def show(self, rate: Rate) -> None:
        """Fill the form with a rate that is there."""
        if rate.country in eu_rates.COUNTRIES:
            self.country.data = rate.country
        else:
            self.country.data, self.other_country.data = "", rate.country
        self.tax_class.data, self.rate.data = rate.tax_class.value, rate.rate
        self.valid_from.data, self.valid_until.data = rate.valid_from, rate.valid_until

    def value(self) -> Rate:
        """What was typed, once it is valid."""
        return Rate(
            self.country.data or _capitals(self.other_country.data),
            TaxClass(self.tax_class.data),
            self.valid_from.data,
            self.valid_until.data,
            self.rate.data,
        )

    def validate_other_country(self, field: Field) -> None:
        if self.country.data and field.data:
            raise ValidationError(_("Leave this empty, or choose “Another country” beside it."))
        if not self.country.data and not is_country(_capitals(field.data)):
            raise ValidationError(_("Type the two letters of a country, such as CH."))

    def validate_valid_until(self, field: Field) -> None:
        if field.data and self.valid_from.data and field.data < self.valid_from.data:
            raise ValidationError(_("The last day lies before the first one."))

    def validate_tax_code(self, field: Field) -> None:
        if field.data == 0:
            raise ValidationError(_("Choose a tax code, or make one first."))

    def validate_rate(self, field: Field) -> None:
        if field.data is not None and field.data.as_tuple().exponent < -MOST_DECIMALS:
            raise ValidationError(_("A rate has at most %(most)s decimals.", most=MOST_DECIMALS))


class SettingsForm(Form):
    """Where the tenant pays tax. Of the codes 0 stands for none."""

    home_country = SelectField(
        _l("Home country"),
        description=_l(
            "Where your company pays tax. Empty: no tax is computed, and documents show none. "
            "A country outside of the EU is offered once it has a tax rate."
        ),
    )
    one_stop_shop = BooleanField(
        _l("One-stop shop"),
        description=_l(
            "On: what goes to private customers in other EU countries bears the rate of their country, and you report "
            "it through the one-stop shop. Off: it bears the rate of your home country."
        ),
    )
    reverse_charge_code = SelectField(
        _l("Tax code for reverse charge"),
        coerce=int,
        description=_l("Sold to a company with a VAT id in another EU country: the buyer owes the tax."),
    )
    export_code = SelectField(
        _l("Tax code for exports"), coerce=int, description=_l("Sent out of the EU’s VAT area: free of tax.")
    )
    collected_code = SelectField(
        _l("Tax code for tax collected by the marketplace"),
        coerce=int,
        description=_l("The marketplace is deemed the seller, and pays the tax itself."),
    )


def _capitals(typed: str | None) -> str:
    return (typed or "").upper()
