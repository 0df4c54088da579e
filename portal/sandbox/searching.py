"""The rules of searchOrders: its parameters, its window and its page tokens.

Source: Orders API 2026-01-01, searchOrders.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
from msgspec import Struct

from portal.sandbox import times
from portal.sandbox.datasets import DATASETS
from portal.sandbox.marketplaces import NON_AMAZON_ID, is_marketplace
from portal.sandbox.orderbook import Entry, Family, Query
from portal.sandbox.refusals import invalid_input

STATUSES = (
    "PENDING_AVAILABILITY",
    "PENDING",
    "UNSHIPPED",
    "PARTIALLY_SHIPPED",
    "SHIPPED",
    "CANCELLED",
    "UNFULFILLABLE",
)
_WINDOW = ("createdAfter", "createdBefore", "lastUpdatedAfter", "lastUpdatedBefore")
_FILTERS = ("marketplaceIds", "fulfillmentStatuses", "fulfilledBy")
_MAY_VARY = ("maxResultsPerPage", "includedData", "paginationToken")
_KNOWN = (*_WINDOW, *_FILTERS, *_MAY_VARY)
_MOST_MARKETPLACES = 50
_MOST_PER_PAGE = 100


class PageToken(Struct, array_like=True):
    """Where a page begins. It holds what must not change from page to page."""

    seller: str
    parameters: str  # a hash of those that have to be repeated
    high: int
    behind: tuple[int, int] | None
    issued: int
    nonce: str  # no token is like another


@dataclass(frozen=True)
class Search:
    """A request that obeys the rules."""

    query: Query
    included: frozenset[str]
    per_page: int
    parameters: str

    @property
    def bound_name(self) -> str:
        """The name under which an answer tells the upper bound that was applied."""
        return "createdBefore" if self.query.family == "created" else "lastUpdatedBefore"


class Searching:
    """Reads requests and signs page tokens."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def read(self, seller: str, given: Mapping[str, str], *, now: int, min_age: float, token_seconds: float) -> Search:
        """The search that these parameters ask for. Raises Refusal."""
        family, after, before = _window_names(given)
        unknown = [name for name in given if name not in _KNOWN]
        if unknown:
            raise invalid_input(details=f"Unknown parameters: {', '.join(sorted(unknown))}")
        low = _moment(given, after)
        newest = now - int(min_age * times.SECOND)
        high = newest
        if before in given:
            high = _moment(given, before)
            if high > newest or high < low:
                raise invalid_input()
        if low > now:
            raise invalid_input()
        query = Query(
            seller,
            family,
            low,
            high,
            marketplaces=_words(given, "marketplaceIds"),
            statuses=_words(given, "fulfillmentStatuses", STATUSES),
            fulfilled_by=_words(given, "fulfilledBy", ("MERCHANT", "AMAZON")),
        )
        if len(query.marketplaces) > _MOST_MARKETPLACES:
            raise invalid_input(details=f"marketplaceIds holds more than {_MOST_MARKETPLACES} ids.")
        for marketplace_id in query.marketplaces:
            if not (is_marketplace(marketplace_id) or marketplace_id == NON_AMAZON_ID):
                raise invalid_input(details=f"{marketplace_id} is not a marketplace id.")
        parameters = _fingerprint(given)
        if "paginationToken" in given:
            token = self._open(given["paginationToken"])
            if token is None or (token.seller, token.parameters) != (seller, parameters):
                raise invalid_input(details="paginationToken does not belong to these parameters.")
            if now > token.issued + token_seconds * times.SECOND:
                raise invalid_input(details="paginationToken has expired.")
            query = replace(query, high=token.high, behind=token.behind)
        return Search(query, datasets(given), _per_page(given), parameters)

    def next_token(self, search: Search, last: Entry | None, now: int) -> str:
        """A token for what comes behind an order; behind None, for the same page once more."""
        behind = search.query.behind
        if last is not None:
            behind = (last.created if search.query.family == "created" else last.updated, last.seq)
        return self._sign(
            PageToken(search.query.seller, search.parameters, search.query.high, behind, now, secrets.token_urlsafe(6))
        )

    def _sign(self, token: PageToken) -> str:
        body = msgspec.json.encode(token)
        return base64.urlsafe_b64encode(self._mac(body) + body).decode().rstrip("=")

    def _open(self, text: str) -> PageToken | None:
        try:
            signed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        mac, body = signed[:16], signed[16:]
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        return msgspec.json.decode(body, type=PageToken)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:16]


def datasets(given: Mapping[str, str]) -> frozenset[str]:
    """The datasets asked for. Raises Refusal."""
    return frozenset(_words(given, "includedData", tuple(DATASETS)))


def _window_names(given: Mapping[str, str]) -> tuple[Family, str, str]:
    created, updated = "createdAfter" in given, "lastUpdatedAfter" in given
    if created == updated:
        raise invalid_input("One and only one of createdAfter or lastUpdatedAfter must be provided")
    if "lastUpdatedBefore" in given if created else "createdBefore" in given:
        raise invalid_input(details="createdAfter and lastUpdatedAfter take the Before of their own family only.")
    return ("created", "createdAfter", "createdBefore") if created else ("updated", *_WINDOW[2:])


def _moment(given: Mapping[str, str], name: str) -> int:
    try:
        return times.parse(given[name])
    except ValueError:
        raise invalid_input(details="Invalid Input") from None


def _words(given: Mapping[str, str], name: str, allowed: tuple[str, ...] = ()) -> tuple[str, ...]:
    words = tuple(given[name].split(",")) if given.get(name) else ()
    if allowed and not set(words) <= set(allowed):
        raise invalid_input(details=f"{name} holds a value that does not exist.")
    return words


def _per_page(given: Mapping[str, str]) -> int:
    text = given.get("maxResultsPerPage", str(_MOST_PER_PAGE))
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 3 and 1 <= int(text) <= _MOST_PER_PAGE):
        raise invalid_input(details=f"maxResultsPerPage lies between 1 and {_MOST_PER_PAGE}.")
    return int(text)


def _fingerprint(given: Mapping[str, str]) -> str:
    repeated = sorted((name, given[name]) for name in given if name not in _MAY_VARY)
    return hashlib.sha256(msgspec.json.encode(repeated)).hexdigest()[:24]
