"""Access tokens of clouds: kept in memory, shared between processes by Redis (sealed), asked for anew when needed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import msgspec
import requests
import structlog
from authlib.integrations.requests_client import OAuth2Session
from flask import current_app
from redis.exceptions import RedisError

from portal import secrets
from portal.credentials import transport
from portal.credentials.errors import NotACloud, UnknownClient, WrongSecret
from portal.errors import Refused, Unavailable
from portal.extensions import redis
from portal.sentences import sentence

log = structlog.get_logger()

# A token that ends during a call costs a second call; one minute is longer than any call may take.
EARLY_SECONDS = 60


class Token(msgspec.Struct, frozen=True):
    """A bearer token, and when it ends (seconds since 1970)."""

    access_token: str
    expires_at: float

    @property
    def usable(self) -> bool:
        return time.time() < self.expires_at - EARLY_SECONDS


class TokenAnswer(msgspec.Struct):
    """What a token endpoint answers (RFC 6749, sections 5.1 and 5.2)."""

    access_token: str = ""
    expires_in: float = 0
    error: str = ""
    error_description: str = ""


@dataclass(frozen=True)
class Client:
    """Who asks, and where. `key` differs for every address, client and stored secret."""

    key: str
    token_url: str
    client_id: str
    sealed_secret: bytes
    secret_place: str


@dataclass(frozen=True)
class Kept:
    """What this process keeps: tokens, and a lock for whoever asks for one, by the client's key."""

    tokens: dict[str, Token]
    locks: dict[str, threading.Lock]


def token_of(client: Client) -> Token:
    """A usable token: from memory, else from Redis, else from the cloud."""
    kept = _kept()
    token = kept.tokens.get(client.key)
    if token is not None and token.usable:
        return token
    with kept.locks.setdefault(client.key, threading.Lock()):  # by client: one slow cloud must not hold up others
        token = kept.tokens.get(client.key)
        if token is None or not token.usable:
            token = _recall(client)
        if token is None:
            return fetch(client)
        kept.tokens[client.key] = token
        return token


def forget(client: Client, token: Token) -> None:
    """The cloud did not take this token: do not use it again."""
    kept = _kept().tokens
    if kept.get(client.key) == token:
        kept.pop(client.key, None)
    try:
        redis().delete(client.key)
    except RedisError:
        log.warning("token_not_forgotten")


def fetch(client: Client) -> Token:
    """A new token, asked of the cloud. Raises UnknownClient, WrongSecret, NotACloud, Refused, Unavailable."""
    asking = OAuth2Session(
        client.client_id,
        secrets.unseal(client.sealed_secret, client.secret_place),
        # In the body: HTTP's basic scheme has no agreed spelling for letters beyond ASCII.
        token_endpoint_auth_method="client_secret_post",  # noqa: S106  a method, no secret
    )
    asking.register_compliance_hook("access_token_response", _check)
    with transport.in_words(client.token_url), transport.equip(asking):
        granted = asking.fetch_token(
            client.token_url,
            grant_type="client_credentials",
            timeout=transport.TIMEOUT,
            allow_redirects=False,
        )
    token = Token(granted["access_token"], time.time() + float(granted.get("expires_in") or 0))
    _kept().tokens[client.key] = token
    _share(client, token)
    return token


def _check(response: requests.Response) -> requests.Response:
    """The answer, if it grants a token; else its refusal in words."""
    transport.refuse_redirect(response)
    if response.status_code in (429, 502, 503, 504):
        raise Unavailable(
            sentence(
                "The cloud is busy or being restarted (%(status)s). Try again later.", status=response.status_code
            ),
            retry_after=seconds(response.headers.get("Retry-After")),
        )
    try:
        answer = msgspec.json.decode(response.content, type=TokenAnswer, strict=False)
    except msgspec.DecodeError as error:
        raise not_a_cloud() from error
    if answer.error == "invalid_client":
        raise _refusal(answer.error_description)
    if answer.error:
        raise Refused(
            sentence("The cloud grants no token: %(reason)s.", reason=answer.error_description or answer.error)
        )
    if response.status_code != 200 or not answer.access_token:
        raise not_a_cloud()
    return response


def _refusal(description: str) -> Refused:
    if "unknown client" in description.lower():
        return UnknownClient(
            sentence("The cloud has no client with this id. Copy the client id again; spaces and capitals count.")
        )
    if "wrong secret" in description.lower():
        return WrongSecret(
            sentence("The cloud knows the client id, but the client secret is another. Enter the secret again.")
        )
    return Refused(sentence("The cloud refuses client id or client secret. Enter both again."))


def not_a_cloud() -> NotACloud:
    """Something answered that no Kontor cloud would say."""
    return NotACloud(
        sentence("A server answers at this address, but it is not a Kontor cloud. The address usually ends in /cloud.")
    )


def seconds(header: str | None) -> float | None:
    """Retry-After in seconds. Its other form, a date, is not used by a Kontor cloud."""
    return float(header) if header and header.isdigit() else None


def _kept() -> Kept:
    kept: Kept = current_app.extensions.setdefault("cloud_tokens", Kept({}, {}))
    return kept


def _recall(client: Client) -> Token | None:
    try:
        sealed = redis().get(client.key)
    except RedisError:
        return None
    if not isinstance(sealed, bytes):
        return None
    try:
        token = msgspec.json.decode(secrets.unseal(sealed, client.key), type=Token)
    except (secrets.NotOpened, msgspec.DecodeError):
        return None
    return token if token.usable else None


def _share(client: Client, token: Token) -> None:
    lives = int(token.expires_at - time.time() - EARLY_SECONDS)
    if lives <= 0:
        return
    try:
        redis().set(client.key, secrets.seal(msgspec.json.encode(token).decode(), client.key), ex=lives)
    except RedisError:
        log.warning("token_not_shared")
