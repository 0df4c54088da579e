"""Where a country's VAT holds: each postcode of the table against another one, made otherwise."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.masterdata.territories import COUNTS_AS, Territory, territory_of, vat_country

# As a tax adviser would write it down: country and whole postcode, and whose VAT holds there. None: outside.
TABLE = (
    ("DE", r"27498|78266", None),  # Heligoland, Büsingen
    ("ES", r"(35|38|51|52)\d{3}", None),  # Las Palmas, Santa Cruz de Tenerife, Ceuta, Melilla
    ("FI", r"22\d{3}", None),  # Åland
    ("FR", r"980\d{2}", "FR"),  # Monaco
    ("FR", r"9[78]\d{3}", None),  # overseas
    ("GB", r"BT\d.*", "XI"),  # Northern Ireland
    ("GB", r"BFPO5[78]|BF12A[TU]", "CY"),  # the bases on Cyprus
    ("GR", r"63086", None),  # Mount Athos
    ("IT", r"22061|23041", None),  # Campione d'Italia, Livigno
)
MEMBERS = (
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
    *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
)
EDGES = ["27498", "78266", "34999", "35000", "38999", "39000", "50999", "51001", "52999", "53000", "21999", "22000"]
EDGES += ["22999", "97000", "97999", "98000", "98099", "98100", "96999", "63086", "63087", "22061", "23041", "22060"]


def independently(country, postcode):
    return next(
        (where for code, pattern, where in TABLE if code == country and re.fullmatch(pattern, postcode)), country
    )


@given(
    country=st.sampled_from(MEMBERS),
    postcode=st.sampled_from(EDGES) | st.integers(1, 99999).map(lambda number: f"{number:05}"),
    before=st.sampled_from(["", " ", "{}-", "{} ", "D-", "F"]),
    gap=st.sampled_from(["", " ", "-"]),
    lower=st.booleans(),
)
def test_postcodes_of_digits_agree_with_the_table_however_they_are_written(country, postcode, before, gap, lower):
    written = before.format(country) + postcode[:2] + gap + postcode[2:]
    code = country.lower() if lower else country
    assert vat_country(code, written.lower() if lower else written) == independently(country, postcode)


@given(
    area=st.sampled_from(["BT", "BS", "B", "EC", "TB", "IM", "JE", "BF"]),
    district=st.integers(1, 99),
    inward=st.sampled_from([" 1AA", "9ZZ", ""]),
)
def test_british_postcodes_agree_with_the_table(area, district, inward):
    postcode = f"{area}{district}{inward}"
    assert vat_country("GB", postcode) == independently("GB", postcode.replace(" ", ""))


@pytest.mark.parametrize(
    ("country", "where"),
    [
        *(("AX", None), ("IC", None), ("RE", None), ("GP", None), ("YT", None), ("PF", None)),
        *(("MC", "FR"), ("IM", "GB"), ("XI", "XI"), ("CH", "CH"), ("GL", "GL"), ("", "")),
    ],
)
def test_letters_of_their_own_need_no_postcode(country, where):
    assert vat_country(country, "") == where


@given(st.text(max_size=6), st.text(max_size=12))
def test_nothing_that_people_type_breaks_it(country, postcode):
    found = territory_of(country, postcode)
    assert found is None or found in Territory
    assert vat_country(country, postcode) == (COUNTS_AS.get(found) if found else country.strip().upper())


def test_a_postcode_of_another_country_means_nothing_here():
    assert territory_of("FR", "35001") is None  # Rennes, not Las Palmas
    assert territory_of("DE", "22061") is None
    assert territory_of("US", "35004") is None
    assert territory_of("ES", "350011") is None  # a digit too many is no postcode
