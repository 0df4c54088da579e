"""The list of status messages: what failed first, then the newest; as quick however many there are.

The index behind it is (tenant, state, id): each state is one short scan, and the scans are merged.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Integer, literal_column, select, union_all

from portal.automation import made
from portal.documents.models import Document
from portal.extensions import db
from portal.lists import Query, Sort, Window, count_up_to, is_among, prefix
from portal.shipments import tracking
from portal.shipments.models import Carrier, MessageState, Shipment

# A search considers this many parcels whose number begins as typed.
MOST_FOUND = 500

FAILED_FIRST = Sort("failed", (literal_column("urgent", Integer), Shipment.id), descending=True)

COLUMNS = (
    Shipment.id,
    Shipment.state,
    Shipment.problem,
    Shipment.tracking_number,
    Shipment.package_reference,
    Shipment.shipped_at,
    Shipment.created_at,
    Shipment.sent_at,
    Shipment.confirmed_at,
    Shipment.next_check_at,
    Shipment.document_id,
    Document.number,
    Document.order_id,
    Carrier.name.label("carrier"),
)


def rows(states: Collection[MessageState], found: Sequence[int] | None, window: Window) -> Sequence[Any]:
    """The messages of these states in one window; `found` are the ids that were looked up, None where none were."""
    scans = [scan for each in states if (scan := _scan(each, found, window)) is not None]
    if not scans:
        return []
    merged = _merged(scans).subquery("merged")
    keys = window.ordered(select(merged), (merged.c.urgent, merged.c.id)).limit(window.rows + 1).subquery("keys")
    query = (
        select(*COLUMNS, keys.c.urgent)
        .join(keys, keys.c.id == Shipment.id)
        .join(Document, Document.id == Shipment.document_id)
        .join(Carrier, Carrier.id == Shipment.carrier_id)
    )
    return db.session.execute(window.ordered(query, (keys.c.urgent, Shipment.id))).all()


def count(states: Collection[MessageState], found: Sequence[int] | None) -> int | None:
    """How many these are, None if more than a list counts."""
    everything = Window(FAILED_FIRST, rows=1_000)
    scans = [scan for each in states if (scan := _scan(each, found, everything)) is not None]
    return count_up_to(select(_merged(scans).subquery())) if scans else 0


def looked_up(search: str, actions_id: int | None) -> list[int] | None:
    """The parcels whose number begins as typed, spaced or not, and that these area actions reported. None: all."""
    ids = [set(_found(search))] if search else []
    if actions_id is not None:
        ids.append(set(made.parcels_by_actions(actions_id)))
    return sorted(set.intersection(*ids)) if ids else None


def key_of(row: Any, sort: Sort) -> tuple[Any, ...]:
    """Where a row stands in the list."""
    return (row.urgent, row.id)


def _scan(state: MessageState, found: Sequence[int] | None, window: Window) -> Any | None:
    """The messages of one state within the window, None where the window has left that state behind."""
    urgent = int(state == MessageState.FAILED)
    falls = window.sort.descending != window.backwards
    query: Query = select(literal_column(str(urgent), Integer).label("urgent"), Shipment.id)
    query = query.where(Shipment.state == state)
    if found is not None:
        query = query.where(is_among(Shipment.id, found))
    if window.key is not None:
        edge_urgent, edge_id = window.key
        if urgent == edge_urgent:
            query = query.where(Shipment.id < edge_id if falls else Shipment.id > edge_id)
        elif (urgent > edge_urgent) == falls:
            return None
    return query.order_by(Shipment.id.desc() if falls else Shipment.id.asc()).limit(window.rows + 1).subquery()


def _merged(scans: Sequence[Any]) -> Query:
    scanned = union_all(*(select(scan.c.urgent, scan.c.id) for scan in scans)).subquery("scanned")
    return select(scanned.c.urgent, scanned.c.id)


def _found(search: str) -> list[int]:
    number = tracking.normalise(search)
    spellings = [prefix(Shipment.tracking_number, spelling) for spelling in {number, number.upper()} if spelling]
    ids: set[int] = set()
    for spelled in spellings:
        ids.update(db.session.scalars(select(Shipment.id).where(spelled).limit(MOST_FOUND)))
    return sorted(ids)
