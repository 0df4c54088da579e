"""OAuth 2.0, the server's side: client credentials against bearer tokens of an hour.

Only hashes of tokens are stored. Each process trusts a token it has looked up for TRUST_SECONDS,
so that the orders API needs no statement for it; a token withdrawn meanwhile lives that much longer.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidClientError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.models import TokenMixin
from authlib.oauth2.rfc6750 import BearerTokenGenerator, BearerTokenValidator
from flask import Flask, current_app
from sqlalchemy import delete, text

from portal.cloud import accounts
from portal.cloud.models import AccessToken, Account
from portal.extensions import db
from portal.scope import account

TOKEN_SECONDS = 3600
# How long a process goes without asking the database again. At most a minute: this is the
# delay with which a withdrawn token stops working.
TRUST_SECONDS = 30
# Tokens are few (one an hour and client); past this many the oldest are forgotten.
MOST_TRUSTED = 5_000
SCOPE = "cloud"
METHODS = ("client_secret_basic", "client_secret_post")


class UnknownClient(InvalidClientError):
    """No account has this client id."""

    def __init__(self) -> None:
        super().__init__("Unknown client: there is no account with this client id.", status_code=401)


class WrongSecret(InvalidClientError):
    """The account has another secret."""

    def __init__(self) -> None:
        super().__init__("Wrong secret: the account has another client secret.", status_code=401)


@dataclass(frozen=True)
class Client(ClientMixin):
    """An account, as Authlib asks about it."""

    account: Account

    def get_client_id(self) -> str:
        return self.account.client_id

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """None, for a scope there is not, makes Authlib answer invalid_scope."""
        return SCOPE if not scope or scope == SCOPE else None

    def check_client_secret(self, client_secret: str) -> bool:
        if not accounts.is_hash_of(client_secret, self.account.client_secret_hash):
            raise WrongSecret
        return True

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in METHODS

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == ClientCredentialsGrant.GRANT_TYPE


@dataclass(frozen=True)
class Token(TokenMixin):
    """A token that was handed out: whose it is, and until when. `seen_at` is of the monotonic clock."""

    account_id: int
    scope: str
    expires_at: datetime
    seen_at: float

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return datetime.now(UTC) >= self.expires_at

    def is_revoked(self) -> bool:
        return False  # one that was withdrawn has no row

    @property
    def is_trusted(self) -> bool:
        return time.monotonic() - self.seen_at < TRUST_SECONDS


class Grant(ClientCredentialsGrant):
    """Client credentials, by HTTP Basic or in the body."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = list(METHODS)


class Server(AuthorizationServer):
    """Hands out tokens. The account has to be in scope by the time one is saved: see `enter`."""

    def load_config(self, config: dict[str, Any]) -> None:
        def generate(**_: Any) -> str:
            return secrets.token_urlsafe(accounts.SECRET_BYTES)

        self.register_token_generator("default", BearerTokenGenerator(generate, None, lambda *_: TOKEN_SECONDS))
        self.register_grant(Grant)

    def query_client(self, client_id: str) -> Client:
        from portal.cloud.api.door import enter

        account_id = accounts.find_account_id(client_id)
        if account_id is None:
            raise UnknownClient
        enter(account_id)
        return Client(accounts.own_account(account_id))

    def authenticate_client(self, request: OAuth2Request, methods: list[str], endpoint: str = "token") -> Client:
        try:
            client: Client = super().authenticate_client(request, methods, endpoint)
        except UnicodeDecodeError as error:
            raise InvalidClientError("The Authorization header is no UTF-8.", status_code=401) from error
        return client

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        now = datetime.now(UTC)
        account_id = request.client.account.id
        # Nothing else removes the dead ones; an account has a handful at most.
        db.session.execute(delete(AccessToken).where(AccessToken.expires_at < now))
        db.session.add(
            AccessToken(
                token_hash=accounts.hash_of(token["access_token"]),
                account_id=account_id,
                scope=token["scope"],
                issued_at=now,
                expires_at=now + timedelta(seconds=TOKEN_SECONDS),
            )
        )
        db.session.flush()


class Validator(BearerTokenValidator):
    """Knows the tokens that this process has seen lately, and asks the database for others."""

    def __init__(self) -> None:
        super().__init__(realm="kontor")
        self._trusted: dict[str, Token] = {}

    def authenticate_token(self, token_string: str) -> Token | None:
        token_hash = accounts.hash_of(token_string)
        token = self._trusted.get(token_hash)
        if token is None or not token.is_trusted:
            token = _look_up(token_hash)
            self._remember(token_hash, token)
        return token

    def _remember(self, token_hash: str, token: Token | None) -> None:
        # Threads share this; each step is atomic, and the worst outcome is a look-up too many.
        if token is None:
            self._trusted.pop(token_hash, None)
            return
        if len(self._trusted) >= MOST_TRUSTED:
            self._trusted.clear()
        self._trusted[token_hash] = token


def init_app(app: Flask) -> None:
    """Set up the token endpoint and the check of tokens for this app."""
    protector = ResourceProtector()
    protector.register_token_validator(Validator())
    app.extensions["cloud_authorization"] = Server(app)
    app.extensions["cloud_protector"] = protector


def authorization_server() -> Server:
    """The current app's token endpoint."""
    server: Server = current_app.extensions["cloud_authorization"]
    return server


def token_of_request() -> Token:
    """The valid token that the request carries. Raises OAuth2Error."""
    token: Token = current_app.extensions["cloud_protector"].acquire_token()
    return token


def _look_up(token_hash: str) -> Token | None:
    account_id = db.session.scalar(text("SELECT cloud_find_token(:hash)"), {"hash": token_hash})
    if account_id is None:
        return None
    with account(account_id):
        row = db.session.get(AccessToken, token_hash)
        if row is None:
            return None
        return Token(row.account_id, row.scope, row.expires_at, time.monotonic())
