"""The orders that were placed. Whoever changes one stamps it, so that no change is missed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from portal.sandbox import times
from portal.sandbox.store import Store

Json = dict[str, Any]
Family = Literal["created", "updated"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An order as it is stored. `body` is its complete JSON."""

    seller: str
    order_id: str
    marketplace: str
    status: str
    fulfilled_by: str
    created: int
    updated: int
    visible: int
    as_it_is: bool
    body: bytes
    seq: int = 0

    @property
    def order(self) -> Json:
        """Raises ValueError where an order was placed that is no JSON object."""
        order = msgspec.json.decode(self.body)
        if not isinstance(order, dict):
            raise ValueError("The order is not an object.")
        return order


@dataclass(frozen=True)
class Query:
    """What searchOrders looks for. Both bounds belong to the window; `behind` is where the last page ended."""

    seller: str
    family: Family
    low: int
    high: int
    marketplaces: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    fulfilled_by: tuple[str, ...] = ()
    behind: tuple[int, int] | None = None


class Orderbook:
    """Orders by seller and id. An order is replaced where its id comes again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def place(
        self,
        seller: str,
        orders: Iterable[Json],
        *,
        updated: int | None = None,
        late: Callable[[], int] = lambda: 0,
        unused_id: Callable[[Json], str],
    ) -> list[str]:
        """Enter orders that were built here. `late` gives the milliseconds that each stays unlisted."""
        with self._store.transaction() as connection:
            stamp = times.now() if updated is None else updated
            entries = []
            taken: set[str] = set()
            for order in orders:
                while order["orderId"] in taken or self.find(seller, order["orderId"]):
                    order["orderId"] = unused_id(order)
                taken.add(order["orderId"])
                order["lastUpdatedTime"] = times.text(stamp)
                entries.append(_entry(seller, order, stamp, times.now() + late()))
            _write(connection, entries)
            return [entry.order_id for entry in entries]

    def place_as_it_is(
        self, seller: str, body: bytes, *, order_id: str, updated: int | None = None, late: int = 0
    ) -> None:
        """Enter an order in somebody's own words, to be served byte for byte."""
        with self._store.transaction() as connection:
            stamp = times.now() if updated is None else updated
            try:
                order = msgspec.json.decode(body)
            except (msgspec.DecodeError, RecursionError):
                order = {}
            facts = _facts(order if isinstance(order, dict) else {})
            entry = Entry(
                seller=seller,
                order_id=order_id,
                created=_moment(facts.created, stamp),
                updated=stamp,
                visible=times.now() + late,
                as_it_is=True,
                body=body,
                marketplace=facts.marketplace,
                status=facts.status,
                fulfilled_by=facts.fulfilled_by,
            )
            _write(connection, [entry])

    def find(self, seller: str, order_id: str) -> Entry | None:
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT * FROM orders WHERE seller = ? AND order_id = ?", (seller, order_id)
            ).fetchone()
            return _from_row(row) if row else None

    def find_anywhere(self, order_id: str) -> Entry | None:
        """The order of whichever seller, for the people who run the sandbox."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT * FROM orders WHERE order_id = ? ORDER BY seq DESC", (order_id,)
            ).fetchone()
            return _from_row(row) if row else None

    def change(self, entry: Entry, order: Json) -> None:
        """Put a changed order in the place of the one that was read in the same transaction."""
        with self._store.transaction() as connection:
            stamp = max(times.now(), entry.updated + 1)
            order["lastUpdatedTime"] = times.text(stamp)
            changed = _entry(entry.seller, order, stamp, entry.visible)
            connection.execute(
                "UPDATE orders SET status = ?, updated = ?, as_it_is = ?, body = ? WHERE seq = ?",
                (changed.status, stamp, entry.as_it_is, changed.body, entry.seq),
            )

    def search(self, query: Query, count: int) -> list[Entry]:
        """Up to `count` orders in the order of their stamps."""
        family = query.family
        conditions = ["seller = ?", f"{family} >= ?", f"{family} <= ?", "visible <= ?"]
        values: list[Any] = [query.seller, query.low, query.high, times.now()]
        if query.behind is not None:
            conditions.append(f"({family}, seq) > (?, ?)")
            values += query.behind
        for column, wanted in (
            ("marketplace", query.marketplaces),
            ("status", query.statuses),
            ("fulfilled_by", query.fulfilled_by),
        ):
            if wanted:
                conditions.append(f"{column} IN ({', '.join('?' * len(wanted))})")
                values += wanted
        # Only names of columns and question marks are put together here.
        statement = f"SELECT * FROM orders WHERE {' AND '.join(conditions)} ORDER BY {family}, seq LIMIT ?"  # noqa: S608
        with self._store.transaction() as connection:
            return [_from_row(row) for row in connection.execute(statement, (*values, count))]

    def newest(self, count: int) -> list[Entry]:
        with self._store.transaction() as connection:
            rows = connection.execute("SELECT * FROM orders ORDER BY seq DESC LIMIT ?", (count,))
            return [_from_row(row) for row in rows]

    def pending(self, before: int) -> Iterator[Entry]:
        """Orders that have been pending since before a moment."""
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM orders WHERE status = 'PENDING' AND updated < ? LIMIT 5", (before,)
            ).fetchall()
        return map(_from_row, rows)

    def count(self) -> int:
        with self._store.transaction() as connection:
            return int(connection.execute("SELECT count(*) FROM orders").fetchone()[0])

    def clear(self) -> None:
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM orders")


def _write(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    connection.executemany(
        "INSERT INTO orders"
        " (seller, order_id, marketplace, status, fulfilled_by, created, updated, visible, as_it_is, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (seller, order_id) DO UPDATE SET marketplace = excluded.marketplace, status = excluded.status,"
        " fulfilled_by = excluded.fulfilled_by, updated = excluded.updated, visible = excluded.visible,"
        " as_it_is = excluded.as_it_is, body = excluded.body",
        [
            (
                entry.seller,
                entry.order_id,
                entry.marketplace,
                entry.status,
                entry.fulfilled_by,
                entry.created,
                entry.updated,
                entry.visible,
                entry.as_it_is,
                entry.body,
            )
            for entry in entries
        ],
    )


def _entry(seller: str, order: Json, updated: int, visible: int) -> Entry:
    facts = _facts(order)
    return Entry(
        seller=seller,
        order_id=order["orderId"],
        marketplace=facts.marketplace,
        status=facts.status,
        fulfilled_by=facts.fulfilled_by,
        created=_moment(facts.created, updated),
        updated=updated,
        visible=visible,
        as_it_is=False,
        body=msgspec.json.encode(order),
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    marketplace: str
    status: str
    fulfilled_by: str
    created: str


def _facts(order: Json) -> _Facts:
    """What orders are filtered by, as far as it can be read."""
    channel, fulfillment = order.get("salesChannel"), order.get("fulfillment")
    channel = channel if isinstance(channel, dict) else {}
    fulfillment = fulfillment if isinstance(fulfillment, dict) else {}
    return _Facts(
        marketplace=str(channel.get("marketplaceId", "")),
        status=str(fulfillment.get("fulfillmentStatus", "")),
        fulfilled_by=str(fulfillment.get("fulfilledBy", "")),
        created=str(order.get("createdTime", "")),
    )


def _moment(value: str, otherwise: int) -> int:
    try:
        return times.parse(value)
    except ValueError:
        return otherwise


def _from_row(row: sqlite3.Row) -> Entry:
    fields = dict(row)
    fields["as_it_is"] = bool(fields["as_it_is"])
    return Entry(**fields)
