"""The outbox: status messages to marketplaces, each sent until it is certain what became of it.

No marketplace knows an idempotency key, so doubt is resolved by reading: an attempt is committed
before its call, and a message found with an attempt of unknown outcome is looked for at the
marketplace before it is sent again. Accepted is not yet visible: a message is confirmed once the
marketplace shows its package.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from jobs.queues import enqueue
from portal.cloud.collection import lose_connection, stored_order
from portal.cloud.connectors import (
    ApplicationRefused,
    ConnectionRevoked,
    Connector,
    OutOfBudget,
    PackageRefused,
    Shipment,
    Unanswered,
    connector_for,
)
from portal.cloud.events import STATUS_MESSAGE_CHANGED, emit
from portal.cloud.models import IN_FLIGHT, CloudPlatform, ConnectionState, OutboxState, StatusMessage
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.locks import Lock, alone
from portal.order import Order, Status
from portal.scope import current_account_id
from portal.sentences import kept, sentence

log = structlog.get_logger()

# When the scheduler looks after a message whose job got lost.
LOST_AFTER = timedelta(seconds=15)
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 3600.0
# With these pauses, about 24 hours of attempts.
MOST_ATTEMPTS = 32
# A package that was accepted becomes visible within minutes; the pauses grow with the time it has taken.
FIRST_LOOK = 3.0
LOOK_FOR = timedelta(hours=24)
# How long a message waits while nobody may speak for the seller, or Kontor itself is refused.
CLOSED_PAUSE = 600.0


class Conflict(Refused):
    """The key belongs to a message with other contents."""


class LookRefused(Unavailable):
    """The marketplace refuses to show the order. That says nothing about the message."""


class OrderNotKnown(Refused):
    """The platform has never received the order that the message is about."""


def submit(platform: CloudPlatform, key: str, shipment: Shipment) -> tuple[StatusMessage, bool]:
    """Take a message in; the same key again gives the message there is. True where it is new.

    Raises Conflict, OrderNotKnown, and Refused where the marketplace takes no message for the order.
    """
    existing = find(key)
    if existing is not None:
        return _same(existing, platform, shipment), False
    body = _body(_addressed(platform, shipment))
    message = db.session.scalar(
        insert(StatusMessage)
        .values(
            account_id=current_account_id(),
            platform_id=platform.id,
            key=key,
            order_id=shipment.order_id,
            body=body,
            next_try_at=datetime.now(UTC) + LOST_AFTER,
        )
        .on_conflict_do_nothing()
        .returning(StatusMessage)
    )
    if message is None:  # the same was submitted between the two statements
        return submit(platform, key, shipment)
    enqueue("jobs.outbox.send_message", message.account_id, message.id)
    return message, True


def find(key: str) -> StatusMessage | None:
    """The account's message of this key."""
    wanted = (StatusMessage.account_id == current_account_id(), StatusMessage.key == key)
    message: StatusMessage | None = db.session.scalar(select(StatusMessage).where(*wanted))
    return message


def retry(message: StatusMessage, shipment: Shipment | None = None) -> StatusMessage:
    """Send a failed message again, perhaps with corrected contents. Any other message is left as it is.

    Raises Conflict where the contents are of another order or package: that would be another message.
    """
    db.session.refresh(message, with_for_update=True)
    if message.state != OutboxState.FAILED:
        return message
    if shipment is not None:
        before = _shipment(message)
        if (shipment.order_id, shipment.package_reference) != (before.order_id, before.package_reference):
            raise Conflict(sentence("A retry must be about the same order and package."))
        message.body = _body(replace(shipment, marketplace=before.marketplace))
    message.state, message.problem, message.attempts = OutboxState.QUEUED, None, 0
    message.next_try_at = datetime.now(UTC) + LOST_AFTER
    enqueue("jobs.outbox.send_message", message.account_id, message.id)
    return message


def send(message_id: int) -> None:
    """Bring a message one step further: send it, or look whether the marketplace shows it.

    Commits before and after the call. Expected failures are recorded in the message's row.
    """
    with alone(Lock.MESSAGE, message_id) as sole:
        if not sole:
            return
        message = db.session.get(StatusMessage, message_id)
        if message is None or message.state not in IN_FLIGHT:
            return
        platform = db.session.get_one(CloudPlatform, message.platform_id)
        if platform.connection != ConnectionState.AUTHENTICATED:
            _wait(message, CLOSED_PAUSE, kept(sentence("The platform is not connected to the marketplace.")))
        else:
            _go_on(message, platform)
        db.session.commit()


def _go_on(message: StatusMessage, platform: CloudPlatform) -> None:
    authorized_at = platform.authorized_at
    try:
        connector = connector_for(platform)
        if message.state == OutboxState.SENT:
            _look(message, platform, connector)
        else:
            _send(message, platform, connector)
    except ConnectionRevoked as revoked:
        lose_connection(platform.id, authorized_at, revoked)
        _wait(message, CLOSED_PAUSE, kept(revoked))
    except ApplicationRefused as refused:
        _wait(message, CLOSED_PAUSE, kept(refused))
    except OutOfBudget as empty:
        _wait(message, empty.retry_after or FIRST_PAUSE, message.problem)
    except Unavailable as problem:
        _try_later(message, platform, problem)
    except Refused as refused:
        _fail(message, platform, kept(refused))


def _send(message: StatusMessage, platform: CloudPlatform, connector: Connector) -> None:
    shipment = _shipment(message)
    in_doubt = message.tried_at
    if in_doubt is not None:
        try:
            is_known = _is_known(message, connector, shipment)
        except OutOfBudget:
            raise
        except Unavailable:
            message.attempts += 1
            raise
        if is_known:
            _confirm(message, platform)
            return
    message.tried_at = datetime.now(UTC)
    message.attempts += 1
    db.session.commit()
    try:
        connector.confirm_shipment(shipment)
    except PackageRefused as refused:
        message.tried_at = in_doubt  # this time certainly not carried out
        log.info("package_refused", message=message.id, answer=str(refused)[:200])
        if _is_known(message, connector, shipment):
            _confirm(message, platform)
            return
        if in_doubt is None:
            raise
        # The attempt in doubt was carried out, or somebody else was quicker: in time the marketplace shows which.
        _look_for(message, platform, None)
        return
    except Unanswered:
        raise  # perhaps carried out: the attempt stays in doubt
    except OutOfBudget:
        message.tried_at, message.attempts = in_doubt, message.attempts - 1  # no call was made
        raise
    except (Unavailable, Refused):
        message.tried_at = in_doubt  # certainly not carried out
        raise
    _look_for(message, platform, datetime.now(UTC))


def _look_for(message: StatusMessage, platform: CloudPlatform, accepted_at: datetime | None) -> None:
    """From here on the message is only looked for. `accepted_at` is None where the marketplace never said so."""
    message.state, message.problem, message.sent_at = OutboxState.SENT, None, accepted_at
    message.next_try_at = datetime.now(UTC) + timedelta(seconds=FIRST_LOOK)
    emit(STATUS_MESSAGE_CHANGED, platform, message.key)
    log.info("message_sent", message=message.id, attempts=message.attempts)


def _look(message: StatusMessage, platform: CloudPlatform, connector: Connector) -> None:
    if _is_known(message, connector, _shipment(message)):
        _confirm(message, platform)
        return
    _look_later(message, platform, message.problem)


def _is_known(message: StatusMessage, connector: Connector, shipment: Shipment) -> bool:
    """Whether the marketplace shows the package. Raises LookRefused where it does not want to say."""
    db.session.commit()  # no transaction stays open while the marketplace thinks
    try:
        return connector.package_is_known(shipment.order_id, shipment.package_reference, shipment.tracking_number)
    except (ConnectionRevoked, ApplicationRefused):
        raise
    except Refused as refused:
        raise LookRefused(refused.args[0]) from refused


def _confirm(message: StatusMessage, platform: CloudPlatform) -> None:
    now = datetime.now(UTC)
    message.state, message.problem, message.next_try_at = OutboxState.CONFIRMED, None, None
    message.sent_at, message.confirmed_at = message.sent_at or message.tried_at or now, now
    emit(STATUS_MESSAGE_CHANGED, platform, message.key)
    log.info("message_confirmed", message=message.id)


def _fail(message: StatusMessage, platform: CloudPlatform, problem: str) -> None:
    message.state, message.problem, message.next_try_at = OutboxState.FAILED, problem, None
    emit(STATUS_MESSAGE_CHANGED, platform, message.key)
    log.warning("message_failed", message=message.id, attempts=message.attempts)


def _try_later(message: StatusMessage, platform: CloudPlatform, problem: Unavailable) -> None:
    if message.state == OutboxState.SENT:
        _look_later(message, platform, message.problem)
        return
    if message.attempts >= MOST_ATTEMPTS:
        given_up = sentence(
            "Given up after %(attempts)s attempts: %(problem)s", attempts=message.attempts, problem=problem.args[0]
        )
        _fail(message, platform, kept(given_up))
        return
    pause = min(FIRST_PAUSE * 2 ** max(message.attempts - 1, 0), LONGEST_PAUSE) * random.uniform(0.8, 1.2)
    _wait(message, max(pause, problem.retry_after or 0), kept(problem))


def _look_later(message: StatusMessage, platform: CloudPlatform, problem: str | None) -> None:
    """Look again, after a pause as long as half the time it has taken so far. A day is enough."""
    now = datetime.now(UTC)
    waited = now - (message.sent_at or message.tried_at or now)
    if waited < LOOK_FOR:
        _wait(message, min(max(waited.total_seconds() / 2, FIRST_LOOK), LONGEST_PAUSE), problem)
        return
    if message.sent_at is None:
        elsewhere = sentence(
            "The marketplace finds nothing left to ship in this order, and has not shown this parcel for 24 hours: it "
            "was shipped already, elsewhere. Check it in the marketplace's pages."
        )
        _fail(message, platform, kept(elsewhere))
        return
    # A person may send it again: before that is said a second time it is looked for once more.
    never_shown = sentence(
        "The marketplace accepted the shipment, but has not shown it for 24 hours. Check it in the marketplace's pages."
    )
    _fail(message, platform, kept(never_shown))


def _wait(message: StatusMessage, seconds: float, problem: str | None) -> None:
    message.next_try_at = datetime.now(UTC) + timedelta(seconds=seconds)
    message.problem = problem


def _same(message: StatusMessage, platform: CloudPlatform, shipment: Shipment) -> StatusMessage:
    before = _shipment(message)
    if message.platform_id != platform.id or replace(before, marketplace="") != replace(shipment, marketplace=""):
        raise Conflict(sentence("The key “%(key)s” was used for another message.", key=message.key))
    return message


def _addressed(platform: CloudPlatform, shipment: Shipment) -> Shipment:
    """The shipment with the marketplace its order came from. Raises OrderNotKnown, Refused."""
    stored = stored_order(platform.id, shipment.order_id)
    if stored is None:
        raise OrderNotKnown(sentence("The order %(order)s is not known to this platform.", order=shipment.order_id))
    order = msgspec.json.decode(stored.payload, type=Order)
    why_not = connector_for(platform).why_not_confirmed(order)
    if order.status == Status.CANCELLED:
        why_not = sentence("The order %(order)s was cancelled.", order=order.id)
    if why_not:
        raise Refused(why_not)
    return replace(shipment, marketplace=order.marketplace)


def _shipment(message: StatusMessage) -> Shipment:
    return msgspec.convert(message.body, Shipment)


def _body(shipment: Shipment) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(shipment)
    return body
