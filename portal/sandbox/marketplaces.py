"""Amazon's marketplaces. Source: Amazon's table of marketplace ids."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Marketplace:
    """One of Amazon's sites. `country` is ISO 3166; people also write UK."""

    country: str
    id: str
    region: str
    domain: str
    currency: str
    language: str
    order_prefixes: tuple[int, ...] = (171, 402, 403)

    @property
    def name(self) -> str:
        return self.domain.capitalize()


MARKETPLACES = (
    Marketplace("DE", "A1PA6795UKMFR9", "EU", "amazon.de", "EUR", "de_DE", (28, 302, 303, 304, 305, 306)),
    Marketplace("FR", "A13V1IB3VIYZZH", "EU", "amazon.fr", "EUR", "fr_FR"),
    Marketplace("IT", "APJ6JRA9NG5V4", "EU", "amazon.it", "EUR", "it_IT"),
    Marketplace("ES", "A1RKKUPIHCS9HS", "EU", "amazon.es", "EUR", "es_ES"),
    Marketplace("GB", "A1F83G8C2ARO7P", "EU", "amazon.co.uk", "GBP", "en_GB", (26, 202, 203, 204, 205, 206)),
    Marketplace("NL", "A1805IZSGTT6HS", "EU", "amazon.nl", "EUR", "nl_NL"),
    Marketplace("BE", "AMEN7PMS3EDWL", "EU", "amazon.com.be", "EUR", "fr_BE"),
    Marketplace("IE", "A28R8C7NBKEWEA", "EU", "amazon.ie", "EUR", "en_IE"),
    Marketplace("PL", "A1C3SOZRARQ6R3", "EU", "amazon.pl", "PLN", "pl_PL"),
    Marketplace("SE", "A2NODRKZP88ZB9", "EU", "amazon.se", "SEK", "sv_SE"),
    Marketplace("TR", "A33AVAJ2PDY3EV", "EU", "amazon.com.tr", "TRY", "tr_TR"),
    Marketplace("AE", "A2VIGQ35RCS4UG", "EU", "amazon.ae", "AED", "en_AE"),
    Marketplace("SA", "A17E79C6D8DWNP", "EU", "amazon.sa", "SAR", "ar_AE"),
    Marketplace("EG", "ARBP9OOSHTCHU", "EU", "amazon.eg", "EGP", "ar_AE"),
    Marketplace("IN", "A21TJRUUN4KGV", "EU", "amazon.in", "INR", "en_IN"),
    Marketplace("ZA", "AE08WJ6YKNBMC", "EU", "amazon.co.za", "ZAR", "en_ZA"),
    Marketplace("US", "ATVPDKIKX0DER", "NA", "amazon.com", "USD", "en_US", (111, 112, 113, 114)),
    Marketplace("CA", "A2EUQ1WTGCTBG2", "NA", "amazon.ca", "CAD", "en_CA", (701, 702)),
    Marketplace("MX", "A1AM78C64UM0Y8", "NA", "amazon.com.mx", "MXN", "es_MX", (701, 702)),
    Marketplace("BR", "A2Q3Y263D00KWC", "NA", "amazon.com.br", "BRL", "pt_BR", (701, 702)),
    Marketplace("JP", "A1VC38T7YXB528", "FE", "amazon.co.jp", "JPY", "ja_JP", (249, 250, 503)),
    Marketplace("AU", "A39IBJ37TRP1C6", "FE", "amazon.com.au", "AUD", "en_AU", (249, 250, 503)),
    Marketplace("SG", "A19VAU5U5O7RUS", "FE", "amazon.sg", "SGD", "en_SG", (249, 250, 503)),
)
REGIONS = ("EU", "NA", "FE")
# Orders from elsewhere that Amazon fulfils bear this id.
NON_AMAZON_ID = "A38D8NSA03LJTC"

_BY_WORD = (
    {one.country: one for one in MARKETPLACES}
    | {one.id: one for one in MARKETPLACES}
    | {"UK": next(one for one in MARKETPLACES if one.country == "GB")}
)


def find(word: str) -> Marketplace:
    """The marketplace of a country code or an id. Raises LookupError."""
    return _BY_WORD[word.strip().upper()]


def is_marketplace(marketplace_id: str) -> bool:
    return marketplace_id in _BY_WORD and len(marketplace_id) > 2


def of_region(region: str) -> list[Marketplace]:
    return [one for one in MARKETPLACES if one.region == region]
