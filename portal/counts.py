"""What waits for a person: counted no further than a badge can show."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from portal.documents.models import HeldOrder
from portal.extensions import db
from portal.platforms.models import Connection, Platform
from portal.shipments.models import MessageState, Shipment

# A badge says "99+".
MOST = 99


def needing_a_person() -> dict[str, int]:
    """How many orders are held, reports failed and platforms are to connect: MOST + 1 at most, one statement."""
    held = select(HeldOrder.id)
    messages = select(Shipment.id).where(Shipment.state == MessageState.FAILED)
    to_connect = select(Platform.id).where(Platform.active, Platform.connection != Connection.AUTHENTICATED)
    row = db.session.execute(select(_capped(held), _capped(messages), _capped(to_connect))).one()
    return {"held": row[0], "messages": row[1], "to_connect": row[2]}


def _capped(query: Select[Any]) -> Any:
    return select(func.count()).select_from(query.limit(MOST + 1).subquery()).scalar_subquery()
