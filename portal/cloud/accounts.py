"""Accounts of the cloud: who may call its API, and by which secret."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import Sequence, delete, select, text

from portal.cloud.models import AccessToken, Account
from portal.extensions import db
from portal.scope import account

SECRET_BYTES = 32


def create_account(name: str) -> tuple[Account, str, str]:
    """A new account, its client id and its client secret, which is told only here."""
    # The row policy compares the id, so it has to be in scope before the row is written.
    account_id = db.session.scalar(Sequence("cloud_account_id_seq"))
    client_id = f"kontor-{secrets.token_hex(8)}"
    client_secret = secrets.token_urlsafe(SECRET_BYTES)
    with account(account_id):
        made = Account(id=account_id, name=name, client_id=client_id, client_secret_hash=hash_of(client_secret))
        db.session.add(made)
        db.session.flush()
    return made, client_id, client_secret


def rename(account_id: int, name: str) -> None:
    """Give the account another name."""
    with account(account_id):
        db.session.get_one(Account, account_id).name = name
        db.session.flush()


def new_secret(account_id: int) -> str:
    """Replace the client secret and withdraw the tokens handed out under the old one.

    Processes that saw such a token within the last TRUST_SECONDS (tokens.py) accept it that much longer.
    """
    client_secret = secrets.token_urlsafe(SECRET_BYTES)
    with account(account_id):
        db.session.get_one(Account, account_id).client_secret_hash = hash_of(client_secret)
        db.session.execute(delete(AccessToken).where(AccessToken.account_id == account_id))
        db.session.flush()
    return client_secret


def find_account_id(client_id: str) -> int | None:
    """The account of a client id, before any account is in scope."""
    # PostgreSQL refuses a NUL in text; nothing of ours bears one.
    if "\0" in client_id:
        return None
    found: int | None = db.session.scalar(text("SELECT cloud_find_account(:id)"), {"id": client_id})
    return found


def own_account(account_id: int) -> Account:
    """The account in scope."""
    return db.session.scalars(select(Account).where(Account.id == account_id)).one()


def hash_of(secret: str) -> str:
    """SHA-256 in hex, of a client secret, an access token or the state of a consent.

    All of them are 256 random bits of our own making: nobody tries that many, so the slow, salted
    hash that a password needs would only cost time at each request. The hash keeps a copy of the
    database from being a bunch of keys.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def is_hash_of(secret: str, stored: str) -> bool:
    """True if `stored` is the hash of `secret`, compared in constant time."""
    return hmac.compare_digest(hash_of(secret), stored)
