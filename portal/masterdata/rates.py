"""Tax rates: added, changed, ended, and taken over from the EU's table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum

from flask_babel import format_date
from flask_babel import gettext as _
from sqlalchemy import BigInteger, ColumnElement, case, false, func, insert, literal, or_, select

from portal.errors import Refused
from portal.extensions import db
from portal.lists import Sort
from portal.masterdata import eu_rates
from portal.masterdata.countries import country_name
from portal.masterdata.models import TaxClass, TaxCode, TaxRate, TaxSettings
from portal.masterdata.periods import DAY, Difference, Rate, Step, differences
from portal.scope import current_tenant_id

# As people name them: the standard first.
RANKS = {tax_class: rank for rank, tax_class in enumerate(TaxClass)}
RANK = case(RANKS, value=TaxRate.tax_class).cast(BigInteger)


BY_DAY = Sort("from", (TaxRate.valid_from, TaxRate.id))


class Time(StrEnum):
    """When a rate holds."""

    PAST = "past"
    PRESENT = "present"
    COMING = "coming"


class PeriodTaken(Refused):
    """There is another rate for some of these days."""

    field = "valid_from"


def by_country(places: Mapping[str, int]) -> Sort:
    """The countries in this order, of each the standard rate first."""
    place = case(places, value=TaxRate.country) if places else literal(0)
    return Sort(
        "country",
        (place.cast(BigInteger), RANK, TaxRate.valid_from),
        reads=lambda row: (places[row.country], RANKS[row.tax_class], row.valid_from),
    )


def meant_by(term: str, names: Mapping[str, str]) -> ColumnElement[bool]:
    """True for the rates of countries that are called so, in their `names` or their codes, and of such tax codes."""
    countries = [code for code, name in names.items() if term.casefold() in name.casefold()]
    code = TaxRate.tax_code.has(
        or_(TaxCode.code.icontains(term, autoescape=True), TaxCode.name.icontains(term, autoescape=True))
    )
    return or_(TaxRate.country.in_(countries), TaxRate.country == term.upper(), code)


def standing_at(time: Time, today: date) -> ColumnElement[bool]:
    """True for the rates that hold today, held until a day before it, or begin after it."""
    begun = TaxRate.valid_from <= today
    ended = func.coalesce(TaxRate.valid_until < today, false())
    return {Time.PAST: ended, Time.PRESENT: begun & ~ended, Time.COMING: ~begun}[time]


def time_of(row: TaxRate, today: date) -> Time:
    """When the rate holds, seen from today."""
    if row.valid_until and row.valid_until < today:
        return Time.PAST
    return Time.PRESENT if row.valid_from <= today else Time.COMING


def countries() -> list[str]:
    """The countries the tenant has rates of."""
    return list(db.session.scalars(select(TaxRate.country).distinct()))


def rate_of(row: TaxRate) -> Rate:
    return Rate(row.country, row.tax_class, row.valid_from, row.valid_until, row.rate)


def create_rate(rate: Rate, tax_code_id: int, end_previous: bool = False) -> TaxRate:
    """A rate for days that have none yet. `end_previous` ends one that holds on its first day on the day before.

    Raises PeriodTaken; the caller rolls back.
    """
    others = _others(rate)
    for other in others if end_previous else ():
        if other.valid_from < rate.valid_from and rate_of(other).holds_on(rate.valid_from):
            other.valid_until = rate.valid_from - DAY
    _check(rate, others)
    row = TaxRate(tenant_id=current_tenant_id())
    _write(row, rate, tax_code_id)
    db.session.add(row)
    db.session.flush()
    return row


def update_rate(row: TaxRate, rate: Rate, tax_code_id: int) -> None:
    """Change a rate. Documents that are there keep theirs. Raises PeriodTaken; nothing is changed then."""
    _check(rate, [other for other in _others(rate) if other is not row])
    _write(row, rate, tax_code_id)
    db.session.flush()


def delete_rate(row: TaxRate) -> None:
    """Remove a rate. Documents that are there keep theirs."""
    db.session.delete(row)
    db.session.flush()


def comparison() -> list[Difference]:
    """What the EU's table has otherwise than the tenant, and what is the same."""
    return differences(eu_rates.RATES, map(rate_of, db.session.scalars(select(TaxRate))))


def take_over(chosen: Collection[str]) -> list[Difference]:
    """Give the tenant the EU's rates of these countries, with a tax code for each where none fits; say what changed.

    Costs the same few statements for all countries as for one.
    """
    _lock()
    own = {(row.country, row.tax_class, row.valid_from): row for row in db.session.scalars(select(TaxRate))}
    found = [
        difference
        for difference in differences(eu_rates.RATES, map(rate_of, own.values()))
        if difference.step != Step.SAME and difference.rate.country in chosen
    ]
    codes = _codes((difference.rate for difference in found), own.values())
    new = []
    for difference in found:
        rate = difference.rate
        if difference.step == Step.NEW:
            new.append(_values(rate, codes[rate.country, rate.rate]))
        elif difference.step == Step.ENDED:
            own[rate.country, rate.tax_class, rate.valid_from].valid_until = rate.valid_until
        else:
            _write(own[rate.country, rate.tax_class, rate.valid_from], rate, codes[rate.country, rate.rate])
    if new:
        # With nulls rendered: else rows with and without an end would go in statements of their own.
        written = [{"tenant_id": current_tenant_id(), **values} for values in new]
        db.session.execute(insert(TaxRate), written, execution_options={"render_nulls": True})
    db.session.flush()
    return found


def percent(rate: Decimal) -> str:
    """The rate as it stands in a tax code: 20, 5.5."""
    return f"{rate.normalize():f}"


def _lock() -> None:
    """Nobody else changes the tenant's rates until the transaction ends: else two could agree on the same days."""
    db.session.execute(select(TaxSettings.tenant_id).with_for_update())


def _others(rate: Rate) -> list[TaxRate]:
    _lock()
    query = select(TaxRate).where(TaxRate.country == rate.country, TaxRate.tax_class == rate.tax_class)
    return list(db.session.scalars(query.order_by(TaxRate.valid_from), execution_options={"populate_existing": True}))


def _check(rate: Rate, others: Iterable[TaxRate]) -> None:
    for other in others:
        if rate.meets(rate_of(other)):
            raise PeriodTaken(_taken(rate_of(other)))


def _taken(other: Rate) -> str:
    words = {"rate": percent(other.rate), "first": format_date(other.valid_from)}
    if other.valid_until is None:
        return str(_("A rate of %(rate)s %% holds from %(first)s on. End it first, or choose other days.", **words))
    words["last"] = format_date(other.valid_until)
    return str(_("A rate of %(rate)s %% holds from %(first)s to %(last)s. Choose other days.", **words))


def _values(rate: Rate, tax_code_id: int) -> dict[str, object]:
    return {
        "country": rate.country,
        "tax_class": rate.tax_class,
        "valid_from": rate.valid_from,
        "valid_until": rate.valid_until,
        "rate": rate.rate,
        "tax_code_id": tax_code_id,
    }


def _write(row: TaxRate, rate: Rate, tax_code_id: int) -> None:
    for name, value in _values(rate, tax_code_id).items():
        setattr(row, name, value)


def _codes(rates: Iterable[Rate], own: Iterable[TaxRate]) -> dict[tuple[str, Decimal], int]:
    """A tax code for each country and rate: the one that is used for it, the one called so, or a new one."""
    used = {(row.country, row.rate): row.tax_code_id for row in own}
    wanted = {(rate.country, rate.rate): f"{rate.country} {percent(rate.rate)}" for rate in rates}
    named = dict(db.session.execute(select(TaxCode.code, TaxCode.id)).all())
    missing = [
        {
            "tenant_id": current_tenant_id(),
            "code": code,
            "name": _("VAT %(country)s %(rate)s %%", country=country_name(country), rate=percent(rate)),
        }
        for (country, rate), code in wanted.items()
        if (country, rate) not in used and code not in named
    ]
    if missing:
        named |= dict(db.session.execute(insert(TaxCode).returning(TaxCode.code, TaxCode.id), missing).all())
    return {key: used[key] if key in used else named[code] for key, code in wanted.items()}
