"""Where Amazon's parts answer for a seller: consent pages, tokens, API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.marketplaces import BY_DOMAIN, BY_ID, region_of

TOKEN_URL = "https://api.amazon.com/auth/o2/token"  # noqa: S105  the same for all regions
API_HOSTS = {region: f"https://sellingpartnerapi-{region}.amazon.com" for region in ("eu", "na", "fe")}


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses for one seller. `consent` and `api` are without a trailing slash."""

    region: str
    consent: str
    token: str
    api: str


def addresses_of(marketplaces: Sequence[str], one_url: str = "") -> Addresses:
    """Amazon's addresses for these marketplaces, or those of the server at `one_url` that plays them all."""
    region = region_of(marketplaces)
    if one_url:
        return Addresses(region, one_url, f"{one_url}/auth/o2/token", one_url)
    return Addresses(region, f"https://{BY_ID[marketplaces[0]].consent_host}", TOKEN_URL, API_HOSTS[region])


def find(id: str, name: str) -> str:
    """The marketplace's id, looked up by its name ("Amazon.de") where Amazon gave none; "" where both are unknown."""
    if id:
        return id
    marketplace = BY_DOMAIN.get(name.lower())
    return marketplace.id if marketplace else ""
