"""Where clouds report what happened: signed webhook calls, turned into work."""

from __future__ import annotations

import hashlib
import hmac
import time
from datetime import datetime
from typing import Annotated

import msgspec
import structlog
from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select, text

from portal import secrets
from portal.automation import runs
from portal.credentials.models import Credential
from portal.extensions import csrf, db
from portal.platforms import service as platforms
from portal.platforms.models import Platform
from portal.scope import current_tenant_id, tenant
from portal.shipments import service as shipments

log = structlog.get_logger()

# A call recorded by somebody can be played back this long, and then does nothing that is not due anyway.
LATE_SECONDS = 300
MOST_BYTES = 64 * 1024
LARGEST_ID = 2**31 - 1

bp = Blueprint("events", __name__, url_prefix="/events")
csrf.exempt(bp)


# PostgreSQL refuses a NUL in text; nothing of ours bears one.
Name = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*\Z")]


class Event(msgspec.Struct):
    """What a cloud reports. It names things; their state is asked for, since an event may be late."""

    id: str | int
    kind: str
    platform: Name
    at: datetime
    key: Name | None = None


@bp.post("/cloud/<int:id>")
def receive(id: int) -> ResponseReturnValue:
    """Take an event. 204 ends it; anything else and the cloud sends it again later."""
    request.max_content_length = MOST_BYTES
    body = request.get_data()
    with tenant(_tenant_of(id)):
        credential = db.session.get(Credential, id) if id <= LARGEST_ID else None
        if credential is None or not _signed(credential, body):
            abort(401, "The signature does not fit.")
        try:
            event = msgspec.json.decode(body, type=Event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            abort(400, "The body is no event.")
        with structlog.contextvars.bound_contextvars(tenant=current_tenant_id(), event=event.id):
            log.info("event_received", kind=event.kind)
            _act(event)
        db.session.flush()  # while the tenant is in scope; the request commits
    return "", 204


def _tenant_of(credential_id: int) -> int | None:
    if credential_id > LARGEST_ID:
        return None
    found: int | None = db.session.scalar(text("SELECT portal_find_credential(:id)"), {"id": credential_id})
    return found


def _signed(credential: Credential, body: bytes) -> bool:
    """True if the header Kontor-Signature (t=<unix time>,v1=<hex>) was made with the webhook's secret, just now."""
    if credential.webhook_secret is None:
        return False
    parts = dict(part.strip().partition("=")[::2] for part in request.headers.get("Kontor-Signature", "").split(","))
    at, given = parts.get("t", ""), parts.get("v1", "")
    if not (at.isascii() and at.isdigit() and given.isascii()) or abs(time.time() - int(at[:12])) > LATE_SECONDS:
        return False
    secret = secrets.unseal(credential.webhook_secret, credential.webhook_place)
    wanted = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, given)


def _act(event: Event) -> None:
    """Do what the event calls for. What we do not know, or no longer have, is nobody's fault and not repeated."""
    if event.kind == "status_message.changed":
        shipments.ask_soon(event.key or "")
        return
    platform = db.session.scalar(select(Platform).where(Platform.reference == event.platform))
    if platform is None:
        return
    if event.kind == "orders.waiting" and platform.active:
        runs.start_fetch(platform, cause="event")
    elif event.kind == "connection.changed":
        platforms.refresh(platform)
