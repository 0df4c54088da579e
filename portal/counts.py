"""What waits for a person: counted no further than a badge can show."""

from __future__ import annotations

from sqlalchemy import select

from portal.documents.models import HeldOrder
from portal.lists import counts_up_to
from portal.platforms.models import Connection, Platform
from portal.shipments.models import MessageState, Shipment

# A badge says "99+".
MOST = 99


def needing_a_person() -> dict[str, int]:
    """How many orders are held, reports failed and platforms are to connect: MOST + 1 at most, one statement."""
    waiting = {
        "held": select(HeldOrder.id),
        "messages": select(Shipment.id).where(Shipment.state == MessageState.FAILED),
        "to_connect": select(Platform.id).where(Platform.active, Platform.connection != Connection.AUTHENTICATED),
    }
    counted = counts_up_to(list(waiting.values()), MOST)
    return {name: MOST + 1 if number is None else number for name, number in zip(waiting, counted, strict=True)}
