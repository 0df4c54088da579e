"""Tracking numbers: brought into one spelling, and held against what the carriers' numbers look like. Pure."""

from __future__ import annotations

import re
import unicodedata

# Longer than any carrier prints: the longest in use are UPU and GS1 numbers of about 35 signs.
LONGEST = 50

# What copying from e-mails and label programs leaves behind: nothing of it can be seen.
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))

# What the numbers of a carrier look like, by the marketplace's code of the carrier. Several
# carriers share a length, so a number may look like more than one.
PATTERNS = {
    "DHL": r"00340434\d{12}|JJD[0-9A-Z]{10,25}|\d{12}|[A-Z]{2}\d{9}DE",
    "DPD": r"\d{14}",
    "GLS": r"\d{11,14}|(?=.*\d)(?=.*[A-Z])[0-9A-Z]{8}",
    "UPS": r"1Z[0-9A-Z]{16}",
    "Hermes": r"\d{14}|\d{16}|H\d{19}",
    "Deutsche Post": r"[A-Z]{2}\d{9}DE|A0[0-9A-F]{18}",
}


def normalise(typed: str) -> str:
    """The number as it is stored: without spaces of any kind and without signs that cannot be seen.

    A line break within stays: it stands between two numbers more often than within one, and
    `unprintable` finds it.
    """
    without = typed.translate(INVISIBLE).strip()
    return "".join(sign for sign in without if unicodedata.category(sign) != "Zs")


def unprintable(number: str) -> bool:
    """True if there are signs in it that no label can bear: line breaks, control characters, unassigned ones."""
    return any(unicodedata.category(sign)[0] in "CZ" for sign in number)


def looks_like(number: str) -> tuple[str, ...]:
    """The codes of the carriers whose numbers look like this one; empty where it fits none we know."""
    spelled = number.upper()
    return tuple(code for code, pattern in PATTERNS.items() if re.fullmatch(pattern, spelled, re.ASCII))


def other_carriers(number: str, carrier_code: str) -> tuple[str, ...]:
    """Whose number this seems to be, if not the chosen carrier's. Empty where nothing is suspicious.

    A suspicion only: carriers change their numbers without telling anybody.
    """
    likely = looks_like(number)
    return () if carrier_code in likely or carrier_code not in PATTERNS else likely
