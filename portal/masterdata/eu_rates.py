"""The VAT rates of the EU's member states, from the day its one-stop shop began: what came before is no longer sold.

`reduced` is the rate that a country's law calls so or names first; where two stand side by side, the one that most
food falls under. `second_reduced` is the other one, called second, super-reduced or intermediate; of several, the one
that more goods fall under (Spain's and Italy's 4 %, Luxembourg's 3 %). Left out are zero rates, rates of regions and
islands, and those that no goods but a country's fuels, wines or newspapers bear. Which articles fall under which
remains each country's law. Northern Ireland stands beside them with the rates of the United Kingdom (territories.py).

Source: European Commission, Taxes in Europe Database (TEDB), as republished by github.com/vatnode/eu-vat-rates-data
(standard rates and their days as of 2026-08-26, reduced rates as of 2026-03-27). Days on which reduced rates changed:
github.com/ibericode/vat-rates (Czechia, Estonia, Luxembourg, Slovakia) and reports on national law (Finland,
Lithuania's XV-287, Romania, Sweden's prop. 2025/26:55). Northern Ireland: gov.uk/vat-rates.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from portal.masterdata.models import TaxClass
from portal.masterdata.periods import DAY, Rate
from portal.masterdata.territories import NORTHERN_IRELAND

LOOKED_UP = date(2026, 11, 26)
BEGINNING = date(2021, 7, 1)

# The rates by the day from which they are taken: None from the day on which there is none any more.
Steps = dict[date, str | None]


def _since(*steps: tuple[date, str | None]) -> Steps:
    return dict(steps)


def _always(rate: str) -> Steps:
    return {BEGINNING: rate}


# Standard, reduced, second reduced.
TABLE: dict[str, tuple[Steps, ...]] = {
    "AT": (_always("20"), _always("10"), _always("13")),
    "BE": (_always("21"), _always("6"), _always("12")),
    "BG": (_always("20"), _always("9")),
    "CY": (_always("19"), _always("5"), _always("9")),
    "CZ": (
        _always("21"),
        _since((BEGINNING, "15"), (date(2024, 1, 1), "12")),
        _since((BEGINNING, "10"), (date(2024, 1, 1), None)),
    ),
    "DE": (_always("19"), _always("7")),
    "DK": (_always("25"),),
    "EE": (
        _since((BEGINNING, "20"), (date(2024, 1, 1), "22"), (date(2025, 7, 1), "24")),
        _always("9"),
        _since((date(2025, 1, 1), "13")),
    ),
    "ES": (_always("21"), _always("10"), _always("4")),
    "FI": (
        _since((BEGINNING, "24"), (date(2024, 9, 1), "25.5")),
        _since((BEGINNING, "14"), (date(2026, 1, 1), "13.5")),
        _always("10"),
    ),
    "FR": (_always("20"), _always("5.5"), _always("10")),
    "GR": (_always("24"), _always("13"), _always("6")),
    "HR": (_always("25"), _always("5"), _always("13")),
    "HU": (_always("27"), _always("5"), _always("18")),
    "IE": (_always("23"), _always("13.5"), _always("9")),
    "IT": (_always("22"), _always("10"), _always("4")),
    "LT": (_always("21"), _since((BEGINNING, "9"), (date(2026, 1, 1), "12")), _always("5")),
    "LU": (
        _since((BEGINNING, "17"), (date(2023, 1, 1), "16"), (date(2024, 1, 1), "17")),
        _since((BEGINNING, "8"), (date(2023, 1, 1), "7"), (date(2024, 1, 1), "8")),
        _always("3"),
    ),
    "LV": (_always("21"), _always("12"), _always("5")),
    "MT": (_always("18"), _always("5"), _always("7")),
    "NL": (_always("21"), _always("9")),
    "PL": (_always("23"), _always("8"), _always("5")),
    "PT": (_always("23"), _always("6"), _always("13")),
    "RO": (
        _since((BEGINNING, "19"), (date(2025, 8, 1), "21")),
        _since((BEGINNING, "9"), (date(2025, 8, 1), "11")),
        _since((BEGINNING, "5"), (date(2025, 8, 1), None)),
    ),
    # Food is taxed less for a while.
    "SE": (
        _always("25"),
        _since((BEGINNING, "12"), (date(2026, 4, 1), "6"), (date(2028, 1, 1), "12")),
        _always("6"),
    ),
    "SI": (_always("22"), _always("9.5"), _always("5")),
    "SK": (
        _since((BEGINNING, "20"), (date(2025, 1, 1), "23")),
        _since((BEGINNING, "10"), (date(2025, 1, 1), "5")),
        _since((date(2025, 1, 1), "19")),
    ),
    NORTHERN_IRELAND: (_always("20"), _always("5")),
}
CLASSES = (TaxClass.STANDARD, TaxClass.REDUCED, TaxClass.SECOND_REDUCED)


def _periods() -> Iterator[Rate]:
    for country, classes in TABLE.items():
        for tax_class, steps in zip(CLASSES, classes, strict=False):  # some countries have one rate, or two
            days = list(steps)
            for day, next_day in zip(days, [*days[1:], None], strict=True):
                rate = steps[day]
                if rate is not None:
                    yield Rate(country, tax_class, day, next_day - DAY if next_day else None, Decimal(rate))


RATES = tuple(_periods())
COUNTRIES = tuple(TABLE)
