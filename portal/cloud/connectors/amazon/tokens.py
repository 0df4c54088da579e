"""Login with Amazon: codes and refresh tokens become access tokens, which all workers share.

An access token lies sealed in Redis until five minutes before it expires; one worker at a time
fetches a new one while the others wait for it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from dataclasses import dataclass
from typing import Any

import requests
import structlog
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from redis.exceptions import LockError

from portal.cloud.connectors import ApplicationRefused, CodeRefused, ConnectionRevoked
from portal.cloud.connectors.amazon.transport import limit
from portal.errors import Unavailable
from portal.extensions import redis
from portal.secrets import NotOpened, seal, unseal
from portal.sentences import sentence

log = structlog.get_logger()

VERSION = "0.1"
# Amazon wants the application named so, and refuses more than 500 characters.
USER_AGENT = f"Kontor/{VERSION} (Language=Python/{platform.python_version()}; Platform={platform.system()})"

# A token this close to its end is not used any more: the call it is for may be slow.
EARLY_SECONDS = 300
# Longer than a refresh can take, so that the lock of a worker that died opens by itself.
LOCK_SECONDS = 100
WAIT_SECONDS = 40
RETRY_SECONDS = 30

OURS_TO_MEND = ("invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type", "invalid_request")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one connection. `owner` names its row, for the keys in Redis."""

    url: str
    client_id: str
    client_secret: str
    owner: str
    refresh_token: str

    def access_token(self) -> str:
        """A token with at least five minutes to live.

        Raises ConnectionRevoked (the seller), ApplicationRefused (our client id or secret), Unavailable.
        """
        token = self._cached()
        if token:
            return token
        try:
            with redis().lock(f"{self._key}:lock", timeout=LOCK_SECONDS, blocking_timeout=WAIT_SECONDS):
                return self._cached() or self._refreshed()
        except LockError as error:
            raise Unavailable(sentence("Amazon takes long to hand out an access token."), RETRY_SECONDS) from error

    def forget(self, access_token: str) -> None:
        """Drop this token from the cache, unless another worker has renewed it already."""
        if self._cached() == access_token:
            redis().delete(self._key)

    def _refreshed(self) -> str:
        try:
            answer = self._fetch(grant_type="refresh_token", refresh_token=self.refresh_token)
        except OAuthError as error:
            if error.error == "invalid_grant":
                raise ConnectionRevoked(sentence("Amazon no longer lets Kontor speak for this seller.")) from error
            raise
        token, lives = answer["access_token"], answer.get("expires_in", 3600)
        keep = int(lives) - EARLY_SECONDS
        if keep > 0:
            kept = json.dumps({"token": token, "until": time.time() + keep})
            redis().set(self._key, seal(kept, self._key), ex=keep)
        return str(token)

    def _cached(self) -> str | None:
        sealed = redis().get(self._key)
        if sealed is None:
            return None
        try:
            kept = json.loads(unseal(sealed, self._key))  # type: ignore[arg-type]
        except (NotOpened, ValueError, LookupError):
            return None  # of an older key, or spoilt: fetch another
        return str(kept["token"]) if kept["until"] > time.time() else None

    def _fetch(self, **grant: str) -> dict[str, Any]:
        return fetch(self.url, self.client_id, self.client_secret, **grant)

    @property
    def _key(self) -> str:
        # By refresh token too: after a new consent the old access token is nobody's.
        fingerprint = hashlib.sha256(f"{self.url} {self.client_id} {self.refresh_token}".encode()).hexdigest()[:16]
        return f"kontor:amazon:token:{self.owner}:{fingerprint}"


def exchange(url: str, client_id: str, client_secret: str, code: str, redirect_uri: str) -> str:
    """The refresh token for the code of a consent, which lives five minutes and works once.

    Raises CodeRefused, ApplicationRefused, Unavailable.
    """
    try:
        answer = fetch(
            url, client_id, client_secret, grant_type="authorization_code", code=code, redirect_uri=redirect_uri
        )
    except OAuthError as error:
        raise CodeRefused(
            sentence("Amazon refused the code: it has expired, or was used before. Connect once more.")
        ) from error
    if not isinstance(answer.get("refresh_token"), str):
        raise Unavailable(sentence("Amazon's answer held no refresh token."), RETRY_SECONDS)
    return str(answer["refresh_token"])


def fetch(url: str, client_id: str, client_secret: str, **grant: str) -> dict[str, Any]:
    """Ask the token endpoint. Raises OAuthError where the grant itself is refused; ApplicationRefused, Unavailable."""
    session = OAuth2Session(client_id, client_secret, token_endpoint_auth_method="client_secret_post")  # noqa: S106
    limit(session)
    session.headers["User-Agent"] = USER_AGENT
    began = time.monotonic()
    outcome = "answered"
    try:
        if grant["grant_type"] == "refresh_token":
            answer = session.refresh_token(url, refresh_token=grant["refresh_token"], allow_redirects=False)
        else:
            answer = session.fetch_token(url, allow_redirects=False, **grant)
    except OAuthError as error:
        outcome = str(error.error)
        if error.error == "invalid_request" and "code" in grant:
            raise  # a code that was tampered with, not a mistake of ours
        if error.error in OURS_TO_MEND:
            raise ApplicationRefused(
                sentence(
                    "Amazon refuses Kontor's own sign-in (%(error)s): its client id or client secret is wrong or has "
                    "expired. Tell who runs this installation.",
                    error=str(error.error),
                )
            ) from error
        if error.error != "invalid_grant":
            raise Unavailable(
                sentence("Amazon hands out no access token at the moment (%(error)s).", error=str(error.error)),
                RETRY_SECONDS,
            ) from error
        raise
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        outcome = type(error).__name__
        raise Unavailable(sentence("Amazon hands out no access token at the moment."), RETRY_SECONDS) from error
    finally:
        log.info("amazon_token_asked", grant=grant["grant_type"], outcome=outcome, ms=_ms(began))
    if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
        raise Unavailable(sentence("Amazon's answer held no access token."), RETRY_SECONDS)
    return dict(answer)


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
