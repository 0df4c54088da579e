"""Amazon's marketplaces, and how people name them. A neutral table: the platform form and the connector read it.

Source: developer-docs.amazon.com/sp-api/docs/marketplace-ids. Everything is keyed on the id, since
Amazon calls the United Kingdom UK here and GB there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext as _

from portal.errors import Refused


@dataclass(frozen=True, slots=True)
class Marketplace:
    """One country's Amazon. `consent_host` is the Seller Central where its sellers sign in."""

    country: str
    id: str
    region: str
    domain: str
    currency: str
    consent_host: str


class UnknownCountry(Refused):
    """A name that is no country with an Amazon marketplace."""


class MixedRegions(Refused):
    """Marketplaces of several of Amazon's regions. A connection is good for one."""


EUROPE = "sellercentral-europe.amazon.com"

MARKETPLACES = (
    Marketplace("DE", "A1PA6795UKMFR9", "eu", "amazon.de", "EUR", EUROPE),
    Marketplace("FR", "A13V1IB3VIYZZH", "eu", "amazon.fr", "EUR", EUROPE),
    Marketplace("IT", "APJ6JRA9NG5V4", "eu", "amazon.it", "EUR", EUROPE),
    Marketplace("ES", "A1RKKUPIHCS9HS", "eu", "amazon.es", "EUR", EUROPE),
    Marketplace("UK", "A1F83G8C2ARO7P", "eu", "amazon.co.uk", "GBP", EUROPE),
    Marketplace("NL", "A1805IZSGTT6HS", "eu", "amazon.nl", "EUR", "sellercentral.amazon.nl"),
    Marketplace("BE", "AMEN7PMS3EDWL", "eu", "amazon.com.be", "EUR", "sellercentral.amazon.com.be"),
    Marketplace("IE", "A28R8C7NBKEWEA", "eu", "amazon.ie", "EUR", "sellercentral.amazon.ie"),
    Marketplace("PL", "A1C3SOZRARQ6R3", "eu", "amazon.pl", "PLN", "sellercentral.amazon.pl"),
    Marketplace("SE", "A2NODRKZP88ZB9", "eu", "amazon.se", "SEK", "sellercentral.amazon.se"),
    Marketplace("TR", "A33AVAJ2PDY3EV", "eu", "amazon.com.tr", "TRY", "sellercentral.amazon.com.tr"),
    Marketplace("AE", "A2VIGQ35RCS4UG", "eu", "amazon.ae", "AED", "sellercentral.amazon.ae"),
    Marketplace("SA", "A17E79C6D8DWNP", "eu", "amazon.sa", "SAR", "sellercentral.amazon.sa"),
    Marketplace("EG", "ARBP9OOSHTCHU", "eu", "amazon.eg", "EGP", "sellercentral.amazon.eg"),
    Marketplace("IN", "A21TJRUUN4KGV", "eu", "amazon.in", "INR", "sellercentral.amazon.in"),
    Marketplace("ZA", "AE08WJ6YKNBMC", "eu", "amazon.co.za", "ZAR", "sellercentral.amazon.co.za"),
    Marketplace("US", "ATVPDKIKX0DER", "na", "amazon.com", "USD", "sellercentral.amazon.com"),
    Marketplace("CA", "A2EUQ1WTGCTBG2", "na", "amazon.ca", "CAD", "sellercentral.amazon.ca"),
    Marketplace("MX", "A1AM78C64UM0Y8", "na", "amazon.com.mx", "MXN", "sellercentral.amazon.com.mx"),
    Marketplace("BR", "A2Q3Y263D00KWC", "na", "amazon.com.br", "BRL", "sellercentral.amazon.com.br"),
    Marketplace("JP", "A1VC38T7YXB528", "fe", "amazon.co.jp", "JPY", "sellercentral.amazon.co.jp"),
    Marketplace("AU", "A39IBJ37TRP1C6", "fe", "amazon.com.au", "AUD", "sellercentral.amazon.com.au"),
    Marketplace("SG", "A19VAU5U5O7RUS", "fe", "amazon.sg", "SGD", "sellercentral.amazon.sg"),
)

BY_ID = {marketplace.id: marketplace for marketplace in MARKETPLACES}
BY_COUNTRY = {marketplace.country: marketplace for marketplace in MARKETPLACES}
BY_COUNTRY["GB"] = BY_COUNTRY["UK"]
BY_DOMAIN = {marketplace.domain: marketplace for marketplace in MARKETPLACES}


def parse_countries(typed: str) -> list[str]:
    """Marketplace ids in the order typed, each once, from "DE;UK;PL", "de, uk" or "DE UK".

    Raises UnknownCountry (naming it, also where nothing was typed) and MixedRegions.
    """
    ids: list[str] = []
    for word in filter(None, re.split(r"[\s,;/|]+", typed)):
        marketplace = BY_COUNTRY.get(word.upper())
        if marketplace is None:
            raise UnknownCountry(_("Amazon has no marketplace “%(country)s”.", country=word[:20]))
        if marketplace.id not in ids:
            ids.append(marketplace.id)
    if not ids:
        raise UnknownCountry(_("Name at least one country, such as DE."))
    region_of(ids)
    return ids


def format_countries(ids: Sequence[str]) -> str:
    """How people write these marketplaces: "DE;UK;PL". An id that is not in the table stands for itself."""
    return ";".join(BY_ID[id].country if id in BY_ID else id for id in ids)


def region_of(ids: Sequence[str]) -> str:
    """The one region these marketplaces lie in: eu, na or fe. Raises UnknownCountry, MixedRegions."""
    countries: dict[str, list[str]] = {}
    for id in ids:
        if id not in BY_ID:
            raise UnknownCountry(_("Amazon has no marketplace “%(country)s”.", country=id[:20]))
        countries.setdefault(BY_ID[id].region, []).append(BY_ID[id].country)
    if len(countries) > 1:
        groups = " | ".join(", ".join(group) for group in countries.values())
        raise MixedRegions(
            _("A connection reaches one of Amazon's regions. Make a platform for each: %(groups)s.", groups=groups)
        )
    if not countries:
        raise UnknownCountry(_("Name at least one country, such as DE."))
    return next(iter(countries))
