"""What waits for a person: counted no further than a badge can show."""

from __future__ import annotations

from functools import cache

from sqlalchemy import select

from portal.automation.models import Service, Task
from portal.automation.services import are_missing
from portal.documents.models import HeldOrder
from portal.lists import Query, counted, counting
from portal.platforms.models import Connection, Platform
from portal.shipments.models import MessageState, Shipment

# A badge says "99+".
MOST = 99


WAITING: dict[str, Query] = {
    "held": select(HeldOrder.id),
    "messages": select(Shipment.id).where(Shipment.state == MessageState.FAILED),
    "locked_tasks": select(Task.id).where(Task.locked_at.is_not(None)),
    "missing_services": select(Service.id).where(are_missing()),
    "to_connect": select(Platform.id).where(Platform.active, Platform.connection != Connection.AUTHENTICATED),
}


def needing_a_person() -> dict[str, int]:
    """How many of each kind of thing wait for a person: MOST + 1 at most, by one statement."""
    numbers = counted(_statement(), MOST)
    return {name: MOST + 1 if number is None else number for name, number in zip(WAITING, numbers, strict=True)}


@cache
def _statement() -> Query:
    """Every page counts these: the statement is put together once."""
    return counting(list(WAITING.values()), MOST)
