"""The jobs that bring things out of the cloud: messages to marketplaces, events to accounts."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from portal.cloud import events, outbox
from portal.scope import account


def send_message(account_id: int, message_id: int) -> None:
    """Bring a status message one step further."""
    with account(account_id), bound_contextvars(account=account_id, message=message_id):
        outbox.send(message_id)


def deliver_event(account_id: int, event_id: int) -> None:
    """Call the account's address."""
    with account(account_id), bound_contextvars(account=account_id, event_id=event_id):
        events.deliver_event(event_id)
