"""HTTP to a cloud whose address a person typed: bounded, timed, never redirected, its failures in words."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from flask import current_app

from portal import answers, outgoing
from portal.credentials.errors import CertificateRefused, NotACloud, NotReachable, TimedOut
from portal.errors import Refused
from portal.outgoing import GuardedAdapter
from portal.sentences import sentence

CONNECT_SECONDS = 5
READ_SECONDS = 30
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
POOL = 16


def checked_address(typed: str) -> str:
    """The address without a slash at its end. Raises Refused unless it is http(s) with a host and a path only."""
    address = typed.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise Refused(sentence("This is not an address. It looks like https://cloud.example.com/cloud.")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        raise Refused(sentence("The address begins with https:// (or http://) and a host name."))
    if parts.username is not None or parts.query or parts.fragment or any(c.isspace() or c == "\\" for c in address):
        raise Refused(
            sentence("The address holds no user name, spaces, “?” or “#”. The client id has a field of its own.")
        )
    return address


def session() -> requests.Session:
    """The process's session. Its pool is shared by all threads; it keeps no cookies and no credentials."""
    shared: requests.Session | None = current_app.extensions.get("cloud_session")
    if shared is None:
        shared = current_app.extensions.setdefault("cloud_session", equip(requests.Session()))
    return shared


def equip(new: requests.Session) -> requests.Session:
    """Make a session safe to send to an address that a person typed."""
    outgoing.equip(new, BoundedAdapter(outgoing.reach(), pool_connections=POOL, pool_maxsize=POOL))
    new.headers["Accept"] = "application/json"
    return new


class BoundedAdapter(GuardedAdapter):
    """Reads the whole answer, within the limits of portal/answers.py."""

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        return answers.read(super().send(request, *arguments, **{**options, "stream": True}))


def send(method: str, url: str, repeatable: bool = True, **options: Any) -> requests.Response:
    """One call, its whole answer read.

    Raises NotReachable, CertificateRefused, TimedOut, NotACloud. A `repeatable` call is sent once
    more where the server had closed the connection that the pool kept.
    """
    with in_words(url):
        try:
            response = session().request(method, url, timeout=TIMEOUT, allow_redirects=False, **options)
        except requests.ConnectionError as error:
            if not (repeatable and _was_closed(error)):
                raise
            response = session().request(method, url, timeout=TIMEOUT, allow_redirects=False, **options)
    refuse_redirect(response)
    return response


def refuse_redirect(response: requests.Response) -> None:
    """Raise NotACloud where the server sends us elsewhere: a secret must not travel on."""
    if 300 <= response.status_code < 400:
        raise NotACloud(
            sentence(
                "The server at %(place)s refers to another address (%(target)s). Enter the cloud’s own address.",
                place=_place(response.url or ""),
                target=_place(response.headers.get("Location", "")) or "?",
            )
        )


@contextmanager
def in_words(url: str) -> Iterator[None]:
    """Turn what requests raises into our errors: the one place where that is done."""
    place = _place(url)
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise CertificateRefused(_certificate_problem(place, error)) from error
    except requests.Timeout as error:
        raise TimedOut(
            sentence(
                "%(place)s did not answer in time. Try again; if it stays so, ask who runs the cloud.", place=place
            )
        ) from error
    except requests.ConnectionError as error:
        raise NotReachable(_connection_problem(place, error)) from error
    except answers.TooLarge as error:
        raise NotACloud(sentence("%(place)s sends more than a Kontor cloud ever would.", place=place)) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
        raise NotReachable(sentence("%(place)s cannot be called. Check the address.", place=place)) from error


def _was_closed(error: Exception) -> bool:
    closed = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
    return any(isinstance(cause, closed) for cause in _causes(error))


def _certificate_problem(place: str, error: Exception) -> str:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return sentence(
                "The certificate of %(place)s is not valid: %(reason)s. "
                "Nothing was sent. Ask who runs the cloud to renew it, or correct the address.",
                place=place,
                reason=cause.verify_message,
            )
    return sentence(
        "%(place)s does not answer in https. Check the port, or whether the address begins with http://.",
        place=place,
    )


def _connection_problem(place: str, error: Exception) -> str:
    for cause in _causes(error):
        if isinstance(cause, urllib3.exceptions.NameResolutionError):
            return sentence("There is no host %(place)s. Check the address for typing errors.", place=place)
        if isinstance(cause, ConnectionRefusedError):
            return sentence(
                "Nothing answers at %(place)s. Check host and port, and whether the cloud is running.", place=place
            )
    if _was_closed(error):
        return sentence("%(place)s broke off the connection. Try again in a moment.", place=place)
    return sentence("%(place)s is not reachable. Check the address and the network, then try again.", place=place)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that lies beneath it, in whichever of four places libraries keep it."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _place(url: str) -> str:
    """Host and port, which is all of an address that belongs in a sentence."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return url[:60]
