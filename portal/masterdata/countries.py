"""Countries by their two letters (ISO 3166-1), in the reader's language; and Northern Ireland, by the EU's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from unicodedata import combining, normalize

from babel import Locale
from flask_babel import get_locale
from flask_babel import lazy_gettext as _l

from portal.masterdata.territories import NORTHERN_IRELAND

# What Unicode's list has of two letters besides countries.
NO_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
OWN = {NORTHERN_IRELAND: _l("Northern Ireland")}


def is_country(code: str) -> bool:
    """True for the two capital letters of a country."""
    return code in OWN or (len(code) == 2 and code.isalpha() and code not in NO_COUNTRIES and code in _names())


def country_name(code: str) -> str:
    """The country's name, or the code where it is none."""
    return str(OWN.get(code) or _names().get(code, code))


def by_name(codes: Iterable[str]) -> list[tuple[str, str]]:
    """Countries and their names in the order a reader looks for them: Dänemark stands before Deutschland."""
    return sorted(((code, country_name(code)) for code in codes), key=lambda pair: _without_marks(pair[1]))


def _without_marks(name: str) -> str:
    return "".join(letter for letter in normalize("NFKD", name.casefold()) if not combining(letter))


def _names() -> Mapping[str, str]:
    names: Mapping[str, str] = (get_locale() or Locale("en")).territories
    return names
