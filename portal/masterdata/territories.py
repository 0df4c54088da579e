"""Where a country's VAT holds, by country and postcode: parts of member states that lie outside, and places that
count as another country. Pure.

Sources, as consolidated on 14 August 2025: Directive 2006/112/EC, art. 6 (territories to which it does not apply:
Mount Athos, the Canary Islands, the French territories of art. 349 and 355(1) TFEU, Åland, Campione d'Italia, since
2020 by Directive (EU) 2019/475; Heligoland, Büsingen, Ceuta, Melilla, Livigno) and art. 7 (Monaco counts as France,
the Isle of Man as the United Kingdom, the bases Akrotiri and Dhekelia as Cyprus); art. 355(2) TFEU (France's other
islands, which lie outside as well); for goods in Northern Ireland the Windsor Framework, art. 8 and annex 3, under
which it stands beside the member states with the letters XI and the United Kingdom's rates. The postcodes are those
of the national posts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

NORTHERN_IRELAND = "XI"
DIGITS = 5  # of a postcode, in all of the countries that are told apart by digits


class Territory(StrEnum):
    """A place whose VAT is not that of the country it bears the code of."""

    AKROTIRI_AND_DHEKELIA = "akrotiri_and_dhekelia"
    ALAND = "aland"
    BUESINGEN = "buesingen"
    CAMPIONE = "campione"
    CANARY_ISLANDS = "canary_islands"
    CEUTA = "ceuta"
    FRENCH_OVERSEAS = "french_overseas"
    HELIGOLAND = "heligoland"
    ISLE_OF_MAN = "isle_of_man"
    LIVIGNO = "livigno"
    MELILLA = "melilla"
    MONACO = "monaco"
    MOUNT_ATHOS = "mount_athos"
    NORTHERN_IRELAND = "northern_ireland"


# As which country these count. The others lie outside of the VAT area.
COUNTS_AS: Mapping[Territory, str] = {
    Territory.AKROTIRI_AND_DHEKELIA: "CY",
    Territory.ISLE_OF_MAN: "GB",
    Territory.MONACO: "FR",
    Territory.NORTHERN_IRELAND: NORTHERN_IRELAND,
}

# What has two letters of its own. IC is reserved for the Canary Islands; XI is the EU's, not ISO's.
BY_CODE: Mapping[str, Territory] = {
    "AX": Territory.ALAND,
    "IC": Territory.CANARY_ISLANDS,
    "IM": Territory.ISLE_OF_MAN,
    "MC": Territory.MONACO,
    "XI": Territory.NORTHERN_IRELAND,
    **dict.fromkeys(
        ("BL", "GF", "GP", "MF", "MQ", "NC", "PF", "PM", "RE", "TF", "WF", "YT"), Territory.FRENCH_OVERSEAS
    ),
}

# How the postcodes of a country's territories begin, the longer beginning before the shorter one.
BY_POSTCODE: Mapping[str, Sequence[tuple[str, Territory]]] = {
    "DE": (("27498", Territory.HELIGOLAND), ("78266", Territory.BUESINGEN)),
    "ES": (
        ("35", Territory.CANARY_ISLANDS),
        ("38", Territory.CANARY_ISLANDS),
        ("51", Territory.CEUTA),
        ("52", Territory.MELILLA),
    ),
    "FI": (("22", Territory.ALAND),),
    "FR": (("980", Territory.MONACO), ("97", Territory.FRENCH_OVERSEAS), ("98", Territory.FRENCH_OVERSEAS)),
    "GB": (
        ("BFPO57", Territory.AKROTIRI_AND_DHEKELIA),
        ("BFPO58", Territory.AKROTIRI_AND_DHEKELIA),
        ("BF12AT", Territory.AKROTIRI_AND_DHEKELIA),
        ("BF12AU", Territory.AKROTIRI_AND_DHEKELIA),
        ("BT", Territory.NORTHERN_IRELAND),
    ),
    "GR": (("63086", Territory.MOUNT_ATHOS),),
    "IT": (("22061", Territory.CAMPIONE), ("23041", Territory.LIVIGNO)),
}


def territory_of(country: str, postal_code: str) -> Territory | None:
    """The territory that a country's two letters and a postcode name, as people write them; None for all the rest."""
    code = country.strip().upper()
    if code in BY_CODE:
        return BY_CODE[code]
    beginnings = BY_POSTCODE.get(code)
    if beginnings is None:
        return None
    written = _written(code, postal_code)
    return next((territory for beginning, territory in beginnings if written.startswith(beginning)), None)


def vat_country(country: str, postal_code: str) -> str | None:
    """Whose VAT holds there: a country's two letters, XI for Northern Ireland; None in a territory outside."""
    territory = territory_of(country, postal_code)
    return country.strip().upper() if territory is None else COUNTS_AS.get(territory)


def _written(country: str, postal_code: str) -> str:
    """The postcode alone, of “D-27498”, “es 35 001” or “bt1 1aa”; empty where it cannot be one."""
    if len(postal_code) == DIGITS and postal_code.isascii() and postal_code.isdigit():  # as nearly all are written
        return postal_code
    plain = "".join(letter for letter in postal_code.upper() if letter.isascii() and letter.isalnum())
    if country == "GB":
        return plain
    digits = plain.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return digits if len(digits) == DIGITS and digits.isdigit() else ""
