"""Consents: a seller's browser goes to the marketplace, and comes back with permission, or with a reason why not.

Two secrets lead through it, each good once. The link is what the account hands to its user's browser;
opening it exchanges it for a state, which travels through the marketplace, and a nonce, which stays
in a cookie of that browser. Only both together find the consent again, so a state that was overheard
or sent to somebody else is worth nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from flask import current_app
from sqlalchemy import delete, select, text, update

from jobs.queues import enqueue
from portal.cloud.accounts import hash_of
from portal.cloud.connectors import ApplicationRefused, Authorization, connector_for
from portal.cloud.models import IN_FLIGHT, CloudPlatform, ConnectionState, Consent, StatusMessage
from portal.cloud.outcomes import WORDS, Outcome
from portal.cloud.platforms import taken_by
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.scope import current_account_id
from portal.secrets import seal
from portal.sentences import kept

log = structlog.get_logger()

# Signing in to the marketplace, with a second factor that has to be looked for, fits in.
LIVES = timedelta(minutes=15)
# Kept beyond that so that a late browser is told why, rather than that nobody knows it.
KEPT = timedelta(days=2)


@dataclass(frozen=True)
class Ended:
    """A consent that is over: where the browser goes, and with which outcome."""

    return_url: str
    outcome: Outcome


def start_consent(platform: CloudPlatform, return_url: str) -> tuple[str, datetime]:
    """The secret of a link to be opened in the seller's browser, and until when it works."""
    now = datetime.now(UTC)
    db.session.execute(delete(Consent).where(Consent.expires_at < now - KEPT))
    link = secrets.token_urlsafe(32)
    consent = Consent(
        state_hash=hash_of(link),
        account_id=current_account_id(),
        platform_id=platform.id,
        return_url=return_url,
        expires_at=now + LIVES,
    )
    db.session.add(consent)
    db.session.flush()
    return link, consent.expires_at


def find_account_id(secret: str) -> int | None:
    """Whose consent it is, before any account is in scope. `secret` is a link, or what `bound` made."""
    found: int | None = db.session.scalar(text("SELECT cloud_find_consent(:hash)"), {"hash": hash_of(secret)})
    return found


def bound(state: str, nonce: str) -> str:
    """State and nonce as one secret."""
    return f"{state}.{nonce}"


def open_link(link: str, nonce: str) -> str | Ended:
    """Bind the consent to the browser that holds `nonce`; return the marketplace's consent page.

    Raises LookupError where the link was opened before. Refused where the platform cannot be connected.
    """
    consent = db.session.get(Consent, hash_of(link), with_for_update=True)
    if consent is None:
        raise LookupError(link)
    if consent.expires_at < datetime.now(UTC):
        return Ended(consent.return_url, Outcome.EXPIRED)
    state = secrets.token_urlsafe(32)
    consent.state_hash = hash_of(bound(state, nonce))
    db.session.flush()
    platform = db.session.get_one(CloudPlatform, consent.platform_id)
    return connector_for(platform).consent_url(state, redirect_uri(platform.kind))


def finish(secret: str, callback: Mapping[str, str]) -> Ended:
    """Exchange what the marketplace gave the browser. Commits before the marketplace is asked.

    Raises LookupError where the platform was removed meanwhile.
    """
    consent = _use(secret)
    if isinstance(consent, Ended):
        return consent
    platform_id, return_url = consent
    # The code is spent by now: nothing that fails below may let it be tried again.
    db.session.commit()
    platform = db.session.get(CloudPlatform, platform_id)
    if platform is None:
        raise LookupError(platform_id)
    outcome = _exchange(platform, callback)
    if outcome != Outcome.AUTHENTICATED and platform.connection == ConnectionState.NOT_AUTHENTICATED:
        platform.connection_problem = kept(WORDS[outcome].happened)
    log.info("consent_ended", platform=platform_id, outcome=outcome)
    return Ended(return_url, outcome)


def disconnect(platform: CloudPlatform) -> None:
    """Forget the permission. The seller stays noted: a platform is one seller's for good."""
    from portal.cloud.events import CONNECTION_CHANGED, emit

    platform.connection = ConnectionState.NOT_AUTHENTICATED
    platform.connection_problem = platform.refresh_token = None
    platform.authorized_at = platform.next_collect_at = None
    db.session.flush()
    emit(CONNECTION_CHANGED, platform)


def _use(secret: str) -> tuple[int, str] | Ended:
    """Mark the consent used, by whoever comes first; its platform and return address."""
    now = datetime.now(UTC)
    row = db.session.execute(
        update(Consent)
        .where(Consent.state_hash == hash_of(secret), Consent.used_at.is_(None), Consent.expires_at >= now)
        .values(used_at=now)
        .returning(Consent.platform_id, Consent.return_url)
    ).one_or_none()
    if row is not None:
        return row.platform_id, row.return_url
    consent = db.session.scalar(select(Consent).where(Consent.state_hash == hash_of(secret)))
    if consent is None:
        raise LookupError(secret)
    return Ended(consent.return_url, Outcome.REPLAYED if consent.used_at else Outcome.EXPIRED)


def _exchange(platform: CloudPlatform, callback: Mapping[str, str]) -> Outcome:
    if "error" in callback:
        return Outcome.REFUSED
    try:
        authorization = connector_for(platform).authorize(callback, redirect_uri(platform.kind))
    except Unavailable:
        return Outcome.UNAVAILABLE
    except ApplicationRefused as error:
        # Nothing the seller can mend: it is this installation's own registration.
        log.error("application_refused", kind=platform.kind, error=str(error))
        return Outcome.UNAVAILABLE
    except Refused:
        return Outcome.CODE_REFUSED
    return _keep(platform, authorization)


def _keep(platform: CloudPlatform, authorization: Authorization) -> Outcome:
    """Store the permission, unless the platform is another seller's."""
    from portal.cloud.events import CONNECTION_CHANGED, emit

    db.session.refresh(platform, with_for_update=True)
    if platform.seller_id not in (None, authorization.seller_id):
        return Outcome.FOREIGN_SELLER
    if taken_by(platform, authorization.seller_id, platform.marketplaces) is not None:
        return Outcome.ALREADY_CONNECTED
    now = datetime.now(UTC)
    platform.connection = ConnectionState.AUTHENTICATED
    platform.connection_problem = platform.collect_problem = None
    platform.seller_id = authorization.seller_id
    platform.refresh_token = seal(authorization.refresh_token, platform.token_place)
    platform.authorized_at = platform.next_collect_at = now
    platform.failures = 0
    db.session.flush()
    # What waited for the connection goes on at once.
    waiting = update(StatusMessage).where(StatusMessage.platform_id == platform.id)
    waiting = waiting.where(StatusMessage.state.in_(IN_FLIGHT), StatusMessage.next_try_at.is_not(None))
    db.session.execute(waiting.values(next_try_at=now), execution_options={"synchronize_session": False})
    if platform.active:
        enqueue("jobs.collect.collect_orders", platform.account_id, platform.id)
    emit(CONNECTION_CHANGED, platform)
    return Outcome.AUTHENTICATED


def redirect_uri(kind: str) -> str:
    """Where the marketplace sends the browser back to. It has to be registered there."""
    return f"{current_app.config['PUBLIC_URL']}/cloud/callback/{kind}"
