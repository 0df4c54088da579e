"""Calls to an address that a person typed: signed JSON is posted there, timed, never redirected, failures in words."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
import urllib3

from portal import outgoing
from portal.credentials import transport
from portal.errors import Refused, Unavailable
from portal.sentences import sentence

TIMEOUT = (5, 15)  # seconds to connect, and to answer
# Answers that say no more than "not now".
TEMPORARY = {408, 425, 429}


def checked_url(typed: str) -> str:
    """The address, if it may be called. Raises Refused, by the rules for a cloud's address and one more.

    What is told names orders and customers' records: over the internet it goes encrypted. Plain http is for a
    host of a network that may be reached: an address that is private, or a name without a dot.
    """
    url = typed.strip()
    address, _mark, query = url.partition("?")
    transport.checked_address(address)
    if "#" in query or any(letter.isspace() or letter == "\\" for letter in query):
        raise Refused(sentence("The address holds no spaces, “#” or “\\”."))
    parts = urlsplit(url)
    if parts.scheme == "http" and not _is_near(parts.hostname or ""):
        raise Refused(sentence("Outside of one’s own network an address begins with https://."))
    outgoing.check(url)
    return url


def call(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Post the JSON. Raises Unavailable and Refused, with what became of it, unless the answer is 2xx."""
    place = urlsplit(url).netloc
    sent = {"Content-Type": "application/json", **headers}
    try:
        # Redirects are not followed: what is signed for one address is not sent to another.
        response = transport.session().post(url, data=body, headers=sent, timeout=TIMEOUT, allow_redirects=False)
    except requests.exceptions.SSLError as error:
        raise Unavailable(
            sentence("%(place)s cannot prove who it is: its certificate is not valid.", place=place)
        ) from error
    except requests.Timeout as error:
        raise Unavailable(sentence("%(place)s did not answer in time.", place=place)) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
        raise Unavailable(sentence("%(place)s is not reachable.", place=place)) from error
    status = response.status_code
    if status >= 500 or status in TEMPORARY:
        raise Unavailable(sentence("%(place)s has a fault or is busy (status %(status)s).", place=place, status=status))
    if not 200 <= status < 300:
        raise Refused(sentence("%(place)s refuses the call (status %(status)s).", place=place, status=status))


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host
