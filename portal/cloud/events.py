"""Events: an account's own address is called when something happened. Signed, repeated until it answers.

They only wake the account: whoever misses one finds the same by asking.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import requests
import structlog
from sqlalchemy import select, update

from jobs.queues import enqueue
from portal import outgoing
from portal.cloud.models import Account, CloudEvent, CloudPlatform
from portal.extensions import db
from portal.outgoing import GuardedAdapter, PrivateNetwork
from portal.scope import current_account_id
from portal.secrets import unseal
from portal.signing import HEADER, signature

log = structlog.get_logger()

ORDERS_WAITING = "orders.waiting"
CONNECTION_CHANGED = "connection.changed"
STATUS_MESSAGE_CHANGED = "status_message.changed"

# When the scheduler looks after an event whose job got lost.
LOST_AFTER = timedelta(seconds=15)
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 3600.0
GIVE_UP_AFTER = timedelta(days=3)
TIMEOUT_SECONDS = (5, 15)


def emit(kind: str, platform: CloudPlatform, key: str | None = None) -> None:
    """Note an event, to be sent after commit. Nothing to do for an account without an address.

    Of orders.waiting there is one at a time that has not been tried yet: it says all.
    """
    account = db.session.get_one(Account, current_account_id())
    if not account.webhook_url:
        return
    if kind == ORDERS_WAITING and db.session.scalar(_same_kind(platform.reference, CloudEvent.attempts == 0)):
        return
    now = datetime.now(UTC)
    body = {"kind": kind, "platform": platform.reference, "at": now.isoformat()}
    if key is not None:
        body["key"] = key
    event = CloudEvent(account_id=account.id, kind=kind, body=body, next_try_at=now + LOST_AFTER)
    db.session.add(event)
    db.session.flush()
    enqueue("jobs.outbox.deliver_event", account.id, event.id)


def deliver_event(event_id: int) -> None:
    """Call the account's address. Commits before the call (the attempt) and after it (the outcome)."""
    event = db.session.get(CloudEvent, event_id)
    if event is None or event.delivered_at is not None or event.next_try_at is None:
        return
    account = db.session.get_one(Account, event.account_id)
    if not account.webhook_url or account.webhook_secret is None or _is_said_by_another(event):
        db.session.delete(event)
        db.session.commit()
        return
    url, secret = account.webhook_url, unseal(account.webhook_secret, account.webhook_place)
    body = msgspec.json.encode({"id": event.id, **event.body})
    kind, created_at = event.kind, event.created_at
    if not _claim(event):
        return
    outcome = _call(url, secret, body)
    delivered = outcome == "delivered"
    values: dict[str, Any] = {"delivered_at": datetime.now(UTC), "next_try_at": None} if delivered else {}
    if not delivered and datetime.now(UTC) - created_at > GIVE_UP_AFTER:
        values = {"next_try_at": None}
        outcome = f"given up: {outcome}"
    if values:
        db.session.execute(update(CloudEvent).where(CloudEvent.id == event_id).values(**values))
    db.session.commit()
    log.info("event_sent" if delivered else "event_not_sent", event_id=event_id, kind=kind, outcome=outcome)


def _claim(event: CloudEvent) -> bool:
    """Count the attempt and set the next before the call is made. False where another worker was faster."""
    seen = event.attempts
    pause = min(FIRST_PAUSE * 2**seen, LONGEST_PAUSE) * random.uniform(0.8, 1.2)
    claimed = db.session.execute(
        update(CloudEvent)
        .where(CloudEvent.id == event.id, CloudEvent.attempts == seen, CloudEvent.delivered_at.is_(None))
        .values(attempts=seen + 1, next_try_at=datetime.now(UTC) + timedelta(seconds=pause))
    )
    db.session.commit()
    return bool(claimed.rowcount)


def _call(url: str, secret: str, body: bytes) -> str:
    """ "delivered", or why not."""
    headers = {"Content-Type": "application/json", HEADER: signature(secret, body, int(time.time()))}
    try:
        # Redirects are not followed: what is signed for one address is not sent to another.
        with (
            outgoing.equip(requests.Session(), GuardedAdapter(outgoing.reach())) as session,
            session.post(
                url, data=body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
            ) as response,
        ):
            return "delivered" if 200 <= response.status_code < 300 else f"status {response.status_code}"
    except (requests.RequestException, ValueError, PrivateNetwork) as error:
        return type(error).__name__


def _is_said_by_another(event: CloudEvent) -> bool:
    """True for orders.waiting that failed before, where a newer one is on its way."""
    if event.kind != ORDERS_WAITING or not event.attempts:
        return False
    return bool(db.session.scalar(_same_kind(event.body["platform"], CloudEvent.id > event.id)))


def _same_kind(reference: str, condition: Any) -> Any:
    same = (
        CloudEvent.kind == ORDERS_WAITING,
        CloudEvent.body["platform"].astext == reference,
        CloudEvent.next_try_at.is_not(None),
    )
    return select(CloudEvent.id).where(CloudEvent.account_id == current_account_id(), *same, condition).limit(1)
