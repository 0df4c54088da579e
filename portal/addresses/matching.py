"""How a returning customer is known again: by the marketplace's reference, or by the rule that the tenant picks."""

from __future__ import annotations

import hashlib
import unicodedata
from enum import StrEnum

from portal.order import Party

# As long as an address may be. Folding may lengthen a text, and an index takes no more than 2,700 bytes.
LONGEST_EMAIL = 254


class MatchRule(StrEnum):
    """What makes two buyers one customer, beyond the reference that the marketplace gives each of them."""

    REFERENCE = "reference"
    EMAIL = "email"
    PLACE = "place"


def email_key(email: str) -> str:
    """What all spellings of an e-mail address have in common; empty where there is none."""
    return folded(email)[:LONGEST_EMAIL]


def place_key(name: str, postal_code: str, street: str) -> str:
    """A fingerprint of name, postcode and street, however they are spelt; empty where one of them is missing."""
    parts = [folded(part) for part in (name, postal_code, street)]
    if not all(parts):
        return ""
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:32]


def key_of(rule: MatchRule, customer: Party) -> str:
    """What the rule knows a customer by. Empty: by nothing."""
    if rule == MatchRule.EMAIL:
        return email_key(customer.email)
    if rule == MatchRule.PLACE:
        return place_key(customer.name, customer.postal_code, customer.street)
    return ""


def folded(text: str) -> str:
    """The text without differences of case, width and spaces (NFKC, casefolded)."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
