"""The columns of the lists of master data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.listings.columns import Column
from portal.masterdata.countries import country_name
from portal.masterdata.forms import TAX_CLASSES
from portal.masterdata.models import TaxRate
from portal.masterdata.rates import Time, time_of
from portal.presentation import day, number, tone

TIMES = {Time.PRESENT: _l("Holds today"), Time.COMING: _l("Coming"), Time.PAST: _l("Past")}
TONES = {Time.PRESENT: "done", Time.COMING: "waiting", Time.PAST: "off"}


def of_choices(uses: Mapping[int, Sequence[str]]) -> tuple[Column, ...]:
    """`uses` are the places where records are used, in words, by their ids."""
    name = Column("name", _l("Name"), lambda record: record.name, sort="name", heads=True)
    return (name, *_state_and_uses(uses))


def of_codes(uses: Mapping[int, Sequence[str]]) -> tuple[Column, ...]:
    """`uses` as above."""
    code = Column("code", _l("Code"), lambda record: record.code, sort="code", heads=True)
    name = Column("name", _l("Name"), lambda record: record.name or "–", sort="name")
    return (code, name, *_state_and_uses(uses))


def of_rates(today: date) -> tuple[Column, ...]:
    """With what they are on this day."""

    def time(rate: TaxRate) -> Markup:
        at = time_of(rate, today)
        return tone(TONES[at], TIMES[at])

    return (
        Column("country", _l("Country"), lambda rate: country_name(rate.country), sort="country", heads=True),
        Column("class", _l("Tax class"), lambda rate: str(TAX_CLASSES[rate.tax_class])),
        Column(
            "from",
            _l("Valid from"),
            lambda rate: rate.valid_from,
            lambda rate: day(rate.valid_from),
            sort="from",
            classes="tabular",
        ),
        Column(
            "until",
            _l("Valid until"),
            lambda rate: rate.valid_until,
            lambda rate: day(rate.valid_until),
            classes="tabular",
        ),
        Column("state", _l("State"), lambda rate: str(TIMES[time_of(rate, today)]), time),
        Column("rate", _l("Rate"), lambda rate: rate.rate, lambda rate: f"{number(rate.rate)} %", classes="num"),
        Column("code", _l("Tax code"), lambda rate: rate.tax_code.code),
    )


def _state_and_uses(uses: Mapping[int, Sequence[str]]) -> tuple[Column, Column]:
    return (
        Column("state", _l("State"), lambda record: _("Active") if record.active else _("Off"), _state),
        Column("uses", _l("Used by"), lambda record: ", ".join(uses.get(record.id, ())) or "–"),
    )


def _state(record: Any) -> Markup:
    return tone("done", _("Active")) if record.active else tone("off", _("Off"))
