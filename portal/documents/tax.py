"""Which tax an order bears, and how much of an amount is tax. Pure.

The rules are those of the EU's VAT directive 2006/112/EC for goods that leave from the tenant's home country:
at home its own rate (art. 32); to another member state the rate there once the tenant takes part in the
one-stop shop (art. 33, 369a ff.), until then the one at home (art. 59c); to a business with a VAT id of another
member state none (art. 138, with a VAT id that is well-formed); out of the Union none (art. 146). What
the marketplace collects and remits itself (art. 14a) is its tax, not the tenant's. What counts as a member state,
and which of their parts do not, says portal/masterdata/territories.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import lru_cache

from stdnum.eu import vat

from portal.masterdata.eu_rates import COUNTRIES
from portal.masterdata.models import TaxClass
from portal.masterdata.territories import NORTHERN_IRELAND, vat_country
from portal.order import Order
from portal.sentences import sentence

# Whose VAT ids begin otherwise than their ISO code.
VAT_PREFIXES = {"EL": "GR"}

CLASS_NAMES = {
    TaxClass.STANDARD: sentence("standard"),
    TaxClass.REDUCED: sentence("reduced"),
    TaxClass.SECOND_REDUCED: sentence("second reduced"),
    TaxClass.ZERO: sentence("zero"),
}


class TaxCase(StrEnum):
    """Why an order bears the tax it bears."""

    NOT_COMPUTED = ""
    DOMESTIC = "domestic"
    ONE_STOP_SHOP = "one_stop_shop"
    REVERSE_CHARGE = "reverse_charge"
    EXPORT = "export"
    COLLECTED = "collected"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate in percent that holds from a day to a day, both included, and the code the tenant books it by."""

    percent: Decimal
    code: str
    valid_from: date = date.min
    valid_until: date = date.max


@dataclass(frozen=True, slots=True)
class Taxes:
    """What the tenant decided. Without a home country no tax is computed."""

    home: str = ""
    one_stop_shop: bool = False
    rates: Mapping[tuple[str, TaxClass], tuple[Rate, ...]] = field(default_factory=dict)
    codes: Mapping[TaxCase, str] = field(default_factory=dict)  # of the cases that bear no tax of ours

    def case_of(self, order: Order, vat_id: str) -> TaxCase:
        """Which case an order is. `vat_id` is its customer's."""
        if not self.home:
            return TaxCase.NOT_COMPUTED
        if any(line.tax_collected for line in order.lines):
            return TaxCase.COLLECTED
        country = self._goes_to(order)
        if country == self.home:
            return TaxCase.DOMESTIC
        if country not in COUNTRIES:
            return TaxCase.EXPORT
        registered_in = country_of_vat_id(vat_id)
        if registered_in and registered_in != self.home:
            return TaxCase.REVERSE_CHARGE
        return TaxCase.ONE_STOP_SHOP if self.one_stop_shop else TaxCase.DOMESTIC

    def country_of(self, case: TaxCase, order: Order) -> str:
        """The country whose rate holds."""
        return self._goes_to(order) or self.home if case == TaxCase.ONE_STOP_SHOP else self.home

    def rate(self, country: str, tax_class: TaxClass, day: date) -> Rate | None:
        """The rate of the day, None where the tenant has none."""
        for rate in self.rates.get((country, tax_class), ()):
            if rate.valid_from <= day <= rate.valid_until:
                return rate
        return None

    def _goes_to(self, order: Order) -> str | None:
        """Whose VAT holds where the order is delivered; None in a territory where that of no country we know does."""
        country = vat_country(order.delivery.country, order.delivery.postal_code)
        at_home = country == "" or (country == NORTHERN_IRELAND and self.home == "GB")
        return self.home if at_home else country


def contained(amount: Decimal, percent: Decimal, precision: int) -> Decimal:
    """The tax within a gross amount, rounded half up to the currency's decimals."""
    return (amount * percent / (100 + percent)).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP)


@lru_cache(10_000)
def country_of_vat_id(vat_id: str) -> str:
    """The member state, or XI, that gave out a VAT id; empty where its form or check digits are wrong."""
    if not vat.is_valid(vat_id):
        return ""
    prefix = str(vat.compact(vat_id))[:2]
    country = VAT_PREFIXES.get(prefix, prefix)
    return country if country in COUNTRIES else ""  # the one-stop shops give out ids too, to sellers from elsewhere
