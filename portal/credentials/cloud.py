"""The cloud's HTTP API: the one module of the portal that speaks to a cloud."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
import requests
from flask_babel import get_locale

from portal.credentials import tokens, transport
from portal.credentials.errors import (
    CertificateRefused,
    NameTaken,
    NotAccepted,
    NotACloud,
    NotFound,
    NotReachable,
    NotThisSellers,
    TimedOut,
    UnknownClient,
    WrongSecret,
)
from portal.credentials.models import Credential
from portal.errors import Refused, Unavailable
from portal.sentences import sentence, source_of

__all__ = [
    "CertificateRefused",
    "Cloud",
    "NameTaken",
    "NotACloud",
    "NotAccepted",
    "NotFound",
    "NotReachable",
    "NotThisSellers",
    "TimedOut",
    "UnknownClient",
    "WrongSecret",
    "problem_of",
]

MOST_ACKNOWLEDGED = 500  # what one call may carry
NOT_THIS_SELLERS = "urn:kontor:not-this-sellers"

Answer = dict[str, Any]


class Problem(msgspec.Struct):
    """A problem document (RFC 9457), as far as we read it."""

    type: str = "about:blank"
    title: str = ""
    detail: str = ""
    errors: dict[str, Any] = msgspec.field(default_factory=dict)


class Cloud:
    """An account at a cloud.

    Holds no database row, so that it may be used from any thread with an app context. Every method
    raises Unavailable (NotReachable, CertificateRefused, TimedOut, or the cloud is busy) and
    Refused (UnknownClient, WrongSecret, NotACloud, NotAccepted); NotFound and others where named.
    """

    def __init__(self, address: str, client_id: str, sealed_secret: bytes, secret_place: str) -> None:
        self.base = address.rstrip("/")
        identity = b"\0".join((self.base.encode(), client_id.encode(), sealed_secret))
        self.client = tokens.Client(
            "kontor:cloud-token:" + hashlib.sha256(identity).hexdigest(),
            self.base + "/oauth/token",
            client_id,
            sealed_secret,
            secret_place,
        )

    @classmethod
    def of(cls, credential: Credential) -> Cloud:
        """The cloud that a credential opens."""
        return cls(credential.address, credential.client_id, credential.client_secret, credential.secret_place)

    def test(self) -> Answer:
        """The account, by a token asked for just now, so that a changed secret shows."""
        tokens.fetch(self.client)
        return self.account()

    def account(self) -> Answer:
        """{"name", "client_id"}."""
        account = self._json("GET", "/account")
        if not {"name", "client_id"} <= account.keys():
            raise tokens.not_a_cloud()
        return account

    def set_webhook(self, url: str, secret: str) -> None:
        """Where the cloud sends its events, and what it signs them with. The account has one address."""
        self._call("PUT", "/webhook", {"url": url, "secret": secret})

    def platforms(self) -> list[Answer]:
        """All platforms of the account."""
        answer = _decoded(self._call("GET", "/platforms"), list[Answer] | dict[str, Any])
        return answer if isinstance(answer, list) else answer.get("platforms", [])

    def create_platform(self, kind: str, name: str, marketplaces: Sequence[str], active: bool) -> Answer:
        """Register a platform; `marketplaces` are the marketplace's own ids. Raises NameTaken."""
        body = {"kind": kind, "name": name, "marketplaces": list(marketplaces), "active": active}
        return self._json("POST", "/platforms", body, repeatable=False, conflict=NameTaken)

    def platform(self, reference: str) -> Answer:
        """The platform, its connection, and how many orders wait. Raises NotFound."""
        return self._json("GET", _path("platforms", reference))

    def update_platform(self, reference: str, **changes: Any) -> Answer:
        """Change name, marketplaces or active. Raises NotFound, NameTaken."""
        return self._json("PATCH", _path("platforms", reference), changes, conflict=NameTaken)

    def offered_settings(self, reference: str) -> Answer:
        """{"marketplaces", "payment_kinds", "shipping_levels"} of the marketplace. Raises NotFound."""
        return self._json("GET", _path("platforms", reference, "offered-settings"))

    def start_connection(self, reference: str, return_url: str) -> str:
        """The address that the browser must open to connect; good once, for some minutes."""
        answer = self._json("POST", _path("platforms", reference, "connection"), {"return_url": return_url})
        url = answer.get("url")
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise tokens.not_a_cloud()
        return url

    def disconnect(self, reference: str) -> None:
        """Forget the marketplace's permission."""
        self._call("DELETE", _path("platforms", reference, "connection"))

    def collect(self, reference: str, days: int = 0) -> None:
        """Ask the cloud to look at the marketplace now, and at all that changed there in so many days."""
        self._call("POST", _path("platforms", reference, "collection") + (f"?days={days}" if days else ""))

    def orders(self, reference: str, after: int | None, limit: int) -> tuple[bytes, str]:
        """A page of undelivered orders, undecoded, and the id of the call. `limit` is 500 at most."""
        query = f"?limit={limit}" if after is None else f"?limit={limit}&after={after}"
        answer = self._call("GET", _path("platforms", reference, "orders") + query)
        return answer.content, answer.headers.get("X-Request-Id", "")

    def look_up(self, reference: str, order_ids: Sequence[str]) -> bytes:
        """The orders of these ids, as a page like that of `orders`; what waits goes on waiting. 500 ids at most."""
        return self._call("POST", _path("platforms", reference, "order-look-ups"), {"ids": list(order_ids)}).content

    def acknowledge(self, reference: str, versions: Iterable[tuple[str, datetime]]) -> int:
        """Tell which order versions are safe with us; return how many the cloud took note of."""
        path = _path("platforms", reference, "acknowledgements")
        orders = [{"id": order_id, "version": version} for order_id, version in versions]
        acknowledged = 0
        for start in range(0, len(orders), MOST_ACKNOWLEDGED):
            answer = self._json("POST", path, {"orders": orders[start : start + MOST_ACKNOWLEDGED]})
            acknowledged += answer.get("acknowledged", 0)
        return acknowledged

    def order(self, reference: str, order_id: str) -> Answer:
        """What the cloud knows of an order. Raises NotFound where it never saw it."""
        return self._json("GET", _path("platforms", reference, "orders", order_id))

    def refetch(self, reference: str, order_id: str) -> Answer:
        """Ask the marketplace for an order now. Raises NotThisSellers, NotFound."""
        return self._json("POST", _path("platforms", reference, "orders", order_id, "refetch"))

    def submit_status(self, reference: str, key: str, body: Mapping[str, Any]) -> Answer:
        """Hand over a status message. The same key and body again give the same message again."""
        path = _path("platforms", reference, "status-messages")
        return self._json("POST", path, body, headers={"Idempotency-Key": key})

    def status(self, key: str) -> Answer:
        """How far a status message is. Raises NotFound."""
        return self._json("GET", _path("status-messages", key))

    def retry_status(self, key: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send a failed message again, with a corrected body if given. Raises NotFound."""
        return self._json("POST", _path("status-messages", key, "retry"), body)

    def _json(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        answer: Answer = _decoded(self._call(method, path, body, **options), Answer)
        return answer

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        conflict: type[Refused] = NotAccepted,
    ) -> requests.Response:
        """One call under /v1, with one new token where the cloud no longer takes ours."""
        # What the cloud refuses, it explains in the language of the person at the screen.
        sent = {"Accept-Language": str(get_locale() or "en"), **(headers or {})}
        content = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            content = msgspec.json.encode(body)
        for first in (True, False):
            token = tokens.token_of(self.client)
            sent["Authorization"] = f"Bearer {token.access_token}"
            response = transport.send(method, f"{self.base}/v1{path}", repeatable, data=content, headers=sent)
            if response.status_code != 401:
                break
            tokens.forget(self.client, token)
            if not first:
                raise Refused(
                    sentence("The cloud does not take the token it has just issued. Tell who runs the cloud.")
                )
        if response.status_code >= 400:
            raise _problem(response, conflict)
        return response


def problem_of(answer: Mapping[str, Any], name: str = "problem") -> str | None:
    """The problem in a cloud's answer as it is kept: its source where the cloud tells it, else its text."""
    source, text = answer.get(f"{name}_source"), answer.get(name)
    if isinstance(source, dict):
        encoded = msgspec.json.encode(source).decode()
        if source_of(encoded) is not None:
            return encoded
    return str(text) if text is not None else None


def _path(*segments: str) -> str:
    """A path of segments that cannot lead elsewhere, whatever a person typed as an order id."""
    if any(segment in ("", ".", "..") for segment in segments):
        raise NotFound(sentence("The cloud does not know this."))
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def _decoded(response: requests.Response, shape: Any) -> Any:
    try:
        return msgspec.json.decode(response.content, type=shape)
    except msgspec.DecodeError as error:
        raise tokens.not_a_cloud() from error


def _problem(response: requests.Response, conflict: type[Refused]) -> Exception:
    """What the cloud's refusal is called here."""
    status = response.status_code
    retry_after = tokens.seconds(response.headers.get("Retry-After"))
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        if status == 429 or status >= 500:
            return Unavailable(
                sentence("The cloud is busy or has a fault (%(status)s). Try again later.", status=status), retry_after
            )
        return tokens.not_a_cloud()
    detail = problem.detail or problem.title or sentence("The cloud refuses the call (%(status)s).", status=status)
    if status == 429 or status >= 500:
        return Unavailable(detail, retry_after)
    if status == 404:
        return (NotThisSellers if problem.type == NOT_THIS_SELLERS else NotFound)(detail)
    if status == 409:
        return conflict(detail)
    return NotAccepted(detail, {field: str(sentence) for field, sentence in problem.errors.items()})
