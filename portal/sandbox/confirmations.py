"""Shipment confirmations that were accepted: one for each package reference of an order."""

from __future__ import annotations

from typing import Any

import msgspec

from portal.sandbox import times
from portal.sandbox.store import Store

Json = dict[str, Any]


class Confirmations:
    """How often each package was confirmed, and what stands there now."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, seller: str, order_id: str, reference: str, body: Json) -> None:
        """Note a confirmation; the same reference again counts as an edit."""
        with self._store.transaction() as connection:
            moment = times.now()
            connection.execute(
                "INSERT INTO confirmation VALUES (?, ?, ?, ?, NULL, 0, ?)"
                " ON CONFLICT (seller, order_id, reference) DO UPDATE"
                " SET edited = excluded.confirmed, edits = edits + 1, body = excluded.body",
                (seller, order_id, reference, moment, msgspec.json.encode(body)),
            )

    def list(self, order_id: str | None = None) -> list[Json]:
        """In the order in which the packages were first confirmed."""
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM confirmation WHERE ? IS NULL OR order_id = ? ORDER BY confirmed, rowid",
                (order_id, order_id),
            ).fetchall()
        return [
            {
                "seller": row["seller"],
                "order_id": row["order_id"],
                "package_reference": row["reference"],
                **msgspec.json.decode(row["body"]),
                "confirmed_at": times.text(row["confirmed"]),
                "edited_at": times.text(row["edited"]) if row["edited"] else None,
                "edits": row["edits"],
            }
            for row in rows
        ]

    def clear(self) -> None:
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM confirmation")
